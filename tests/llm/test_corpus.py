"""Replies as models send them, one in each file of the corpus, against the verdicts in its index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lemonade_es.errors import ReplyError
from lemonade_es.llm import codes
from lemonade_es.llm.executor import Reply
from lemonade_es.llm.patch import apply_patch
from lemonade_es.llm.reply import read_reply

CORPUS = Path(__file__).parent / "corpus"
INDEX: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load((CORPUS / "index.yaml").read_text("utf-8"))
NETWORK = (CORPUS / "network.txt").read_text("utf-8")
READ = {name: verdict for name, verdict in INDEX.items() if "refused" not in verdict}
REFUSED = {name: verdict for name, verdict in INDEX.items() if "refused" in verdict}


def reply(name: str) -> Reply:
    # Bytes, and not text: the line ends are part of the reply.
    return Reply((CORPUS / "replies" / f"{name}.txt").read_bytes().decode("utf-8"), "corpus")


def base(verdict: dict[str, Any]) -> str:
    return NETWORK if verdict.get("base") == "same" else f"{NETWORK}\n# the network before\n"


def test_each_reply_has_a_verdict_and_each_verdict_a_reply() -> None:
    assert {path.stem for path in (CORPUS / "replies").iterdir()} == set(INDEX)
    assert len(INDEX) >= 60


def test_the_corpus_meets_each_reason_for_which_the_text_of_a_reply_can_be_refused() -> None:
    others = {"REFUSED", "CONTENT_FILTERED"}  # what the provider says of a reply, not what is in it
    others |= {"FOREIGN_SOURCE", "BUDGET_TOO_SMALL", "NOTHING_TO_DO", "NO_SOURCE"}  # the request's fault
    assert {verdict["refused"] for verdict in REFUSED.values()} == set(codes.Code) - others


@pytest.mark.parametrize("name", READ)
def test_a_reply_with_one_reading_is_read_and_what_was_mended_is_told(name: str) -> None:
    verdict = READ[name]

    read = read_reply(reply(name))
    patched = apply_patch(read.patch, base(verdict))

    assert list(read.mended) == verdict["mended"]
    assert (read.patch.model_py is None) != (read.patch.edits is None)
    if verdict.get("model_py") == "network":
        assert patched == NETWORK
    if "patched" in verdict:
        assert verdict["patched"] in patched
    if "edits" in verdict:
        assert len(read.patch.edits or ()) == verdict["edits"]
    assert read.patch.summary == verdict.get("summary", "Added a third convolution.")
    assert [entry.instruction for entry in read.patch.applied] == ["ACL"]
    assert [entry.instruction for entry in read.patch.skipped] == ["RD"]
    if "predicted" in verdict:
        predicted = read.patch.predicted
        assert verdict["predicted"] == (
            predicted and {name: getattr(predicted, name) for name in ("T_Acc", "V_Acc", "F", "P")}
        )


@pytest.mark.parametrize("name", REFUSED)
def test_a_reply_without_one_reading_is_refused_with_its_reason(name: str) -> None:
    verdict = REFUSED[name]

    with pytest.raises(ReplyError) as refusal:
        apply_patch(read_reply(reply(name)).patch, base(verdict))

    assert refusal.value.code == verdict["refused"]
    assert verdict.get("says", "") in str(refusal.value)
    assert len(str(refusal.value)) < 700
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("name", READ)
def test_a_reply_that_ends_early_is_never_read_as_something_else(name: str) -> None:
    """Wherever it is cut: the same patch, or a refusal."""
    whole = reply(name).text
    patched = apply_patch(read_reply(Reply(whole, "corpus")).patch, base(READ[name]))
    wrong = []
    for end in range(0, len(whole), 7):
        try:
            read = read_reply(Reply(whole[:end], "corpus"))
        except ReplyError:
            continue
        if apply_patch(read.patch, base(READ[name])) != patched:
            wrong.append(end)

    assert wrong == []
