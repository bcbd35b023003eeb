"""Google's Gemini, through the SDK that is installed: google-genai, or google-generativeai, whose support has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from lemonade_es.errors import ExecutorError
from lemonade_es.llm.chat import Completion
from lemonade_es.llm.executor import Finish, Usage
from lemonade_es.llm.faults import Otherwise
from lemonade_es.llm.prompt import Message, Prompt
from lemonade_es.llm.providers.answer import count, counted, parsed, too_long
from lemonade_es.llm.providers.bounds import MAX_SECONDS
from lemonade_es.llm.providers.service import TEMPERATURE, Service

KEY_VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
URL_VARIABLES = ("GOOGLE_GEMINI_BASE_URL",)
HOME = "https://generativelanguage.googleapis.com"

SDK = Literal["google-genai", "google-generativeai"]
SDKS: tuple[SDK, ...] = ("google-genai", "google-generativeai")
"""The one that is looked for first, first."""

_FILTERED = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "MODEL_ARMOR",
)
_FINISH_NUMBERS = (
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
)
_BLOCK_NUMBERS = ("BLOCK_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY")
"""Enumerations, for google-generativeai asks for numbers instead of names."""

_JSON_MODE = ("json mode", "response_mime_type", "responsemimetype", "response mime type")
_NAMED_BY: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "response schema": ("schema", "structured output", *_JSON_MODE),
    "JSON mode": _JSON_MODE,
    "max_output_tokens": ("max_output_tokens", "maxoutputtokens", "max output tokens"),
    "the system's turn": ("developer instruction", "system instruction", "system_instruction", "systeminstruction"),
}
"""How a server's refusal names what can be left out."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of an SDK.

    Attributes:
        model: its name.
        system: the system text; ``None`` if it is the beginning of the conversation.
        messages: the conversation.
        temperature: of sampling; ``None`` leaves it to the model.
        answer: the JSON Schema of the answer; ``None`` for none.
        json: whether the answer is to be JSON, whatever its schema.
        max_tokens: of the answer; ``None`` leaves it to the model.
    """

    model: str
    system: str | None
    messages: Sequence[Message]
    temperature: float | None
    answer: Mapping[str, Any] | None
    json: bool
    max_tokens: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered, as it came; header names are found in lower case."""

    status: int
    body: str
    headers: Mapping[str, str]


class Transport(Protocol):
    """An SDK that carries a call to the server, once."""

    def ask(self, call: Call) -> Answer:
        """The server's answer, whatever its status.

        Raises:
            CallFaultError: there is none.
        """


class GeminiClient:
    """One model behind ``generateContent``.

    Args:
        model: the server's name for it.
        base_url: the server; Google's, or ``GOOGLE_GEMINI_BASE_URL``, if ``None``.
        timeout: seconds to wait for the connection, and for each piece of the answer.
        seconds: for a whole call; by default ten minutes, or ``timeout`` if that is more.
        temperature: of sampling.
        max_tokens: of an answer with its reasoning; the model's own bound if ``None``.
        sdk: which one to use; the first of :data:`SDKS` that is installed, if ``None``.

    Raises:
        ConfigError: the base URL is not one of HTTP.
        ExecutorError: no SDK is installed, or there is no usable key in ``GEMINI_API_KEY`` or ``GOOGLE_API_KEY``.
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
        sdk: SDK | None = None,
    ) -> None:
        self.name = f"gemini:{model}"
        self._service = Service.found(
            self.name,
            keys=KEY_VARIABLES,
            urls=URL_VARIABLES,
            base_url=base_url,
            home=HOME,
            expected="Gemini's API, without the /v1beta",
            timeout=timeout,
        )
        self._transport = _transport(self._service, sdk, seconds or max(MAX_SECONDS, timeout))
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._left_out: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._service.model!r}, base_url={self._service.url!r})"

    @property
    def server(self) -> str | None:
        """Its base URL without credentials; ``None`` if it is the provider's own."""
        return self._service.server

    @property
    def elsewhere(self) -> bool:
        """Whether a server is asked that is not Google's."""
        return self._service.elsewhere

    def complete(self, prompt: Prompt, answer: Mapping[str, Any] | None, seed: int = 0) -> Completion:
        """Ask the model once.

        What the server refuses by name is left out, from then on: temperature; a schema, for JSON of any kind, for
        nothing; a bound on tokens; and the system's turn, whose text is then the beginning of the user's.

        Raises:
            CallFaultError: the server is overloaded, fails or cannot be reached, its answer is cut off, does not end
                or is no response.
            Otherwise: the server takes no form of structured output, or no prompt of this length.
            ExecutorError: the key, the model or the request is refused.
        """
        while True:
            call = self._call(prompt, answer)
            got = self._transport.ask(call)
            if 200 <= got.status < 300:
                return self._completion(got.body)
            error = _error_in(got.body)
            failure = self._failed(got, error)
            refused = _refused_part(error, call) if got.status == 400 else None
            if refused is None:
                if got.status == 413 or (got.status == 400 and too_long(str(error.get("message")))):
                    raise Otherwise("brief", failure)
                raise failure
            self._left_out[refused] = f"{refused} left out: the server refused it"
            if refused == "JSON mode":
                raise Otherwise("fenced", failure)

    def _call(self, prompt: Prompt, answer: Mapping[str, Any] | None) -> Call:
        def kept(name: str) -> bool:
            return name not in self._left_out

        first, *others = prompt.messages
        apart = kept("the system's turn")
        return Call(
            model=self._service.model,
            system=prompt.system if apart else None,
            messages=[first if apart else replace(first, text=f"{prompt.system}\n\n{first.text}"), *others],
            temperature=self._temperature if kept("temperature") else None,
            answer=answer if kept("response schema") else None,
            json=answer is not None and kept("JSON mode"),
            max_tokens=self._max_tokens if kept("max_output_tokens") else None,
        )

    def _completion(self, body: str) -> Completion:
        try:
            data = parsed(body)
            if "candidates" not in data and (failure := self._in_disguise(body)) is not None:
                raise failure
            feedback = data.get("promptFeedback")
            blocked = feedback.get("blockReason") if isinstance(feedback, dict) else None
            candidate = (data.get("candidates") or [None])[0]
            parts = ((candidate or {}).get("content") or {}).get("parts") or []
            text = "".join(map(_words, parts))
            usage = _usage(data.get("usageMetadata"), text)
            if not text and blocked is not None:
                why = self._service.one_line(_named(blocked, _BLOCK_NUMBERS))
                return Completion("", "filtered", usage, (*self._left_out.values(), f"the prompt was blocked: {why}"))
            if candidate is None and usage is not None:  # an answer without words, which is paid
                candidate = {}
            ended = self._service.one_line(_named(candidate.get("finishReason"), _FINISH_NUMBERS))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise self._service.no_completion(body) from None
        finish, notes = _finish(ended)
        return Completion(self._service.scrubbed(text), finish, usage, (*self._left_out.values(), *notes))

    def _in_disguise(self, body: str) -> ExecutorError | None:
        """The error that a gateway hands on with the status 200."""
        error = _error_in(body)
        status = error.get("code")
        if not isinstance(status, int) or not 400 <= status < 600:
            return None
        return self._failed(Answer(status, body, {}), error)

    def _failed(self, got: Answer, error: Mapping[str, Any]) -> ExecutorError:
        said = str(error.get("message") or got.body)
        if "API_KEY_INVALID" in _reasons(error):
            return self._service.wrong_key(got.status)
        return self._service.failed(got.status, said, got.headers, _asked_wait(error))


def _transport(service: Service, sdk: SDK | None, seconds: float) -> Transport:
    for name in SDKS if sdk is None else (sdk,):
        try:
            if name == "google-genai":
                from lemonade_es.llm.providers.gemini_current import CurrentTransport  # noqa: PLC0415

                return CurrentTransport(service, seconds)
            from lemonade_es.llm.providers.gemini_legacy import LegacyTransport  # noqa: PLC0415

            return LegacyTransport(service, seconds)
        except ImportError:
            continue
    raise service.denied(f"the package {sdk or SDKS[0]} is not installed", "pip install 'lemonade-es[gemini]'")


def _error_in(body: str) -> Mapping[str, Any]:
    """The ``error`` object in an answer, or what an SDK makes of words; empty if there is none."""
    try:
        data = parsed(body)
        told = data[0] if isinstance(data, list) else data
        error = told.get("error", told)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _details(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = error.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _reasons(error: Mapping[str, Any]) -> list[Any]:
    return [detail.get("reason") for detail in _details(error)]


def _asked_wait(error: Mapping[str, Any]) -> float | None:
    """Seconds to wait, by a ``RetryInfo``: ``"retryDelay": "34.07s"``."""
    for detail in _details(error):
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and delay.endswith("s"):
            try:
                seconds = float(delay[:-1])
            except ValueError:
                continue
            if 0 <= seconds < float("inf"):
                return seconds
    return None


def _refused_part(error: Mapping[str, Any], call: Call) -> str | None:
    """The part of a call that a refusal names and that can be left out."""
    said = str(error.get("message") or "").lower()
    sent = {
        "temperature": call.temperature is not None,
        "response schema": call.answer is not None,
        "JSON mode": call.json,
        "max_output_tokens": call.max_tokens is not None,
        "the system's turn": call.system is not None,
    }
    for part, words in _NAMED_BY.items():
        if sent[part] and any(word in said for word in words):
            return part
    return None


def _named(value: object, numbers: Sequence[str]) -> str:
    """The name of an enumeration's value, which comes by name or by number."""
    return numbers[value] if isinstance(value, int) and 0 <= value < len(numbers) else str(value)


def _finish(ended: str) -> tuple[Finish, tuple[str, ...]]:
    match ended:
        case "STOP":
            return "complete", ()
        case "MAX_TOKENS":
            return "length", ()
        case reason if reason in _FILTERED:
            return "filtered", (f"the answer was withheld: {reason}",)
        case reason:  # whatever text there is will be judged as it is
            return "complete", (f"the answer ended with {reason}",)


def _words(part: object) -> str:
    """What a part of the answer says; its thoughts are not the answer."""
    text = part.get("text") if isinstance(part, dict) and not part.get("thought") else None
    return text if isinstance(text, str) else ""


def _usage(usage: object, text: str) -> Usage | None:
    """The tokens of an answer; ``None`` if they are not counted, or cannot be: 0 for a prompt or for words."""
    if not isinstance(usage, dict):
        return None
    sent = counted(usage, "promptTokenCount")
    received = counted({"candidatesTokenCount": 0, **usage}, "candidatesTokenCount")  # 0 is left out
    if not sent or received is None:
        return None
    thoughts, cached = count(usage, "thoughtsTokenCount"), count(usage, "cachedContentTokenCount")
    # what the total has beyond its known parts was written too; text of tools that were used counts as sent
    beside = count(usage, "totalTokenCount") - sent - received - thoughts - count(usage, "toolUsePromptTokenCount")
    written = received + max(0, beside)
    if text and not written:
        return None
    return Usage(
        input_tokens=sent,
        cached_tokens=cached if cached <= sent else 0,
        output_tokens=written + thoughts,
        reasoning_tokens=thoughts,
        cost_usd=None,
    )
