"""What a training is told that was ended for want of time."""

from __future__ import annotations

import time

import pytest

from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.measurement import Failure, Measurement, Trained

LATE = "it was not done 3.01 s after it was started"


@pytest.mark.parametrize(
    ("option", "code", "left", "named"),
    [
        ("--candidate-seconds", "TIMED_OUT", 0.0, True),
        ("--candidate-seconds", "TIMED_OUT", 60.0, False),  # it was silent for too long, or its check was too slow
        ("--candidate-seconds", "CRASHED", 0.0, False),
        ("", "TIMED_OUT", 0.0, False),
    ],
)
def test_the_option_that_allows_more_time_is_named_where_the_time_was_the_limit(option, code, left, named):
    trained = Trained(Measurement({}, {}, Failure(code, LATE, line=7)), None)
    told = Limits(train_option=option).told(trained, time.monotonic() + left)
    message = f"{LATE}: give more with --candidate-seconds" if named else LATE
    assert told.measurement.failure == Failure(code, message, line=7)
