"""``lemonade-es rulebook``: write, check, test, simulate and compare rulebooks."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from lemonade_es.commands.options import (
    BAD_INPUT,
    DONE,
    FAILED,
    Assignments,
    Finite,
    distinct,
    json_option,
    out_option,
    set_option,
)
from lemonade_es.commands.output import Terminal, echo, echo_json
from lemonade_es.commands.worth import efficacy, tune
from lemonade_es.errors import ConfigError


@click.group(short_help="Write, check, test and compare rulebooks.")
def rulebook() -> None:
    """Write, check, test, simulate and compare rulebooks.

    Where a FILE is wanted, the name of a shipped rulebook does as well.

    \b
    lemonade-es rulebook new mine.yaml
    lemonade-es rulebook check mine.yaml
    lemonade-es rulebook test mine.yaml --coverage
    lemonade-es rulebook whatif mine.yaml --fact T_Acc=0.62 --fact V_Acc=0.6
    """


@rulebook.command(short_help="Print the JSON Schema of rulebooks.")
def schema() -> None:
    """Print the JSON Schema of rulebooks, made from the vocabulary; editors complete and check with it.

    \b
    lemonade-es rulebook schema > rulebook.schema.json
    """
    from lemonade_es.rules.schema import rulebook_schema

    echo(json.dumps(rulebook_schema(), indent=2))


@rulebook.command("list", short_help="List the shipped rulebooks.")
@json_option("Print a list of objects.")
def list_(*, as_json: bool) -> None:
    """List the rulebooks that come with the program."""
    from lemonade_es.report.rulebooks import shipped_rulebooks, shipped_table

    found = shipped_rulebooks()
    if as_json:
        echo_json([item.to_json() for item in found])
    else:
        Terminal().print(shipped_table(found))


@rulebook.command(short_help="Print a rulebook.")
@click.argument("file")
@click.option("--rules", is_flag=True, help="A table of all rules, those that it extends included.")
@json_option("Print instructions, rules, tests and settings as one object.")
def show(file: str, *, rules: bool, as_json: bool) -> None:
    """Print the text of a shipped rulebook or of a file.

    \b
    lemonade-es rulebook show lemonade > mine.yaml
    """
    from lemonade_es.report.rulebooks import rulebook_json, rules_table
    from lemonade_es.rules.load import find_rulebook, load_rulebook

    found = load_rulebook(find_rulebook(file))
    if as_json:
        echo_json(rulebook_json(found))
    elif rules:
        Terminal().print(rules_table(found))
    else:
        echo(found.sources[0].text, nl=False)


@rulebook.command(short_help="List the words of rules.")
@click.argument("file", required=False)
@json_option("Print metrics, thresholds, priorities, weights, instructions and conclusions as one object.")
def words(file: str | None, *, as_json: bool) -> None:
    """List what a rule can read: metrics, thresholds and priorities, with units and defaults.

    With FILE also its instructions and conclusions, and its own defaults.

    \b
    lemonade-es rulebook words mine.yaml
    """
    from lemonade_es.report.words import words_json, words_tables
    from lemonade_es.rules.load import find_rulebook, load_rulebook

    found = None if file is None else load_rulebook(find_rulebook(file))
    if as_json:
        echo_json(words_json(found))
        return
    terminal = Terminal()
    for number, table in enumerate(words_tables(found)):
        if number:
            echo("")
        terminal.print(table)


@rulebook.command(short_help="Write a commented template.")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--extends", metavar="NAME", help="What the new one builds on [default: lemonade].")
@click.option("--standalone", is_flag=True, help="It builds on nothing.")
def new(file: Path | None, *, extends: str | None, standalone: bool) -> None:
    """Write a commented template to FILE, which must not exist; without FILE, print it.

    The template checks, and its tests pass, before anything is changed.
    """
    from lemonade_es.engine.expert.selftest import keeps_its_own_promises
    from lemonade_es.rules.load import SUFFIXES, find_rulebook, load_rulebook, parse_rulebook, shipped
    from lemonade_es.rules.template import new_rulebook

    if standalone and extends is not None:
        raise click.UsageError("--standalone builds on nothing; give it or --extends, not both")
    base = None if standalone else extends or "lemonade"
    extended = None if base is None else load_rulebook(find_rulebook(base))
    if base is not None and Path(base).suffix in SUFFIXES:
        base = os.path.relpath(base, Path() if file is None else file.parent)  # it is looked up from there
    name, place = ("mine", "mine.yaml") if file is None else (file.stem, str(file))
    bases = () if extended is None else extended.sources

    def passes(text: str) -> bool:
        return keeps_its_own_promises(parse_rulebook(text, place, bases))

    text = new_rulebook(name, base, place, extended, passes)
    if file is None:
        echo(text, nl=False)
        return
    if file.suffix not in SUFFIXES:
        raise ConfigError("a rulebook's name ends in .yaml", where=str(file), hint=f"write {file.with_suffix('.yaml')}")
    if file.stem in shipped():
        raise ConfigError("a shipped rulebook has this name", where=str(file), hint="choose another one")
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError:
        raise ConfigError("there is such a file already", where=str(file), hint="choose another name") from None
    except OSError as error:
        with suppress(OSError):
            if not file.stat().st_size:  # of a file that was begun there is no more than its name
                file.unlink()
        raise ConfigError(f"cannot be written: {error.strerror}", where=str(file)) from None
    echo(f"{file} is written; next: {shlex.join(['lemonade-es', 'rulebook', 'check', str(file)])}")


@rulebook.command(short_help="Find what is wrong or doubtful.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--notes", is_flag=True, help="Show notes as well, which are no fault.")
@click.option("--strict", is_flag=True, help="Warnings, too, end with exit code 2.")
@json_option("Print one object: the files, each with its problems.")
def check(files: tuple[str, ...], *, notes: bool, strict: bool, as_json: bool) -> None:
    """Check rulebooks: all problems at once, each with file, line, column and a code.

    Then, if the file can be used, what is doubtful about its rules: conflicts, ties, gaps, rules that never fire
    or never matter, each with an example where there is one. docs/rulebook-codes.md explains the codes.

    Exit code 2 if a file cannot be used.
    """
    from lemonade_es.report.rulebook_check import check as check_file
    from lemonade_es.report.rulebook_check import check_text

    found = [check_file(file) for file in files]
    if as_json:
        echo_json({"files": [item.to_json() for item in found]})
    else:
        echo(check_text(found, notes=notes))
    bad = any(not item.usable or (strict and item.doubtful) for item in found)
    sys.exit(BAD_INPUT if bad else DONE)


@rulebook.command(short_help="Run the tests that rulebooks carry.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--coverage", is_flag=True, help="Also coverage, boundary tests, and a mutation score.")
@click.option("--suggest", is_flag=True, help="Print the tests that are missing, ready to be pasted.")
@click.option("--min-score", type=Finite(0, 100), metavar="PERCENT", help="Fail below this mutation score.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write JUnit XML.")
@json_option("Print one object: the files, each with its tests.")
def test(
    files: tuple[str, ...],
    *,
    coverage: bool,
    suggest: bool,
    min_score: float | None,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Run the tests in rulebooks with Experta.

    With --coverage: which rules and comparisons they touch; generated tests at each boundary (just under, at, just
    over); and how many small changes of the rules (other operators, thresholds, weights) the tests would notice.

    Exit code 1 if a test fails, 2 if a file cannot be used.
    """
    from lemonade_es.report.junit import junit_xml
    from lemonade_es.report.rulebook_tests import suggested, test_file, tests_text

    deep = coverage or suggest or min_score is not None
    found = [test_file(file, coverage=deep) for file in files]
    if junit is not None:
        try:
            junit.write_text(junit_xml(found, min_score), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot be written: {error.strerror}", where=str(junit)) from None
    if as_json:
        echo_json({"files": [item.to_json() for item in found]})
    elif suggest:
        for item in found:
            if not item.sound:
                echo(tests_text([item]), err=True)
            if item.assay is not None:
                echo(suggested(item, named=len(found) > 1), nl=False)
    else:
        echo(tests_text(found))
    if any(item.assay is None for item in found):
        sys.exit(BAD_INPUT)
    poor = [item for item in found if item.score is not None and min_score is not None and item.score < min_score / 100]
    for item in poor:
        echo(f"{item.file}: the mutation score is below {min_score:g} %", err=True)
    sys.exit(FAILED if poor or not all(item.sound for item in found) else DONE)


@rulebook.command(short_help="Say what the rules would do.")
@click.argument("file")
@click.option(
    "--fact",
    type=Assignments("V_Acc=0.95"),
    multiple=True,
    callback=distinct,
    help="A supposed measurement; all others are unknown.",
)
@set_option
@click.option("--from", "run_name", metavar="RUN", help="Begin with the facts of a decision of this run.")
@click.option("--iteration", type=int, metavar="N", help="Which decision of the run [default: the last].")
@click.option(
    "--sweep",
    "sweeps",
    metavar="NAME=START:STOP:STEP",
    multiple=True,
    help="Let one value run, and show where the advice changes.",
)
@out_option
@json_option("Print facts, fired, not_fired, conclusions, conflicts and instructions as one object.")
def whatif(
    file: str,
    *,
    fact: Sequence[tuple[str, float]],
    set_: Sequence[tuple[str, float]],
    run_name: str | None,
    iteration: int | None,
    sweeps: Sequence[str],
    out: Path,
    store: str | None,
    as_json: bool,
) -> None:
    """Say what the rules of FILE would do with supposed facts: what fires and why, what does not and why not.

    \b
    lemonade-es rulebook whatif lemonade --fact T_Acc=0.62 --fact V_Acc=0.6
    lemonade-es rulebook whatif lemonade --fact T_Acc=0.95 --sweep V_Acc=0.5:1:0.01
    lemonade-es rulebook whatif mine.yaml --from latest --iteration 3 --set PF=1
    """
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.engine.history.journal import started
    from lemonade_es.engine.suppositions.sweep import Sweep, run_sweep
    from lemonade_es.engine.suppositions.whatif import recorded_decision, suppose, supposed_facts
    from lemonade_es.report.whatif import supposed_text, sweep_text
    from lemonade_es.rules.load import find_rulebook, load_rulebook

    if iteration is not None and run_name is None:
        raise click.UsageError("--iteration is one of a run: name it with --from RUN")
    if len(sweeps) > 1:
        raise click.UsageError(f"one value can run at a time, and --sweep was given {len(sweeps)} times")
    found = load_rulebook(find_rulebook(file))
    recorded, task = None, None
    if run_name is not None:
        entries = RunFolder(out, store).entries(run_name)
        recorded, task = recorded_decision(entries, iteration), started(entries).data.task
    through = Sweep.parse(sweeps[0]) if sweeps else None
    facts = supposed_facts(found, dict(fact), dict(set_), recorded)
    supposed = suppose(found, facts)
    stretches = None if through is None else run_sweep(found, facts, through, [name for name, _ in fact])
    if as_json:
        data = supposed.to_json()
        if task is not None:
            data["accuracy"] = task.accuracy
        if stretches is not None:
            data["sweep"] = [stretch.to_json() for stretch in stretches]
        echo_json(data)
        return
    echo(supposed_text(supposed) if through is None or stretches is None else sweep_text(through.name, stretches))
    if task is not None and task.objective == "regression":
        echo(f"\naccuracy is {task.accuracy}")


@rulebook.command(short_help="Show where two rulebooks differ.")
@click.argument("old")
@click.argument("new")
@click.option("--against", metavar="RUN", multiple=True, help="Also compare them on the decisions of this run.")
@out_option
@json_option("Print changes, regions and flipped decisions as one object.")
def diff(old: str, new: str, *, against: Sequence[str], out: Path, store: str | None, as_json: bool) -> None:
    """Show what was changed from OLD to NEW, rule by rule, and where their advice differs, with an example for each.

    \b
    lemonade-es rulebook diff lemonade mine.yaml
    lemonade-es rulebook diff lemonade mine.yaml --against latest
    """
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.engine.suppositions.backtest import flipped
    from lemonade_es.engine.suppositions.difference import POINTS, elsewhere, regions
    from lemonade_es.report.difference import decisions_in, difference_text, flipped_text
    from lemonade_es.rules.changes import changes
    from lemonade_es.rules.load import find_rulebook, load_rulebook

    before, after = (load_rulebook(find_rulebook(name)) for name in (old, new))
    changed, found = changes(before, after), regions(before, after)
    further = elsewhere(before, after, found)
    runs = RunFolder(out, store).distinct(against)
    others = [item for entries in runs for item in flipped(before, after, entries)]
    if as_json:
        data: dict[str, object] = {
            "changes": [item.to_json() for item in changed],
            "regions": [region.to_json() for region in found],
            "elsewhere": [item.to_json() for item in further],
        }
        if against:
            data |= {"decisions": decisions_in(runs), "flipped": [item.to_json() for item in others]}
        echo_json(data)
        return
    echo(difference_text(changed, found, POINTS, further))
    if against:
        echo("\n" + flipped_text(others, decisions_in(runs), old="old", new="new"))


@rulebook.command(short_help="Replay recorded runs through a rulebook.")
@click.argument("file")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@out_option
@json_option("Print one object.")
def backtest(file: str, runs: Sequence[str], *, out: Path, store: str | None, as_json: bool) -> None:
    """Replay recorded measurements through FILE: how often each rule fires, and which decisions come out otherwise.

    \b
    lemonade-es rulebook backtest mine.yaml latest
    """
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.engine.suppositions.backtest import backtest as run_backtest
    from lemonade_es.report.difference import backtest_text
    from lemonade_es.rules.load import find_rulebook, load_rulebook

    found = load_rulebook(find_rulebook(file))
    tested = run_backtest(found, RunFolder(out, store).distinct(runs))
    if as_json:
        echo_json(tested.to_json())
    else:
        echo(backtest_text(tested))


for command in (efficacy, tune):
    rulebook.add_command(command)
