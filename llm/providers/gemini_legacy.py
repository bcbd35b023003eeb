"""Gemini through google-generativeai, whose last version is 0.8.6.

The SDK keeps key and server in a global place: each call sets them. Its own reading of an answer has no bound and
drops what the SDK does not know, so the SDK writes and sends the request, and the answer is read here, as it comes.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lemonade_es.errors import ExecutorError
from lemonade_es.llm.faults import CallFaultError
from lemonade_es.llm.providers.bounds import MAX_BYTES
from lemonade_es.llm.providers.gemini import Answer, Call
from lemonade_es.llm.providers.service import Service

if TYPE_CHECKING:
    import requests

_TYPES = ("string", "number", "integer", "boolean", "object", "array")


class LegacyTransport:
    """Calls by ``GenerativeModel.generate_content``, over REST; one call at a time in a process.

    Args:
        service: who is asked.
        seconds: for a whole call.

    Raises:
        ImportError: the SDK is not installed.
    """

    def __init__(self, service: Service, seconds: float) -> None:
        _sdk("")
        self._service = service
        self._seconds = seconds

    def ask(self, call: Call) -> Answer:
        """The server's answer, whatever its status.

        Raises:
            CallFaultError: there is none.
        """
        reading = _Reading(self._service, time.monotonic() + self._seconds)
        outcome: list[BaseException] = []

        def carry() -> None:
            try:
                _generate(self._service, call, reading)
            except BaseException as error:  # noqa: BLE001 - told to the thread that waits
                outcome.append(error)

        # The SDK's HTTP library bounds the time between two bytes only.
        thread = threading.Thread(target=carry, daemon=True)
        thread.start()
        thread.join(self._seconds)
        if thread.is_alive():
            raise reading.overdue()
        if reading.answer is not None:
            return reading.answer
        error = outcome[0] if outcome else RuntimeError("nothing was asked")
        raise self._fault(error, begun=reading.begun) from None

    def _fault(self, error: BaseException, *, begun: bool) -> ExecutorError:
        import requests  # noqa: PLC0415 - the SDK's
        import urllib3  # noqa: PLC0415 - the SDK's

        match error:
            case CallFaultError():
                return error
            case requests.Timeout() | urllib3.exceptions.TimeoutError():
                return self._service.silent()
            case OSError() | urllib3.exceptions.HTTPError():
                return self._service.unreachable(error, begun=begun)
            case _:
                said = self._service.one_line(f"{type(error).__name__}: {error}")
                return self._service.denied(
                    f"google-generativeai failed: {said}", "pip install 'lemonade-es[gemini]', its successor"
                )


class _Heard(Exception):  # noqa: N818 - all is well
    """The answer is read; there is nothing left for the SDK to do."""


class _Reading:
    """One answer, read within bounds of time and size."""

    def __init__(self, service: Service, until: float) -> None:
        self.answer: Answer | None = None
        self.begun = False
        self._service = service
        self._until = until

    def overdue(self) -> CallFaultError:
        return self._service.fault(
            "timeout", "the answer had not ended in time", "see what answers at the base URL, or resume"
        )

    def read(self, response: requests.Response) -> None:
        data = bytearray()
        self.begun = True
        for piece in _pieces(response):
            data += piece
            if len(data) > MAX_BYTES:
                response.close()
                raise self._service.fault(
                    "protocol",
                    f"the answer is larger than {MAX_BYTES} bytes",
                    "see what answers at the base URL, or resume",
                )
            if time.monotonic() > self._until:
                response.close()
                raise self.overdue()
        headers = {name.lower(): value for name, value in response.headers.items()}
        self.answer = Answer(response.status_code, data.decode("utf-8", "replace"), headers)
        response.close()


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The body as it comes in, however slowly."""
    read = getattr(response.raw, "read1", response.raw.read)  # urllib3 2 has it
    while piece := read(65_536, decode_content=True):
        yield piece


def _sdk(module: str) -> Any:
    """A module of the SDK, an optional package that is slow to import and warns that its support has ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(f"google.generativeai{module}")


def _generate(service: Service, call: Call, reading: _Reading) -> None:
    client = _sdk(".client")
    client.configure(api_key=service.key, transport="rest", client_options={"api_endpoint": service.url})
    session = client.get_default_generative_client().transport._session  # there is no other way in
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, _adapter(service, reading))
    generation: dict[str, Any] = {}
    if call.temperature is not None:
        generation["temperature"] = call.temperature
    if call.max_tokens is not None:
        generation["max_output_tokens"] = call.max_tokens
    if call.json:
        generation["response_mime_type"] = "application/json"
    if call.answer is not None:
        generation["response_schema"] = _openapi(call.answer)
    model = _sdk("").GenerativeModel(call.model, system_instruction=call.system)
    model.generate_content(
        [
            {"role": "model" if message.role == "assistant" else "user", "parts": [message.text]}
            for message in call.messages
        ],
        generation_config=generation,
        request_options={"timeout": service.timeout, "retry": None},
    )


def _adapter(service: Service, reading: _Reading) -> Any:
    """An adapter of ``requests`` that hears the server once: the SDK would follow redirects and ask again after 401."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - the SDK's

    class _Adapter(HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
            request.headers.update(service.address.headers)
            request.url = service.address.target(request.url)
            with service.untold():
                reading.read(super().send(request, *args, **options))
            raise _Heard

    return _Adapter(max_retries=0)


def _openapi(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Schema in the words of OpenAPI 3.0, which this SDK takes: ``nullable`` instead of a ``null`` type."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if options:
        described = {"description": schema["description"]} if "description" in schema else {}
        return {**_openapi(options[0]), **described, "nullable": True}
    named = schema.get("type")
    kinds = [named] if isinstance(named, str) else list(named or ())
    converted: dict[str, Any] = {"type": next(kind for kind in kinds if kind in _TYPES).upper()}
    if "null" in kinds:
        converted["nullable"] = True
    for word in ("description", "required"):
        if word in schema:
            converted[word] = schema[word]
    if "items" in schema:
        converted["items"] = _openapi(schema["items"])
    if "properties" in schema:
        converted["properties"] = {name: _openapi(inner) for name, inner in schema["properties"].items()}
    return converted
