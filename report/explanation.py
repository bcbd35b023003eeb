"""An explanation as text that a person reads at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lemonade_es.engine.expert.conflicts import Conflict, Resolution, adds_up, givers
from lemonade_es.engine.expert.inference import Contribution, Firing, Inference
from lemonade_es.engine.explain import Explanation, explain, one
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import Accepted, Asked, IterationEnded, Refused, Replied, Unanswered
from lemonade_es.engine.history.journal import Entry, started
from lemonade_es.engine.reasons.answer import Answer, absences
from lemonade_es.engine.reasons.replay import Comparison, replay_run
from lemonade_es.engine.reasons.why import why as ask_why
from lemonade_es.engine.reasons.whynot import why_not as ask_why_not
from lemonade_es.engine.record import rulebook_at
from lemonade_es.engine.suppositions.whatif import recorded_decision
from lemonade_es.llm.executor import Try
from lemonade_es.printable import one_line
from lemonade_es.report.derivation import answer_text
from lemonade_es.report.formats import UNKNOWN, duration, value, values
from lemonade_es.report.measured import latency_notes
from lemonade_es.report.noise import combined, noise_told
from lemonade_es.rules.expression import Atom
from lemonade_es.task import ACCURACY
from lemonade_es.vocabulary import CENSUS, METRICS


def explanation_text(explanation: Explanation, *, source: bool) -> str:
    """The explanation of one iteration: facts, rules, conflicts, request, patch, outcome.

    Args:
        explanation: what to tell.
        source: also show what the patch changed in the source, line by line.
    """
    return "\n".join(_lines(explanation, source=source))


def explanations(entries: Sequence[Entry], folder: RunFolder, iteration: int | None) -> tuple[Explanation, ...]:
    """That of one iteration of a run, or of all.

    Raises:
        StoreError: there is no such iteration.
    """
    found = explain(entries, folder.artifacts)
    return found if iteration is None else (one(found, iteration, entries[0].run),)


def explained(entries: Sequence[Entry], folder: RunFolder, chosen: Sequence[Explanation], *, source: bool) -> str:
    """Explanations of a run as text.

    Raises:
        StoreError: a source that is to be shown is missing or damaged.
    """
    if not chosen:
        return f"No iteration has begun yet; go on with: {folder.command('run', '--resume', entries[0].run)}"
    for item in chosen if source else ():
        if item.accepted is not None and item.source_after is None:
            folder.artifacts.read(item.accepted.source)
    return "\n\n".join(explanation_text(item, source=source) for item in chosen)


def answer(
    entries: Sequence[Entry], iteration: int | None, *, why: str | None, why_not: str | None
) -> tuple[int, Answer]:
    """The answer to a question about a decision of a run, and the iteration that carried it out.

    Args:
        entries: the run's journal.
        iteration: the one that carried the instructions out; ``None`` is the last.
        why: an instruction, rule or conclusion that came about.
        why_not: one that did not.

    Raises:
        LemonadeError: there is no such decision, or the rulebook has nothing of that name.
    """
    advised = recorded_decision(entries, iteration)
    rulebook, absent = rulebook_at(tuple(entries), advised.iteration), absences(entries, advised)
    if why is not None:
        return advised.iteration, ask_why(advised, rulebook, why, absent)
    found = ask_why_not(advised, rulebook, why_not or "", absent)
    return advised.iteration, found


def answered(entries: Sequence[Entry], iteration: int, found: Answer) -> str:
    """An answer as text."""
    regression = started(tuple(entries)).data.task.objective == "regression"
    meaning = f"\n\naccuracy is {ACCURACY['regression']}" if regression else ""
    return f"Iteration {iteration}: {answer_text(found)}{meaning}"


def comparisons(entries: Sequence[Entry], iteration: int | None) -> tuple[Comparison, ...]:
    """Whether the decisions of a run come out again, byte for byte.

    Args:
        entries: the run's journal.
        iteration: whose decision; ``None`` are all.

    Raises:
        StoreError: no rule advised there.
    """
    verdicts = replay_run(entries)
    if iteration is not None:
        made = recorded_decision(entries, iteration).iteration
        verdicts = tuple(verdict for verdict in verdicts if verdict.iteration == made)
    return verdicts


def replayed(verdicts: Sequence[Comparison]) -> str:
    """The comparisons as text."""
    lines = [f"iteration {item.iteration}: {'the same' if item.same else 'another decision'}" for item in verdicts]
    return "\n".join(lines or ["there are no decisions yet"])


def _is_regression(explanation: Explanation) -> bool:
    return bool(explanation.request.get("task", {}).get("objective") == "regression")


def _lines(explanation: Explanation, *, source: bool) -> Iterator[str]:
    advised = explanation.advised
    if advised is None:
        yield f"Iteration {explanation.iteration}: a first network"
        yield ""
        yield "There are no facts yet: the executor was asked for a network that fits the task."
        if _is_regression(explanation):
            yield f"Accuracy is {ACCURACY['regression']}."
    else:
        yield f"Iteration {explanation.iteration}: an edit of the network of iteration {advised.base}"
        yield from facts_lines(advised.inference.facts)
        if _is_regression(explanation):
            yield f"  accuracy  {ACCURACY['regression']}"
        yield from fired_lines(advised.inference)
        yield from conflict_lines(advised.inference, advised.resolution.decisions, explanation.combine)
        yield ""
        yield "Instructions sent, heaviest first"
        requested = {item["id"]: item["text"] for item in explanation.request.get("instructions", ())}
        texts = {**explanation.texts, **requested}
        for name, weight in advised.resolution.instructions.items():
            behind = weight_told(advised.inference.contributions.get(name, ()), weight, explanation.combine)
            yield f"  {weight:6.3f}  {name}  {texts.get(name, '')}  = {behind}"
        if not advised.resolution.instructions:
            yield none_told(advised.inference)
        yield from unsent_lines(advised.resolution)
    yield from _attempts(explanation)
    if explanation.accepted is not None:
        yield from _patch(explanation, explanation.accepted)
    if explanation.ended is not None:
        yield from _outcome(explanation, explanation.ended)
    if source and explanation.diff:
        yield ""
        yield "What changed in the source"
        yield explanation.diff.rstrip()


def weight_told(parts: Sequence[Contribution], weight: float, combine: str | None) -> str:
    """What a weight was made of: ``low 1 + slow 0.5``, or the largest of these where they do not add up to it.

    Args:
        parts: what rules gave.
        weight: what that makes.
        combine: the rulebook's; ``None`` if it is not known.
    """
    told = [f"{part.rule} {part.weight:.3g}" for part in parts if part.weight]
    return " + ".join(told) if adds_up(parts, weight, combine) else f"the largest of {', '.join(told)}"


def none_told(inference: Inference) -> str:
    """Why no instruction is left, where none is."""
    if any(firing.weight is not None and firing.weight > 0 for firing in inference.fired):
        return "  none: what rules gave, others took away"
    return "  none: no rule that fired has a weight above 0"


def unsent_lines(resolution: Resolution) -> Iterator[str]:
    """What rules gave and what was not sent, but for what lost a conflict."""
    if resolution.dropped:
        names = ", ".join(f"{item.instruction} ({', '.join(item.rules)})" for item in resolution.dropped)
        yield f"  without weight: {names}"
    if resolution.surplus:
        names = ", ".join(f"{item.instruction} {item.weight:.3g}" for item in resolution.surplus)
        yield f"  more than the {len(resolution.instructions)} that the rulebook allows: {names}"


def facts_lines(facts: Mapping[str, float | None]) -> Iterator[str]:
    """Measured, unknown and wished."""
    yield ""
    yield "Facts"
    measured = [(name, facts[name]) for name in METRICS if name in facts]
    known = [f"{name} = {value(name, number, unit=True)}" for name, number in measured if number is not None]
    yield from _wrapped("  measured  ", known)
    yield from _wrapped("  unknown   ", [name for name, number in measured if number is None])
    wishes = [(name, number) for name, number in facts.items() if name not in METRICS and number is not None]
    yield from _wrapped("  wished    ", [f"{name} = {value(name, number, unit=True)}" for name, number in wishes])


def _wrapped(head: str, parts: list[str], width: int = 100) -> Iterator[str]:
    line = head
    for number, part in enumerate(parts):
        text = part + (", " if number < len(parts) - 1 else "")
        if len(line) + len(text) > width and line.strip():
            yield line.rstrip()
            line = " " * len(head)
        line += text
    if parts:
        yield line.rstrip()


def fired_lines(inference: Inference) -> Iterator[str]:
    """The rules that fired, in their order, with what they matched and what they said."""
    yield ""
    yield "Rules that fired, in order"
    for firing in inference.fired:
        yield f"  {firing.order}. {firing.rule}  ({firing.place})"
        yield f"     {_matched(firing)}"
        if firing.because:
            yield f"     because {firing.because}"
        yield f"     -> {_consequence(firing)}"
    if not inference.fired:
        yield "  none"
    holding = [name for name, holds in inference.conclusions.items() if holds]
    if holding:
        yield f"  concluded: {', '.join(holding)}"


def _matched(firing: Firing) -> str:
    holding = [atom for atom in firing.atoms if atom.truth is atom.wanted] or firing.atoms  # of an `or`, not all do
    condition = "; ".join(map(atom_told, holding))
    numbers = {name: item for name, item in firing.values.items() if item is not None and not isinstance(item, bool)}
    shown = values(numbers)
    told = ", ".join(f"{name} = {shown.get(name) or _truth(item)}" for name, item in firing.values.items())
    return f"{condition}\n     with {told}" if told else condition


def atom_told(atom: Atom) -> str:
    """A comparison as the condition has it: with its ``not``, if it stands behind one."""
    if atom.wanted:
        return atom.text
    return f"not {atom.text}" if atom.text.isidentifier() else f"not ({atom.text})"


def _truth(item: float | bool | None) -> str:
    return UNKNOWN if item is None else "true" if item else "false"


def _consequence(firing: Firing) -> str:
    parts = []
    if firing.instruct:
        names = ", ".join(firing.instruct)
        if firing.weight is None:
            parts.append(
                f"does not give {names}: the weight cannot be computed (a metric is unknown, or it divides by 0)"
            )
        else:
            parts.append(f"{names} with weight {firing.weight:.3g}")
    if firing.conclude:
        parts.append(f"concludes {firing.conclude}")
    return "; ".join(parts)


def conflict_lines(inference: Inference, decisions: tuple[Conflict, ...], combine: str | None) -> Iterator[str]:
    """The conflicts that were decided, and what would have flipped them; ``combine`` as in :func:`weight_told`."""
    if not decisions:
        return
    yield ""
    yield "Conflicts decided"
    for item in decisions:
        winning = givers(inference.contributions[item.winner], item.winner_weight, combine)
        losing = givers(inference.contributions[item.loser], item.loser_weight, combine)
        yield (
            f"  {item.winner} ({item.winner_weight:.3g}, {winning}) beats "
            f"{item.loser} ({item.loser_weight:.3g}, {losing}){f' by {item.margin:.3g}' if item.margin else ', a tie'}"
        )
        if item.flip:
            yield f"     {item.flip}"


def _attempts(explanation: Explanation) -> Iterator[str]:
    yield ""
    yield "Executor"
    calls: list[Asked | Refused | Replied | Unanswered] = [*explanation.asked, *explanation.unanswered]
    calls += [*explanation.replied, *explanation.refused]
    for attempt in sorted({item.attempt for item in calls}):
        yield from _attempt(explanation, attempt)


def _attempt(explanation: Explanation, attempt: int) -> Iterator[str]:
    """What came of an attempt: calls without an answer first, for the last one ends it."""
    lost = [item for item in explanation.unanswered if item.attempt == attempt]
    replied = next((item for item in explanation.replied if item.attempt == attempt), None)
    refusal = next((item for item in explanation.refused[::-1] if item.attempt == attempt), None)
    for item in lost:
        yield f"  attempt {attempt}: {item.executor} gave no answer: {item.message}"
        yield from _tries(item.tries)
    if replied is not None:
        reply = replied.reply
        line = f"  attempt {attempt}: {reply.executor} answered in {duration(reply.seconds)}"
        if refusal is not None:
            at = f" (line {refusal.line})" if refusal.line is not None else ""
            line += f"; refused: {refusal.code}{at}: {refusal.message}"
        yield line
        yield from _tries(reply.tries)
        for note in reply.notes:
            yield f"     note: {note}"
    elif refusal is not None:
        yield f"  attempt {attempt}: no usable answer: {refusal.code}: {refusal.message}"
    elif not lost:
        asked = next(item for item in explanation.asked if item.attempt == attempt)
        yield f"  attempt {attempt}: {asked.executor} was asked, and no answer is on record"


def _tries(tries: Sequence[Try]) -> Iterator[str]:
    for number, item in enumerate(tries, 1):
        pause = f", then {duration(item.waited)} of waiting" if item.waited else ""
        yield f"     try {number}: {item.code} after {duration(item.seconds)}{pause}: {item.message}"


def _patch(explanation: Explanation, accepted: Accepted) -> Iterator[str]:
    if accepted.attempt in {item.attempt for item in explanation.refused}:
        yield f"  attempt {accepted.attempt} was taken after all: its network is sound, and nothing better came"
    yield ""
    yield f"Patch: {one_line(accepted.summary)}"
    for applied in accepted.applied:
        yield f"  + {one_line(applied.instruction)}: {one_line(applied.how)}"
    for skipped in accepted.skipped:
        yield f"  - {one_line(skipped.instruction)} not done: {one_line(skipped.why)}"
    before, after = explanation.request.get("census") or {}, accepted.check.census or {}
    verdicts = {verdict.instruction: verdict.verdict for verdict in accepted.verdicts}
    if verdicts:
        yield "  by the census: " + ", ".join(f"{name} {verdict}" for name, verdict in verdicts.items())
    if accepted.check.message is not None:
        yield f"  odd about the network: {accepted.check.message}"
    for name in CENSUS:
        old, new = before.get(name), after.get(name)
        if old != new and new is not None:
            yield f"  {name}: {'' if old is None else f'{old:g} -> '}{new:g}"


def _outcome(explanation: Explanation, ended: IterationEnded) -> Iterator[str]:
    yield ""
    if ended.outcome != "ok":
        failure = explanation.measured.measurement.failure if explanation.measured is not None else None
        reason = failure.message if failure is not None else explanation.pruned.reason if explanation.pruned else ""
        yield f"Outcome: {ended.outcome}{f': {reason}' if reason else ''}"
    names = [name for name in METRICS if ended.metrics.get(name) is not None]
    yield from _wrapped("Measured: ", [f"{name} = {value(name, ended.metrics[name], unit=True)}" for name in names])
    yield from _not_known(explanation)
    latency = explanation.measured.measurement.latency if explanation.measured is not None else None
    if latency is not None:
        whose = " of the first training" if explanation.repeated else ""
        yield f"Latency{whose}: {'; '.join((f'median {latency.p50:.3g} ms', *latency_notes(latency)))}"
    yield from _trainings(explanation, ended)
    note = f" ({ended.note})" if ended.note and explanation.pruned is None else ""
    yield f"CM = {combined(ended)}{', the best so far' if ended.is_best else ''}{note}"
    if explanation.noise is not None:
        yield noise_told(explanation.noise)
    seconds = ended.seconds
    yield (
        f"Time: {duration(seconds.total)} (training {duration(seconds.training)}, measuring "
        f"{duration(seconds.measuring)}, executor {duration(seconds.llm)}, all else {duration(seconds.overhead)})"
    )
    if explanation.measured is not None and (why := explanation.measured.measurement.unrecorded) is not None:
        yield f"Its training steps were not recorded, which takes longer on a GPU: {why}"


def _not_known(explanation: Explanation) -> Iterator[str]:
    """What could not be measured of a network that was trained, and why: the metrics of one reason together."""
    measured = explanation.measured
    if measured is None or measured.measurement.failure is not None or measured.measurement.stopped is not None:
        return
    names: dict[str, list[str]] = {}
    for name, why in measured.measurement.absent.items():
        names.setdefault(why, []).append(name)
    for why, those in names.items():
        yield f"Not known: {', '.join(those)}: {one_line(why)}"


def _trainings(explanation: Explanation, ended: IterationEnded) -> Iterator[str]:
    """How often the network was trained, with which seeds, and how far that differs."""
    if not explanation.repeated:
        return
    seeds = ", ".join(str(again.seed) for again in explanation.repeated)
    again_with = "the seed" if len(explanation.repeated) == 1 else "the seeds"
    yield f"Trained {ended.trainings} times, again with {again_with} {seeds}: the measured values are means"
    for again in explanation.repeated:
        failure = again.measurement.failure
        if failure is not None:
            yield f"  training {again.number} failed: {failure.code}: {failure.message}"
    told = [f"{name} {value(name, spread)}" for name, spread in ended.spread.items() if name in METRICS]
    yield from _wrapped("Spread:   ", told)
