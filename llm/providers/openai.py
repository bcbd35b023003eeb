"""OpenAI's chat completions, and the many servers that speak them: Ollama, vLLM, llama.cpp, gateways."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lemonade_es.errors import ExecutorError
from lemonade_es.llm.chat import Completion
from lemonade_es.llm.executor import Finish, Usage
from lemonade_es.llm.faults import Otherwise
from lemonade_es.llm.prompt import Prompt
from lemonade_es.llm.providers.answer import count, counted, parsed, too_long
from lemonade_es.llm.providers.bounds import MAX_SECONDS, Bounds
from lemonade_es.llm.providers.service import TEMPERATURE, Service

if TYPE_CHECKING:
    import openai

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
HOME = "https://api.openai.com/v1"
ELSEWHERE = "http://127.0.0.1:11434/v1"

_FORMS = ("json_schema", "json_object")
"""Ways to ask for JSON, the strictest first."""

_OF_FORMS = ("json schema", "structured output", "json mode", "grammar")
"""How refusals name them otherwise: vLLM and llama.cpp what they make of a schema."""

_LIMITS = ("max_completion_tokens", "max_tokens")
"""Names of the bound on an answer's tokens: OpenAI's own today, and the one before it, which other servers know."""

_NAMED_BY: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "response_format": ("response_format", "response format", *_FORMS, *_OF_FORMS),
    **{name: (name,) for name in _LIMITS},
}
"""How a server's refusal names a parameter that can be left out."""

_FILTERED = ("content_filter", "content_policy_violation", "invalid_prompt")
"""Codes of refusals to take a prompt, Azure's and OpenAI's."""

_MALFORMED = "json_validate_failed"
"""Groq's code for an answer that its check of JSON threw away: without a form it comes, to be mended here."""

_NO_SYSTEM = re.compile(r"system role|roles must alternate|role.{0,20}system|messages\[0\]\.role", re.IGNORECASE)
"""How servers say that a model takes no system text."""

_EXPECTED = "an OpenAI-compatible server, usually ending in /v1"


class OpenAIClient:
    """One model behind the chat-completions API.

    Args:
        model: the server's name for it.
        base_url: the server; OpenAI's, or ``OPENAI_BASE_URL``, if ``None``.
        timeout: seconds to wait for the connection, and for each piece of the answer.
        seconds: for a whole call; by default ten minutes, or ``timeout`` if that is more.
        temperature: of sampling.
        max_tokens: of an answer with its reasoning; the server's own bound if ``None``.

    Raises:
        ConfigError: the base URL is not one of HTTP.
        ExecutorError: the SDK is not installed, or there is no usable key in ``OPENAI_API_KEY``.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        timeout: float,
        seconds: float | None = None,
        temperature: float = TEMPERATURE,
        max_tokens: int | None = None,
    ) -> None:
        self.name = f"openai:{model}"
        self._service = Service.found(
            self.name,
            keys=(KEY_VARIABLE,),
            urls=(URL_VARIABLE,),
            base_url=base_url,
            home=HOME,
            expected=_EXPECTED,
            example=ELSEWHERE,
            timeout=timeout,
        )
        try:
            import openai  # noqa: PLC0415 - an optional package, and slow to import
        except ImportError:
            raise self._service.denied(
                "the package openai is not installed", "pip install 'lemonade-es[openai]'"
            ) from None
        http = openai.DefaultHttpxClient
        self._bounds = Bounds(
            http, where=self.name, seconds=seconds or max(MAX_SECONDS, timeout), address=self._service.address
        )
        with self._service.making():
            self._sdk = openai.OpenAI(
                api_key=self._service.key,
                base_url=self._service.url,
                timeout=timeout,
                max_retries=0,  # the executor tries again, and keeps a record of each try
                http_client=http(timeout=timeout, **self._bounds.client_options),
            )
        self._temperature: float | None = temperature
        self._max_tokens = max_tokens
        self._forms = list(_FORMS)
        self._limits = [] if max_tokens is None else sorted(_LIMITS, reverse=self._service.elsewhere)
        self._system = True
        self._notes: list[str] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._service.model!r}, base_url={self._service.url!r})"

    @property
    def server(self) -> str | None:
        """Its base URL without credentials; ``None`` if it is the provider's own."""
        return self._service.server

    @property
    def elsewhere(self) -> bool:
        """Whether a server is asked that is not OpenAI's."""
        return self._service.elsewhere

    def complete(self, prompt: Prompt, answer: Mapping[str, Any] | None, seed: int = 0) -> Completion:
        """Ask the model once.

        What the server refuses by name is left out, from then on: ``temperature``; a JSON Schema, for JSON of any
        kind, for nothing; the bound on tokens, for that of the older name, for none; and the system's turn, whose
        text is then the beginning of the user's.

        Raises:
            CallFaultError: the server is overloaded, fails or cannot be reached, its answer is cut off, does not end or
                is no chat completion.
            Otherwise: the server takes no form of JSON, or no prompt of this length.
            ExecutorError: the key, the model or the request is refused.
        """
        while True:
            completion = self._try(self._parameters(prompt, answer))
            if completion is not None:
                return completion

    def _parameters(self, prompt: Prompt, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        turns = [{"role": message.role, "content": message.text} for message in prompt.messages]
        if self._system:
            turns.insert(0, {"role": "system", "content": prompt.system})
        else:
            turns[0] = {**turns[0], "content": f"{prompt.system}\n\n{turns[0]['content']}"}
        parameters: dict[str, Any] = {"model": self._service.model, "messages": turns}
        if self._temperature is not None:
            parameters["temperature"] = self._temperature
        if self._limits:
            parameters[self._limits[0]] = self._max_tokens
        if answer is not None and self._forms:
            parameters["response_format"] = {"type": self._forms[0]}
            if self._forms[0] == "json_schema":
                described = {"name": "patch", "strict": True, "schema": dict(answer)}
                parameters["response_format"]["json_schema"] = described
        return parameters

    def _try(self, sent: Mapping[str, Any]) -> Completion | None:
        """The completion; ``None`` if the server would have the request otherwise, and that was noted."""
        import openai  # noqa: PLC0415

        try:
            with self._service.untold(), self._bounds.call():
                response = self._sdk.chat.completions.with_raw_response.create(**sent)
                body = response.http_response.content
        except openai.APIStatusError as error:
            refused = _refused_parameter(error, sent)
            failure = self._status_error(error)
            if refused is not None:
                self._leave_out(refused, failure)
                return None
            if self._system and error.status_code in (400, 422) and _NO_SYSTEM.search(f"{error.param} {_said(error)}"):
                self._system = False
                self._notes.append("the system's turn left out: the server refused it; its text begins the user's")
                return None
            if error.status_code == 400 and error.code in _FILTERED:
                return Completion("", "filtered", Usage(), tuple(self._notes))
            if _is_too_long(error):
                raise Otherwise("brief", failure) from None
            # From None: the SDK's error holds the request with its key, and what the server made of it.
            raise failure from None
        except openai.APITimeoutError as error:
            raise self._service.silent(error.__cause__) from None
        except openai.APIError as error:
            raise self._service.unreachable(error.__cause__ or error, begun=self._bounds.status is not None) from None
        except UnicodeError:
            raise self._service.unsendable() from None
        return self._completion(body.decode("utf-8", "replace"))

    def _leave_out(self, refused: str, failure: ExecutorError) -> None:
        """Take note that a parameter is refused, and of what comes in its place."""
        form = refused == "response_format"
        said = self._forms.pop(0) if form else refused
        if refused == "temperature":
            self._temperature = None
        elif not form:
            self._limits.remove(refused)
        self._notes.append(f"{said} left out: the server refused it")
        if form and not self._forms:
            raise Otherwise("fenced", failure) from None

    def _completion(self, body: str) -> Completion:
        try:
            data = parsed(body)
            choice = (data["choices"] or [{"message": None}])[0]
            message = choice["message"]
            usage = _usage(data, _text(message or {}))
            failure = self._failure(choice, usage)
            if failure is not None and (choice.get("finish_reason") == "error" or not _text(message or {})):
                raise failure
            if message is None and usage is not None:  # an answer without words, which is paid
                message = {}
            text, refusal = _text(message), _refusal(message)
            ended = choice.get("finish_reason")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise self._no_completion(body) from None
        finish: Finish = "complete"
        if refusal or ended == "refusal":
            finish = "refused"
        elif ended == "content_filter":
            finish = "filtered"
        elif ended == "length":
            finish = "length"
        if isinstance(refusal, str) and refusal:
            text = refusal
        notes = tuple(self._notes)
        if finish == "complete" and not text.strip() and (misplaced := _json_in_reasoning(message)):
            text, notes = misplaced, (*notes, "the answer came as reasoning")
        return Completion(self._service.scrubbed(text), finish, usage, notes)

    def _no_completion(self, body: str) -> ExecutorError:
        """What a body with status 200 is that holds no choice: a gateway's error, or something else altogether."""
        with suppress(ValueError, TypeError, LookupError, AttributeError, RecursionError):
            if (failure := self._failure(parsed(body))) is not None:
                return failure
        return self._service.no_completion(body)

    def _failure(self, told: Mapping[str, Any], usage: Usage | None = None) -> ExecutorError | None:
        """What a gateway says of the server behind it, in an answer that has itself the status 200."""
        error = told.get("error")
        status = error.get("code") if isinstance(error, dict) else None
        if isinstance(status, str) and status.isdecimal():
            status = int(status[:4])
        if not isinstance(error, dict) or not isinstance(status, int) or not 400 <= status < 600:
            return None
        return self._service.failed(status, _wrapped(error) or str(error.get("message")), usage=usage)

    def _status_error(self, error: openai.APIStatusError) -> ExecutorError:
        if error.code == "insufficient_quota":
            said = self._service.one_line(_said(error))
            return self._service.denied(f"the quota is used up ({error.status_code}): {said}", "raise it, and resume")
        return self._service.failed(error.status_code, _said(error), error.response.headers)


def _refused_parameter(error: openai.APIStatusError, sent: Mapping[str, Any]) -> str | None:
    """The parameter that a refusal names and that can be left out."""
    said = _said(error).lower()
    # llama.cpp's server calls it an error of its own, of old
    own = error.status_code >= 500 and any(word in said for word in _NAMED_BY["response_format"])
    if error.code == _MALFORMED or own:
        return "response_format" if "response_format" in sent else None
    if error.status_code not in (400, 422):
        return None
    named: object = error.param  # whatever the server sent
    if isinstance(named, str) and named in _NAMED_BY:
        return named if named in sent else None
    if isinstance(named, str) and not named.startswith("response_format"):
        return None
    for parameter, words in _NAMED_BY.items():
        if parameter in sent and any(word in said for word in words):
            return parameter
    return None


def _said(error: openai.APIStatusError) -> str:
    """The server's own message."""
    body = error.body
    message = (_wrapped(body) or body.get("message")) if isinstance(body, dict) else body
    return str(message or error.response.text or error.message)


def _wrapped(error: Mapping[str, Any]) -> str | None:
    """The words of the server behind a gateway, which has its own and encloses those: OpenRouter does."""
    enclosed = error.get("metadata")
    raw = enclosed.get("raw") if isinstance(enclosed, dict) else None
    return f"{error.get('message')}: {raw}" if isinstance(raw, str) and raw else None


def _is_too_long(error: openai.APIStatusError) -> bool:
    if error.status_code in (400, 422, 500):  # servers on top of llama.cpp call it an error of their own
        return too_long(f"{error.code} {_said(error)}")
    return error.status_code == 413


def _text(message: Mapping[str, Any]) -> str:
    """The words of a message: some servers send them in parts, or as the call of a tool that they were not given."""
    content = message.get("content")
    if isinstance(content, dict):
        return json.dumps(content)
    text = content if isinstance(content, str) else "".join(_words(content))
    calls = [call.get("function") for call in _dicts(message.get("tool_calls"))] or [message.get("function_call")]
    given = [call.get("arguments") for call in _dicts(calls)]
    said = [each if isinstance(each, str) else json.dumps(each) for each in given if isinstance(each, str | dict)]
    return "\n".join([text, *said] if text.strip() else said) or text


def _json_in_reasoning(message: Mapping[str, Any]) -> str:
    """An answer that the server took for reasoning, as vLLM and LM Studio do where a schema leaves room for none.

    Reasoning itself does not begin with a brace.
    """
    given = (message.get(name) for name in ("reasoning_content", "reasoning"))
    return next((text for text in given if isinstance(text, str) and text.lstrip().startswith("{")), "")


def _words(content: object) -> Iterator[str]:
    """The texts of a message's parts; a few servers send these as plain strings."""
    for part in content if isinstance(content, list) else ():
        yield from [part] if isinstance(part, str) else _parts([part], "text", "output_text")


def _refusal(message: Mapping[str, Any]) -> object:
    return message.get("refusal") or "".join(_parts(message.get("content"), "refusal"))


def _parts(content: object, *kinds: str) -> list[str]:
    texts = (part.get("text", part.get("refusal")) for part in _dicts(content) if part.get("type") in kinds)
    return [text for text in texts if isinstance(text, str)]


def _dicts(items: object) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _usage(data: Mapping[str, Any], text: str) -> Usage | None:
    """The tokens of an answer; ``None`` if they are not counted, or cannot be: 0 for a prompt or for words."""
    usage = data.get("usage")
    sent, received = counted(usage, "prompt_tokens"), counted(usage, "completion_tokens")
    if not isinstance(usage, dict) or not sent or received is None or (text and not received):
        return None
    details = usage.get("prompt_tokens_details")
    cached = count(details, "cached_tokens") or count(usage, "prompt_cache_hit_tokens")  # DeepSeek's name
    if cached > sent:  # a wrong count is no discount
        cached = 0
    reasoning = count(usage.get("completion_tokens_details"), "reasoning_tokens")
    # some servers count reasoning beside the completion, and not as a part of it: the total says so
    beside = min(reasoning, max(0, count(usage, "total_tokens") - sent - received))
    return Usage(
        input_tokens=sent,
        cached_tokens=cached,
        cache_write_tokens=min(sent - cached, count(details, "cache_write_tokens")),
        output_tokens=max(received + beside, reasoning),
        reasoning_tokens=reasoning,
        cost_usd=None,
    )
