"""Doubtful things in rulebooks whose rules are weighted, conflict, and fire many at a time."""

from lemonade_es.rules.lint.finding import Finding, Level, Proof
from lemonade_es.rules.lint.linter import lint

__all__ = ["Finding", "Level", "Proof", "lint"]
