"""OpenAI's chat completions, and the many servers that speak them: Ollama, vLLM, llama.cpp, gateways."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lemonade_es.errors import ConfigError, ExecutorError
from lemonade_es.llm.chat import Completion
from lemonade_es.llm.executor import Finish, Usage
from lemonade_es.llm.faults import CallFaultError, FaultCode, asked_wait, passing
from lemonade_es.llm.prompt import Prompt
from lemonade_es.llm.providers.bounds import MAX_SECONDS, Bounds

if TYPE_CHECKING:
    import openai

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
NO_KEY = "not-needed"
"""What is sent as the key to a server of the user's own when none is set: the SDK wants one, they do not."""

SHORTEST_SECRET = 16
MOST_TOKENS = 10**9
"""A server that counts more in one call counts wrongly."""

TEMPERATURE = 0.5
"""The paper's, for GPT-4o."""

_NAMED_BY: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "response_format": ("response_format", "json_schema", "structured output", "response format"),
}
"""How a server's refusal names a parameter that can be left out."""


class OpenAIClient:
    """One model behind the chat-completions API.

    Args:
        model: the server's name for it.
        base_url: the server; OpenAI's, or ``OPENAI_BASE_URL``, if ``None``.
        timeout: seconds to wait for the connection, and for each piece of the answer.
        seconds: for a whole call; by default ten minutes, or ``timeout`` if that is more.
        temperature: of sampling.

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
    ) -> None:
        url = base_url or os.environ.get(URL_VARIABLE) or None
        key = os.environ.get(KEY_VARIABLE, "").strip()
        if not key and url is None:
            raise ExecutorError(
                f"{KEY_VARIABLE} is not set",
                where=f"openai:{model}",
                hint=f"export {KEY_VARIABLE}=..., or give the base URL of a server that needs no key",
            )
        if not (key.isascii() and key.isprintable()):
            raise ExecutorError(
                f"{KEY_VARIABLE} holds characters that no key has",
                where=f"openai:{model}",
                hint="copy the key again",
            )
        if url is not None and not url.startswith(("http://", "https://")):
            raise ConfigError(
                f"{url!r} is no base URL", where="base_url", hint="write for example http://127.0.0.1:11434/v1"
            )
        try:
            import openai  # noqa: PLC0415 - an optional package, and slow to import
        except ImportError:
            raise ExecutorError(
                "the package openai is not installed",
                where=f"openai:{model}",
                hint="pip install 'lemonade-es[openai]'",
            ) from None
        self.name = f"openai:{model}"
        self.elsewhere = url is not None
        self._model = model
        self._temperature = temperature
        self._timeout = timeout
        self._key = key
        self._bounds = Bounds(openai.DefaultHttpxClient, where=self.name, seconds=seconds or max(MAX_SECONDS, timeout))
        self._sdk = openai.OpenAI(
            api_key=key or NO_KEY,
            base_url=url,
            timeout=timeout,
            max_retries=0,  # the executor tries again, and keeps a record of each try
            http_client=openai.DefaultHttpxClient(timeout=timeout, **self._bounds.client_options),
        )
        self._left_out: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r}, base_url={str(self._sdk.base_url)!r})"

    def complete(self, prompt: Prompt, answer: Mapping[str, Any] | None) -> Completion:
        """Ask the model once.

        A ``temperature`` or ``response_format`` that the server refuses by name is left out, from then on.

        Raises:
            CallFaultError: the server is overloaded, fails or cannot be reached, its answer is cut off, does not end or
                is no chat completion.
            ExecutorError: the key, the model or the request is refused.
        """
        wanted = self._parameters(prompt, answer)
        while True:
            sent = {name: value for name, value in wanted.items() if name not in self._left_out}
            refused = self._try(sent)
            if isinstance(refused, Completion):
                return refused
            self._left_out[refused] = f"{refused} left out: the server refused it"

    def _parameters(self, prompt: Prompt, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        turns = [{"role": message.role, "content": message.text} for message in prompt.messages]
        parameters: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "system", "content": prompt.system}, *turns],
            "temperature": self._temperature,
        }
        if answer is not None:
            parameters["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "patch", "strict": True, "schema": dict(answer)},
            }
        return parameters

    def _try(self, sent: Mapping[str, Any]) -> Completion | str:
        """The completion, or the name of the parameter that the server will not take."""
        import openai  # noqa: PLC0415

        try:
            with self._bounds.call():
                response = self._sdk.chat.completions.with_raw_response.create(**sent)
                body = response.http_response.content
        except openai.APIStatusError as error:
            if error.status_code in (400, 422):
                named = _refused_parameter(error, sent)
                if named is not None:
                    return named
            # From None: the SDK's error holds the request with its key, and what the server made of it.
            raise self._status_error(error) from None
        except openai.APIError as error:
            raise self._connection_error(error) from None
        return self._completion(body.decode("utf-8", "replace"))

    def _completion(self, body: str) -> Completion:
        try:
            data = json.loads(body)
            choice = data["choices"][0]
            message = choice["message"]
            content, refusal = message.get("content"), message.get("refusal")
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
        text = _text(content)
        if finish == "refused" and isinstance(refusal, str):
            text = refusal
        return Completion(self._scrubbed(text), finish, _usage(data), tuple(self._left_out.values()))

    def _no_completion(self, body: str) -> ExecutorError:
        """What a body with status 200 is that holds no choice: a gateway's error, or something else altogether."""
        with suppress(ValueError, TypeError, LookupError, RecursionError):
            error = json.loads(body)["error"]
            status, said = error.get("code"), self._scrubbed(_one_line(str(error["message"])))
            if isinstance(status, int) and 400 <= status < 600:
                return self._failed(status, said, passing(status), None)
        return self._fault(
            "protocol",
            f"the answer of {self._sdk.base_url} is no chat completion: {self._scrubbed(body)[:200]!r}",
            "check that the base URL is that of an OpenAI-compatible server, usually ending in /v1",
        )

    def _status_error(self, error: openai.APIStatusError) -> ExecutorError:
        said, headers = self._scrubbed(_said(error)), error.response.headers
        if 300 <= error.status_code < 400:
            there = self._scrubbed(_one_line(headers.get("location", "nowhere")))
            return self._error(
                f"{self._sdk.base_url} redirects to {there} ({error.status_code}): nothing was sent there",
                "if you trust it, give it as the base URL",
            )
        if error.code == "insufficient_quota":
            return self._error(f"the quota is used up ({error.status_code}): {said}", "raise the quota, and resume")
        return self._failed(error.status_code, said, passing(error.status_code, headers), asked_wait(headers))

    def _failed(self, status: int, said: str, code: FaultCode | None, wait: float | None) -> ExecutorError:
        url = self._sdk.base_url
        if status == 429 and code is not None:
            return self._fault(
                code, f"the rate limit is reached (429): {said}", "wait and resume, or raise the limit", wait
            )
        if code is not None:
            return self._fault(code, f"{url} is failing ({status}): {said}", "resume later", wait)
        match status:
            case 401:
                return self._error(
                    "the server refused the key (401)", f"check {KEY_VARIABLE}: it may be wrong or revoked"
                )
            case 403:
                return self._error(
                    f"the key may not use this model (403): {said}", "use another model, or another project's key"
                )
            case 404:
                return self._error(
                    f"{url} knows no model {self._model!r} (404): {said}", "check the model's name and the base URL"
                )
            case _:
                return self._error(f"the request was refused ({status}): {said}", "see what the server says")

    def _connection_error(self, error: openai.APIError) -> ExecutorError:
        import openai  # noqa: PLC0415

        url = self._sdk.base_url
        if isinstance(error, openai.APITimeoutError):
            said = f"{url} did not answer within {self._timeout:g} s"
            return self._fault("timeout", said, "raise the timeout, or resume")
        cause = error.__cause__ or error
        why = self._scrubbed(_one_line(f"{type(cause).__name__}: {cause}"))
        return self._fault(
            "connection", f"no connection to {url}: {why}", "check that the server runs and the URL is right"
        )

    def _fault(self, code: FaultCode, message: str, hint: str, retry_after: float | None = None) -> CallFaultError:
        return CallFaultError(code, message, retry_after=retry_after, where=self.name, hint=hint)

    def _error(self, message: str, hint: str) -> ExecutorError:
        return ExecutorError(message, where=self.name, hint=hint)

    def _scrubbed(self, text: str) -> str:
        """``text`` without the key, which servers and proxies have been seen to repeat."""
        # A made-up key ("none", "ollama") is no secret, and may well occur in source code.
        secret = len(self._key) >= SHORTEST_SECRET
        return text.replace(self._key, "[key]") if secret else text


def _refused_parameter(error: openai.APIStatusError, sent: Mapping[str, Any]) -> str | None:
    if error.param in _NAMED_BY:
        return error.param if error.param in sent else None
    if error.param is not None and not error.param.startswith("response_format"):
        return None
    said = _said(error).lower()
    for parameter, words in _NAMED_BY.items():
        if parameter in sent and any(word in said for word in words):
            return parameter
    return None


def _said(error: openai.APIStatusError) -> str:
    """The server's own message on one line."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return _one_line(str(message or error.message))


def _one_line(text: str) -> str:
    printable = (character if character.isprintable() else " " for character in text)
    return " ".join("".join(printable).split())[:500]


def _text(content: object) -> str:
    """The words of a message; some servers send them in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(
        part["text"]
        for part in parts
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
    )


def _usage(data: Mapping[str, Any]) -> Usage | None:
    usage = data.get("usage")
    if not isinstance(usage, dict):
        return None
    return Usage(
        input_tokens=_count(usage, "prompt_tokens"),
        cached_tokens=_count(usage.get("prompt_tokens_details"), "cached_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        reasoning_tokens=_count(usage.get("completion_tokens_details"), "reasoning_tokens"),
        cost_usd=None,
    )


def _count(counts: object, name: str) -> int:
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and 0 <= value <= MOST_TOKENS else 0
