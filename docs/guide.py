"""Runs the commands of docs/rulebook-guide.md, in their order, and writes what they print: `python docs/guide.py`.

A fenced block that begins with `$ ` is a command and its output; a block after `<!-- file: NAME -->` is a file of
that content, written before the commands that follow. The output of a command after `<!-- varies -->` differs from
machine to machine: it is run, but a test does not compare it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).with_name("rulebook-guide.md")
BLOCK = re.compile(r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Step:
    """A command of the page.

    Attributes:
        command: as it is typed.
        told: what the page says that it prints.
        prints: what it prints.
        code: its exit code.
        varies: whether the output differs from machine to machine.
    """

    command: str
    told: str
    prints: str
    code: int
    varies: bool


def steps(text: str, folder: Path) -> list[Step]:
    """Write the files and run the commands of a page in a folder."""
    done = []
    for block in BLOCK.finditer(text):
        note, body = block["note"] or "", block["body"]
        if note.startswith("file: "):
            (folder / note.removeprefix("file: ")).write_text(body, encoding="utf-8")
        elif body.startswith("$ "):
            line, _, told = body.partition("\n")
            code, prints = run(line.removeprefix("$ "), folder)
            done.append(Step(line.removeprefix("$ "), told, prints, code, note == "varies"))
    return done


def run(command: str, folder: Path) -> tuple[int, str]:
    """Exit code and output of a command, as a terminal of 110 columns without colour shows it."""
    beside = Path(sys.executable).parent
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "110", "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("LEMONADE_OUT", None)
    done = subprocess.run(  # noqa: S602  (the page's own commands, with their pipes and redirections)
        command,
        shell=True,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n" * bool(done.stdout)


def updated(text: str) -> str:
    """The page with what its commands print now."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = iter(steps(text, Path(folder)))

    def block(found: re.Match[str]) -> str:
        if (found["note"] or "").startswith("file: ") or not found["body"].startswith("$ "):
            return found[0]
        step = next(fresh)
        head = f"<!-- {found['note']} -->\n" if found["note"] else ""
        return f"{head}```{found['kind']}\n$ {step.command}\n{step.prints}```"

    return BLOCK.sub(block, text)


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
