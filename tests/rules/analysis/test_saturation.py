"""What holds of a normalised metric and of the one that it follows from."""

from __future__ import annotations

import numpy as np
import pytest

from lemonade_es.engine.metric import normalised
from lemonade_es.rules.analysis.arrays import TRUE, condition
from lemonade_es.rules.analysis.saturation import MAX_STEPS, saturations
from lemonade_es.rules.load import parse_rulebook

HEAD = "rulebook: b\nversion: 1\ninstructions: {ACL: {text: Add}}\nrules:\n"


def saturated(when, **settings):
    rule = f"  - {{id: r, when: {when}, weight: 1, instruct: [ACL]}}\n"
    return saturations(parse_rulebook(HEAD + rule, "b.yaml"), settings)


@pytest.mark.parametrize("limit", [14000.0, 0.3, 7e9])
def test_what_is_normalised_fulfils_it_and_what_is_not_fails(limit):
    found = saturated("F > 14000 or F < 31.7 or NF > 0.4 or NF <= 0.1 or NF > 0.999", TF=limit)
    speeds = np.asarray([0, 31.7, 14000, *limit * 10 ** np.random.default_rng(1).uniform(-6, 6, 5000)])
    shares = np.asarray([normalised({"F": speed}, {"TF": limit})["NF"] for speed in speeds])
    assert (condition(found["TF"], {"F": speeds, "NF": shares}) == TRUE).all()
    wrong = condition(found["TF"], {"F": speeds, "NF": 1 - shares})
    assert (wrong[np.abs(shares - 0.5) > 0.2] != TRUE).all()


@pytest.mark.parametrize(
    ("when", "limit"),
    [
        ("F > 14000", 14000.0),  # one of the two alone
        ("F > 14000 and NF < 0.5", None),
        ("F * V_Acc > 1 and NF * V_Acc < 1", 14000.0),  # compared with nothing by itself
        (" or ".join(f"F > {value} and NF > 0.5" for value in range(1, MAX_STEPS + 1)), 14000.0),
    ],
)
def test_nothing_is_known_of_others(when, limit):
    assert saturated(when, TF=limit) == {}
