"""A run's specification: every option, resolved once, stored with the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import ConfigDict

from lemonade_es import defaults
from lemonade_es.engine.bounds import budget, thresholds
from lemonade_es.llm.address import shown
from lemonade_es.task import Objective
from lemonade_es.trainer.device.command import SECONDS
from lemonade_es.trainer.energy import GRID_GCO2E_PER_KWH
from lemonade_es.trainer.isolation.level import Wish
from lemonade_es.trainer.measurement import Budget
from lemonade_es.vocabulary import METRICS
from lemonade_es.vocabulary import settings as resolve_settings

LOWER_IS_BETTER = frozenset(name for name, term in METRICS.items() if term.better == "lower")


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a run's data are now, for what goes on with them.

    Attributes:
        data: the folder or file; ``None``: where it lay.
        data_root: where downloaded data sets lie; ``None``: where they lay.
        download: whether a data set that is not there may be fetched.
    """

    data: str | None = None
    data_root: str | None = None
    download: bool = False


NOT_MOVED = Whereabouts()


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The options of ``lemonade-es run``; a configuration file has the same names.

    Attributes:
        data: data set name, a folder of images, or a CSV file.
        text_column: of a CSV file of texts, the column of the texts.
        label_column: of a CSV file of texts, the column of their labels.
        target_column: of a CSV file, the column to predict from the others, as a table.
        task: what a table's target is; ``None`` decides by its values.
        text_length: tokens that each text is cut or padded to.
        data_root: where downloaded data sets lie.
        download: whether a data set that is not there may be fetched.
        rulebook: shipped name or file.
        watch_rulebook: whether a changed rulebook file is taken over at the next iteration.
        llm: who carries the instructions out: ``builtin``, ``openai:MODEL``, ...
        llm_base_url: of an OpenAI-compatible server; credentials in it are used and not kept.
        llm_max_tokens: of an LLM's answer.
        llm_timeout: seconds that a server may be silent in a call; ``None`` for three minutes.
        llm_context: tokens of prompt and answer together, for a model that runs here.
        fallback: who answers once where ``llm`` cannot be asked, or all its replies to a request were refused.
        preset: weights of CM and the priorities that go with them (Table 7's settings).
        set: thresholds, priorities and weights over the preset's.
        iterations: TC, the terminating condition of Algorithm 1; the paper's is 30.
        target: metrics that end the search when all are reached.
        require: metrics that a network must keep to lead before one that keeps them less well, whatever its CM.
        max_seconds: wall-clock budget of the search.
        max_energy: energy budget of the search in kWh-PUE, training and evaluation together.
        max_llm_cost: budget for LLM calls in US dollars.
        max_llm_calls: how many calls may be made.
        prices: US dollars for a million tokens, by model, instead of the shipped price table.
        start_from: which network an iteration edits: the last one (the paper) or the best so far.
        repairs: how often a refused reply goes back to the executor before a fresh sample is asked for.
        epochs: of each candidate's training, over the recipe's.
        recipe: fields of the training recipe to change.
        limit: at most so many inputs, a stratified subset.
        resize: side of the square that images are scaled to.
        max_parameters: no candidate may have more.
        max_macs: no candidate may need more multiply-accumulates for one input.
        zero_cost: whether candidates are scored before they are trained.
        prune: whether a training that is hopeless is stopped.
        repeats: trainings of a candidate that may lead, each with another seed.
        candidate_seconds: a candidate that trains longer is a recorded failure.
        seed: of everything.
        device: ``auto``, ``cpu`` or ``cuda``.
        isolation: the level that generated code runs at; ``auto`` takes the best that the machine proves.
        container_image: for the level ``container``, instead of its default image.
        measure_with: a command that measures each candidate on a device of the user's.
        measure_seconds: how long that command may take for a candidate.
        grid_gco2e_per_kwh: grams of CO2e that a kWh of the grid is taken for; nothing is decided by it.
    """

    data: str = "digits"
    text_column: str | None = None
    label_column: str | None = None
    target_column: str | None = None
    task: Objective | None = None
    text_length: int | None = None
    data_root: str = str(defaults.DATA_ROOT)
    download: bool = False
    rulebook: str = "lemonade"
    watch_rulebook: bool = False
    llm: str = "builtin"
    llm_base_url: str | None = None
    llm_max_tokens: int | None = None
    llm_timeout: float | None = None
    llm_context: int | None = None
    fallback: str | None = None
    preset: str = "accuracy"
    set: Mapping[str, float] = field(default_factory=dict)
    iterations: int = 30
    target: Mapping[str, float] = field(default_factory=dict)
    require: Mapping[str, float] = field(default_factory=dict)
    max_seconds: float | None = None
    max_energy: float | None = None
    max_llm_cost: float | None = None
    max_llm_calls: int | None = None
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    start_from: Literal["current", "best"] = "best"
    repairs: int = 2
    epochs: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    resize: int | None = None
    max_parameters: int | None = None
    max_macs: int | None = None
    zero_cost: bool = False
    prune: bool = False
    repeats: int = 1
    candidate_seconds: float = 3600.0
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    isolation: Wish = "auto"
    container_image: str | None = None
    measure_with: str | None = None
    measure_seconds: float = SECONDS
    grid_gco2e_per_kwh: float = GRID_GCO2E_PER_KWH

    __pydantic_config__ = ConfigDict(extra="forbid")

    def settings(self, defaults: Mapping[str, float]) -> dict[str, float | None]:
        """Thresholds, priorities and weights: what is set goes before what is required, and that before the preset.

        Args:
            defaults: of the rulebook.

        Raises:
            ConfigError: the preset or a name is unknown, or a value lies outside its term's range.
        """
        return resolve_settings(self.preset, {**thresholds(self.require), **self.set}, defaults)

    @property
    def budget(self) -> Budget:
        """What no candidate may exceed."""
        return budget(self.require, self.max_parameters, self.max_macs)

    @property
    def likely_budget(self) -> Budget:
        """What executors are told: who keeps it most likely keeps what is required as well."""
        return budget(self.require, self.max_parameters, self.max_macs, likely=True)

    def relocated(self, now: Whereabouts) -> RunSpec:
        """The same options for data that lie elsewhere now."""
        return replace(
            self,
            data=self.data if now.data is None else now.data,
            data_root=self.data_root if now.data_root is None else now.data_root,
            download=self.download or now.download,
        )

    def public(self) -> RunSpec:
        """The options as they may be kept and shown: without credentials."""
        return self if self.llm_base_url is None else replace(self, llm_base_url=shown(self.llm_base_url))
