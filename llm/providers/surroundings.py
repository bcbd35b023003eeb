"""The environment's part in a call: proxies, certificates and headers that clients take from its variables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Environment variables whose URLs may hold a password, in either case."""

_HEADERS = ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS")
"""Environment variables with headers, one a line, that SDKs add to their calls: gateways have keys of their own."""

_TOKENS = ("ANTHROPIC_AUTH_TOKEN",)
"""Likewise with a key; newer SDKs send it only where they are given no other."""

_SECRET = re.compile(r"auth|key|token|secret|passw|cookie|credential|signature", re.IGNORECASE)
"""In the names of headers whose values are not to be told."""

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


def variables_set() -> tuple[str, ...]:
    """The variables that are set and that no HTTP client can be made with if they are wrong."""
    either = [name for upper in (*_PROXIES, "NO_PROXY") for name in (upper, upper.lower())]
    return tuple(name for name in (*either, *_CERTIFICATES) if os.environ.get(name))


def proxy_variable(url: str) -> str | None:
    """The variable by which a call to ``url`` goes through a proxy; ``None`` if it goes straight there."""
    parts = urlsplit(url)
    port = "" if parts.port is None else f":{parts.port}"  # NO_PROXY may name it
    if proxy_bypass(f"{parts.hostname or ''}{port}"):
        return None
    upper = (f"{parts.scheme.upper()}_PROXY", "ALL_PROXY")
    found = (name for each in upper for name in (each.lower(), each) if os.environ.get(name))
    return next(found, None)


def proxy_secrets() -> Iterator[str]:
    """The passwords of proxies, as they are written and as they are meant."""
    for name in _PROXIES:
        for variable in (name, name.lower()):
            userinfo, at, _ = os.environ.get(variable, "").rpartition("@")
            if at:
                password = userinfo.rpartition("/")[2].partition(":")[2]
                yield from filter(None, {password, unquote(password)})


def header_secrets() -> Iterator[str]:
    """The keys in headers that the environment adds, with and without the word before them (``Bearer``)."""
    lines = (line.partition(":") for name in _HEADERS for line in os.environ.get(name, "").split("\n"))
    values = {value.strip() for name, _, value in lines if _SECRET.search(name)}
    values |= {os.environ.get(name, "").strip() for name in _TOKENS}
    words = {value.rpartition(" ")[2] for value in values}
    yield from sorted(filter(None, values | words), key=lambda each: (-len(each), each))
