"""What ``lemonade-es run --json`` prints: a run's result as one JSON object with documented names."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lemonade_es.engine.loop.pruning import saved_seconds
from lemonade_es.engine.record import RunResult


def outcome(result: RunResult) -> dict[str, Any]:
    """The result as JSON data.

    Times are wall-clock seconds; ``total`` is the sum of the other parts, and ``overhead_per_iteration`` the
    median over the iterations of all that is neither training nor measuring nor the LLM's time.
    """
    state = result.state
    valid = sum(1 for ended in state.ended if ended.outcome == "ok")
    pruned = [network.measurement for network in state.networks if network.pruned is not None]
    return {
        "run": result.run,
        "status": result.end.status if result.end is not None else "stopped",
        "reason": result.end.reason if result.end is not None else "interrupted",
        "iterations": len(state.ended),
        "valid": valid,
        "failed": len(state.ended) - valid - len(pruned),
        "pruned": len(pruned),
        "pruning_saved_seconds": round(sum(saved_seconds(item, result.started.recipe.epochs) for item in pruned), 4),
        "best": _best(result),
        "required": _required(result),
        "noise": None if state.estimated is None else asdict(state.estimated),
        "accuracy": result.started.data.task.accuracy,
        "instructions_per_iteration": state.instructions,
        "seconds": _seconds(result),
        "energy_kwh_pue": state.spent.kwh_pue,
        "energy": state.spent.to_json(result.started.spec.grid_gco2e_per_kwh),
        "device": _device(result),
        "llm_cost_usd": state.cost,
        "llm": state.bill.to_json(),
        "isolation": result.started.isolation,
    }


def _device(result: RunResult) -> Mapping[str, Any] | None:
    command, tally = result.started.spec.measure_with, result.state.device
    return None if command is None else {"command": command, "asked": tally.asked, "failed": tally.failed}


def _best(result: RunResult) -> Mapping[str, Any] | None:
    best = result.state.best
    if best is None:
        return None
    return {
        "iteration": best.iteration,
        "CM": best.CM,
        "metrics": dict(best.metrics),
        "trainings": len(best.all),
        "spread": dict(best.spread),
        "model": str(result.model.resolve()) if result.model is not None else None,
        "weights": str(result.weights.resolve()) if result.weights is not None else None,
    }


def _required(result: RunResult) -> Mapping[str, Any] | None:
    bounds, best = result.started.spec.require, result.state.best
    if not bounds:
        return None
    return {"bounds": dict(bounds), "kept": best is not None and result.state.excess(best) == 0}


def _seconds(result: RunResult) -> dict[str, float]:
    seconds = asdict(result.state.seconds)
    seconds["startup"] = result.startup_seconds
    seconds["total"] += result.startup_seconds
    overheads = [ended.seconds.overhead for ended in result.state.ended]
    seconds["overhead_per_iteration"] = statistics.median(overheads) if overheads else 0.0
    return {name: round(value, 4) for name, value in seconds.items()}
