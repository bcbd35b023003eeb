"""Optimisers of others over the space, each cold and warm-started with the network that our search begins with."""

from __future__ import annotations

import math
import random
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.quality.evaluator import Evaluator
from benchmarks.quality.goals import Goal
from benchmarks.quality.space import blueprint, choices_of, names
from benchmarks.quality.trace import Evaluation
from lemonade_es.llm.builtin.blueprint import Blueprint
from lemonade_es.task import Task

Peer = Callable[[Evaluator, int, int, Blueprint | None], None]
"""Told an evaluator, a number of evaluations, a seed, and the network to begin with, if any."""

POPULATION = 10
"""Of the evolutionary ones: with the defaults (50 and 20) they would hardly come beyond their first generation."""


@dataclass(frozen=True)
class _Sampler:
    """A sampler of Optuna.

    Attributes:
        make: of its seed.
        judged: what it is told of an evaluation.
        directions: of the values that it is told.
    """

    make: Callable[[int], Any]
    judged: Callable[[Evaluation], tuple[float, ...]]
    directions: tuple[str, ...] = ("maximize",)


def _accuracy(evaluation: Evaluation) -> tuple[float, ...]:
    return (evaluation.V_Acc or 0.0,)


def _all_three(evaluation: Evaluation) -> tuple[float, ...]:
    """Accuracy, size and speed; the latter two as logarithms, which changes no order."""
    if evaluation.V_Acc is None or evaluation.S is None or evaluation.F is None:
        return 0.0, math.log(1e3), 0.0
    return evaluation.V_Acc, math.log(evaluation.S), math.log(evaluation.F)


def _samplers() -> Mapping[str, _Sampler]:
    from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

    three = ("maximize", "minimize", "maximize")
    return {
        "random": _Sampler(lambda seed: RandomSampler(seed=seed), _accuracy),
        "tpe": _Sampler(lambda seed: TPESampler(seed=seed), _accuracy),
        "nsga2": _Sampler(lambda seed: NSGAIISampler(population_size=POPULATION, seed=seed), _all_three, three),
    }


def _optuna(name: str) -> Peer:
    def search(evaluator: Evaluator, evaluations: int, seed: int, first: Blueprint | None) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = _samplers()[name]
        study = optuna.create_study(directions=list(sampler.directions), sampler=sampler.make(seed))
        if first is not None:
            study.enqueue_trial(_indices(choices_of(first, evaluator.task), names(evaluator.task)))
        for _ in range(evaluations):
            trial = study.ask()
            made = blueprint(evaluator.task, partial(_suggested, trial))
            study.tell(trial, list(sampler.judged(evaluator.evaluate(made))))

    return search


def constrained(name: str, goal: Goal) -> Peer:
    """A sampler of Optuna that knows the bounds of a goal.

    Args:
        name: ``tpe`` for the value alone, ``nsga2`` for all objectives of the goal.
        goal: what is wished for.
    """

    def search(evaluator: Evaluator, evaluations: int, seed: int, first: Blueprint | None) -> None:
        import optuna
        from optuna.samplers import NSGAIISampler, TPESampler

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        bounds = {"constraints_func": lambda trial: trial.user_attrs["excess"], "seed": seed}
        sampler = TPESampler(**bounds) if name == "tpe" else NSGAIISampler(population_size=POPULATION, **bounds)
        worth = (lambda item: (goal.value(item),)) if name == "tpe" else goal.objectives
        count = len(worth(_NOTHING))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(directions=["maximize"] * count, sampler=sampler)
        if first is not None:
            study.enqueue_trial(_indices(choices_of(first, evaluator.task), names(evaluator.task)))
        for _ in range(evaluations):
            trial = study.ask()
            judged = evaluator.evaluate(blueprint(evaluator.task, partial(_suggested, trial)))
            trial.set_user_attr("excess", goal.excess(judged))
            study.tell(trial, list(worth(judged)))

    return search


_NOTHING = Evaluation(None, None, None, None, None, 0.0)


def _suggested(trial: Any, name: str, options: tuple[Any, ...]) -> Any:
    """Ordered options are ranges, so that a sampler knows neighbours; the others are categories."""
    if all(isinstance(option, int | float) and not isinstance(option, bool) for option in options):
        return options[trial.suggest_int(name, 0, len(options) - 1)]
    return options[trial.suggest_categorical(name, list(range(len(options))))]


def _indices(chosen: Mapping[str, Any], options: Mapping[str, tuple[Any, ...]]) -> dict[str, int]:
    return {name: options[name].index(value) for name, value in chosen.items()}


def _regularised_evolution(evaluator: Evaluator, evaluations: int, seed: int, first: Blueprint | None) -> None:
    """NePS's, by ask and tell; it draws from the global generators."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its imports
        import neps

    random.seed(seed)
    np.random.seed(seed)
    options = names(evaluator.task)
    domains = {name: neps.Categorical(tuple(range(len(values)))) for name, values in options.items()}
    space = type("Space", (neps.PipelineSpace,), domains)()
    optimizer = neps.AskAndTell(
        neps.algorithms.neps_regularized_evolution(space, population_size=POPULATION, tournament_size=5)
    )
    if first is not None:
        template = optimizer.optimizer({}, None).config
        told = _indices(choices_of(first, evaluator.task), options)
        config = {key: told.get(_name(key), value) for key, value in template.items()}
        judged = evaluator.evaluate(_chosen(config, evaluator.task))
        optimizer.tell_custom(config_id="first", config=config, result=1 - (judged.V_Acc or 0.0), time_end=0.0)
    while evaluator.done < evaluations:
        trial = optimizer.ask()
        judged = evaluator.evaluate(_chosen(trial.config, evaluator.task))
        optimizer.tell(trial, 1 - (judged.V_Acc or 0.0))


def _chosen(config: Mapping[str, int], task: Task) -> Blueprint:
    """The network of a sample, whose keys read ``SAMPLING__Resolvable.width_0::categorical__11``."""
    index = {_name(key): value for key, value in config.items()}
    return blueprint(task, lambda name, options: options[int(index[name])])


def _name(key: str) -> str:
    found = re.fullmatch(r"SAMPLING__Resolvable\.(\w+)::categorical__\d+", key)
    return found.group(1) if found else ""


PEERS: Mapping[str, Peer] = {
    "random": _optuna("random"),
    "tpe": _optuna("tpe"),
    "nsga2": _optuna("nsga2"),
    "evolution": _regularised_evolution,
}
