"""The documents: links lead somewhere, commands exist, the changelog keeps its form."""

from __future__ import annotations

import re
from pathlib import Path

FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.M | re.S)
LINK = re.compile(
    r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s+(\S+)|(?:src|href)=\"([^\"]+)\"",
    re.M,
)


def _documents(root: Path) -> list[Path]:
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])


def _prose(document: Path) -> str:
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", document.read_text(encoding="utf-8")))


def _targets(document: Path) -> list[str]:
    found = ["".join(groups) for groups in LINK.findall(_prose(document))]
    return [target for target in found if not re.match(r"[a-z][a-z0-9+.-]*:", target)]


def _anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to headings."""
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+\s+(.*?)\s*#*$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _broken(root: Path, document: Path) -> list[str]:
    broken = []
    for target in _targets(document):
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        name = f"{document.relative_to(root)}: {target}"
        if not file.is_relative_to(root):
            broken.append(f"{name} leaves the repository")
        elif not file.exists():
            broken.append(f"{name} is not there")
        elif anchor and file.suffix == ".md" and anchor not in _anchors(file):
            broken.append(f"{name} has no such heading")
    return broken


def test_every_relative_link_leads_to_a_file_and_a_heading(repository):
    documents = _documents(repository.root)
    assert repository.root / "CONTRIBUTING.md" in documents
    assert [line for document in documents for line in _broken(repository.root, document)] == []


def test_broken_links_of_each_kind_are_found(tmp_path):
    (tmp_path / "other.md").write_text("# A heading, here\n")
    document = tmp_path / "page.md"
    document.write_text(
        "[good](other.md#a-heading-here) [web](https://example.org) [gone](gone.md)\n"
        "![picture](missing.png) [heading](other.md#no) [out](../../etc/passwd) `[code](x.md)`\n"
        "```\n[in a fence](y.md)\n```\n[ref]: lost.md\n"
    )
    assert _broken(tmp_path, document) == [
        "page.md: gone.md is not there",
        "page.md: missing.png is not there",
        "page.md: other.md#no has no such heading",
        "page.md: ../../etc/passwd leaves the repository",
        "page.md: lost.md is not there",
    ]


def test_every_make_target_that_a_document_names_exists(repository):
    makefile = (repository.root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    named = {
        (document.name, target)
        for document in _documents(repository.root)
        for command in re.findall(r"(?:^|`|\$ |&& )make ((?:[a-z]+ ?)+)", document.read_text(encoding="utf-8"), re.M)
        for target in command.split()
    }
    assert ("CONTRIBUTING.md", "test") in named
    assert {pair for pair in named if pair[1] not in targets} == set()


def _changelog(root: Path) -> str:
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    return text.split("## [Unreleased]")[1]


def _entries(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and line[0] not in "#["]


def test_each_line_of_the_changelog_is_one_sentence(repository):
    entries = _entries(_changelog(repository.root))
    assert entries
    assert [line for line in entries if not re.fullmatch(r"- [^ ].*[^.]\.", line)] == []
    assert sorted(set(entries)) == sorted(entries)


def test_each_line_on_the_first_version_is_in_a_group_and_tells_of_no_earlier_one(repository):
    first = re.split(r"^## ", _changelog(repository.root), flags=re.M)[-1]
    outside, *groups = re.split(r"^#### ", first, flags=re.M)
    names = [group.partition("\n")[0] for group in groups]
    assert _entries(outside.partition("### Added")[2]) == []
    assert names
    assert sorted(set(names)) == sorted(names)
    assert [name for name, group in zip(names, groups, strict=True) if not _entries(group.partition("\n")[2])] == []
    earlier = re.compile(r"\b(used to|no longer|any more|any longer|earlier version|formerly|previously)\b", re.I)
    assert [line for line in _entries(first) if earlier.search(line)] == []
