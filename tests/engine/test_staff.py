"""Who is hired to carry instructions out, and with which of the options."""

from __future__ import annotations

import pytest

from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.spec import RunSpec
from lemonade_es.engine.staff import hired
from lemonade_es.errors import ConfigError
from lemonade_es.llm import registry

OPENAI, LOCAL = "openai:gpt-4o", "local:model.gguf"
BOUNDS = ("timeout", "max_tokens", "context")


@pytest.fixture
def told(monkeypatch):
    """What each executor is told of the options, by its name; all others are refused as ever."""
    heard, real = {}, registry.executor

    def executor(spec, **options):
        given = {name: options[name] for name in BOUNDS if options.get(name) is not None}
        heard[spec] = given
        return real("builtin", **(given if spec == "builtin" else {}))

    monkeypatch.setattr(registry, "executor", executor)
    return heard


def hire(tmp_path, asked=None, **options):
    spec = RunSpec(**options)
    folder = RunFolder(tmp_path, None)
    return hired(spec, folder) if asked is None else hired(spec, folder, asked)


@pytest.mark.parametrize(
    ("names", "options", "expected"),
    [
        ((OPENAI, LOCAL), {"context": 4096}, {LOCAL: {"context": 4096}}),
        ((LOCAL, OPENAI), {"timeout": 60.0}, {OPENAI: {"timeout": 60.0}}),
        (("builtin", OPENAI), {"timeout": 60.0}, {OPENAI: {"timeout": 60.0}}),
        ((LOCAL, "builtin"), {"context": 4096, "max_tokens": 9}, {LOCAL: {"context": 4096, "max_tokens": 9}}),
    ],
)
def test_an_option_goes_to_whom_it_is_of_use(tmp_path, told, names, options, expected):
    llm, fallback = names
    hire(tmp_path, llm=llm, fallback=fallback, **{f"llm_{name}": value for name, value in options.items()})
    assert told == {name: expected.get(name, {}) for name in names}


@pytest.mark.parametrize("fallback", [None, "builtin", "replay:r"])
def test_an_option_that_is_of_no_use_to_either_is_refused(tmp_path, fallback):
    with pytest.raises(ConfigError, match="builtin takes no timeout"):
        hire(tmp_path, llm="builtin", fallback=fallback, llm_timeout=60.0)


@pytest.mark.parametrize(
    ("fallback", "message"), [("foo", "no executor is called 'foo'"), ("openai", "openai needs a model")]
)
def test_a_fallback_that_is_none_is_said_to_be_the_fallback(tmp_path, fallback, message):
    with pytest.raises(ConfigError, match=message) as failure:
        hire(tmp_path, fallback=fallback)
    assert failure.value.where == "fallback"


def test_what_a_run_of_old_was_told_in_vain_is_not_refused_when_it_goes_on(tmp_path, told):
    old = {"llm": "builtin", "llm_timeout": 60.0, "llm_context": 4096}
    hire(tmp_path, ["iterations"], **old)
    assert told == {"builtin": {}}
    hire(tmp_path, ["fallback"], **old, fallback=OPENAI)
    assert told[OPENAI] == {"timeout": 60.0}
    with pytest.raises(ConfigError, match="builtin takes no context"):
        hire(tmp_path, ["llm_context"], **old)


def test_whoever_replays_a_run_stands_in_for_itself_for_each_reply_is_given_once(tmp_path, told):
    staff = hire(tmp_path, llm="replay:r", fallback="replay:r")
    assert staff.fallback is staff.executor
    others = hire(tmp_path, llm="replay:r", fallback="replay:s")
    assert others.fallback is not others.executor
