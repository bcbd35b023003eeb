"""The page of benchmarks, and what it says in short."""

import pytest

from benchmarks import page
from benchmarks.summary import summary


def task(ours, theirs, *, evaluations_to=7):
    """Figures of a task as a result has them: contenders' V_Acc, and ours less theirs."""
    less = [ours[0] - theirs[0], -0.01, 0.02, 5]
    peer = {
        "V_Acc": {"30": theirs},
        "ours_less_theirs": {"V_Acc": {"30": less}, "test": {"30": None}},
        "hypervolume": [0.4, 0.3, 0.5, 5],
    }
    own = {
        "V_Acc": {"30": ours},
        "evaluations_to": {"tpe": evaluations_to, "tpe-warm": None},
        "hypervolume": [0.3, 0.2, 0.4, 5],
    }
    return {"evaluations": 30, "budgets": [30], "contenders": {"lemonade": own, "tpe": peer, "tpe-warm": peer}}


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ([0.90, 0.89, 0.91, 5], [0.80, 0.79, 0.81, 5], "V_Acc +0.1000 [-0.010, +0.020], intervals apart after 30;"),
        ([0.80, 0.79, 0.82, 5], [0.81, 0.80, 0.83, 5], "V_Acc -0.0100 [-0.010, +0.020], intervals nowhere apart;"),
        ([0.82, 0.80, 0.84, 5], [0.81, 0.79, 0.83, 5], "V_Acc +0.0100 [-0.010, +0.020], intervals nowhere apart;"),
        ([0.80, 0.79, 0.82, 5], [0.95, 0.94, 0.96, 5], "V_Acc -0.1500 [-0.010, +0.020], intervals nowhere apart;"),
    ],
)
def test_the_summary_tells_good_news_and_bad(ours, theirs, said):
    lines = summary({"quality": {"digits": task(ours, theirs)}})
    assert said in lines[1]
    assert lines[1].endswith("test -; evaluations (median) to its final V_Acc: 7")
    assert lines[2].endswith("final V_Acc: never")
    assert lines[-1] == "  - digits: 2 of 2 peers reach a larger one"


def test_the_best_peer_is_one_that_keeps_the_bounds_most_often():
    def goal(kept, value):
        return {"seeds": [1, 2], "kept": kept, "value": [value, value, value, kept], "first": 1}

    small = {"lemonade": goal(1, 0.8), "tpe": goal(2, 0.7), "nsga2": goal(2, 0.6), "tpe-warm": goal(1, 0.9)}
    (_, line) = summary({"goals": {"small": small}})
    assert "V_Acc 0.8000 (0.800 to 0.800), kept in 1 of 2 seeds; the best peer, tpe: 0.7000" in line


def test_what_was_not_measured_is_not_summarised():
    assert summary({}) == []


def test_the_page_is_that_of_the_results():
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "run `python -m benchmarks.page`"
