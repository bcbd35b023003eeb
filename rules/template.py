"""The beginnings of rulebooks: commented texts that check, and whose tests pass, before anything is changed."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from string import Template

from lemonade_es.errors import ConfigError
from lemonade_es.rules.reason import reason_names
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.rules.schema import RULE_ID


@dataclass(frozen=True, slots=True)
class _Sample:
    """A rule to begin with, its settings and tests.

    Attributes:
        id: of the rule.
        metric: what its condition reads; where the extended rulebook reads it too, its tests would notice the rule.
        instruct: what it asks for, the most fitting first; ``None`` takes what there is.
    """

    id: str
    metric: str
    instruct: tuple[str, ...] | None
    settings: str
    rule: str
    tests: str


_SAMPLES = (
    _Sample(
        "too-many-parameters",
        "P",
        ("RK", "RN"),
        """\
thresholds:
  TP: {default: 200000, range: [1000, 10000000]}   # parameters that are tolerated
priorities:
  PP: {default: 0.63, range: [0, 2]}
""",
        """\
  - id: too-many-parameters
    when: P > TP
    weight: PP
    instruct: [RK, RN]
    because: "{P:,.0f} parameters are more than {TP:,.0f}: narrow the layers"
""",
        """\
  - name: a network with too many parameters is narrowed
    given: {P: 200001}
    expect: {fired: [too-many-parameters], instructions: {RK: 0.63, RN: 0.63}}

  - name: just as many as tolerated are fine
    given: {P: 200000}
    expect: {not_fired: [too-many-parameters]}
""",
    ),
    _Sample(
        "uneven-classes",
        "class_gap",
        None,
        """\
# thresholds:
#   TV_Acc: {default: 0.95, range: [0.5, 1]}
# priorities:
#   PV_Acc: {default: 1, range: [0, 2]}
""",
        """\
  - id: uneven-classes
    when: class_gap > 0.5
    weight: 0.63
    instruct: [${instruct}]
    because: "recall of the best and the worst class differ by {class_gap:.0%}"
""",
        """\
  - name: a network that is blind to a class is told so
    given: {class_gap: 0.51}
    expect: {fired: [uneven-classes], instructions: {${instruct}: 0.63}}

  - name: classes that differ by half are tolerated
    given: {class_gap: 0.5}
    expect: {not_fired: [uneven-classes]}
""",
    ),
)
_DROPPED = "training-energy"
_COMMENT = 24
"""So wide is a key's value before the comment behind it."""
_PLAIN = r"(?:\.{0,2}/)?[A-Za-z0-9][A-Za-z0-9._/-]*"
_NO_STRING = re.compile(r"[-+]?[0-9][0-9]*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|true|false|null", re.IGNORECASE)
"""Names that YAML would take for something else."""


def new_rulebook(
    name: str,
    extends: str | None,
    file: str,
    base: Rulebook | None = None,
    passes: Callable[[str], bool] = lambda _: True,
) -> str:
    """The text of a new rulebook.

    Args:
        name: what it is called.
        extends: the rulebook that it builds on, a shipped name or a file beside it; ``None`` for one that stands alone.
        file: the file that it will be in, for the commands in its comments.
        base: the rulebook that ``extends`` names.
        passes: whether the tests of such a text pass; a sample whose tests do not is not taken.

    Raises:
        ConfigError: no rulebook can have this name.
    """
    if not re.fullmatch(RULE_ID, name):
        raise ConfigError(f"a rulebook cannot be called {name!r}", hint="use letters (a-z, A-Z), digits, - and _")
    for path in filter(None, (extends, file)):
        if not path.isprintable():
            raise ConfigError(f"{path!r} cannot stand in a comment", hint="choose a name that prints on one line")
    kind = "standalone" if extends is None else "extending"
    text = resources.files("lemonade_es.rules").joinpath("templates", f"{kind}.yaml").read_text(encoding="utf-8")
    words = {
        "name": quoted(name),
        "base": quoted(extends or ""),
        "base_word": shlex.quote(extends or ""),
        "file": shlex.quote(file),
        **_examples(base),
    }
    *samples, last = (Template(text).safe_substitute(words | sample) for sample in _samples(base))  # $schema is left
    return next(filter(passes, samples), last)


def quoted(text: str) -> str:
    """A name as YAML, in quotes where it would be taken for something else without them."""
    plain = re.fullmatch(_PLAIN, text) and not _NO_STRING.fullmatch(text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def _samples(base: Rulebook | None) -> Iterator[dict[str, str]]:
    """Rules for the template that the extended rulebook's tests do not notice; the last one is in comments."""
    ids, metrics, known = _read(base)
    fitting = [
        sample
        for sample in _SAMPLES
        if sample.id not in ids and sample.metric not in metrics and set(sample.instruct or ()) <= set(known)
    ]
    words = {"instruct": known[0] if known else "ACL"}
    for sample, mark in (*((sample, "") for sample in fitting), (_SAMPLES[-1], "# ")):
        rule, tests = (_commented(part) if mark else part for part in (sample.rule, sample.tests))
        settings, rule, tests = (Template(part).substitute(words) for part in (sample.settings, rule, tests))
        heads = {"rules_head": f"{mark}rules:", "tests_head": f"{mark}tests:"}
        yield {"settings": settings, "rule": rule, "tests": tests, **heads}


def _examples(base: Rulebook | None) -> dict[str, str]:
    """What the comments name of the extended rulebook: a rule to drop, two opposite instructions."""
    rules, instructions = (base.rules, base.instructions.values()) if base is not None else ((), ())
    asking = [rule.id for rule in rules if rule.conclude is None]  # without one that concludes, others cannot be read
    pair = next(((one.id, one.conflicts_with) for one in instructions if one.conflicts_with is not None), None)
    dropped = f"[{_DROPPED if _DROPPED in asking or not asking else asking[-1]}]"
    return {
        "drop": dropped.ljust(_COMMENT),
        "combined": "not added up: the largest counts" if base is not None and base.combine == "max" else "added up",
        "pair": "" if pair is None else f" ({pair[0]}, {pair[1]})",
    }


def _commented(text: str) -> str:
    return "".join(f"# {line}" if line.strip() else line for line in text.splitlines(keepends=True))


def _read(base: Rulebook | None) -> tuple[set[str], set[str], list[str]]:
    """The ids of a rulebook's rules, what they read, and its instructions; of none, what the first sample needs."""
    if base is None:
        return set(), set(), ["RK", "RN"]
    metrics = {
        name
        for rule in base.rules
        for name in (*rule.when.names, *(rule.weight.names if rule.weight else ()), *reason_names(rule.because))
    }
    return {rule.id for rule in base.rules}, metrics, list(base.instructions)
