"""The step of the check in which a candidate came to its end."""

from __future__ import annotations

import time

import pytest

from lemonade_es.trainer.isolation.child import CandidateFailed
from lemonade_es.trainer.measurement import Budget, Failure
from lemonade_es.trainer.trials.inspection import inspect
from lemonade_es.trainer.workshop import Workshop

pytestmark = pytest.mark.isolation

IN_FORWARD = """
from torch import nn
import torch

os, time = map(__import__, "os time".split())

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(192, 4)

    def forward(self, x):
        if {when}:
            {action}
        return self.layer(x.flatten(1))
"""

FLOOD = """
import torch
os, json, struct = map(__import__, "os json struct".split())
text = json.dumps({"answers": 1, "stage": "forward"}).encode()
while True:
    os.write(3, struct.pack("<IQ", len(text), 0) + text)
"""


@pytest.mark.parametrize(
    ("when", "action", "stage", "code"),
    [
        ("True", "os._exit(1)", "forward", "CRASHED"),
        ("len(x) == 4", "os.abort()", "batch", "CRASHED"),
        ("len(x) == 4", "time.sleep(1000)", "batch", "TIMED_OUT"),
    ],
)
def test_a_crash_is_reported_with_the_step_in_which_it_happened(
    workshop: Workshop, when: str, action: str, stage: str, code: str
) -> None:
    report = workshop.check(IN_FORWARD.replace("{when}", when).replace("{action}", action))
    assert (report.stage, report.code) == (stage, code)


def test_a_crash_in_training_without_a_report_names_it_too(workshop: Workshop) -> None:
    source = IN_FORWARD.replace("{when}", "True").replace("{action}", "os._exit(1)")
    failure = workshop.train(source, seed=1).measurement.failure
    assert failure is not None
    assert failure.code == "CRASHED"


def test_steps_without_end_are_no_progress(workshop: Workshop, good: str) -> None:
    report = workshop.check(FLOOD + good)
    assert report.code == "PROTOCOL"
    assert "a wrong step" in report.message


class Ended:
    """A child that comes to no answer."""

    def __init__(self, code: str) -> None:
        self.code = code

    def call(self, *_: object, **__: object) -> None:
        raise CandidateFailed(Failure(self.code, "it came to nothing"))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("TIMED_OUT", "it came to nothing: make the network smaller, and see that its loops end"),
        ("OUT_OF_MEMORY", "it came to nothing: use fewer or narrower layers, or shrink the feature maps earlier"),
        ("CRASHED", "it came to nothing"),
    ],
)
def test_a_check_that_its_child_does_not_live_to_answer_says_what_to_do(code: str, told: str) -> None:
    report = inspect(Ended(code), "", Budget(), seed=0, deadline=time.monotonic() + 1)
    assert (report.code, report.message) == (code, told)
