"""Broken rulebooks and broken expressions by the ten thousand: always refused in order, never with another error."""

# ruff: noqa: RUF001, SIM905 - tables of odd texts

from __future__ import annotations

import re
import signal
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lemonade_es.errors import RulebookError
from lemonade_es.rules.expression import parse_expression
from lemonade_es.rules.load import find_rulebook, parse_rulebook
from lemonade_es.rules.problem import Place
from lemonade_es.rules.rulebook import Source
from lemonade_es.rules.template import new_rulebook
from lemonade_es.vocabulary import TERMS

CASES = 10_000
SECONDS = 5
"""Of processor time; a case takes milliseconds."""
LONGEST = 600
FILE, BASE = "fuzz.yaml", "base.yaml"
PAGE = Path(__file__).parents[2] / "docs" / "rulebook-codes.md"
CODES = set(re.findall(r"^## ([A-Z_]+)$", PAGE.read_text(encoding="utf-8"), re.M))
LINE = re.compile(r"(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+) (?P<code>[A-Z_]+) (?P<message>\S.*)")
FAST = settings(deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def processor_time_limit():
    def stop(_signal, _frame):
        raise AssertionError(f"more than {SECONDS} s of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def shipped_pieces():
    """The shipped rulebook cut into sound small ones: three rules in a row, and all that these cannot do without."""
    text = find_rulebook("lemonade").read_text(encoding="utf-8")
    whole = parse_rulebook(text, FILE)
    lines = text.splitlines(keepends=True)
    blocks = {rule.id: _block(lines, rule.place.line) for rule in whole.rules}
    for at in range(0, len(whole.rules) - 2, 3):
        kept = set(whole.rules[at : at + 3])
        while (
            more := {
                rule for rule in whole.rules if rule.conclude in {name for one in kept for name in one.when.conclusions}
            }
            - kept
        ):
            kept |= more
        ids = {rule.id for rule in kept}
        used = {name for rule in kept for name in rule.instruct}
        used |= {whole.instructions[name].conflicts_with for name in used}
        head = "".join(lines[item.place.line - 1] for name, item in whole.instructions.items() if name in used)
        rules = "".join(blocks[rule.id] for rule in whole.rules if rule in kept)
        fitting = [
            test
            for test in whole.tests
            if {*(test.fired or ()), *test.not_fired} <= ids and {*test.instructions, *test.absent} <= used
        ]
        tests = "".join(_block(lines, test.place.line) for test in fitting[:2])
        yield f"rulebook: piece\nversion: 1\ninstructions:\n{head}rules:\n{rules}" + (
            f"tests:\n{tests}" if tests else ""
        )


def _block(lines, row):
    """An item of a list, from its first line to the next item or blank line."""
    rest = lines[row - 1 :]
    end = next((i for i, line in enumerate(rest) if i and not line.startswith("    ")), len(rest))
    return "".join(rest[:end])


PLAIN = Source(
    BASE,
    "rulebook: base\nversion: 1\ninstructions:\n  RK: {text: Fewer kernels}\n  RN: {text: Fewer neurons}\n"
    "rules:\n  - {id: training-energy, when: T_E > TT_E, weight: PT_E, instruct: [RK]}\n"
    "  - {id: overfitting, when: T_Acc - V_Acc > OT, conclude: overfitting}\n",
)


def templates():
    base = parse_rulebook(PLAIN.text, BASE)
    yield new_rulebook("mine", None, FILE)
    yield new_rulebook("mine", "base", FILE, base)


REAL = [*shipped_pieces(), *templates()]

scraps = st.sampled_from(
    [
        *"abzAZ019_-+*/<>=!&|%@`'\"#:,.?{}[]()\\~$^ \t\n\r",
        *"\x00\x07\x1b\x7f\x85\xa0éß≤\u200b\u2028\u2029\u202e\ufeff\ufffe\ud800😀",
        *(
            "null",
            "~",
            "true",
            "NO",
            ".nan",
            "-.inf",
            "1e999",
            "9" * 50,
            "0x1f",
            "1_000",
            "-1",
            "2024-01-01",
            "''",
            '""',
        ),
        *("[]", "{}", "[[", "{a: b}", "- ", "? ", ": ", "|\n", ">-\n", "--- ", "...\n", "%YAML 1.1\n", "<<: ", "# "),
        *(
            "&a ",
            "*a",
            "!!python/object:os.system ",
            "!x ",
            "rules",
            "tests",
            "extends",
            "drop",
            "when",
            "weight",
            "given",
        ),
        *(
            "V_Acc",
            "overfitting",
            "failed",
            "ACL",
            "RK",
            "and",
            "or",
            "not",
            "lambda",
            "min(",
            "abs()",
            "1/0",
            "{V_Acc:.1%}",
        ),
        *(
            "{V_Acc:9999999d}",
            "{V_Acc.real}",
            "{0}",
            "a\nb",
            "x" * 300,
            "all",
            "sum",
            "increase",
            "lemonad",
            "/dev/null",
        ),
    ]
)
spots = st.floats(0, 1, exclude_max=True)
kinds = st.sampled_from(
    ["insert", "replace", "delete", "drop line", "repeat line", "swap", "indent", "key", "value", "cut"]
)


def mutated(text, kind, spot, other, scrap):
    """The text with one thing changed; two spots are fractions of its length."""
    at, till = int(spot * len(text)), int(other * len(text))
    lines = text.splitlines(keepends=True) or [""]
    row, second = int(spot * len(lines)), int(other * len(lines))
    line = lines[row]
    match kind:
        case "insert":
            return text[:at] + scrap + text[at:]
        case "replace":
            return text[:at] + scrap + text[at + len(scrap) :]
        case "delete":
            return text[:at] + text[at + 1 + till % 40 :]
        case "drop line":
            del lines[row]
        case "repeat line":
            lines.insert(second, line)
        case "swap":
            lines[row], lines[second] = lines[second], line
        case "indent":
            lines[row] = line[1 + second % 3 :] if second % 2 else " " * (1 + second % 5) + line
        case "key":
            lines[row] = re.sub(r"[\w-]+(?=:)", lambda _: scrap, line, count=1)
        case "value":
            lines[row] = re.sub(r"(?<=: )[^,}\n]+", lambda _: scrap, line, count=1)
        case "cut":
            return text[:at]
    return "".join(lines)


mutations = st.lists(st.tuples(kinds, spots, spots, scraps), min_size=1, max_size=3)


@st.composite
def broken_texts(draw):
    text = draw(st.sampled_from(REAL))
    for mutation in draw(mutations):
        text = mutated(text, *mutation)
    return text


words = st.one_of(
    scraps.filter(lambda scrap: "\n" not in scrap),
    st.sampled_from(["1", "0.5", "-3", "text", "T_Acc < TT_Acc", "PV_Acc", "[0.1, 0.2]", "[ACL, ACL]", "lemonade"]),
)
keys = st.sampled_from(
    [
        "rulebook",
        "version",
        "about",
        "extends",
        "drop",
        "drop_tests",
        "combine",
        "max_instructions",
        "thresholds",
        "priorities",
        "instructions",
        "rules",
        "tests",
        "id",
        "when",
        "weight",
        "instruct",
        "conclude",
        "because",
        "salience",
        "name",
        "given",
        "expect",
        "fired",
        "not_fired",
        "absent",
        "text",
        "changes",
        "direction",
        "conflicts_with",
        "default",
        "range",
        "ACL",
        "RCL",
        "OT",
        "PV_Acc",
        "V_Acc",
    ]
)
nodes = st.recursive(
    words,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(keys, inner), max_size=5).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=12,
)
random_yaml = st.lists(st.tuples(keys, nodes), min_size=1, max_size=6).map(
    lambda pairs: "".join(f"{key}: {value}\n" for key, value in pairs)
)


def problems_of(text, bases):
    with processor_time_limit():
        try:
            parse_rulebook(text, FILE, bases)
        except RulebookError as error:
            return error.problems
    return None


def check_rulebook(text, bases=(PLAIN,)):
    """Whether the text was refused, as it ought to be."""
    problems = problems_of(text, bases)
    if problems is None:
        return False
    rows = {name: re.split(r"\r\n|\r|\n", source) for name, source in ((FILE, text), (BASE, PLAIN.text))}
    assert problems
    assert len(set(problems)) == len(problems)
    for problem in problems:
        said = LINE.fullmatch(str(problem))
        assert said, str(problem)
        assert str(problem).isprintable()
        assert len(said["message"]) <= LONGEST
        assert said["code"] in CODES
        lines = rows[problem.place.file]
        assert 1 <= problem.place.line <= len(lines), problem
        assert 1 <= problem.place.column <= len(lines[problem.place.line - 1]) + 1, problem
    places = [(problem.place.file == BASE, problem.place.line, problem.place.column) for problem in problems]
    assert places == sorted(places)
    return True


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_10000_broken_rulebooks_are_refused_with_places_inside_of_the_file(record_property):
    refused = Counter()

    @settings(FAST, max_examples=CASES * 8 // 10)
    @given(broken_texts())
    def mutants(text):
        refused["mutants", check_rulebook(text)] += 1

    @settings(FAST, max_examples=CASES * 3 // 10)
    @given(random_yaml)
    def inventions(text):
        bases = (PLAIN,) if "lemonade" in text else None  # reading that again and again would take long
        refused["inventions", check_rulebook(text, bases)] += 1

    mutants()
    inventions()
    assert refused["mutants", True] + refused["inventions", True] >= CASES
    assert refused["mutants", False] > 0, "not one mutant was harmless"
    record_property("broken files refused", refused["mutants", True] + refused["inventions", True])


@pytest.mark.parametrize("text", REAL, ids=range(len(REAL)))
def test_the_texts_that_are_mutated_are_sound(text):
    assert problems_of(text, (PLAIN,)) is None


tokens = st.sampled_from(
    [
        *"T_Acc V_Acc OT PV_Acc failed overfitting V_Ac lambda None True await if else".split(),
        *f"0 1 .5 1. 1e3 1e999 007 1j 0x1 1_0 {'9' * 20} min max abs print __import__".split(),
        *"+ - * / ** // % @ << < <= > == != = := <> is in not and".split(),
        *"or ( ) () , [ ] { } . : ; \\ # ' \" f' ... ~ ^ & | !".split(),
        *("\n", "\t", "\x00", "\x0c", "é", "Ｔ_Acc", "²", "١", "∞", "\u200b", "\u202e", "\u2028", "\ud800", "  "),
    ]
)
GOOD = sorted({rule.when.source for rule in parse_rulebook(find_rulebook("lemonade").read_text("utf-8"), FILE).rules})
broken_expressions = st.one_of(
    st.lists(tokens, max_size=12).map(" ".join),
    st.lists(tokens, max_size=8).map("".join),
    st.builds(mutated, st.sampled_from(GOOD), kinds, spots, spots, tokens),
    st.text(max_size=30),
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_10000_broken_expressions_are_refused_with_columns_inside_of_them(record_property):
    refused = Counter()

    @settings(FAST, max_examples=CASES * 12 // 10)
    @given(broken_expressions, st.sampled_from(["condition", "number"]), st.booleans())
    def check(source, kind, exact):
        problems = []
        with processor_time_limit():
            expression = parse_expression(source, Place(FILE, 3, 5), kind, ("overfitting",), problems, exact=exact)
        assert (expression is None) == bool(problems)
        refused[bool(problems)] += 1
        for problem in problems:
            assert problem.code in CODES
            assert problem.message.isprintable(), problem
            assert len(problem.message) <= LONGEST
            assert problem.place.line == 3
            assert 5 <= problem.place.column <= 5 + (len(source) if exact else 0), problem
        if expression is not None:
            assert {*expression.names} <= set(TERMS)

    check()
    assert refused[True] >= CASES
    assert refused[False] > 0
    record_property("broken expressions refused", refused[True])
