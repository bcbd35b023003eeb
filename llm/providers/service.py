"""A provider's server: its key, its URL, and how its failures are told, without the key in any text."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lemonade_es.errors import ExecutorError, LemonadeError
from lemonade_es.llm.address import Address
from lemonade_es.llm.executor import Usage
from lemonade_es.llm.faults import CallFaultError, FaultCode, asked_wait, passing
from lemonade_es.llm.providers.answer import is_cut_off, is_streamed
from lemonade_es.llm.providers.secret import without_parts, without_secret
from lemonade_es.llm.providers.surroundings import header_secrets, proxy_secrets, proxy_variable, variables_set
from lemonade_es.printable import one_line

NO_KEY = "not-needed"
"""What is sent as the key to a server of the user's own when none is set: SDKs want one, such servers do not."""

SHORTEST_SECRET = 8
"""A shorter key is made up, no secret, and may well occur in source code."""

SHORTEST_TOLD = 4
"""Likewise for the words of errors, where nothing is lost if one is taken out too many."""

_HUNG_UP = re.compile(r"disconnected without sending|without response|\AReadError|connection aborted", re.IGNORECASE)
"""What HTTP libraries say where a server took the request and closed: it may have worked, and may charge for it."""

_NOT_HTTP = "RemoteProtocolError"
"""What HTTP libraries call an answer that they cannot read."""

_NOT_SENT = "LocalProtocolError"
"""What they call a request that is none."""

_NOT_CONNECTED = "ConnectTimeout"
"""What they call it if a server does not take the connection in time."""

_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
"""What OpenSSL says of a certificate that nobody vouches for, as those of companies' own gateways."""

_LOGS = (
    *(
        f"{library}.{part}"
        for library in ("httpcore", "httpcore2")
        for part in ("connection", "http11", "http2", "proxy")
    ),
    *("httpx", "httpx2", "urllib3.connectionpool"),
    *("openai._base_client", "anthropic._base_client", "google_genai._api_client"),
)
"""Loggers that tell of single requests and answers."""

MOST_WORDS = 500
"""Characters of a server's own words that are told."""

TEMPERATURE = 0.5
"""Of sampling; the paper's, for GPT-4o."""


@dataclass(frozen=True, slots=True)
class Service:
    """Who is asked, with which key, and where.

    Attributes:
        name: provider and model, as ``--llm`` names them.
        model: the server's name for the model.
        address: of the server.
        elsewhere: whether it is not the provider's own.
        expected: what kind of server answers, at which URL.
        key: what is sent; a word that means nothing if no key is set.
        key_variable: the environment variable that the key was, or should have been, in.
        timeout: seconds to wait for the connection, and for each piece of the answer.
        secrets: what must not be told, beside the key.
    """

    name: str
    model: str
    address: Address
    elsewhere: bool
    expected: str
    key: str = field(repr=False)
    key_variable: str
    timeout: float
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def found(
        cls,
        name: str,
        *,
        keys: Sequence[str],
        urls: Sequence[str],
        base_url: str | None,
        home: str,
        expected: str,
        example: str | None = None,
        timeout: float,
    ) -> Service:
        """The service as arguments and environment say.

        Args:
            name: provider and model, as ``--llm`` names them.
            keys: the environment variables that may hold the key, the first that does wins.
            urls: likewise for the base URL.
            base_url: the user's; before the environment's.
            home: the provider's own.
            expected: what kind of server answers, at which URL.
            example: of another; ``home`` if there is no better one.
            timeout: seconds to wait for each step of a call.

        Raises:
            ConfigError: the base URL is not one of HTTP.
            ExecutorError: there is no usable key.
        """
        if base_url is None:
            named, url = _first(urls)
            address = Address.of(url or home, example or home, named)
        else:  # an empty one is refused: it is a slip
            address = Address.of(base_url, example or home)
        elsewhere = address.url != home
        variable, key = _first(keys)
        if not key and not elsewhere:
            raise ExecutorError(
                f"{' or '.join(keys)} is not set",
                where=name,
                hint=f"export {keys[0]}=..., or give the base URL of a server that needs no key",
            )
        if not (key.isascii() and key.isprintable()):
            raise ExecutorError(f"{variable} holds characters that no key has", where=name, hint="copy the key again")
        return cls(
            name=name,
            model=name.partition(":")[2],
            address=address,
            elsewhere=elsewhere,
            expected=expected,
            key=key or NO_KEY,
            key_variable=variable,
            timeout=timeout,
            secrets=(*address.secrets, *proxy_secrets(), *header_secrets()),
        )

    @property
    def url(self) -> str:
        """The server, as it may be shown."""
        return self.address.url

    @property
    def server(self) -> str | None:
        """Likewise; ``None`` if it is the provider's own."""
        return self.url if self.elsewhere else None

    def failed(
        self,
        status: int,
        said: str,
        headers: Mapping[str, str] | None = None,
        wait: float | None = None,
        usage: Usage | None = None,
    ) -> ExecutorError:
        """What an answer with an HTTP status that is no success comes to.

        Args:
            status: of the answer.
            said: the server's words.
            headers: of the answer, found by names in lower case.
            wait: seconds that the answer's body asks to wait.
            usage: that was counted all the same.
        """
        headers = headers or {}
        said = self.one_line(said)
        if 300 <= status < 400 and "location" in headers:
            there = self.one_line(headers["location"])
            return self.denied(
                f"{self.url} redirects to {there} ({status}): nothing was sent there",
                "if you trust it, give it as the base URL",
            )
        if (code := passing(status, headers)) is not None:
            asked = asked_wait(headers)
            wait = asked if asked is not None else wait
            if status == 429:
                said = f"the rate limit is reached (429): {said}"
                return self.fault(code, said, "wait and resume, or raise the limit", wait, usage)
            hint = self._or_the_proxy("resume later")
            return self.fault(code, f"{self.url} is failing ({status}): {said}", hint, wait, usage)
        return self._refused(status, said)

    def _refused(self, status: int, said: str) -> ExecutorError:
        match status:
            case 401:
                return self.wrong_key(status)
            case 403:
                said = f"the key may not use this model (403): {said}"
                return self.denied(said, self._or_the_proxy("use another model, or another project's key"))
            case 404:
                said = f"{self.url} knows no model {self.model!r} (404): {said}"
                url = f", and that the base URL is that of {self.expected}" if self.elsewhere else ""
                return self.denied(said, self._or_the_proxy(f"check the model's name{url}"))
            case _:
                hint = "check the base URL" if status == 405 else "see what the server says"
                return self.denied(f"the request was refused ({status}): {said}", self._or_the_proxy(hint))

    def wrong_key(self, status: int) -> ExecutorError:
        """The server does not know the key, or was given none."""
        if self.key == NO_KEY and self.address.secrets:
            return self.denied(f"the server refused user, password or parameters ({status})", "check the base URL")
        if self.key == NO_KEY:
            return self.denied(f"the server wants a key ({status}), and none is set", f"export {self.key_variable}=...")
        hint = f"check {self.key_variable}: it may be wrong or revoked"
        return self.denied(f"the server refused the key ({status})", hint)

    @contextmanager
    def making(self) -> Iterator[None]:
        """Tell why an SDK's HTTP client cannot be made.

        Raises:
            ExecutorError: a proxy or a certificate in the environment, or the base URL, is of no use.
        """
        try:
            yield
        except LemonadeError:
            raise
        except Exception as error:  # noqa: BLE001 - what HTTP libraries raise here has no common base
            named = ("the base URL", *variables_set()) if self.elsewhere else variables_set()
            hint = f"check {', '.join(named) or 'what it says'}"
            if isinstance(error, ImportError):  # for a SOCKS proxy
                hint = f"pip install socksio, or {hint}"
            said = self.one_line(f"{type(error).__name__}: {error}")
            raise self.denied(f"calls cannot be prepared: {said}", hint) from None

    def silent(self, error: BaseException | None = None) -> CallFaultError:
        """Nothing came within the timeout.

        Args:
            error: of the HTTP library; where it had no connection, nothing was sent.
        """
        if type(error).__name__ == _NOT_CONNECTED:
            return self._unconnected(f"{self.timeout:g} s have passed")
        said = f"{self.url} did not answer within {self.timeout:g} s"
        return self.fault("timeout", said, "give more with --llm-timeout, and resume")

    def unsendable(self) -> ExecutorError:
        """A header of the call is none: the SDK takes some from the environment."""
        named = f"what begins with {self.key_variable.partition('_')[0]}_ in the environment"
        return self.denied("the call cannot be sent: a header holds characters that none has", f"check {named}")

    def unreachable(self, error: BaseException, *, begun: bool = False) -> ExecutorError:
        """There is no connection, or it broke.

        Args:
            error: of the HTTP library.
            begun: whether a part of the answer was there.
        """
        why = self.one_line(f"{type(error).__name__}: {error}")
        if begun:
            return self.fault("cut_off", f"the answer of {self.url} broke off: {why}", "resume later")
        if _HUNG_UP.search(why):
            return self.fault("cut_off", f"{self.url} closed the connection without an answer: {why}", "resume later")
        if type(error).__name__ == _NOT_SENT and "header" in why:
            return self.unsendable()
        if type(error).__name__ == _NOT_HTTP:
            return self.fault(
                "protocol", f"the answer of {self.url} is not HTTP: {why}", "check that it is the server's URL"
            )
        return self._unconnected(why)

    def _unconnected(self, why: str) -> CallFaultError:
        hint = self._by_the_proxy("check that the server runs and the URL is right")
        if _UNTRUSTED in why:
            hint = (
                "check the URL; where it is the server's, let SSL_CERT_FILE name the file of who signed its certificate"
            )
        return self.fault("connection", f"no connection to {self.url}: {why}", hint)

    def _by_the_proxy(self, hint: str) -> str:
        """A hint with the proxy that a call goes through, if it does."""
        variable = proxy_variable(self.url)
        if variable is None:
            return hint
        straight = f"NO_PROXY={urlsplit(self.url).hostname} leaves the server out"
        return f"{hint}, and check the proxy in {variable}, which the call goes through: {straight}"

    def _or_the_proxy(self, hint: str) -> str:
        """Likewise, of an answer: over https it is always the server's own."""
        return self._by_the_proxy(hint) if self.url.startswith("http:") else hint

    def no_completion(self, body: str) -> CallFaultError:
        """The server answered something else: ``body``."""
        said = self.discreet(body)[:200]
        if is_streamed(body):
            told = f"{self.url} streams its answer, though it was asked for the whole at once: {said!r}"
            return self.fault("protocol", told, "turn streaming off at the server")
        if is_cut_off(body):
            return self.fault("cut_off", f"the answer of {self.url} ends in the middle: {said!r}", "resume later")
        return self.fault(
            "protocol",
            f"the answer of {self.url} is no completion: {said!r}",
            self._or_the_proxy(f"check that the base URL is that of {self.expected}"),
        )

    def fault(
        self,
        code: FaultCode,
        message: str,
        hint: str,
        retry_after: float | None = None,
        usage: Usage | None = None,
    ) -> CallFaultError:
        """What another try may mend."""
        return CallFaultError(code, message, retry_after=retry_after, where=self.name, hint=hint, usage=usage)

    def denied(self, message: str, hint: str) -> ExecutorError:
        """What no other try can mend."""
        return ExecutorError(message, where=self.name, hint=hint)

    def one_line(self, text: str) -> str:
        """A server's words on one line, without the key and what does not print."""
        return one_line(self.discreet(text))[:MOST_WORDS]

    @contextmanager
    def untold(self) -> Iterator[None]:
        """Keep what must not be told out of the logs of HTTP libraries: they tell URLs and what servers repeat."""

        def harmless(record: logging.LogRecord) -> bool:
            said = record.getMessage()
            return said == self.discreet(said)

        logs = [logging.getLogger(name) for name in _LOGS]
        for log in logs:
            log.addFilter(harmless)
        try:
            yield
        finally:
            for log in logs:
                log.removeFilter(harmless)

    def scrubbed(self, text: str, shortest: int = SHORTEST_SECRET) -> str:
        """``text`` without key and credentials, which servers and proxies have been seen to repeat."""
        keys = () if self.key == NO_KEY else (self.key,)
        for secret in (*self.secrets, *keys):
            if len(secret) >= shortest:
                text = without_secret(text, secret)
        return text

    def discreet(self, text: str) -> str:
        """What a server says of a call, without parts of the key as well; in source these could be words."""
        return without_parts(self.scrubbed(text, SHORTEST_TOLD), self.key)


def _first(variables: Sequence[str]) -> tuple[str, str]:
    """The first environment variable that holds something, and what it holds."""
    for variable in variables:
        value = os.environ.get(variable, "").strip()
        if value:
            return variable, value
    return variables[0], ""
