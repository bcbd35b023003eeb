"""Rules that never fire, or fire without effect."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lemonade_es.rules.analysis import arrays
from lemonade_es.rules.analysis.arrays import UNKNOWN
from lemonade_es.rules.analysis.prover import Prover
from lemonade_es.rules.analysis.saturation import saturations
from lemonade_es.rules.analysis.vector import Outcomes
from lemonade_es.rules.expression import Expression
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.lint.scene import Mask, Scene, fire_all, pack
from lemonade_es.rules.lint.wording import example, listed, located_all
from lemonade_es.rules.rulebook import Rule
from lemonade_es.rules.tie import level
from lemonade_es.vocabulary import TERMS

ENOUGH = 20
"""What a rule does in fewer situations says little about all situations."""


def firing(scene: Scene, contradictory: Collection[str]) -> Iterator[Finding]:
    """Rules that never fire, are unknown, or have no weight.

    Args:
        scene: the rulebook under its default settings.
        contradictory: the ids of rules whose conditions are known to contradict themselves; they are left out.
    """
    rulebook = scene.rulebook
    ranged = Prover(rulebook, scene.settings, rulebook.ranges) if rulebook.ranges else None
    free = Prover(rulebook, {})
    waiting: dict[tuple[tuple[str, ...], bool], list[Rule]] = {}
    weightless: dict[tuple[str, bool], list[Rule]] = {}
    for number, rule in enumerate(rulebook.rules):
        weight_names = rule.weight.names if rule.weight is not None else ()
        unset = scene.unset((*rule.when.names, *weight_names))
        if not unset and not scene.times[number] and (scene.outcomes.truth[:, number] == UNKNOWN).any():
            unset = scene.unset(sorted(scene.read_by([rule])))
        if unset:
            partly = bool(scene.times[number]) and not scene.unset(weight_names)  # another way to fire is left
            waiting.setdefault((tuple(dict.fromkeys(unset)), partly), []).append(rule)
        elif not scene.times[number]:
            if rule.id not in contradictory:
                yield from _never_fires(scene, rule, ranged)
        elif rule.weight is not None and number in scene.weightless:
            weightless.setdefault(_weighed(scene, free, rule.weight), []).append(rule)
    for (names, partly), rules in waiting.items():
        told = " and ".join(f"{name} ({TERMS[name].text})" for name in names)
        told += " is set" if len(names) == 1 else " are set"
        ids = [rule.id for rule in rules]
        part = ("a part of " if len(ids) == 1 else "parts of ") if partly else ""
        said = f"{part}{listed(ids)} cannot be decided until {told}, with --set or with a default in the rulebook"
        yield Finding("note", "UNKNOWN_UNTIL_SET", rules[0].when.place, said, tuple(ids))
    for (cure, settable), rules in weightless.items():
        ids = [rule.id for rule in rules]
        where = "at the default settings" if settable else "whatever is set"
        to_use = f" to use {'it' if len(ids) == 1 else 'them'}" if settable else ""
        said = f"the weight of {listed(ids)} is 0 {where}, so nothing is asked for; {cure}{to_use}"
        place = rules[0].weight.place if rules[0].weight is not None else rules[0].place
        yield Finding("note", "NO_WEIGHT", place, said, tuple(ids))


def _weighed(scene: Scene, free: Prover, weight: Expression) -> tuple[str, bool]:
    """What to do about a weight that is 0, and whether settings can be what to do; ``free`` has none."""
    names = [name for name in weight.names if name in scene.settings]
    if not names or free.always(ast.Compare(weight.tree, [ast.Eq()], [ast.Constant(0)])):
        return "look at its numbers" if weight.names else "raise it", False
    zero = [name for name in names if scene.settings[name] == 0]
    return f"raise {' or '.join(zero)}" if zero else f"set {' or '.join(names)} otherwise", True


def _never_fires(scene: Scene, rule: Rule, ranged: Prover | None) -> Iterator[Finding]:
    proof = _proof(scene, rule)
    names = dict.fromkeys((*rule.when.names, *(proof or ())))
    used = [f"{name} = {value:g}" for name in names if (value := scene.settings.get(name)) is not None]
    where = f" with {' and '.join(used)}" if used else ""
    cure = "look at its comparisons"
    if rule.when.conclusions:
        cure += f", and at the rules that conclude {listed(rule.when.conclusions)}"
    if proof is None:
        if scene.prover.possible(rule):
            return  # seldom, but it can
        closely = scene.closely([rule])
        if closely.firing_of(rule).any():
            return
        tried = len(scene.points.values) + len(closely.points.values)
        said = f"{rule.id} fires in none of {tried:,} situations tried{where}; {cure}"
        yield Finding("warning", "NEVER_FIRES", rule.when.place, said, (rule.id,), None, "tried")
    elif ranged is not None and not ranged.never(
        _all(rule, [node for name, node in proof.items() if name not in scene.rulebook.ranges])
    ):
        said = f"{rule.id} can never fire{where}, though it may at other settings in the declared ranges"
        yield Finding("note", "NEVER_FIRES", rule.when.place, said, (rule.id,))
    else:
        said = f"{rule.id} can never fire{where}; {cure}"
        yield Finding("warning", "NEVER_FIRES", rule.when.place, said, (rule.id,))


def _proof(scene: Scene, rule: Rule) -> Mapping[str, ast.expr] | None:
    """What proves that a rule never fires, beside its condition: what holds of normalised metrics, by threshold.

    ``None`` if it is not proved.
    """
    if scene.prover.never(rule.when.tree):
        return {}
    known = saturations(scene.book_of([rule]), scene.settings)
    tried = [*({name: node} for name, node in known.items()), known]
    return next((each for each in tried if scene.prover.never(_all(rule, each.values()))), None)


def _all(rule: Rule, others: Iterable[ast.expr]) -> ast.expr:
    """A rule's condition, together with what holds in any case."""
    return ast.BoolOp(ast.And(), [rule.when.tree, *others])


def dead_rules(scene: Scene) -> Iterator[Finding]:
    """Rules whose instructions are never passed on, as others outweigh them."""
    names = scene.outcomes.instructions
    passed_on = pack(scene.outcomes.kept > 0)
    unproved: list[tuple[int, list[_Loss]]] = []
    for number, rule in enumerate(scene.rulebook.rules):
        columns = [names.index(name) for name in rule.instruct]
        if not columns or not scene.times[number] or not scene.may_count(number):
            continue
        if (scene.bits[number] & passed_on[columns]).any():
            continue
        at = scene.fired[:, number]
        if not (np.nan_to_num(scene.outcomes.weights[at][:, columns]) > 0).any():
            continue
        losses = [_loss(scene, number, at, name) for name in rule.instruct]
        if all(loss.proved for loss in losses):
            yield _dead(scene, number, rule, losses, proved=True)
        elif scene.times[number] >= ENOUGH:
            unproved.append((number, losses))
    alive = _alive(scene, [scene.rulebook.rules[number] for number, _ in unproved])
    for number, losses in unproved:
        rule = scene.rulebook.rules[number]
        if rule.id not in alive:
            yield _dead(scene, number, rule, losses, proved=False)


def _alive(scene: Scene, rules: Sequence[Rule]) -> set[str]:
    """The rules of which something that they ask for is passed on, looking closely."""
    if not rules:
        return set()
    closely = scene.closely([judge for rule in rules for judge in _judges(scene, rule)])
    passed_on = pack(closely.outcomes.kept > 0)
    found = set()
    for rule in rules:
        columns = [closely.outcomes.instructions.index(name) for name in rule.instruct]
        if (pack(closely.firing_of(rule)[:, np.newaxis]) & passed_on[columns]).any():
            found.add(rule.id)
    return found


def _judges(scene: Scene, rule: Rule) -> list[Rule]:
    """The rules that decide whether what a rule asks for is passed on."""
    if scene.rulebook.max_instructions is not None:
        return list(scene.rulebook.rules)
    partners = [scene.rulebook.instructions[name].conflicts_with for name in rule.instruct]
    names = [*rule.instruct, *(name for name in partners if name is not None)]
    numbers = sorted({number for name in names for number in scene.givers[name]})
    return [scene.rulebook.rules[number] for number in numbers]


@dataclass(frozen=True, slots=True)
class _Loss:
    """How an instruction fares wherever a rule that gives it fires.

    Attributes:
        told: the same as a clause: ``ACL loses to RCL of slow (lemonade.yaml:79)``.
        rules: the rules behind it; none if it is cut for being too light.
        proved: whether it is certain.
    """

    told: str
    rules: tuple[Rule, ...]
    proved: bool


def _dead(scene: Scene, number: int, rule: Rule, losses: list[_Loss], *, proved: bool) -> Finding:
    told = " and ".join(loss.told for loss in losses)
    tried = "" if proved else f" (in all {scene.times[number]:,} such situations tried)"
    at = scene.fired[:, number]
    others = [other for loss in losses for other in loss.rules]
    dead = [scene.outcomes.instructions.index(name) for name in rule.instruct]

    def holds(outcomes: Outcomes) -> Mask:
        return fire_all([rule])(outcomes) & ~(outcomes.kept[:, dead] > 0).any(axis=1)

    witness = scene.witness(at, (rule, *others), holds, _judges(scene, rule))
    said = (
        f"{rule.id} has no effect: whenever it fires, {told}{tried}, for example with "
        f"{example(witness)}; raise its weight, or narrow the other rules"
    )
    ids = tuple(dict.fromkeys((rule.id, *(other.id for other in others))))
    return Finding("warning", "DEAD_RULE", rule.place, said, ids, witness, "proved" if proved else "tried")


def _loss(scene: Scene, number: int, at: Mask, name: str) -> _Loss:
    partner = scene.rulebook.instructions[name].conflicts_with
    column = scene.outcomes.instructions.index
    if partner is None or not (scene.outcomes.kept[at, column(partner)] > 0).any():
        return _unrivalled(scene, at, name)
    behind = _surely_heavier(scene, number, name, partner)
    proved = bool(behind)
    if not proved:
        behind = [other for other in scene.givers[partner] if scene.fired[at, other].any() and scene.may_count(other)]
        behind.sort(key=lambda other: -int(scene.fired[at, other].sum()))
    rules = tuple(scene.rulebook.rules[other] for other in behind)
    return _Loss(f"{name} loses to {partner} of {located_all(rules)}", rules, proved)


def _unrivalled(scene: Scene, at: Mask, name: str) -> _Loss:
    """An instruction that is not passed on, and loses to no other: it is too light, or rules take its weight away."""
    if (scene.outcomes.weights[at, scene.outcomes.instructions.index(name)] > 0).any():
        limit = scene.rulebook.max_instructions
        return _Loss(f"{name} is not {'the heaviest' if limit == 1 else f'among the {limit} heaviest'}", (), False)
    takers = tuple(
        scene.rulebook.rules[other]
        for other in scene.givers[name]
        if (weight := scene.rulebook.rules[other].weight) is not None
        and (at & scene.fired[:, other] & (arrays.number(weight.tree, scene.values) < 0)).any()
    )
    by = f" by {located_all(takers)}" if takers else ""
    return _Loss(f"{name} is left no weight{by}", takers, False)


def _surely_heavier(scene: Scene, number: int, name: str, partner: str) -> list[int]:
    """The rules that outweigh an instruction wherever a rule fires; none if that is not proved."""
    rules, weights = scene.rulebook.rules, scene.fixed_weights
    if any(weights[other] is None for other in (*scene.givers[name], *scene.givers[partner])):
        return []
    ours, against, behind = [0.0], [], []
    for other in scene.givers[name]:
        together = bool((scene.fired[:, other] & scene.fired[:, number]).any())
        if scene.may_count(other) and (together or not scene.prover.exclude(rules[number], rules[other])):
            ours.append(weights[other] or 0.0)
    for other in scene.givers[partner]:
        always = bool((scene.fired[:, other] | ~scene.fired[:, number]).all())
        if not scene.may_count(other):
            against.append(weights[other] or 0.0)
        elif always and scene.prover.implies(rules[number], rules[other]):
            against.append(weights[other] or 0.0)
            behind.append(other)
    combine = sum if scene.rulebook.combine == "sum" else max
    return behind if behind and level(combine(against)) > level(combine(ours)) else []
