"""The words of a rule, with values in them."""

from __future__ import annotations

import pytest

from lemonade_es.rules.reason import reason_names, reason_problems, render_reason


def test_values_are_shown_as_the_placeholder_says():
    text = "accuracy {T_Acc:.1%} of {TT_Acc}, {F:,.0f} frames {{sic}}"
    values = {"T_Acc": 0.61234, "TT_Acc": 0.7 + 0.1 + 0.1, "F": 14000.0}
    assert render_reason(text, values) == "accuracy 61.2% of 0.9, 14,000 frames {sic}"
    assert reason_names(text) == ("T_Acc", "TT_Acc", "F")


def test_an_unknown_value_is_shown_as_unknown():
    assert render_reason("at {V_Acc:.1%}", {"V_Acc": None}) == "at unknown"
    assert render_reason("at {V_Acc:.1%}", {}) == "at unknown"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{V_Ac}", "did you mean {V_Acc}?"),
        ("{overfitting}", "not in the vocabulary"),
        ("{V_Acc.real}", "not in the vocabulary"),
        ("{V_Acc[0]}", "not in the vocabulary"),
        ("{V_Acc!r}", "not in the vocabulary"),
        ("{}", "not in the vocabulary"),
        ("{V_Acc:d}", "no number format"),
        ("{V_Acc:>1000000000}", "no number format"),
        ("{V_Acc:999999999.1f}", "no number format"),
        ("{V_Acc:{T_Acc}}", "no number format"),
        ("{V_Acc:.1q}", "no number format"),
        ("{V_Acc", "a { or a } has no partner"),
        ("50} of {V_Acc}", "a { or a } has no partner"),
    ],
)
def test_a_placeholder_that_cannot_be_filled_is_a_problem(template, said):
    assert any(said in problem for _, problem in reason_problems(template)), reason_problems(template)


def test_each_placeholder_that_cannot_be_filled_is_found_where_it_stands():
    assert [offset for offset, _ in reason_problems("{{ {V_Acc} and {V_Ac:.1%}, {T_Ac} and {T_Ac}")] == [15, 27, 38]


@pytest.mark.parametrize("form", ["", ":.1%", ":.3g", ":,.0f", ":8.2f", ":+.1e", ":05.1f"])
def test_every_format_that_is_accepted_can_be_rendered(form):
    template = "{V_Acc" + form + "}"
    assert reason_problems(template) == []
    assert render_reason(template, {"V_Acc": 0.5}) != ""
