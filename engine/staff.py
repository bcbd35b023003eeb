"""The staff of a run: who carries its instructions out, and who stands in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.options import OPTIONS
from lemonade_es.engine.record import recorded_replies
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import ConfigError
from lemonade_es.llm import registry
from lemonade_es.llm.executor import Executor, Reply, at_server

_BOUNDS = ("timeout", "max_tokens", "context")
"""Options for whom it may concern; the server is that of ``llm``."""


@dataclass(frozen=True, slots=True)
class Staff:
    """Who carries instructions out, and who stands in."""

    executor: Executor
    fallback: Executor | None

    @property
    def foreign(self) -> bool:
        """Whether one of them returns source that must only run isolated."""
        return self.executor.foreign or (self.fallback is not None and self.fallback.foreign)

    @property
    def told(self) -> str:
        """Who is asked; and where, as well as who stands in, if that is not the provider's own server."""
        told = at_server(self.executor)
        if self.fallback is None or at_server(self.fallback) == self.fallback.name:
            return told
        return f"{told}, fallback {at_server(self.fallback)}"


def hired(spec: RunSpec, folder: RunFolder, asked: Collection[str] = OPTIONS) -> Staff:
    """The executors that a run's options name.

    Args:
        spec: the options.
        folder: where runs to replay lie.
        asked: the options that are asked for now; what a run of old holds besides may be of no use to anybody.

    Raises:
        ConfigError: one of them is unknown, or has no known price where the run has a budget for it; or neither takes
            an option that is asked for.
        ExecutorError: one of them cannot be asked, for want of a key or a package for instance.
    """

    def recorded(run: str) -> tuple[Reply, ...]:
        return recorded_replies(folder.entries(run))

    given = {name: value for name in _BOUNDS if (value := getattr(spec, f"llm_{name}")) is not None}
    own = registry.taken_by(spec.llm)
    with _as_fallback():
        others = registry.taken_by(spec.fallback) if spec.fallback is not None else frozenset[str]()
    # what neither takes is given to the first, to be refused
    told = {name: given[name] for name in given if name in own or (name not in others and f"llm_{name}" in asked)}
    executor = _executor(spec, spec.llm, spec.llm_base_url, recorded, told)
    if spec.fallback is None:
        return Staff(executor, None)
    provider, other = spec.llm.partition(":")[0], spec.fallback.partition(":")[0]
    if spec.fallback == spec.llm and provider == "replay":  # each reply is given once, whoever gave it
        return Staff(executor, executor)
    # the server is that of one provider; another one is asked where it always is
    base_url = spec.llm_base_url if provider == other else None
    told = {name: given[name] for name in given if name in others}
    with _as_fallback():
        return Staff(executor, _executor(spec, spec.fallback, base_url, recorded, told))


@contextmanager
def _as_fallback() -> Iterator[None]:
    """What is wrong with the name of an executor is wrong with the option ``fallback``."""
    try:
        yield
    except ConfigError as error:
        error.where = "fallback" if error.where == "llm" else error.where
        raise


def _executor(
    spec: RunSpec, name: str, base_url: str | None, recorded: registry.Recorded, told: Mapping[str, Any]
) -> Executor:
    executor = registry.executor(
        name,
        base_url=base_url,
        prices=spec.prices or None,
        recorded=recorded,
        **told,
    )
    if spec.max_llm_cost is not None and not executor.priced:
        raise ConfigError(
            f"the price of {name} is not known, so a budget cannot be kept",
            where="--max-llm-cost",
            hint=f"give it in a configuration file: prices: {{'{name}': {{input: 2.5, output: 10}}}}; a run that is "
            "resumed takes none: leave the budget or the fallback out, or begin another run",
        )
    return executor


def named(spec: RunSpec, folder: RunFolder) -> RunSpec:
    """The options with the whole ids of runs to replay: a resume must find the same ones.

    Raises:
        LemonadeError: there is no such run.
    """

    def whole(name: str) -> str:
        provider, _, run = name.partition(":")
        if provider != "replay" or not run:
            return name
        with closing(folder.journal(create=False)) as journal:
            return f"replay:{journal.find(run)}"

    return replace(spec, llm=whole(spec.llm), fallback=None if spec.fallback is None else whole(spec.fallback))
