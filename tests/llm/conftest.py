"""A request, what may be answered, and the providers with their real SDKs, for what holds for each of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from lemonade_es.llm.chat import ChatClient
from lemonade_es.llm.providers.anthropic import AnthropicClient
from lemonade_es.llm.providers.gemini import GeminiClient
from lemonade_es.llm.providers.openai import OpenAIClient
from lemonade_es.llm.request import Attempt, EditRequest
from lemonade_es.llm.testing import AnthropicWire, GeminiWire, OpenAIWire
from lemonade_es.llm.testing.wires import Wire
from lemonade_es.task import Task

REQUEST = EditRequest(Task("image", "digits", (1, 8, 8), 10), 1)
TRIED = EditRequest(REQUEST.task, 2, "import torch\n", history=(Attempt(1, ("ACL",), "ok", summary="reshaped"),))
PATCH = json.dumps(
    {
        "summary": "A first network.",
        "model_py": "import torch\n",
        "edits": None,
        "applied": [],
        "skipped": [],
        "predicted": None,
    }
)
_ENVELOPE = {"summary": "A first network.", "model_py": None, "edits": None, "applied": [], "skipped": []}
FENCED = json.dumps({**_ENVELOPE, "predicted": None}) + "\n```python\nimport torch\n```\n"


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider and one of its SDKs.

    Attributes:
        name: as in the name of an executor.
        client: makes a client of the model ``m``.
        wire: what its server speaks.
        key: the variable of its key.
        url: the variable of its base URL.
        modules: of its SDKs, the one in use first.
    """

    name: str
    client: Callable[..., ChatClient]
    wire: Callable[[], Wire]
    key: str
    url: str
    modules: tuple[str, ...]


_GOOGLE = partial(Provider, "gemini", wire=GeminiWire, key="GEMINI_API_KEY", url="GOOGLE_GEMINI_BASE_URL")
PROVIDERS = (
    Provider("openai", partial(OpenAIClient, "m"), OpenAIWire, "OPENAI_API_KEY", "OPENAI_BASE_URL", ("openai",)),
    Provider(
        "anthropic",
        partial(AnthropicClient, "m"),
        AnthropicWire,
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        ("anthropic",),
    ),
    _GOOGLE(client=partial(GeminiClient, "m", sdk="google-genai"), modules=("google.genai", "google.generativeai")),
    _GOOGLE(
        client=partial(GeminiClient, "m", sdk="google-generativeai"), modules=("google.generativeai", "google.genai")
    ),
)


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.modules[0])
def provider(request: pytest.FixtureRequest) -> Provider:
    """Each provider in turn, with each of its SDKs; skipped where that is not installed."""
    found: Provider = request.param
    pytest.importorskip(found.modules[0], reason=f"the package of {found.modules[0]} is not installed")
    return found
