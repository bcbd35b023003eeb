"""What is doubtful about the files of a rulebook as they are written: numbers, comments, and tests left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lemonade_es.rules.composition import Composition, compose
from lemonade_es.rules.document import Scalar, Table, items_in, read_document, tables_in
from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.problem import Place
from lemonade_es.rules.rulebook import Rulebook

IN_THOUSANDS = frozenset({"P", "TP", "M", "TM", "F", "TF", "B"})
"""Terms whose values are thousands or millions."""

_PARTED = re.compile(r"[1-9]\d{0,2}\.\d{3}")


def writing(rulebook: Rulebook) -> Iterator[Finding]:
    """Thousands with a point in settings and tests."""
    whole = _composed(rulebook)
    if whole is not None:
        yield from _numbers(whole.root)


def thousands(text: str, place: Place, rules: tuple[str, ...] = ()) -> Iterator[Finding]:
    """A number for a count whose point parts thousands in many countries, as in ``100.000``."""
    if _PARTED.fullmatch(text):
        said = f"{text} is {float(text):g}; if it is meant as thousands, write {text.replace('.', '')}"
        yield Finding("warning", "THOUSANDS_POINT", place, said, rules)


def _composed(rulebook: Rulebook) -> Composition | None:
    """The documents of a rulebook once more; it was loaded, so that they are in order."""
    documents = [read_document(source.text, source.file, []) for source in rulebook.sources]
    tables = [document for document in documents if isinstance(document, Table)]
    return compose(tables, []) if tables and len(tables) == len(documents) else None


def _numbers(root: Table) -> Iterator[Finding]:
    settings, given = root.get("thresholds"), [test.get("given") for test in tables_in(root.get("tests"))]
    for name, setting in settings.values.items() if isinstance(settings, Table) else ():
        if name in IN_THOUSANDS and isinstance(setting, Table):
            for number in (setting.get("default"), *items_in(setting.get("range"))):
                if isinstance(number, Scalar):
                    yield from thousands(number.text, number.place)
    for table in given:
        for name, number in table.values.items() if isinstance(table, Table) else ():
            if name in IN_THOUSANDS and isinstance(number, Scalar):
                yield from thousands(number.text, number.place)
