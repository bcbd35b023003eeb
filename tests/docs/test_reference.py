"""The page of commands says what the commands say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from lemonade_es.commands.options import out_option

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_each_variable_that_stands_for_an_option_is_told():
    variables = {option.envvar for option in out_option(click.Command("any")).params}
    page = (DOCS / "cli.md").read_text()
    assert variables == {"LEMONADE_OUT", "LEMONADE_STORE"}
    assert all(f"`{variable}`" in page for variable in variables)


def test_the_page_of_commands_is_current():
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert (DOCS / "cli.md").read_text() == reference.page(), "run `python docs/reference.py`"
