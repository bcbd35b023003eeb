"""What the results come to, in some lines, each with where its figures stand; good news and bad."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.quality.figures import Mean, told
from benchmarks.quality.goals import GOALS

Figures = Mapping[str, Any]


def summary(results: Mapping[str, Figures]) -> list[str]:
    """Questions that a user would ask, each with what the results answer; a Markdown list.

    Args:
        results: ``figures`` of each result, as JSON has them, by the name of its file.
    """
    lines: list[str] = []
    for name, question, answer in _QUESTIONS:
        if name in results:
            section = name.partition("-")[0]
            lines += [f"- **{question}** ([{section}](#{section}))", *(f"  - {line}" for line in answer(results[name]))]
    return lines


def _less(figures: Figures, contender: str, measure: str, after: int | None = None) -> str:
    """Ours less a contender's, with its interval: after so many evaluations, or at the end."""
    evaluations = str(figures["evaluations"] if after is None else after)
    difference = figures["contenders"][contender]["ours_less_theirs"][measure][evaluations]
    return told(None if difference is None else Mean(*difference), "+")


def _apart(figures: Figures, contender: str) -> str:
    """After how many evaluations all of our interval of V_Acc lies above all of theirs."""
    ours, theirs = (figures["contenders"][name]["V_Acc"] for name in ("lemonade", contender))
    apart = [n for n in map(str, figures["budgets"]) if Mean(*ours[n]).low > Mean(*theirs[n]).high]
    return f"intervals apart after {', '.join(apart)}" if apart else "intervals nowhere apart"


def _ahead_of_tpe(found: Figures) -> Iterator[str]:
    for task, figures in found.items():
        for name, which in (("tpe", "TPE"), ("tpe-warm", "TPE that begins with our first network")):
            needed = figures["contenders"]["lemonade"]["evaluations_to"][name]
            yield (
                f"{task}, ours less {which}, after {figures['evaluations']}: V_Acc {_less(figures, name, 'V_Acc')}, "
                f"{_apart(figures, name)}; test {_less(figures, name, 'test')}; evaluations (median) to its final "
                f"V_Acc: {'never' if needed is None else f'{needed:g}'}"
            )


def _other_peers(found: Figures) -> Iterator[str]:
    for task, figures in found.items():
        contenders = figures["contenders"]
        names = [name for name in contenders if name != "lemonade"]
        own = contenders["lemonade"]["hypervolume"][0]
        larger = sum(contenders[name]["hypervolume"][0] > own for name in names)
        yield f"{task}: {larger} of {len(names)} peers reach a larger one"


def _rules(found: Figures) -> Iterator[str]:
    for task, figures in found.items():
        first, last = figures["budgets"][0], figures["evaluations"]
        early, late = (_less(figures, "random-advice", "V_Acc", after) for after in (first, last))
        yield (
            f"{task}, rules less as many random instructions to the same executor: V_Acc {early} after {first} "
            f"evaluations, {late} after {last}"
        )


def _bounds(found: Figures) -> Iterator[str]:
    for goal, contenders in found.items():
        peers = {name: figures for name, figures in contenders.items() if name != "lemonade"}
        best = max(peers, key=lambda name: (peers[name]["kept"], peers[name]["value"][0]))
        own = contenders["lemonade"]
        yield (
            f"{GOALS[goal].about}: {GOALS[goal].unit} {told(Mean(*own['value']))}, kept in {own['kept']} of "
            f"{len(own['seeds'])} seeds; the best peer, {best}: {told(Mean(*peers[best]['value']))}, kept in "
            f"{peers[best]['kept']}"
        )


def _tuned(found: Figures) -> Iterator[str]:
    for task, figures in found.items():
        yield f"{task}, the book as it comes less the tuned one: V_Acc {_less(figures, 'tuned', 'V_Acc')}"


def _improvement(found: Figures) -> Iterator[str]:
    for task, figures in found.items():
        searches = figures["searches"]
        networks = len(searches[0]["V_Acc"])
        yield f"{task}: in {figures['better']} of {len(searches)} seeds the best of {networks} is better"


def _throughput(found: Figures) -> Iterator[str]:
    sizes = {name: figures for name, figures in found.items() if isinstance(figures, Mapping)}
    for name, figures in sizes.items():
        yield f"{name} network: {figures['ratio']:.2f} times; two workers {figures['two_to_one']:.2f} times one"


def _isolation(found: Figures) -> Iterator[str]:
    for level in ("medium", "strong"):
        figures = found["training"][level]
        low, high = figures["interval_95"]
        yield f"training at level {level} takes {figures['ratio']:.2f} [{low:.2f}, {high:.2f}] times as long"


def _watching(found: Figures) -> Iterator[str]:
    for name, figures in found.items():
        low, high = figures["processor"]["interval_95"]
        yield f"{name} {figures['processor']['ratio']:.3f} [{low:.3f}, {high:.3f}] times the processor time"


def _inference(found: Figures) -> Iterator[str]:
    for name, figures in found.items():
        experta, clips = (figures[f"infer ({which})"]["median_ms"] for which in ("Experta", "CLIPS"))
        yield f"{name}: {experta:.1f} ms, {clips:.1f} ms"


def _robustness(found: Figures) -> Iterator[str]:
    for level in ("strong", "medium"):
        attacks = found["red team"]["attacks"][level]
        yield f"{level}: {attacks['held']} of {attacks['tried']} held, {attacks['known']} documented and expected"
    failed = sum(group["failed"] for group in found.values())
    yield f"{failed} of {failed + sum(group['passed'] for group in found.values()):,} tests of robustness failed"


def _gpu(found: Figures) -> Iterator[str]:
    hours, epochs = found["candidate"]["hours_for_30"], found["epochs"]
    yield f"{found['card']}: {hours:.2f} hours for 30 candidates like ResNet-18, reckoned from one of {epochs} epochs"


_QUESTIONS = (
    ("quality", "Is it ahead of TPE at equal evaluations?", _ahead_of_tpe),
    ("quality", "And hypervolume, where accuracy, size and speed count alike?", _other_peers),
    ("ablations", "What are the rules worth?", _rules),
    ("goals", "Does it keep bounds?", _bounds),
    ("tuning", "Does learning the weights of rules help?", _tuned),
    ("improvement", "Is searching worth it at all, after the first network?", _improvement),
    ("train_throughput", "How fast is training, beside a plain torchvision loop?", _throughput),
    ("train_throughput-xeon", "And on a second kind of processor, an Intel Xeon?", _throughput),
    ("isolation", "What does isolation cost?", _isolation),
    ("dynamics", "What does watching a training cost?", _watching),
    ("inference", "How long do the rules take, by Experta and by CLIPS?", _inference),
    ("robustness", "Does what is hostile get anywhere?", _robustness),
    ("gpu", "And on a GPU?", _gpu),
)
