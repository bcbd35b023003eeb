"""Executors by the name that ``--llm`` gives: ``builtin``, ``openai:MODEL``, ..., and installed plug-ins."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lemonade_es.errors import ConfigError, ExecutorError, LemonadeError
from lemonade_es.llm.address import shown
from lemonade_es.llm.backoff import Backoff
from lemonade_es.llm.executor import Executor, Reply
from lemonade_es.llm.prices import Price, price_mapping
from lemonade_es.vocabulary import closest

if TYPE_CHECKING:
    from lemonade_es.llm.providers.anthropic import AnthropicClient
    from lemonade_es.llm.providers.gemini import GeminiClient
    from lemonade_es.llm.providers.openai import OpenAIClient

GROUP = "lemonade_es.executors"
"""Entry-point group of plug-ins: ``name = "package:factory"``, ``factory(model, **options) -> Executor``."""

DEFAULT_TIMEOUT = 180.0

_SERVED = frozenset({"base_url", "timeout", "max_tokens"})
_FAMILIES = {"claude": "anthropic", "gemini": "gemini"}
"""Providers by how the names of their models begin; all other known ones are OpenAI's."""

_TOLD = {"base_url": "base URL", "timeout": "timeout", "max_tokens": "bound on tokens", "context": "context"}

SDKS: Mapping[str, str] = MappingProxyType(
    {
        "openai": "openai",
        "anthropic": "anthropic",
        "google-genai": "google.genai",
        "google-generativeai": "google.generativeai",
        "llama-cpp-python": "llama_cpp",
    }
)
"""Packages that executors need, if they are named, and the module of each."""

Recorded = Callable[[str], Sequence[Reply]]
"""The replies of a recorded run, oldest first, by its name."""


@dataclass(frozen=True, slots=True)
class Known:
    """An executor that can be named: how to write it, and what it is."""

    spec: str
    help: str


@dataclass(frozen=True, slots=True)
class Options:
    """What a factory is given beside the model.

    Attributes:
        base_url: the server to ask instead of the provider's own.
        prices: the user's prices, by spec; ``None`` for the shipped table.
        timeout: seconds to wait for the server at each step of a call.
        max_tokens: of an answer.
        context: tokens of prompt and answer together, for a model that runs here.
        recorded: where the replies of a recorded run are; ``None`` if there is no store of runs.
    """

    base_url: str | None
    prices: Mapping[str, Price] | None
    timeout: float
    max_tokens: int | None = None
    context: int | None = None
    recorded: Recorded | None = None

    def prices_at(self, elsewhere: bool) -> Mapping[str, Price] | None:
        """The prices that hold: what another server asks for a model is not what its maker asks for it."""
        return {} if self.prices is None and elsewhere else self.prices


@dataclass(frozen=True, slots=True)
class _BuiltIn:
    known: Known
    factory: Callable[[str, Options], Executor]
    takes: frozenset[str] = frozenset()


def executor(
    spec: str,
    *,
    base_url: str | None = None,
    prices: Mapping[str, Any] | None = None,
    timeout: float | None = None,
    max_tokens: int | None = None,
    context: int | None = None,
    recorded: Recorded | None = None,
) -> Executor:
    """The executor that ``spec`` names.

    Args:
        spec: ``NAME`` or ``NAME:MODEL``.
        base_url: a server that speaks as the provider's does, for executors that ask one; for ``openai`` Ollama,
            vLLM or llama.cpp, say.
        prices: see :func:`lemonade_es.llm.prices.price_mapping`.
        timeout: seconds to wait for the server at each step of a call; :data:`DEFAULT_TIMEOUT` if ``None``.
        max_tokens: of an answer; the provider's bound if ``None``.
        context: tokens of prompt and answer together, for a model that runs here; the model's own if ``None``.
        recorded: gives the replies of a recorded run, for ``replay:RUN``.

    Raises:
        ConfigError: no executor has that name, a model is missing or one too many, a price is no price, or an option
            is none that it takes (see :func:`taken_by`).
        ExecutorError: the executor cannot be set up: a package or a key is missing, a plug-in is broken.
    """
    name, _, model = spec.partition(":")
    checked = None if prices is None else price_mapping(prices, where="prices")
    given = {"base_url": base_url, "timeout": timeout, "max_tokens": max_tokens, "context": context}
    options = Options(base_url, checked, DEFAULT_TIMEOUT if timeout is None else timeout, max_tokens, context, recorded)
    if name in _BUILT_INS:
        _refuse_unused(name, given)
        return _BUILT_INS[name].factory(model, options)
    plugins = {point.name: point for point in entry_points(group=GROUP)}
    if name in plugins:
        _refuse_unused(name, given)
        return _from_plugin(plugins[name], model, options)
    meant = _with_its_provider(spec) or closest(name, (*_BUILT_INS, *plugins))
    listed = ", ".join(known.spec for known in known_executors())
    served = "for Ollama, vLLM and all that speak OpenAI's protocol, openai:MODEL with --llm-base-url"
    hint = f"did you mean {meant}? known: {listed}" if meant else f"known: {listed}; {served}"
    raise ConfigError(f"no executor is called {name!r}", where="llm", hint=hint)


def _with_its_provider(model: str) -> str | None:
    """What to write for the bare name of a model, or for its file; ``None`` if it says nothing of its provider."""
    if model.lower().endswith(".gguf"):
        return f"local:{model}"
    family = re.match(r"(gpt|o\d|claude|gemini)-", model.lower())
    return f"{_FAMILIES.get(family[1], 'openai')}:{model}" if family is not None else None


def taken_by(spec: str) -> frozenset[str]:
    """Which of ``base_url``, ``timeout``, ``max_tokens`` and ``context`` an executor takes.

    Plug-ins take what executors take that ask a server.
    """
    name = spec.partition(":")[0]
    return _BUILT_INS[name].takes if name in _BUILT_INS else _SERVED


def known_executors() -> tuple[Known, ...]:
    """Every executor that can be named; plug-ins are listed without being loaded."""
    plugins = (Known(f"{point.name}[:MODEL]", f"plug-in {point.value}") for point in entry_points(group=GROUP))
    return (*(built_in.known for built_in in _BUILT_INS.values()), *plugins)


def key_variables() -> tuple[str, ...]:
    """The environment variables that keys of the providers are looked for in."""
    from lemonade_es.llm.providers import anthropic, gemini, openai  # noqa: PLC0415 - built only when it is asked

    return openai.KEY_VARIABLE, anthropic.KEY_VARIABLE, *gemini.KEY_VARIABLES


def servers_in(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The variables of an environment that send calls to another server than the provider's own, and which one.

    The URLs are without credentials.
    """
    from lemonade_es.llm.providers import anthropic, gemini, openai  # noqa: PLC0415 - built only when it is asked

    homes = {
        openai.URL_VARIABLE: openai.HOME,
        anthropic.URL_VARIABLE: anthropic.HOME,
        **dict.fromkeys(gemini.URL_VARIABLES, gemini.HOME),
    }
    found = {name: shown(environment.get(name, "").strip()).rstrip("/") for name in homes}
    return {name: url for name, url in found.items() if url and url != homes[name]}


def _from_plugin(point: EntryPoint, model: str, options: Options) -> Executor:
    bound = {} if options.max_tokens is None else {"max_tokens": options.max_tokens}
    try:
        factory = point.load()
        made: Executor = factory(
            model, base_url=options.base_url, prices=options.prices, timeout=options.timeout, **bound
        )
    except LemonadeError:
        raise
    except Exception as error:  # a plug-in may fail to be imported or made in any way
        raise ExecutorError(
            f"the plug-in {point.value} cannot be used: {type(error).__name__}: {error}",
            where=f"llm {point.name}",
            hint="repair or uninstall the package that it belongs to",
        ) from error
    return made


def _builtin(model: str, _: Options) -> Executor:
    if model:
        raise ConfigError("builtin takes no model", where="llm", hint="write just builtin")
    from lemonade_es.llm.builtin import BuiltinExecutor  # noqa: PLC0415 - built only when it is named

    return BuiltinExecutor()


def _openai(model: str, options: Options) -> Executor:
    from lemonade_es.llm.providers.openai import OpenAIClient  # noqa: PLC0415 - built only when it is named

    return _served(OpenAIClient, "openai", model, "gpt-4o", options)


def _anthropic(model: str, options: Options) -> Executor:
    from lemonade_es.llm.providers.anthropic import AnthropicClient  # noqa: PLC0415 - built only when it is named

    return _served(AnthropicClient, "anthropic", model, "claude-sonnet-5-5", options)


def _gemini(model: str, options: Options) -> Executor:
    from lemonade_es.llm.providers.gemini import GeminiClient  # noqa: PLC0415 - built only when it is named

    return _served(GeminiClient, "gemini", model, "gemini-3.6-flash", options)


def _served(
    client_class: Callable[..., OpenAIClient | AnthropicClient | GeminiClient],
    name: str,
    model: str,
    example: str,
    options: Options,
) -> Executor:
    """An executor that asks a server."""
    from lemonade_es.llm.chat import ModelExecutor  # noqa: PLC0415 - built only when it is named

    _need(model, name, "a model", f"{name}:{example}")
    client = client_class(model, base_url=options.base_url, timeout=options.timeout, max_tokens=options.max_tokens)
    backoff = Backoff(budget=max(Backoff().budget, 2 * options.timeout))  # a silence leaves time for another call
    return ModelExecutor(client, options.prices_at(client.elsewhere), backoff=backoff, server=client.server)


def _local(file: str, options: Options) -> Executor:
    from lemonade_es.llm.chat import ModelExecutor  # noqa: PLC0415 - built only when it is named
    from lemonade_es.llm.providers.local import LocalClient  # noqa: PLC0415

    _need(file, "local", "a file", "local:FILE.gguf")
    client = LocalClient(file, max_tokens=options.max_tokens, context=options.context)
    return ModelExecutor(client, {client.name: Price(0.0, 0.0), **(options.prices or {})})


def _replay(run: str, options: Options) -> Executor:
    from lemonade_es.llm.providers.replay import ReplayExecutor  # noqa: PLC0415 - built only when it is named

    _need(run, "replay", "a run", "replay:RUN")
    if options.recorded is None:
        raise ConfigError("replay needs the folder that the run is in", where="llm", hint="use the run command")
    return ReplayExecutor(options.recorded(run), run)


def _need(given: str, name: str, what: str, example: str) -> None:
    if not given:
        raise ConfigError(f"{name} needs {what}", where="llm", hint=f"write for example {example}")


def _refuse_unused(name: str, given: Mapping[str, object]) -> None:
    takes = taken_by(name)
    for option, value in given.items():
        if value is not None and option not in takes:
            hint = f"leave --llm-{option.replace('_', '-')} out"
            raise ConfigError(f"{name} takes no {_TOLD[option]}", where="llm", hint=hint)


_BUILT_INS: Mapping[str, _BuiltIn] = {
    "builtin": _BuiltIn(Known("builtin", "edits networks by rule, without any model, key or network"), _builtin),
    "openai": _BuiltIn(
        Known(
            "openai:MODEL",
            "OpenAI (key in OPENAI_API_KEY), or with a base URL any OpenAI-compatible server",
        ),
        _openai,
        _SERVED,
    ),
    "anthropic": _BuiltIn(Known("anthropic:MODEL", "Anthropic (key in ANTHROPIC_API_KEY)"), _anthropic, _SERVED),
    "gemini": _BuiltIn(
        Known("gemini:MODEL", "Google Gemini (key in GEMINI_API_KEY or GOOGLE_API_KEY)"), _gemini, _SERVED
    ),
    "local": _BuiltIn(
        Known("local:FILE.gguf", "a model in a file, run here by llama.cpp, without key or network"),
        _local,
        frozenset({"max_tokens", "context"}),
    ),
    "replay": _BuiltIn(Known("replay:RUN", "the replies of a recorded run once more, without any model"), _replay),
}
