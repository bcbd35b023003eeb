"""Where a network comes from: its iteration, and who wrote it and the networks that it was edited from."""

from __future__ import annotations

import pytest

from lemonade_es.engine.expert.conflicts import Resolution
from lemonade_es.engine.expert.inference import Inference
from lemonade_es.engine.final.origin import network_of
from lemonade_es.engine.history.events import Accepted, Advised, IterationEnded, Replied, Seconds
from lemonade_es.engine.history.journal import Entry
from lemonade_es.errors import ConfigError
from lemonade_es.llm.executor import Reply
from lemonade_es.trainer.measurement import CheckReport
from tests.engine.test_record import begun

MODEL, STAND_IN = "openai:gpt-4o", "builtin"


def iteration(number, *executors, base=None, best=False, rulebook=""):
    """Attempts of executors, of which the last one is taken."""
    if base is not None:
        yield Advised(number, base, Inference({}, (), (), {}, {}, {}), Resolution({}), rulebook)
    yield from (Replied(number, attempt, Reply("{}", name)) for attempt, name in enumerate(executors, 1))
    yield Accepted(number, len(executors), f"{number}.py", CheckReport(True, "done"), (), "", (), (), None, ())
    yield IterationEnded(number, "ok", {}, 1.0, best, Seconds())


def recorded(*iterations):
    events = [event for events in iterations for event in events]
    return (*begun(), *(Entry("r", number, "", event) for number, event in enumerate(events, 1)))


def test_those_who_wrote_a_network_are_those_of_the_replies_that_were_taken_along_its_line():
    entries = recorded(
        iteration(1, STAND_IN, best=True),
        iteration(2, MODEL, STAND_IN, base=1),
        iteration(3, STAND_IN, MODEL, base=1, best=True),
        iteration(4, "anthropic:claude", base=2),
    )
    written = {number: network_of(entries, number).authors for number in (1, 2, 3, 4)}
    assert written == {
        1: (STAND_IN,),
        2: (STAND_IN,),
        3: (STAND_IN, MODEL),
        4: (STAND_IN, "anthropic:claude"),
    }
    assert network_of(entries, None).accepted.source == "3.py"


def test_the_rulebooks_of_a_network_are_those_that_advised_along_its_line():
    """A watched one may have changed since the run began, and an iteration aside of the line tells nothing."""
    entries = recorded(
        iteration(1, STAND_IN),
        iteration(2, STAND_IN, base=1, rulebook="old"),
        iteration(3, STAND_IN, base=1, rulebook="new"),
        iteration(4, STAND_IN, base=2, rulebook="new"),
    )
    at_the_start = entries[0].event.rulebook_digest
    found = {number: network_of(entries, number).rulebooks for number in (1, 2, 3, 4)}
    assert found == {1: (at_the_start,), 2: ("old",), 3: ("new",), 4: ("old", "new")}


def test_a_run_in_which_nothing_leads_says_what_can_be_taken_all_the_same():
    entries = recorded(iteration(1, STAND_IN))
    with pytest.raises(ConfigError, match=r"no valid network.*--iteration N takes one"):
        network_of(entries, None)
    assert network_of(entries, 1).accepted.source == "1.py"
