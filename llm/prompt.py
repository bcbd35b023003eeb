"""Prompts: an edit request and the refusals of earlier replies to it, told to a model in words.

The words stand in ``llm/prompts/*.md``; here is what is put into them. The system text comes first and stays
the same for a whole run, and a repair only adds to the end of its request, so that providers can cache.
Whatever a model, a data set or a candidate's error message wrote is put into a fence or a JSON string that it
cannot close.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from string import Template
from typing import Literal

from lemonade_es.errors import ReplyError
from lemonade_es.llm import schema, sections
from lemonade_es.llm.quotation import fenced, quoted
from lemonade_es.llm.reply import read_patch
from lemonade_es.llm.request import EditRequest, Feedback, ReplyLimits

MAX_QUOTED_CHARACTERS = 30_000
"""Of a refused reply, more is not quoted."""

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent to a model: the system text, then the messages."""

    system: str
    messages: tuple[Message, ...]

    def __str__(self) -> str:
        """The whole prompt, for people."""
        turns = (f"[{message.role}]\n{message.text}" for message in self.messages)
        return "\n\n".join((f"[system]\n{self.system}", *turns))


def prompt_for(request: EditRequest, feedback: Sequence[Feedback] = (), *, brief: bool = False) -> Prompt:
    """The prompt for a request; equal arguments give equal prompts.

    Args:
        request: what is wanted.
        feedback: for each refused reply to the same request, oldest first, why it was refused.
        brief: leave out what takes most room and can be missed: earlier iterations, and the words of a refused reply.
    """
    if brief:
        request = replace(request, history=())
        feedback = feedback[-1:]
    text = _first(request) if request.model_py is None else _change(request, request.model_py)
    if feedback:
        # One message, not three turns: some servers' chat templates want strictly alternating roles, and
        # an empty or cut-off answer cannot be sent back as the model's own turn.
        what = (
            "a complete new network"
            if request.model_py is None
            else "a complete new patch of the current network above"
        )
        text += _repair(feedback, what, left_out=brief)
    return Prompt(_system(request.limits), (Message("user", text),))


def _system(limits: ReplyLimits) -> str:
    form = "reply_fenced" if limits.prefer == "fenced" else "reply_json"
    return _fill(
        "system",
        max_source_bytes=str(limits.max_source_bytes),
        reply_form=_template(form).template.strip(),
        schema=json.dumps(schema.for_providers()),
    )


def _first(request: EditRequest) -> str:
    return _fill(
        "first",
        iteration=str(request.iteration),
        task=sections.tell_task(request.task),
        budgets=sections.tell_budgets(request.constraints),
        measures=sections.tell_wishes(request.thresholds) or "Accuracy on the validation set.",
        history=sections.tell_history(request.history),
        instructions=sections.tell_instructions(request.instructions, None),
        wanted=_wanted(request),
    )


def _change(request: EditRequest, source: str) -> str:
    return _fill(
        "request",
        iteration=str(request.iteration),
        task=sections.tell_task(request.task),
        budgets=sections.tell_budgets(request.constraints),
        source=fenced(source, "python"),
        census=sections.tell_census(request.census),
        measures=sections.tell_measures(request.metrics, request.thresholds) or "Nothing could be measured.",
        history=sections.tell_history(request.history),
        instructions=sections.tell_instructions(request.instructions, request.census),
        wanted=_wanted(request),
    )


def _repair(feedback: Sequence[Feedback], what: str, *, left_out: bool) -> str:
    *earlier, last = feedback
    line = ""
    if last.line is not None:
        line = f"Line {last.line} of the source" + (f": {quoted(last.line_text)}" if last.line_text else "")
    before = "\n".join(f"- {refusal.code}: {quoted(refusal.message)}" for refusal in earlier)
    return _fill(
        "repair",
        code=last.code,
        message=quoted(last.message),
        line=line,
        earlier=f"Replies before it were refused too:\n\n{before}\n" if earlier else "",
        reply="Left out here, for the prompt was too long." if left_out else _refused(last.reply),
        what=what,
    )


def _refused(reply: str) -> str:
    """The source of a refused reply, which is what its line numbers mean, or else the reply as it came."""
    if not reply.strip():
        return "Nothing."
    try:
        source = read_patch(reply).patch.model_py
    except ReplyError:
        source = None
    if source is not None:
        return fenced(source, "python")
    cut = f"\n\n({len(reply)} characters, cut here)" if len(reply) > MAX_QUOTED_CHARACTERS else ""
    return fenced(reply[:MAX_QUOTED_CHARACTERS]) + cut


def _wanted(request: EditRequest) -> str:
    if request.limits.prefer == "fenced":
        return "the JSON object, then the whole file in a code fence"
    if request.limits.prefer == "edits" and request.model_py is not None:
        return "`edits` of the current network, and null for `model_py`"
    return "the whole file in `model_py`, and null for `edits`"


def _fill(name: str, **values: str) -> str:
    return _template(name).substitute(values)


@cache
def _template(name: str) -> Template:
    return Template(resources.files("lemonade_es.llm").joinpath(f"prompts/{name}.md").read_text("utf-8"))
