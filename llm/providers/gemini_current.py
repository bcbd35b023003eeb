"""Gemini through google-genai."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from lemonade_es.llm.providers.bounds import Bounds
from lemonade_es.llm.providers.gemini import Answer, Call
from lemonade_es.llm.providers.service import Service


class CurrentTransport:
    """Calls by ``Client.models.generate_content``.

    Args:
        service: who is asked.
        seconds: for a whole call.

    Raises:
        ImportError: the SDK is not installed.
        ExecutorError: it is too old.
    """

    def __init__(self, service: Service, seconds: float) -> None:
        from google.genai import Client, types  # noqa: PLC0415 - an optional package, and slow to import

        self._service = service
        self._httpx = _http_library(types)
        self._bounds = Bounds(self._httpx.Client, where=service.name, seconds=seconds, address=service.address)
        with service.making():
            self._httpx.URL(service.url)  # the SDK reads it with the first call only
            client = self._httpx.Client(timeout=service.timeout, **self._bounds.client_options)
        try:
            options = types.HttpOptions(base_url=service.url, timeout=int(service.timeout * 1000), httpx_client=client)
        except ValueError:  # pydantic's
            raise service.denied(
                "the installed google-genai is too old", "pip install --upgrade 'lemonade-es[gemini]'"
            ) from None
        with _unheard():
            self._sdk = Client(api_key=service.key, vertexai=False, http_options=options)

    def ask(self, call: Call) -> Answer:
        """The server's answer, whatever its status.

        Raises:
            CallFaultError: there is none.
        """
        from google.genai import errors, types  # noqa: PLC0415

        config = types.GenerateContentConfig(
            system_instruction=call.system,
            temperature=call.temperature,
            max_output_tokens=call.max_tokens,
            response_mime_type="application/json" if call.json else None,
            response_json_schema=None if call.answer is None else dict(call.answer),
            should_return_http_response=True,  # the body as it came: the SDK's models guess at what they do not know
        )
        contents: Any = [
            types.Content(
                role="model" if message.role == "assistant" else "user", parts=[types.Part(text=message.text)]
            )
            for message in call.messages
        ]
        try:
            with self._service.untold(), self._bounds.call():
                response = self._sdk.models.generate_content(model=call.model, contents=contents, config=config)
        except errors.APIError as error:
            headers = getattr(error.response, "headers", None) or {}
            return Answer(error.code, _body(error.details), headers)
        except self._httpx.TimeoutException as error:
            raise self._service.silent(error) from None
        except self._httpx.HTTPError as error:
            raise self._service.unreachable(error, begun=self._bounds.status is not None) from None
        except (self._httpx.InvalidURL, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            said, status = f"{type(error).__name__}: {error}", self._bounds.status
            if status is None:  # the SDK's, before it sent anything
                raise self._service.denied(
                    f"google-genai does not send the call: {self._service.one_line(said)}", "check the model's name"
                ) from None
            if status >= 300:
                return Answer(status, said, {})
            raise self._service.no_completion(said) from None
        got = response.sdk_http_response
        return Answer(200, (got and got.body) or "", (got and got.headers) or {})


@contextmanager
def _unheard() -> Iterator[None]:
    """Without what the SDK logs of the keys in the environment: it names one that is not used, as one is given."""

    def none(_: logging.LogRecord) -> bool:
        return False

    log = logging.getLogger("google_genai._api_client")
    log.addFilter(none)
    try:
        yield
    finally:
        log.removeFilter(none)


def _http_library(types: Any) -> Any:
    """The library whose clients the SDK takes: ``httpx2``, or ``httpx`` in older versions."""
    try:
        library = import_module("httpx2")
        with library.Client(trust_env=False) as client:
            types.HttpOptions(httpx_client=client)
    except (ImportError, ValueError):  # pydantic's refusal is a ValueError
        return import_module("httpx")
    return library


def _body(details: object) -> str:
    return details if isinstance(details, str) else json.dumps(details)
