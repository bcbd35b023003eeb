"""How often a child is looked at, and that all who tell of it tell the same."""

from __future__ import annotations

from pathlib import Path

from lemonade_es.report import doctor
from lemonade_es.trainer.isolation.appetite import WATCH_SECONDS

SECURITY = Path(__file__).parents[3] / "docs" / "security.md"


def test_doctor_and_security_page_tell_how_often_a_child_is_looked_at() -> None:
    assert any(f"every {WATCH_SECONDS * 1000:.0f} ms" in weakness for weakness in doctor._GPU_WEAKNESSES)
    assert f"looks every {WATCH_SECONDS * 1000:.0f} ms" in SECURITY.read_text(encoding="utf-8")
