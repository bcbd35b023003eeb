"""The environment's part in a call: the proxies and certificates that HTTP libraries take from its variables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Environment variables whose URLs may hold a password, in either case."""

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
