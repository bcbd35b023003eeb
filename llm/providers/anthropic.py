"""Anthropic's messages."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
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
    import anthropic

KEY_VARIABLE = "ANTHROPIC_API_KEY"
URL_VARIABLE = "ANTHROPIC_BASE_URL"
HOME = "https://api.anthropic.com"

MAX_TOKENS = 32_000
"""Of an answer with its reasoning: the API wants a number. It is lowered for models that cannot write so much."""

LEAST_TOKENS = 2_000
"""In which an answer still fits."""

TOOL = "patch"

_FORMS: Mapping[str, tuple[str, ...]] = {
    "output_config": ("output_config", "output_format", "output format", "structured output", "schema", "grammar"),
    "strict tool": ("strict", "tool", "schema", "grammar"),
    "tool": ("tool",),
}
"""Ways to ask for JSON, the strictest first, and how a server's refusal names them."""

_STATUS: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Of errors that come with status 200, through a gateway for instance."""

_FINISH: Mapping[str, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
}
_TOO_MANY = re.compile(r"max_tokens: \d+ > (?P<most>\d{1,12})\b")
_TOGETHER = re.compile(
    r"input length and `max_tokens` exceed context limit: (?P<sent>\d{1,12}) \+ \d+ > (?P<most>\d{1,12})\b"
)
"""There is room for an answer, though not for such a long one."""

_LOWERED = "max_tokens lowered to"
_MOST_LOWERED = 3
"""Times: a server that names another bound each time would be asked for ever."""

_FILTERED = "content filtering policy"


class AnthropicClient:
    """One model behind the messages API.

    The system text is marked for the provider's prompt cache: it stays the same for a whole run.

    Args:
        model: the server's name for it.
        base_url: the server; Anthropic's, or ``ANTHROPIC_BASE_URL``, if ``None``.
        timeout: seconds to wait for the connection, and for each piece of the answer.
        seconds: for a whole call; by default ten minutes, or ``timeout`` if that is more.
        temperature: of sampling.
        max_tokens: of an answer with its reasoning; :data:`MAX_TOKENS` if ``None``.

    Raises:
        ConfigError: the base URL is not one of HTTP.
        ExecutorError: the SDK is not installed, or there is no usable key in ``ANTHROPIC_API_KEY``.
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
        self.name = f"anthropic:{model}"
        self._service = Service.found(
            self.name,
            keys=(KEY_VARIABLE,),
            urls=(URL_VARIABLE,),
            base_url=base_url,
            home=HOME,
            expected="Anthropic's API, without the /v1",
            timeout=timeout,
        )
        try:
            import anthropic  # noqa: PLC0415 - an optional package, and slow to import
        except ImportError:
            raise self._service.denied(
                "the package anthropic is not installed", "pip install 'lemonade-es[anthropic]'"
            ) from None
        http = anthropic.DefaultHttpxClient
        self._bounds = Bounds(
            http, where=self.name, seconds=seconds or max(MAX_SECONDS, timeout), address=self._service.address
        )
        with self._service.making():
            self._sdk = anthropic.Anthropic(
                api_key=self._service.key,
                base_url=self._service.url,
                timeout=timeout,
                max_retries=0,  # the executor tries again, and keeps a record of each try
                http_client=http(timeout=timeout, **self._bounds.client_options),
            )
        native = "output_config" in inspect.signature(self._sdk.messages.create).parameters
        self._forms = [form for form in _FORMS if native or form != "output_config"]
        self._temperature: float | None = temperature
        self._max_tokens = max_tokens or MAX_TOKENS
        self._notes: list[str] = []
        self._lowered = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._service.model!r}, base_url={self._service.url!r})"

    @property
    def server(self) -> str | None:
        """Its base URL without credentials; ``None`` if it is the provider's own."""
        return self._service.server

    @property
    def elsewhere(self) -> bool:
        """Whether a server is asked that is not Anthropic's."""
        return self._service.elsewhere

    def complete(self, prompt: Prompt, answer: Mapping[str, Any] | None, seed: int = 0) -> Completion:
        """Ask the model once.

        What the server refuses by name is left out, from then on: ``temperature``; structured output, for a
        strict tool whose input is the answer, for a plain tool, for nothing; and tokens of the answer that are
        more than the model can write.

        Raises:
            CallFaultError: the server is overloaded, fails or cannot be reached, its answer is cut off, does not end
                or is no message.
            Otherwise: the server takes no form of structured output, or no prompt of this length.
            ExecutorError: the key, the model or the request is refused.
        """
        while True:
            completion = self._try(self._parameters(prompt, answer))
            if completion is not None:
                return completion

    def _parameters(self, prompt: Prompt, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "model": self._service.model,
            "max_tokens": self._max_tokens,
            "system": [{"type": "text", "text": prompt.system, "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": message.role, "content": message.text} for message in prompt.messages],
        }
        if self._temperature is not None:  # newer versions of the SDK have no argument for it, newer models refuse it
            parameters["extra_body"] = {"temperature": self._temperature}
        if answer is None or not self._forms:
            return parameters
        if self._forms[0] == "output_config":
            parameters["output_config"] = {"format": {"type": "json_schema", "schema": dict(answer)}}
            return parameters
        tool: dict[str, Any] = {"name": TOOL, "description": "Takes the reply.", "input_schema": dict(answer)}
        if self._forms[0] == "strict tool":
            tool["strict"] = True
        parameters["tools"] = [tool]
        parameters["tool_choice"] = {"type": "tool", "name": TOOL}
        return parameters

    def _try(self, sent: Mapping[str, Any]) -> Completion | None:
        """The completion; ``None`` if the server would have the request otherwise, and that was noted."""
        import anthropic  # noqa: PLC0415

        try:
            with self._service.untold(), self._bounds.call():
                response = self._sdk.messages.with_raw_response.create(**sent)
                body = response.http_response.content
        except anthropic.APIStatusError as error:
            # From None: the SDK's error holds the request with its key, and what the server made of it.
            said, status = _said(error), error.status_code
            failure = self._service.failed(status, said, error.response.headers)
            if status == 413:
                raise Otherwise("brief", failure) from None
            if status in (400, 422):
                if self._learnt(said, sent, failure):
                    return None
                if _FILTERED in said:
                    return Completion("", "filtered", Usage(), tuple(self._notes))
                if too_long(said):
                    raise Otherwise("brief", failure) from None
            raise failure from None
        except anthropic.APITimeoutError as error:
            raise self._service.silent(error.__cause__) from None
        except anthropic.APIError as error:
            raise self._service.unreachable(error.__cause__ or error, begun=self._bounds.status is not None) from None
        except UnicodeError:
            raise self._service.unsendable() from None
        return self._completion(body.decode("utf-8", "replace"))

    def _learnt(self, said: str, sent: Mapping[str, Any], failure: ExecutorError) -> bool:
        """Whether a refusal names what can be left out; it is, from now on."""
        if self._lowered < _MOST_LOWERED and (most := _most_tokens(said)) is not None and most < self._max_tokens:
            self._max_tokens = most
            self._lowered += 1
            self._notes = [note for note in self._notes if not note.startswith(_LOWERED)]
            self._notes.append(f"{_LOWERED} {self._max_tokens}: the server refused more")
            return True
        said = said.lower()
        if "extra_body" in sent and "temperature" in said and not said.startswith("messages"):
            self._temperature = None
            self._notes.append("temperature left out: the server refused it")
            return True
        asked = "output_config" in sent or "tools" in sent
        if asked and any(word in said for word in _FORMS[self._forms[0]]):
            self._notes.append(f"{self._forms.pop(0)} left out: the server refused it")
            if not self._forms:
                raise Otherwise("fenced", failure) from None
            return True
        return False

    def _completion(self, body: str) -> Completion:
        try:
            data = parsed(body)
            if data["type"] == "error":
                raise self._in_disguise(data["error"])
            blocks = _blocks(data["content"])
            ended = data.get("stop_reason")
            details = data.get("stop_details")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise self._service.no_completion(body) from None
        finish = _FINISH.get(ended, "complete") if isinstance(ended, str) else "complete"
        text = "".join(_words(block) for block in blocks)
        if finish == "refused" and isinstance(details, dict) and isinstance(details.get("explanation"), str):
            text = text or details["explanation"]
        return Completion(self._service.scrubbed(text), finish, _usage(data.get("usage"), text), tuple(self._notes))

    def _in_disguise(self, error: Mapping[str, Any]) -> ExecutorError:
        return self._service.failed(_STATUS.get(error["type"], 500), str(error["message"]))


def _blocks(content: Any) -> list[Mapping[str, Any]]:
    """The blocks of an answer; some servers send its words alone, or null for none."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = content if isinstance(content, list | tuple) else ()
    return [block for block in blocks if isinstance(block, Mapping)]


def _words(block: Mapping[str, Any]) -> str:
    """What a block of the answer says; the input of the tool is the reply, as JSON."""
    if block.get("type") == "tool_use" and block.get("name") == TOOL:
        return json.dumps(block.get("input"))
    text = block.get("text") if block.get("type") == "text" else ""
    return text if isinstance(text, str) else ""


def _said(error: anthropic.APIStatusError) -> str:
    """The server's own message."""
    body = error.body
    inner = body.get("error") if isinstance(body, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    return str(message or error.message)


def _most_tokens(said: str) -> int | None:
    """How long an answer may be, if a refusal says so and leaves room for a useful one."""
    if (found := _TOO_MANY.search(said)) is not None:
        most = int(found["most"])
        return most if most >= LEAST_TOKENS else None
    if (found := _TOGETHER.search(said)) is not None:
        left = int(found["most"]) - int(found["sent"])
        return left if left >= LEAST_TOKENS else None
    return None


def _usage(usage: object, text: str) -> Usage | None:
    """The tokens of an answer; ``None`` if they are not counted, or cannot be: 0 for a prompt or for words."""
    sent, received = counted(usage, "input_tokens"), counted(usage, "output_tokens")
    if not isinstance(usage, dict) or sent is None or received is None:
        return None
    cached, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    if not sent + cached + written or (text and not received):
        return None
    thinking = count(usage.get("output_tokens_details"), "thinking_tokens")
    return Usage(
        input_tokens=sent + written + cached,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=max(received, thinking),
        reasoning_tokens=thinking,
        cost_usd=None,
    )
