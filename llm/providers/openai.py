"""OpenAI's chat completions, and the many servers that speak them: Ollama, vLLM, llama.cpp, gateways."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lemonade_es.errors import ConfigError, ExecutorError
from lemonade_es.llm.chat import Completion
from lemonade_es.llm.executor import Finish, Usage
from lemonade_es.llm.prompt import Prompt

if TYPE_CHECKING:
    import openai

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
NO_KEY = "not-needed"
"""What is sent as the key to a server of the user's own when none is set: the SDK wants one, they do not."""

SHORTEST_SECRET = 16

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
        retries: how often the SDK asks again after 408, 409, 429, 5xx and broken connections. It waits as
            long as ``Retry-After`` says, at most two minutes.
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
        retries: int = 3,
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
        self._sdk = openai.OpenAI(api_key=key or NO_KEY, base_url=url, timeout=timeout, max_retries=retries)
        self._left_out: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r}, base_url={str(self._sdk.base_url)!r})"

    def complete(self, prompt: Prompt, answer: Mapping[str, Any] | None) -> Completion:
        """Ask the model.

        A ``temperature`` or ``response_format`` that the server refuses by name is left out, from then on.

        Raises:
            ExecutorError: the key, the model or the request is refused, the server cannot be reached or keeps
                failing, or what it sends is no chat completion.
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
            response = self._sdk.chat.completions.with_raw_response.create(**sent)
            body = response.http_response.text
        except openai.APIStatusError as error:
            if error.status_code in (400, 422):
                named = _refused_parameter(error, sent)
                if named is not None:
                    return named
            # From None: the SDK's error holds the request with its key, and what the server made of it.
            raise self._status_error(error) from None
        except openai.APIError as error:
            raise self._connection_error(error) from None
        return self._completion(body)

    def _completion(self, body: str) -> Completion:
        try:
            data = json.loads(body)
            choice = data["choices"][0]
            message = choice["message"]
            content, refusal = message.get("content"), message.get("refusal")
            ended = choice.get("finish_reason")
        except (ValueError, TypeError, LookupError, AttributeError):
            raise self._error(
                f"the answer of {self._sdk.base_url} is no chat completion: {self._scrubbed(body)[:200]!r}",
                "check that the base URL is that of an OpenAI-compatible server, usually ending in /v1",
            ) from None
        finish: Finish = "complete"
        if refusal or ended == "refusal":
            finish = "refused"
        elif ended == "content_filter":
            finish = "filtered"
        elif ended == "length":
            finish = "length"
        text = content if isinstance(content, str) else ""
        if finish == "refused" and isinstance(refusal, str):
            text = refusal
        return Completion(self._scrubbed(text), finish, _usage(data), tuple(self._left_out.values()))

    def _status_error(self, error: openai.APIStatusError) -> ExecutorError:
        said = self._scrubbed(_said(error))
        match error.status_code:
            case 401:
                return self._error(
                    "the server refused the key (401)", f"check {KEY_VARIABLE}: it may be wrong or revoked"
                )
            case 403:
                return self._error(
                    f"the key may not use this model (403): {said}",
                    "use another model, or another project's key",
                )
            case 404:
                return self._error(
                    f"{self._sdk.base_url} knows no model {self._model!r} (404): {said}",
                    "check the model's name and the base URL",
                )
            case 429:
                return self._error(
                    f"the rate limit or the quota is used up (429): {said}",
                    "wait and resume, or raise the limit",
                )
            case status if status >= 500:
                return self._error(f"{self._sdk.base_url} keeps failing ({status}): {said}", "resume later")
            case status:
                return self._error(f"the request was refused ({status}): {said}", "see what the server says")

    def _connection_error(self, error: openai.APIError) -> ExecutorError:
        import openai  # noqa: PLC0415

        url = self._sdk.base_url
        if isinstance(error, openai.APITimeoutError):
            return self._error(f"{url} did not answer within {self._timeout:g} s", "raise the timeout, or resume")
        cause = error.__cause__ or error
        why = self._scrubbed(f"{type(cause).__name__}: {cause}")
        return self._error(f"no connection to {url}: {why}", "check that the server runs and the URL is right")

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
    return " ".join(str(message or error.message).split())[:500]


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
    return value if isinstance(value, int) else 0
