"""A server's base URL with its credentials apart: they go along with a call, and into nothing that is kept or shown."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from lemonade_es.errors import ConfigError

HIDDEN = "***"
"""Stands where a credential stood."""

_BEFORE_AT = re.compile(r"\A([\w.+-]+://)?.*@", re.DOTALL)
_AFTER_MARK = re.compile(r"[?#].*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what its URL said beside that.

    Attributes:
        url: scheme, host, port and path: what may be shown.
        userinfo: ``user:password``, as it was written; empty without.
        query: the parameters, which may hold a key.
    """

    url: str
    userinfo: str = field(default="", repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, text: str, example: str, where: str = "base_url") -> Address:
        """The address that a base URL names.

        Args:
            text: the URL; its fragment is never sent.
            example: a good one, for the hint.
            where: it was given, for errors.

        Raises:
            ConfigError: it is not one of HTTP, or it is one whose credentials were left out by :func:`shown`.
        """
        parts = _split(text)
        if parts is None:
            raise ConfigError(f"{shown(text)!r} is no base URL", where=where, hint=f"write for example {example}")
        userinfo, _, place = parts.netloc.rpartition("@")
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        if HIDDEN in (userinfo, *(value for _, value in query)):
            raise ConfigError(
                f"the credentials in {shown(text)} were not kept",
                where=where,
                hint="give --llm-base-url with them",
            )
        return cls(f"{parts.scheme}://{place}{parts.path}".rstrip("/"), userinfo, query)

    @property
    def headers(self) -> Mapping[str, str]:
        """What a call carries in its head besides: HTTP's basic authentication."""
        if not self.userinfo:
            return {}
        user, _, password = self.userinfo.partition(":")
        return {"Authorization": f"Basic {_basic(unquote(user), unquote(password))}"}

    def target(self, path: str) -> str:
        """``path``, perhaps with a query, with the address's own parameters added."""
        if not self.query:
            return path
        return f"{path}{'&' if '?' in path else '?'}{urlencode(self.query, quote_via=quote)}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown, in all forms that it is sent in, the longest first."""
        user, colon, password = self.userinfo.partition(":")
        hidden = {password if colon else user, *(value for _, value in self.query)}
        hidden |= {unquote(each) for each in hidden} | {quote(each) for each in hidden}
        if self.userinfo:
            hidden |= {self.userinfo, _basic(unquote(user), unquote(password))}
        return tuple(sorted((each for each in hidden if each), key=lambda each: (-len(each), each)))


def shown(text: str) -> str:
    """A base URL as it may be kept and shown: with :data:`HIDDEN` in the place of user, password and parameters."""
    parts = _split(text)
    if parts is None:
        return _AFTER_MARK.sub("", _BEFORE_AT.sub(rf"\1{HIDDEN}@", text))
    userinfo, _, place = parts.netloc.rpartition("@")
    names = "&".join(f"{name}={HIDDEN}" for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    head = f"{HIDDEN}@" if userinfo else ""
    return f"{parts.scheme}://{head}{place}{parts.path}{'?' if names else ''}{names}"


def is_url(text: str) -> bool:
    """Whether calls can go to a base URL."""
    return _split(text) is not None


def _split(text: str) -> SplitResult | None:
    """The parts of a URL of HTTP; ``None`` if it is none."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")  # UnicodeError: an empty or overlong part of a host's name
    except ValueError:
        return None
    return parts if sound and text.isprintable() and " " not in text else None


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()
