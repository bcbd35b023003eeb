"""A run in one page, from its journal alone: ``lemonade-es runs show``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lemonade_es.engine.account import Account, Compliance, accounts
from lemonade_es.engine.bounds import breaches
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.bill import Bill
from lemonade_es.engine.history.events import (
    Advised,
    IterationEnded,
    Measured,
    NoiseEstimated,
    Repeated,
    RulebookChanged,
    RulebookKept,
    RunEnded,
    RunInterrupted,
    RunResumed,
    RunStarted,
)
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.history.tally import DeviceTally, EnergyTally
from lemonade_es.engine.record import as_resumed, current_spec, is_over, isolations
from lemonade_es.engine.spec import RunSpec
from lemonade_es.report.final_folder import FinalTraining, final_trainings
from lemonade_es.report.formats import UNKNOWN, duration, shape, value
from lemonade_es.report.noise import noise_told
from lemonade_es.report.tables import dynamics_table, iterations_table
from lemonade_es.vocabulary import DYNAMICS
from lemonade_es.wording import counted


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run was, how it ended, and what each executor did in it.

    Attributes:
        run: its id.
        began: when, UTC.
        last: when its last event was recorded, UTC.
        begun: its first event, isolated as the process was that took it up last.
        spec: its options as the last resume left them.
        end: how it ended; ``None`` if it is open.
        resumed: how often it was taken up again.
        interrupted: how often the user stopped it.
        ended: its iterations.
        instructions: of each iteration, with their weights.
        executors: the account of each.
        spent: energy of training and evaluation.
        measured_there: how measuring on the user's device went.
        noise: the noise floor, once it stood.
        changes: of a watched rulebook, those that were not taken over too.
        isolations: the levels that its processes ran generated code at, first to last.
        finals: its final trainings.
    """

    run: str
    began: str
    last: str
    begun: RunStarted
    spec: RunSpec
    end: RunEnded | None
    resumed: int
    interrupted: int
    ended: tuple[IterationEnded, ...]
    instructions: tuple[Mapping[str, float], ...]
    executors: tuple[Account, ...]
    spent: EnergyTally
    measured_there: DeviceTally
    noise: NoiseEstimated | None = None
    changes: tuple[RulebookChanged | RulebookKept, ...] = ()
    isolations: tuple[str, ...] = ()
    finals: tuple[FinalTraining, ...] = ()

    @property
    def best(self) -> IterationEnded | None:
        """The iteration that leads."""
        return next((item for item in reversed(self.ended) if item.is_best), None)

    @property
    def broken(self) -> tuple[str, ...]:
        """The bounds that the leader breaks, in words; none if nothing leads."""
        return tuple(breaches(self.spec.require, self.best.metrics)) if self.best is not None else ()

    @property
    def _required(self) -> dict[str, Any] | None:
        kept = self.best is not None and not self.broken
        return {"bounds": dict(self.spec.require), "kept": kept} if self.spec.require else None

    @property
    def bill(self) -> Bill:
        """What the calls of all executors came to."""
        return sum((account.bill for account in self.executors), Bill())

    def to_json(self) -> dict[str, Any]:
        """The report as JSON data, with the names that ``runs show --json`` documents."""
        begun, best = self.begun, self.best
        rows = zip(self.ended, self.instructions, strict=True)
        return {
            "run": self.run,
            "began": self.began,
            "last": self.last,
            "status": self.end.status if self.end is not None else "open",
            "reason": self.end.reason if self.end is not None else None,
            "resumed": self.resumed,
            "interrupted": self.interrupted,
            "spec": asdict(self.spec),
            "data": asdict(begun.data),
            "accuracy": begun.data.task.accuracy,
            "rulebook": {
                "file": begun.rulebook_file,
                "digest": begun.rulebook_digest,
                "changes": [_change(event) for event in self.changes],
            },
            "isolation": begun.isolation,
            "isolations": list(self.isolations),
            "isolation_reason": begun.isolation_reason,
            "canaries": [asdict(canary) for canary in begun.canaries],
            "device": begun.device,
            "energy": begun.energy,
            "energy_spent": self.spent.to_json(self.spec.grid_gco2e_per_kwh),
            "measured_on_device": {"asked": self.measured_there.asked, "failed": self.measured_there.failed},
            "noise": None if self.noise is None else asdict(self.noise),
            "versions": dict(begun.versions),
            "best": best.iteration if best is not None else None,
            "required": self._required,
            "iterations": [asdict(item) | {"instructions": dict(given)} for item, given in rows],
            "finals": [final.to_json() for final in self.finals],
            "llm": self.bill.to_json(),
            "executors": [account.to_json() for account in self.executors],
        }


def run_report(entries: tuple[Entry, ...], folder: RunFolder) -> RunReport:
    """The report of a run.

    Args:
        entries: its journal.
        folder: where it lies.
    """
    begun, spec = as_resumed(entries), current_spec(entries)
    events = [entry.event for entry in entries]
    ends = [event for event in events if isinstance(event, RunEnded)]
    advised = {event.iteration: event.resolution.instructions for event in events if isinstance(event, Advised)}
    ended = tuple(event for event in events if isinstance(event, IterationEnded))
    spent, measured_there = EnergyTally(), DeviceTally()
    for event in events:
        if isinstance(event, Measured | Repeated):
            spent.heard(event.measurement)
            measured_there.heard(event.measurement)
    return RunReport(
        run=entries[0].run,
        began=entries[0].at,
        last=entries[-1].at,
        begun=begun,
        spec=spec,
        end=ends[-1] if is_over(entries) else None,
        resumed=sum(isinstance(event, RunResumed) for event in events),
        interrupted=sum(isinstance(event, RunInterrupted) for event in events),
        ended=ended,
        instructions=tuple(advised.get(item.iteration, {}) for item in ended),
        executors=accounts(events, spec.repairs),
        spent=spent,
        measured_there=measured_there,
        changes=tuple(event for event in events if isinstance(event, RulebookChanged | RulebookKept)),
        noise=next((event for event in events if isinstance(event, NoiseEstimated)), None),
        isolations=isolations(entries),
        finals=final_trainings(entries, folder),
    )


def report_page(report: RunReport) -> RenderableType:
    """The report for the terminal."""
    parts: list[RenderableType] = [Text(line) for line in _head(report)]
    if report.ended:
        leader = report.best.iteration if report.best is not None else None
        floor = report.noise.floor if report.noise is not None else None
        bounds = report.spec.require
        table = iterations_table(report.ended, report.instructions, best=leader, floor=floor, bounds=bounds)
        parts += [Text(), table]
        if any(item.metrics.get(name) is not None for item in report.ended for name in DYNAMICS):
            parts += [Text(), Text("how the training went", "bold"), dynamics_table(report.ended)]
    for account in report.executors:
        parts += [Text(), Text(account.executor, "bold"), *(Text(f"  {line}") for line in _account_lines(account))]
        parts += _tables(account)
    return Group(*parts)


def _head(report: RunReport) -> Iterator[str]:
    begun, data = report.begun, report.begun.data
    end = report.end
    status = "open: it goes on, or can be resumed" if end is None else f"{end.status}: {end.reason}"
    yield f"run {report.run}, {_day(report.began)} to {_day(report.last)} UTC"
    yield f"{status}{_breaks(report)}"
    yield (
        f"data: {data.task.data}, {data.training} training, {data.validation} validation and {data.test} test inputs "
        f"of {shape(data.task)}, {data.task.answer}"
    )
    if data.task.objective == "regression":
        yield f"accuracy: {data.task.accuracy}"
    yield f"rulebook: {begun.rulebook_file} (SHA-256 {begun.rulebook_digest[:8]})"
    for event in report.changes:
        yield f"  {_told_change(event)}"
    yield f"options: {', '.join(_options(report.spec)) or 'the defaults'}"
    yield f"on: {begun.device}, isolation {', then '.join(report.isolations)}, energy {begun.energy}"
    yield f"energy spent: {report.spent.told(report.spec.grid_gco2e_per_kwh)}"
    if report.broken:
        yield f"no network keeps what is required: {'; '.join(report.broken)}"
    if report.noise is not None:
        yield noise_told(report.noise)
    there = report.measured_there
    if there.asked:
        yield f"measured on a device: {there.asked - there.failed} of {there.asked} trainings"
    for final in report.finals:
        yield f"final training: {final.told}"


def _change(event: RulebookChanged | RulebookKept) -> dict[str, Any]:
    if isinstance(event, RulebookChanged):
        return {"iteration": event.iteration, "digest": event.digest, "problems": []}
    return {"iteration": event.iteration, "digest": None, "problems": list(event.problems)}


def _told_change(event: RulebookChanged | RulebookKept) -> str:
    if isinstance(event, RulebookChanged):
        return f"changed, and in force from iteration {event.iteration} on (SHA-256 {event.digest[:8]})"
    count = f" and {len(event.problems) - 1} more" if len(event.problems) > 1 else ""
    return f"changed, and not taken over for iteration {event.iteration}: {event.problems[0]}{count}"


def _breaks(report: RunReport) -> str:
    counts = ((report.interrupted, "interrupted"), (report.resumed, "resumed"))
    told = [f"{what} {_times(number)}" for number, what in counts if number]
    return f" ({', '.join(told)})" if told else ""


def _options(spec: RunSpec) -> Iterator[str]:
    """The options that are not the defaults."""
    for item in fields(RunSpec):
        chosen = getattr(spec, item.name)
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        if chosen == default:
            continue
        shown = ",".join(f"{key}={part}" for key, part in chosen.items()) if isinstance(chosen, Mapping) else chosen
        yield f"{item.name} {shown}"


def _account_lines(account: Account) -> Iterator[str]:
    bill, purposes = account.bill, account.purposes
    parts = (
        (purposes.get("repair", 0), "repairs"),
        (purposes.get("fresh", 0), "fresh samples"),
        (purposes.get("fallback", 0), "as the fallback"),
        (account.unanswered, "unanswered"),
    )
    told = ", ".join(f"{number} {what}" for number, what in parts if number)
    yield f"calls: {bill.calls}{f' ({told})' if told else ''}, networks accepted: {account.accepted}"
    if account.faults or bill.tries != bill.calls:
        yield f"tries: {bill.tries}; faults: {_counts(account.faults)}"
    if account.broken_off:
        yield f"broken off as the process was killed: {account.broken_off} (perhaps paid, and not in the cost)"
    if bill.perhaps_paid:
        yield f"tries without an answer that the server may charge for: {bill.perhaps_paid} (not in the cost)"
    if account.refusals:
        yield f"refused: {_counts(account.refusals)}"
    if account.mended:
        yield f"mended: {_counts(account.mended)}"
    if bill.input_tokens or bill.output_tokens:
        yield (
            f"tokens: {bill.input_tokens:,} in ({bill.cached_tokens:,} of them read from the provider's cache, "
            f"{bill.cache_write_tokens:,} written to it), {bill.output_tokens:,} out "
            f"({bill.reasoning_tokens:,} of them reasoning)"
        )
    yield f"cost: {cost(bill)}, time: {duration(bill.seconds)}"


def cost(bill: Bill) -> str:
    """What calls cost, and whether there were some without a price."""
    if not bill.unpriced:
        return f"{bill.known_usd:.4f} USD"
    known = f"{bill.known_usd:.4f} USD, and " if bill.known_usd else ""
    return f"{known}{counted(bill.unpriced, 'call')} whose price is not known"


def _tables(account: Account) -> Iterator[RenderableType]:
    if account.by_instruction:
        yield _compliance_table(account)
    if any(item.count or item.out_of_range for item in account.calibration.values()):
        yield _calibration_table(account)


def _compliance_table(account: Account) -> Table:
    table = _table("  instruction", *account.compliance.counts, "rate")
    for name, item in account.by_instruction.items():
        table.add_row(f"  {name}", *_compliance_cells(item))
    table.add_row("  all", *_compliance_cells(account.compliance), style="bold")
    return table


def _compliance_cells(compliance: Compliance) -> Iterator[str]:
    yield from (str(number or UNKNOWN) for number in compliance.counts.values())
    yield UNKNOWN if compliance.rate is None else f"{compliance.rate:.0%}"


def _calibration_table(account: Account) -> Table:
    odd = any(item.out_of_range for item in account.calibration.values())
    table = _table("  predicted", "networks", "mean error", "mean absolute error", *["out of range"] * odd)
    for name, item in account.calibration.items():
        if item.count or item.out_of_range:
            means = (value(name, item.mean_error), value(name, item.mean_absolute_error))
            table.add_row(f"  {name}", str(item.count), *means, *[str(item.out_of_range or UNKNOWN)] * odd)
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items()) or "none"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _day(at: str) -> str:
    return at[:16].replace("T", " ")
