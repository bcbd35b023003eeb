"""A model server on the loopback, for tests of providers with their real SDKs, and for demonstrations.

::

    with ModelServer([Say("{...}"), Fail(429, headers={"Retry-After": "0"}), Drop()]) as server:
        client = OpenAIClient("gpt-test", base_url=server.url, timeout=5.0)

Each request is answered by the next act of the script and kept in :attr:`ModelServer.requests`. What the bytes
of an answer look like is a :class:`Wire`: :class:`OpenAIWire`, :class:`AnthropicWire`, :class:`GeminiWire`.
"""

from __future__ import annotations

from lemonade_es.llm.testing.acts import Act, Drop, Fail, Say, Send, Trickle
from lemonade_es.llm.testing.server import MAX_DELAY, ModelServer
from lemonade_es.llm.testing.wires import AnthropicWire, GeminiWire, OpenAIWire, Request, Wire

__all__ = [
    "MAX_DELAY",
    "Act",
    "AnthropicWire",
    "Drop",
    "Fail",
    "GeminiWire",
    "ModelServer",
    "OpenAIWire",
    "Request",
    "Say",
    "Send",
    "Trickle",
    "Wire",
]
