from __future__ import annotations

import json

import pytest

from lemonade_es.engine.account import accounts
from lemonade_es.engine.calibration import Calibration, calibrated
from lemonade_es.engine.compliance import Verdict
from lemonade_es.engine.history.bill import Bill
from lemonade_es.engine.history.events import (
    Accepted,
    Asked,
    Measured,
    Refused,
    Replied,
    RunInterrupted,
    RunResumed,
    Unanswered,
)
from lemonade_es.engine.history.journal import from_data
from lemonade_es.llm.executor import Reply, Try, Usage
from lemonade_es.llm.patch import Predicted
from lemonade_es.trainer.measurement import CheckReport, Measurement

CHECKED = CheckReport(True, "done")
SLOW = Try("timeout", "no answer", 2.0, 1.0)


def replied(iteration, attempt=1, executor="one", *, usage=None, seconds=1.0, tries=()):
    return Replied(iteration, attempt, Reply("{}", executor, usage or Usage(), seconds, tries=tries))


def accepted(iteration, attempt=1, verdicts=(), predicted=None, mended=()):
    return Accepted(iteration, attempt, "a.py", CHECKED, tuple(verdicts), "words", (), (), predicted, tuple(mended))


def test_each_executor_has_its_own_calls_faults_and_refusals():
    events = [
        replied(1, tries=(SLOW, SLOW)),
        Refused(1, 1, "reply", "NOT_JSON", "words", executor="one"),
        replied(1, 2),
        accepted(1, 2, mended=["code fence removed"]),
        Unanswered(2, 1, "one", "gone", (SLOW, Try("denied", "wrong key", 0.5))),
        replied(2, 5, "two"),
        Refused(2, 5, "forward", "SHAPE_MISMATCH", "words", executor="two"),
    ]
    one, two = accounts(events, repairs=2)
    assert (one.executor, two.executor) == ("one", "two")
    assert (one.bill.calls, one.bill.tries, one.unanswered, one.accepted) == (3, 6, 1, 1)
    assert one.faults == {"timeout": 3, "denied": 1}
    assert one.purposes == {"first": 2, "repair": 1}
    assert (one.refusals, two.refusals) == ({"NOT_JSON": 1}, {"SHAPE_MISMATCH": 1})
    assert one.mended == {"code fence removed": 1}
    assert two.purposes == {"fallback": 1}
    assert one.bill.seconds == pytest.approx(1 + 1 + 2 + 1 + 0.5)


def test_calls_under_way_when_the_process_was_killed_are_counted_apart():
    call = Asked(1, 1, "one", "words")
    events = [call, RunResumed({}), RunResumed({}), replied(1), RunResumed({}), Asked(2, 1, "one", "words"), replied(2)]
    (one,) = accounts(events, repairs=2)
    assert (one.broken_off, one.bill.calls) == (2, 2)
    stopped = [
        call,
        Unanswered(1, 1, "one", "stopped", (), interrupted=True),
        RunInterrupted(1),
        RunResumed({}),
        replied(1),
    ]
    assert [account.broken_off for account in accounts(stopped, repairs=2)] == [0]


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_call_that_is_killed_after_an_earlier_stop_is_counted_too(interrupted):
    stopped = Unanswered(1, 1, "one", "stopped", (), interrupted=interrupted)
    events = [Asked(1, 1, "one", "words"), stopped, RunResumed({}), RunResumed({}), replied(1)]
    (one,) = accounts(events, repairs=2)
    assert one.broken_off == 1


def test_a_resume_that_the_user_stopped_before_it_asked_lost_no_call():
    call = Asked(1, 1, "one", "words")
    stopped = Unanswered(1, 1, "one", "stopped", (), interrupted=True)
    events = [call, stopped, RunInterrupted(1), RunResumed({}), RunInterrupted(1), RunResumed({}), replied(1)]
    (one,) = accounts(events, repairs=2)
    assert one.broken_off == 0


def test_a_call_that_is_killed_again_after_a_stop_between_is_counted_twice():
    call = Asked(1, 1, "one", "words")
    events = [call, RunResumed({}), RunInterrupted(1), RunResumed({}), RunResumed({}), replied(1)]
    (one,) = accounts(events, repairs=2)
    assert one.broken_off == 2


def test_tries_without_an_answer_are_billed_as_far_as_it_is_known():
    counted = Try("server_error", "upstream", 1.0, 1.0, Usage(1000, 0, 200, 0, 0.25))
    refused = Try("connection", "refused", 1.0, 1.0)
    bill = Bill.of(replied(1, usage=Usage(10, 0, 5, 0, 0.5), tries=(SLOW, counted, refused)))
    assert (bill.input_tokens, bill.output_tokens, bill.cost_usd, bill.perhaps_paid) == (1010, 205, 0.75, 1)
    lost = Bill.of(Unanswered(2, 1, "one", "gone", (SLOW, counted)))
    assert (lost.known_usd, lost.perhaps_paid, lost.calls) == (0.25, 1, 1)


def test_a_refusal_by_the_executor_itself_is_a_call_of_that_executor():
    (one,) = accounts([Refused(1, 1, "reply", "REFUSED", "it declined", executor="one")], repairs=2)
    assert (one.executor, one.bill.calls, one.refusals) == ("one", 1, {"REFUSED": 1})


def test_compliance_counts_every_reply_that_was_judged_once():
    ignored = (Verdict("ACL", "not", 3, 3), Verdict("AD", "cannot tell"))
    events = [
        replied(2, 1),
        Refused(2, 1, "compliance", "NOT_FOLLOWED", "words", executor="one", verdicts=ignored),
        replied(2, 2),
        accepted(2, 2, [Verdict("ACL", "followed", 3, 4), Verdict("AD", "partly", 0, 2)]),
        replied(3, 1),
        Refused(3, 1, "compliance", "NOT_FOLLOWED", "words", executor="one", verdicts=ignored),
        accepted(3, 1, ignored),
    ]
    (one,) = accounts(events, repairs=2)
    assert one.compliance.counts == {"followed": 1, "partly": 1, "not": 2, "opposite": 0, "cannot tell": 2}
    assert one.compliance.rate == pytest.approx(1 / 4)
    assert one.by_instruction["ACL"].rate == pytest.approx(1 / 3)
    assert one.by_instruction["AD"].to_json()["cannot_tell"] == 2


def test_where_nothing_can_be_told_there_is_no_rate():
    (one,) = accounts([replied(1), accepted(1, 1, [Verdict("X", "cannot tell")])], repairs=2)
    assert one.compliance.rate is None


def test_predictions_are_compared_with_what_was_measured_and_with_nothing_else():
    events = [
        replied(1),
        accepted(1, 1, predicted=Predicted(T_Acc=0.9, V_Acc=0.9, P=100.0)),
        Measured(1, Measurement({"T_Acc": 0.8, "V_Acc": None, "P": 150.0}), None),
        replied(2),
        accepted(2, 1, predicted=Predicted(T_Acc=0.7)),
        Measured(2, Measurement({"T_Acc": 0.9}), None),
        replied(3),
        accepted(3, 1),
        Measured(3, Measurement({"T_Acc": 0.9}), None),
    ]
    found = accounts(events, repairs=2)[0].calibration
    assert found["T_Acc"] == Calibration(2, pytest.approx(-0.05), pytest.approx(0.15))
    assert found["P"] == Calibration(1, -50.0, 50.0)
    assert found["V_Acc"] == found["F"] == Calibration(0, None, None)


def test_predictions_that_cannot_be_meant_are_counted_and_not_averaged():
    sound = Predicted(T_Acc=1.0, V_Acc=0.0, F=2000.0, P=0.0)
    odd = (
        Predicted(T_Acc=5.0, V_Acc=-1.0, F=1e300, P=-3.0),
        Predicted(T_Acc=float("nan"), V_Acc=1.01, F=float("inf"), P=1e12),
    )
    measured = {"T_Acc": 0.5, "V_Acc": 0.5, "F": 1000.0, "P": 100.0}
    found = calibrated([(sound, measured), *((predicted, measured) for predicted in odd), (odd[0], {})])
    assert found == {
        "T_Acc": Calibration(1, 0.5, 0.5, 2),
        "V_Acc": Calibration(1, -0.5, 0.5, 2),
        "F": Calibration(1, 1000.0, 1000.0, 2),
        "P": Calibration(1, -100.0, 100.0, 2),
    }


def test_without_networks_nothing_is_calibrated():
    assert set(calibrated([]).values()) == {Calibration(0, None, None)}


def test_the_bill_of_calls_without_a_price_is_not_known_but_what_is_known_is_kept():
    paid = Bill.of(replied(1, usage=Usage(1000, 400, 200, 50, 0.25)))
    unpriced = Bill.of(replied(2, usage=Usage(10, 0, 5, 0, None)))
    total = paid + unpriced
    assert (paid.cost_usd, total.cost_usd, total.known_usd, total.unpriced) == (0.25, None, 0.25, 1)
    assert total.to_json() == {
        "calls": 2,
        "tries": 2,
        "input_tokens": 1010,
        "cached_tokens": 400,
        "cache_write_tokens": 0,
        "output_tokens": 205,
        "reasoning_tokens": 50,
        "perhaps_paid": 0,
        "cost_usd": None,
    }


def test_an_account_is_json():
    (one,) = accounts([replied(1), accepted(1)], repairs=2)
    assert json.loads(json.dumps(one.to_json(), allow_nan=False)) == one.to_json()


def test_events_of_a_journal_from_before_tries_and_executors_are_read():
    reply = {"text": "{}", "executor": "one", "usage": {}, "seconds": 1.0, "notes": [], "prompt": None}
    old = [
        from_data("Replied", {"iteration": 1, "attempt": 1, "reply": reply}),
        from_data("Refused", {"iteration": 1, "attempt": 1, "stage": "reply", "code": "NOT_JSON", "message": "words"}),
        from_data("Refused", {"iteration": 1, "attempt": 2, "stage": "reply", "code": "REFUSED", "message": "words"}),
    ]
    one, nobody = accounts(old, repairs=2)
    assert (one.refusals, nobody.executor, nobody.refusals) == ({"NOT_JSON": 1}, "?", {"REFUSED": 1})
