from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lemonade_es.errors import ConfigError, ExecutorError
from lemonade_es.llm import registry
from lemonade_es.llm.executor import Usage
from lemonade_es.llm.request import EditRequest
from lemonade_es.llm.testing import ModelServer, Say
from lemonade_es.task import Task

REQUEST = EditRequest(Task("image", "digits", (1, 8, 8), 10), 1)


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with a working plug-in and a broken one, as pip would install it."""
    (tmp_path / "plugged.py").write_text(
        "from lemonade_es.llm.scripted import ScriptedExecutor\n"
        "def make(model, **options):\n"
        "    return ScriptedExecutor([f'{model} {options[\"timeout\"]}'], name='echo:' + model)\n"
    )
    info = tmp_path / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[lemonade_es.executors]\necho = plugged:make\nbroken = nowhere_at_all:make\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_the_built_in_executor_is_named_builtin() -> None:
    assert registry.executor("builtin").name == "builtin"


def test_an_openai_model_is_asked_at_the_base_url_and_has_no_price_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ModelServer([Say("hello")]) as server:
        reply = registry.executor("openai:gpt-4o", base_url=server.url, timeout=5.0).ask(REQUEST)

    assert reply.text == "hello"
    assert reply.executor == "openai:gpt-4o"
    assert reply.usage == Usage(1000, 0, 200, 0, cost_usd=None)


def test_a_user_s_price_holds_for_a_server_of_ones_own() -> None:
    prices = {"openai:llama": {"input": 1.0, "output": 1.0}}
    with ModelServer([Say("hello")]) as server:
        executor = registry.executor("openai:llama", base_url=server.url, prices=prices, timeout=5.0)
        assert executor.ask(REQUEST).usage.cost_usd == pytest.approx(0.0012)


def test_an_unknown_executor_is_refused_with_what_was_meant_and_what_is_known() -> None:
    with pytest.raises(ConfigError, match="'opnai'") as error:
        registry.executor("opnai:gpt-4o")

    assert "did you mean openai?" in (error.value.hint or "")
    assert "builtin" in (error.value.hint or "")


def test_an_openai_executor_without_a_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a model"):
        registry.executor("openai")


@pytest.mark.parametrize(("spec", "url"), [("builtin:gpt", None), ("builtin", "http://127.0.0.1:1/v1")])
def test_the_built_in_executor_takes_neither_model_nor_server(spec: str, url: str | None) -> None:
    with pytest.raises(ConfigError, match="builtin takes no"):
        registry.executor(spec, base_url=url)


def test_a_wrong_price_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ConfigError, match="is not a price"):
        registry.executor("builtin", prices={"openai:x": 3})


@pytest.mark.usefixtures("plugins")
def test_a_plugin_is_listed_without_being_loaded_and_loaded_when_named() -> None:
    specs = {known.spec: known.help for known in registry.known_executors()}
    assert specs["echo[:MODEL]"] == "plug-in plugged:make"
    assert "plugged" not in sys.modules

    executor = registry.executor("echo:big", timeout=7.0)

    assert executor.name == "echo:big"
    assert executor.ask(REQUEST).text == "big 7.0"


@pytest.mark.usefixtures("plugins")
def test_a_plugin_that_cannot_be_loaded_is_an_error_that_names_it() -> None:
    with pytest.raises(ExecutorError, match="nowhere_at_all:make cannot be loaded"):
        registry.executor("broken")


def test_importing_the_llm_side_imports_neither_torch_nor_an_sdk() -> None:
    code = (
        "import sys, lemonade_es.llm.registry, lemonade_es.llm.chat, lemonade_es.llm.scripted, "
        "lemonade_es.llm.providers.openai, lemonade_es.llm.testing\n"
        "print(sorted({'torch', 'openai', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
