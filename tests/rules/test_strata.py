"""The order of conclusions, and loops among them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from lemonade_es.rules.strata import drawers, find_loops, strata, upstream


@dataclass(frozen=True)
class Condition:
    conclusions: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    id: str
    when: Condition
    conclude: str | None


def rule(name, reads, draws=None):
    return Drawn(name, Condition(tuple(reads)), draws)


def test_a_rule_stands_above_every_rule_that_draws_what_it_reads():
    rules = [rule("last", ["b"]), rule("two", ["a"], "b"), rule("one", [], "a"), rule("other", [], "b")]
    assert strata(rules) == {"last": 2, "two": 1, "one": 0, "other": 0}


def test_a_thousand_links_in_a_chain_are_no_trouble():
    rules = [rule(f"r{n}", [f"c{n - 1}"] if n else [], f"c{n}") for n in range(1000)]
    assert strata(rules)["r999"] == 999
    assert find_loops(rules) == ()


def test_loops_are_found_each_once_and_told_from_the_reader_to_the_read():
    rules = [rule("1", ["b"], "a"), rule("2", ["a"], "b"), rule("3", ["c"], "c"), rule("4", ["a"], "d")]
    loops = find_loops(rules)
    assert sorted(frozenset(loop) for loop in loops) == sorted([frozenset("ab"), frozenset("c")])
    reads = {"a": {"b"}, "b": {"a"}, "c": {"c"}}
    for loop in loops:
        assert loop[0] == loop[-1]
        assert all(later in reads[earlier] for earlier, later in pairwise(loop))


def test_upstream_of_a_rule_are_all_that_draw_what_it_reads_at_any_distance():
    rules = [rule("last", ["b"]), rule("two", ["a", "none"], "b"), rule("one", [], "a"), rule("other", [], "b")]
    drawn = drawers([*rules, rule("aside", ["b"], "c")])
    assert {name: [item.id for item in items] for name, items in drawn.items()} == {
        "b": ["two", "other"],
        "a": ["one"],
        "c": ["aside"],
    }
    assert set(upstream(rules[:1], drawn)) == {"last", "two", "one", "other"}
    assert set(upstream(rules[1:2], drawn)) == {"two", "one"}
