from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lemonade_es.errors import ConfigError, ExecutorError
from lemonade_es.llm import registry
from lemonade_es.llm.executor import Served, Usage
from lemonade_es.llm.testing import AnthropicWire, GeminiWire, ModelServer, Say, Wire
from tests.llm.conftest import REQUEST


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with a working plug-in and a broken one, as pip would install it."""
    (tmp_path / "plugged.py").write_text(
        "from lemonade_es.llm.scripted import ScriptedExecutor\n"
        "def make(model, **options):\n"
        "    return ScriptedExecutor([f'{model} {options[\"timeout\"]}'], name='echo:' + model)\n"
        "def old(model):\n"
        "    return make(model, timeout=1)\n"
    )
    info = tmp_path / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[lemonade_es.executors]\necho = plugged:make\nbroken = nowhere_at_all:make\nold = plugged:old\n"
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


@pytest.mark.parametrize(
    ("spec", "variable", "home"),
    [
        ("openai:gpt-4o", "OPENAI_BASE_URL", "https://api.openai.com/v1/"),
        ("anthropic:claude-sonnet-5-5", "ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
        ("gemini:gemini-3.6-flash", "GOOGLE_GEMINI_BASE_URL", "https://generativelanguage.googleapis.com"),
    ],
)
def test_a_server_that_is_not_the_makers_is_told_without_credentials(
    spec: str, variable: str, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI", "ANTHROPIC", "GEMINI"):
        monkeypatch.setenv(f"{name}_API_KEY", "canary-0123456789abcdef")
    there = "http://me:password@gateway.example/v1?key=token"
    for url, server, told in (
        (there, "http://gateway.example/v1", "http://***@gateway.example/v1?key=***"),
        (home, None, None),
        ("", None, None),
    ):
        monkeypatch.setenv(variable, url)
        executor = registry.executor(spec)
        assert isinstance(executor, Served)
        assert executor.server == server
        assert executor.priced == (server is None)
        assert registry.servers_in({variable: url}).get(variable) == told


def test_the_makers_server_wants_a_key_though_its_url_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ExecutorError, match="OPENAI_API_KEY is not set"):
        registry.executor("openai:gpt-4o", base_url="https://api.openai.com/v1/")


def test_an_unknown_executor_is_refused_with_what_was_meant_and_what_is_known() -> None:
    with pytest.raises(ConfigError, match="'opnai'") as error:
        registry.executor("opnai:gpt-4o")

    assert "did you mean openai?" in (error.value.hint or "")
    assert "builtin" in (error.value.hint or "")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("gpt-4o", "did you mean openai:gpt-4o?"),
        ("o3-mini", "did you mean openai:o3-mini?"),
        ("claude-sonnet-5-5", "did you mean anthropic:claude-sonnet-5-5?"),
        ("gemini-3.6-flash", "did you mean gemini:gemini-3.6-flash?"),
        ("models/Qwen3.GGUF", "did you mean local:models/Qwen3.GGUF?"),
        ("ollama:qwen3", "for Ollama, vLLM and all that speak OpenAI's protocol, openai:MODEL with --llm-base-url"),
    ],
)
def test_a_model_without_its_provider_is_told_how_it_is_named(given: str, meant: str) -> None:
    with pytest.raises(ConfigError, match="no executor is called") as error:
        registry.executor(given)

    assert meant in (error.value.hint or "")


@pytest.mark.parametrize(
    ("spec", "wire", "key"),
    [
        ("anthropic:claude-sonnet-5-5", AnthropicWire(), "ANTHROPIC_API_KEY"),
        ("gemini:gemini-3.6-flash", GeminiWire(), "GEMINI_API_KEY"),
    ],
)
def test_a_model_has_its_makers_price_at_its_makers_alone(
    spec: str, wire: Wire, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip({"anthropic": "anthropic", "gemini": "google.genai"}[spec.partition(":")[0]])
    monkeypatch.setenv(key, "canary-0123456789abcdef")
    for variable in ("ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    with ModelServer([Say("hello")], wire) as server:
        elsewhere = registry.executor(spec, base_url=server.url, timeout=5.0)
        reply = elsewhere.ask(REQUEST)

    assert (reply.text, reply.executor) == ("hello", spec)
    assert reply.usage == Usage(1000, 0, 200, 0, cost_usd=None)
    assert (elsewhere.foreign, elsewhere.priced) == (True, False)
    assert registry.executor(spec).priced


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("openai", "openai needs a model"),
        ("anthropic", "anthropic needs a model"),
        ("gemini:", "gemini needs a model"),
        ("local", "local needs a file"),
    ],
)
def test_an_executor_without_what_it_asks_is_refused_with_an_example(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        registry.executor(name)

    assert f"write for example {name.rstrip(':')}:" in (error.value.hint or "")


def test_a_model_in_a_file_has_no_server() -> None:
    with pytest.raises(ConfigError, match="local takes no base URL"):
        registry.executor("local:model.gguf", base_url="http://127.0.0.1:1/v1")


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("spec", "option", "value", "words"),
    [
        ("builtin", "timeout", 60.0, "builtin takes no timeout"),
        ("builtin", "max_tokens", 100, "builtin takes no bound on tokens"),
        ("builtin", "context", 4096, "builtin takes no context"),
        ("replay:r1", "timeout", 180.0, "replay takes no timeout"),  # as long as it would be anyway
        ("replay:r1", "max_tokens", 100, "replay takes no bound on tokens"),
        ("replay:r1", "context", 4096, "replay takes no context"),
        ("local:model.gguf", "timeout", 60.0, "local takes no timeout"),
        ("openai:gpt-4o", "context", 4096, "openai takes no context"),
        ("anthropic:claude-sonnet-5-5", "context", 4096, "anthropic takes no context"),
        ("gemini:gemini-3.6-flash", "context", 4096, "gemini takes no context"),
        ("echo:big", "context", 4096, "echo takes no context"),
    ],
)
def test_an_option_that_an_executor_cannot_use_is_refused(spec: str, option: str, value: float, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        registry.executor(spec, **{option: value})  # type: ignore[arg-type]
    assert error.value.hint == f"leave --llm-{option.replace('_', '-')} out"


def test_every_executor_is_listed_with_its_help() -> None:
    known = {each.spec: each.help for each in registry.known_executors()}

    assert list(known)[:6] == [
        "builtin",
        "openai:MODEL",
        "anthropic:MODEL",
        "gemini:MODEL",
        "local:FILE.gguf",
        "replay:RUN",
    ]
    assert "ANTHROPIC_API_KEY" in known["anthropic:MODEL"]
    assert "GEMINI_API_KEY" in known["gemini:MODEL"]


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
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("broken", "nowhere_at_all:make cannot be used: ModuleNotFoundError"),
        ("old", "plugged:old cannot be used: TypeError"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_an_error_that_names_it(name: str, says: str) -> None:
    with pytest.raises(ExecutorError, match=says):
        registry.executor(name)


def test_importing_the_llm_side_imports_neither_torch_nor_an_sdk() -> None:
    code = (
        "import sys, lemonade_es.llm.registry, lemonade_es.llm.chat, lemonade_es.llm.scripted, "
        "lemonade_es.llm.testing, lemonade_es.llm.providers.openai, lemonade_es.llm.providers.anthropic, "
        "lemonade_es.llm.providers.gemini, lemonade_es.llm.providers.gemini_current, "
        "lemonade_es.llm.providers.gemini_legacy, lemonade_es.llm.providers.local, lemonade_es.llm.providers.replay\n"
        "sdks = {'openai', 'anthropic', 'google.genai', 'google.generativeai', 'llama_cpp', 'httpx', 'httpx2'}\n"
        "print(sorted({'torch', 'numpy', *sdks} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
