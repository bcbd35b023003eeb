"""What doctor says of the servers that the environment names."""

from __future__ import annotations

import pytest

from lemonade_es.report.doctor import diagnosis_table

FOUND = {
    "packages": {},
    "python": "",
    "platform": "",
    "cuda_devices": [],
    "cuda_problem": None,
    "cpu_cores": 1,
    "isolation": {"level": "none", "levels": [], "weaker": []},
    "energy": "",
    "sdks": {},
    "keys_set": [],
    "executors": [],
    "rulebooks": [],
    "store": {"where": "runs", "runs": 0, "problem": None},
}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://***@gateway:8/v1?key=***", "prompts and key go there"),
        ("localhost:11434", "no base URL, and refused"),
    ],
)
def test_prompts_and_key_go_to_no_server_whose_url_is_refused(url, told):
    table = diagnosis_table({**FOUND, "servers": {"OPENAI_BASE_URL": url}})
    assert f"{url}, by OPENAI_BASE_URL: {told}" in list(table.columns[1].cells)
