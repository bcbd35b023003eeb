"""Results of rulebook tests as JUnit XML, which CI systems read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from lemonade_es.report.rulebook_tests import Tested
from lemonade_es.rules.problem import Place

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may have, escaped or not."""

_LOADING = "the file can be used"
_ENGINES = "both engines are right at each boundary"


def junit_xml(tested: Sequence[Tested], min_score: float | None = None) -> str:
    """One suite a rulebook, one case a test; a file that cannot be used is a case with an error.

    If boundaries were looked at, each at which an engine does wrong is a failed case, and together they are one that
    passes if there is none. Times are not told, so that the same rulebooks always give the same file.

    Args:
        tested: the rulebooks.
        min_score: the least mutation score in percent; keeping it is then a case as well.
    """
    root = ElementTree.Element("testsuites")
    for item in tested:
        cases = [*_cases(item), *_score(item, min_score)]
        suite = ElementTree.SubElement(root, "testsuite", {"name": _clean(item.file), "tests": str(len(cases))})
        for plural, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(plural, str(sum(case.find(tag) is not None for case in cases)))
        suite.extend(cases)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _cases(item: Tested) -> Iterator[ElementTree.Element]:
    start = Place(item.file, 1, 1)
    found = item.assay
    if found is None:
        yield _case(item.file, _LOADING, start, (item.error or "",), tag="error")
        return
    for result in found.tests:
        yield _case(item.file, result.name, result.place, result.failures)
    if found.boundaries is None:
        return
    failures = found.boundaries.failures
    if not failures:
        yield _case(item.file, _ENGINES, start, ())
    for boundary, point in failures:
        yield _case(item.file, boundary.test(point).name, boundary.place, point.failures)


def _score(item: Tested, least: float | None) -> Iterator[ElementTree.Element]:
    if least is None or item.score is None:
        return
    failures = () if item.score >= least / 100 else (f"it is {100 * item.score:.1f} %",)
    yield _case(item.file, f"the mutation score is {least:g} % or more", Place(item.file, 1, 1), failures)


def _case(file: str, name: str, place: Place, failures: Sequence[str], *, tag: str = "failure") -> ElementTree.Element:
    about = {"classname": file, "name": name, "file": place.file, "line": str(place.line)}
    case = ElementTree.Element("testcase", {key: _clean(value) for key, value in about.items()})
    if failures:
        kind = "TEST_FAILED" if tag == "failure" else "BAD_RULEBOOK"
        bad = ElementTree.SubElement(case, tag, {"type": kind, "message": _clean("; ".join(failures))})
        bad.text = _clean("\n".join(f"{place}: {failure}" for failure in failures))
    return case


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
