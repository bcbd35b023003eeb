"""What happens in a search, in a line each: the words that the live view and the plain one share."""

from __future__ import annotations

from lemonade_es.engine.history.bill import Bill
from lemonade_es.engine.history.events import Repeated, Replied, RulebookChanged, RulebookKept, RunStarted
from lemonade_es.engine.loop.ladder import purpose
from lemonade_es.llm.executor import Try
from lemonade_es.report.formats import duration, shape, value
from lemonade_es.task import SHORT_R2
from lemonade_es.trainer.measurement import Failure


def headline(run: str, started: RunStarted) -> str:
    """The run, its data, rulebook, executor, device and isolation, in a line."""
    data = started.data
    meaning = f"; accuracy is {SHORT_R2}" if data.task.objective == "regression" else ""
    return (
        f"run {run}: {data.task.data} ({data.training} training, {data.validation} validation inputs of "
        f"{shape(data.task)}, {data.task.answer}{meaning}), rulebook {started.rulebook_file}, {started.executor}, "
        f"{started.device}, isolation {started.isolation}"
    )


def isolation_told(started: RunStarted) -> str:
    """What the level rests on, and what its canaries said."""
    rests = f"isolation {started.isolation}: {started.isolation_reason}"
    if not started.canaries:
        return rests
    seconds = sum(canary.seconds for canary in started.canaries)
    return f"{rests}; all {len(started.canaries)} canaries were held back in {seconds:.2g} s"


def paid(bill: Bill) -> str:
    """What the calls have cost so far, if they cost anything."""
    least = "at least " if bill.unpriced else ""
    return f"  {least}{bill.known_usd:.4f} USD" if bill.known_usd else ""


def stand_in_told(replied: Replied, repairs: int) -> str | None:
    """That it was the fallback that answered, if so."""
    if purpose(replied.attempt, repairs) != "fallback":
        return None
    return f"{replied.reply.executor} has answered in the place of the usual executor"


def wait_told(executor: str, failed: Try) -> str:
    """For instance: openai:gpt-4o is asked again after 20.0 s: it answered 429; true before and after the wait."""
    return f"{executor} is asked again after {duration(failed.waited)}: {failed.message}"


def failure_told(failure: Failure) -> str:
    """Why a training came to nothing, and at which line of the network if that is known."""
    line = "" if failure.line is None else f" (line {failure.line} of the network)"
    return f"training failed ({failure.code}): {failure.message}{line}"


def repetition_told(event: Repeated) -> str:
    """What a training with another seed gave."""
    measurement = event.measurement
    if measurement.failure is not None:
        return f"training {event.number}, with another seed, failed: {measurement.failure.message}"
    return f"trained again with another seed ({event.number}): V_Acc {value('V_Acc', measurement.metrics.get('V_Acc'))}"


def rulebook_told(event: RulebookChanged | RulebookKept) -> str:
    """What became of a rulebook that was edited during the search."""
    if isinstance(event, RulebookChanged):
        return f"the changed rulebook is in force now ({event.sources[0].file}, SHA-256 {event.digest[:8]})"
    return "\n".join(["the rulebook has changed, but the old one stays in force:", *event.problems])
