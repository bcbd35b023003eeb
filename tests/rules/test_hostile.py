"""Expressions and files that want to do harm: each is refused with a code, where it stands, at once, unevaluated."""

from __future__ import annotations

import builtins
import json
import os
import time

import pytest

from lemonade_es.errors import RulebookError
from lemonade_es.rules.expression import MAX_HINTS, parse_expression
from lemonade_es.rules.load import MAX_BYTES, MAX_MESSAGE, parse_rulebook
from lemonade_es.rules.problem import Place
from tests.rules.refusals import HEAD

SECONDS = 15.0
"""Of processor time: what is refused in time is so in much less, what is not takes minutes."""
RULE = "  - {id: low, when: V_Acc < 0.5, weight: 1, instruct: [ACL]}\n"

HOSTILE = [
    # what Python would do with it
    ("__import__('os').system('id') > 0", "UNKNOWN_CHARACTER", 11),
    ("__import__(os) > 0", "UNKNOWN_FUNCTION", 0),
    ("exec(T_Acc) > 0", "UNKNOWN_FUNCTION", 0),
    ("eval(T_Acc) or failed", "UNKNOWN_FUNCTION", 0),
    ("open(T_Acc) > 0", "UNKNOWN_FUNCTION", 0),
    ("getattr(T_Acc, V_Acc) > 0", "UNKNOWN_FUNCTION", 0),
    ("breakpoint() > 0", "UNKNOWN_FUNCTION", 0),
    ("pow(9, 9) > 0", "UNKNOWN_FUNCTION", 0),
    ("min(1, 2)(3) > 0", "UNKNOWN_FUNCTION", 0),
    ("(min)(1) > 0", "WRONG_ARGUMENTS", 0),
    ("min > 0", "UNKNOWN_NAME", 0),
    ("max(key=T_Acc) > 0", "UNKNOWN_CHARACTER", 7),
    ("abs() > 0", "WRONG_ARGUMENTS", 0),
    ("min(*T_Acc, 1) > 0", "NOT_ALLOWED", 4),
    ("max(T_Acc, **V_Acc) > 0", "UNKNOWN_CHARACTER", 11),
    # attributes and names with underscores
    ("T_Acc.__class__ > 0", "UNKNOWN_CHARACTER", 5),
    ("(1).real > 0", "UNKNOWN_CHARACTER", 3),
    ("().__class__.__base__", "UNKNOWN_CHARACTER", 2),
    ("1.real > 0", "BAD_NUMBER", 0),
    ("1..real > 0", "BAD_NUMBER", 0),
    ("__builtins__ > 0", "UNKNOWN_NAME", 0),
    ("__name__ == 0", "UNKNOWN_NAME", 0),
    ("__debug__", "UNKNOWN_NAME", 0),
    ("_ > 0", "UNKNOWN_NAME", 0),
    # whole statements
    ("import os", "EXPRESSION_SYNTAX", 0),
    ("del T_Acc", "EXPRESSION_SYNTAX", 0),
    ("raise failed", "EXPRESSION_SYNTAX", 0),
    ("T_Acc = 1", "UNKNOWN_CHARACTER", 6),
    ("T_Acc += 1", "UNKNOWN_CHARACTER", 7),
    ("(T_Acc := 1) > 0", "UNKNOWN_CHARACTER", 7),
    ("failed; nonfinite", "UNKNOWN_CHARACTER", 6),
    ("T_Acc: 1", "UNKNOWN_CHARACTER", 5),
    ("@T_Acc", "UNKNOWN_CHARACTER", 0),
    ("def T_Acc()", "EXPRESSION_SYNTAX", None),
    ("failed -> nonfinite", "EXPRESSION_SYNTAX", None),
    # functions, generators, coroutines
    ("lambda: 1", "UNKNOWN_CHARACTER", 6),
    ("(yield) > 0", "NOT_ALLOWED", 1),
    ("(yield T_Acc) > 0", "NOT_ALLOWED", 1),
    ("await T_Acc > 0", "NOT_ALLOWED", 0),
    ("(T_Acc for T_Acc in V_Acc) > 0", "NOT_ALLOWED", 0),
    ("min(T_Acc for T_Acc in V_Acc) > 0", "WRONG_ARGUMENTS", 0),
    ("[T_Acc for T_Acc in V_Acc]", "UNKNOWN_CHARACTER", 0),
    ("1 if failed else 2", "NOT_ALLOWED", 0),
    ("(T_Acc if failed else V_Acc) > 0", "NOT_ALLOWED", 1),
    # other types
    ("T_Acc[0] > 0", "UNKNOWN_CHARACTER", 5),
    ("{T_Acc: 1}", "UNKNOWN_CHARACTER", 0),
    ("{T_Acc}", "UNKNOWN_CHARACTER", 0),
    ("(T_Acc, V_Acc) < (1, 1)", "NOT_ALLOWED", 0),
    ("() < ()", "NOT_ALLOWED", 0),
    ("'a' < 'b'", "UNKNOWN_CHARACTER", 0),
    ('"a" * 9 < 1', "UNKNOWN_CHARACTER", 0),
    ("f'{T_Acc}' > 0", "UNKNOWN_CHARACTER", 1),
    ("b'a' > 0", "UNKNOWN_CHARACTER", 1),
    ("`T_Acc` > 0", "UNKNOWN_CHARACTER", 0),
    ("$T_Acc > 0", "UNKNOWN_CHARACTER", 0),
    ("T_Acc > ...", "UNKNOWN_CHARACTER", 8),
    ("None", "NOT_ALLOWED", 0),
    ("True", "NOT_ALLOWED", 0),
    ("False == T_Acc", "NOT_ALLOWED", 0),
    ("Ellipsis > 0", "UNKNOWN_NAME", 0),
    # operators that are not there
    ("T_Acc is None", "NOT_ALLOWED", 9),
    ("T_Acc is not V_Acc", "NOT_ALLOWED", 0),
    ("T_Acc in V_Acc", "NOT_ALLOWED", 0),
    ("T_Acc not in V_Acc", "NOT_ALLOWED", 0),
    ("T_Acc @ V_Acc > 0", "UNKNOWN_CHARACTER", 6),
    ("T_Acc % 2 > 0", "UNKNOWN_CHARACTER", 6),
    ("T_Acc // 2 > 0", "UNKNOWN_CHARACTER", 6),
    ("1 << 9999999999 > 0", "NOT_ALLOWED", 0),
    ("9 >> 1 > 0", "NOT_ALLOWED", 0),
    ("~T_Acc > 0", "UNKNOWN_CHARACTER", 0),
    ("T_Acc & V_Acc", "UNKNOWN_CHARACTER", 6),
    ("T_Acc | V_Acc", "UNKNOWN_CHARACTER", 6),
    ("T_Acc ^ 2 > 0", "UNKNOWN_CHARACTER", 6),
    ("!failed", "UNKNOWN_CHARACTER", 0),
    ("T_Acc <> V_Acc", "UNKNOWN_CHARACTER", 6),
    ("T_Acc === V_Acc", "UNKNOWN_CHARACTER", 8),
    ("T_Acc++ > 0", "EXPRESSION_SYNTAX", 8),
    # numbers
    ("10**10**10 > 0", "UNKNOWN_CHARACTER", 2),
    ("9**9**9**9 > 0", "UNKNOWN_CHARACTER", 1),
    ("9" * 30 + " > 0", "BAD_NUMBER", 0),
    ("T_Acc < 1e400", "BAD_NUMBER", 8),
    ("T_Acc < 1e99999999999999", "BAD_NUMBER", 8),
    ("T_Acc < " + "9" * 1900, "BAD_NUMBER", 8),
    ("T_Acc < 0xff", "BAD_NUMBER", 8),
    ("T_Acc < 0b11", "BAD_NUMBER", 8),
    ("T_Acc < 0o17", "BAD_NUMBER", 8),
    ("T_Acc < 1_000", "BAD_NUMBER", 8),
    ("T_Acc < 1j", "BAD_NUMBER", 8),
    ("T_Acc < 1e5j", "BAD_NUMBER", 8),
    ("T_Acc < nan", "UNKNOWN_NAME", 8),
    ("T_Acc < inf", "UNKNOWN_NAME", 8),
    ("T_Acc < 1e", "BAD_NUMBER", 8),
    ("T_Acc < 010", "BAD_NUMBER", 8),
    ("T_Acc < 1.2.3", "BAD_NUMBER", 8),
    ("1if failed else 0", "BAD_NUMBER", 0),
    # length and depth
    ("(" * 1000, "EXPRESSION_TOO_DEEP", None),
    (")" * 1000, "EXPRESSION_SYNTAX", 0),
    ("(" * 900 + "failed" + ")" * 900, "EXPRESSION_TOO_DEEP", None),
    ("(" * 90 + "failed" + ")" * 90 + " > ", "EXPRESSION_SYNTAX", None),
    ("not " * 490 + "failed", "EXPRESSION_TOO_DEEP", None),
    ("-" * 1900 + "T_Acc > 0", "EXPRESSION_TOO_DEEP", None),
    ("abs(" * 300 + "T_Acc" + ")" * 300 + " > 0", "EXPRESSION_TOO_DEEP", None),
    ("1 +" * 600 + " 1 > 0", "EXPRESSION_TOO_DEEP", None),
    ("failed and " * 100_000 + "failed", "EXPRESSION_TOO_LONG", 0),
    ("(" * 1_000_000, "EXPRESSION_TOO_LONG", 0),
    # characters that look like others, or like nothing
    ("Т_Acc > 0.5", "UNKNOWN_CHARACTER", 0),  # noqa: RUF001 - a Cyrillic Te
    ("V_Аcc > 0.5", "UNKNOWN_CHARACTER", 2),  # noqa: RUF001 - a Cyrillic A
    ("Ｔ_Acc > 0.5", "UNKNOWN_CHARACTER", 0),  # noqa: RUF001 - fullwidth; Python would read T_Acc
    ("T＿Acc > 0.5", "UNKNOWN_CHARACTER", 1),  # noqa: RUF001
    ("𝐓_Acc > 0.5", "UNKNOWN_CHARACTER", 0),  # noqa: RUF001 - bold
    ("ﬁtted", "UNKNOWN_CHARACTER", 0),  # a ligature
    ("T_Acc > １", "UNKNOWN_CHARACTER", 8),  # noqa: RUF001
    ("T_Acc > ١", "UNKNOWN_CHARACTER", 8),  # noqa: RUF001
    ("T_Acc > ²", "UNKNOWN_CHARACTER", 8),
    ("T_Acc − V_Acc > 0", "UNKNOWN_CHARACTER", 6),  # noqa: RUF001 - a minus sign that is none
    ("T_Acc ≥ 0", "UNKNOWN_CHARACTER", 6),
    ("T_Acc ﹤ 0", "UNKNOWN_CHARACTER", 6),
    ("T_Acc > 0 аnd failed", "UNKNOWN_CHARACTER", 10),  # noqa: RUF001
    ("T\u200b_Acc > 0", "UNKNOWN_CHARACTER", 1),
    ("T_Acc\u200d > 0", "UNKNOWN_CHARACTER", 5),
    ("T_Acc\u00ad > 0", "UNKNOWN_CHARACTER", 5),
    ("\ufeffT_Acc > 0", "UNKNOWN_CHARACTER", 0),
    ("T_Acc\u00a0> 0", "UNKNOWN_CHARACTER", 5),
    ("T_Acc\u2003> 0", "UNKNOWN_CHARACTER", 5),
    ("T_Acc > 0\u202e dna failed", "UNKNOWN_CHARACTER", 9),
    ("\u2066T_Acc\u2069 > 0", "UNKNOWN_CHARACTER", 0),
    ("T_A\u0301cc > 0", "UNKNOWN_CHARACTER", 3),
    ("T_Acc\x00 > 0", "UNKNOWN_CHARACTER", 5),
    ("T_Acc\x1b[2J > 0", "UNKNOWN_CHARACTER", 5),
    ("T_Acc\x0c> 0", "UNKNOWN_CHARACTER", 5),
    ("T_Acc\x0b> 0", "UNKNOWN_CHARACTER", 5),
    ("T_Acc\u2028> 0", "UNKNOWN_CHARACTER", 5),
    ("T_Acc\x85> 0", "UNKNOWN_CHARACTER", 5),
    ("\ud800 > 0", "UNKNOWN_CHARACTER", 0),
    ("T_Acc > 0 # or failed", "UNKNOWN_CHARACTER", 10),
    ("T_Acc \\\n > 0", "UNKNOWN_CHARACTER", 6),
    ("T_Acc > 0 \\", "UNKNOWN_CHARACTER", 10),
    ("T_Acc > 0\nfailed", "EXPRESSION_SYNTAX", 10),
    ("T_Acc > 0\r\n\timport os", "EXPRESSION_SYNTAX", 12),
]
NAMES = [f"{source[:24]!a}-{number}" for number, (source, _, _) in enumerate(HOSTILE)]


@pytest.fixture(autouse=True)
def quickly():
    start = time.process_time()
    yield
    assert time.process_time() - start < SECONDS


@pytest.fixture(scope="module", autouse=True)
def all_is_imported(tmp_path_factory):
    """Libraries that make classes of their own when they are first used have done so."""
    parse_rulebook(f"{HEAD}{RULE}", "book.yaml")
    with pytest.raises(RulebookError):
        parse_rulebook("version: x", "book.yaml")
    with pytest.raises(RulebookError):
        parse_rulebook("rulebook: a\nversion: 1\nextends: nothing\n", "book.yaml")
    b"a codec".decode("utf-8-sig")
    tmp_path_factory.getbasetemp()


@pytest.fixture(autouse=True)
def nothing_evaluated(monkeypatch, all_is_imported):
    def evaluated(*_args, **_more):
        raise AssertionError("something was evaluated")

    compile_ = builtins.compile

    def only_trees(source, filename, mode, flags=0, *args, **more):
        assert flags & 0x400, "something was compiled to code"  # ast.PyCF_ONLY_AST
        return compile_(source, filename, mode, flags, *args, **more)

    for name in ("eval", "exec"):
        monkeypatch.setattr(builtins, name, evaluated)
    monkeypatch.setattr(builtins, "compile", only_trees)
    monkeypatch.setattr(os, "system", evaluated)


def refusals(text, file="book.yaml"):
    with pytest.raises(RulebookError) as caught:
        parse_rulebook(text, file)
    return caught.value.problems


@pytest.mark.parametrize(("source", "code", "column"), HOSTILE, ids=NAMES)
def test_a_hostile_expression_is_refused_where_it_stands(source, code, column):
    problems = []
    assert parse_expression(source, Place("book.yaml", 7, 11), "condition", ("fitted",), problems) is None
    found = [(problem.code, problem.place.column - 11) for problem in problems]
    assert code in [code for code, _ in found], problems
    assert column is None or (code, column) in found
    assert all(0 <= offset <= len(source) for _, offset in found)
    assert all(len(problem.message) < MAX_MESSAGE and problem.message.isprintable() for problem in problems)


@pytest.mark.parametrize("source", [source for source, _, _ in HOSTILE], ids=NAMES)
@pytest.mark.parametrize("key", ["when", "weight"])
def test_it_is_refused_in_a_rulebook_too(key, source):
    rule = {"id": "low", "when": "failed", "weight": 1, "instruct": ["ACL"], key: source}
    text = HEAD + "  - " + json.dumps(rule) + "\n"
    problems = refusals(text)
    assert {(problem.place.line, problem.code == "YAML_SYNTAX") for problem in problems} == {(6, False)}
    column = text.splitlines()[5].index(json.dumps(source)) + 1
    assert all(problem.place.column >= column for problem in problems)
    assert all(str(problem).isprintable() and len(problem.message) <= MAX_MESSAGE for problem in problems)


def deep(opening, closing, count):
    return opening * count + closing * count


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
FILES = [
    (f"{HEAD}{RULE}about: !!python/object/apply:os.system [id]\n", "YAML_TAG"),
    (f"{HEAD}{RULE}about: !!python/name:os.system x\n", "YAML_TAG"),
    (f"{HEAD}{RULE}about: !!binary R0lGODlhDAAMAIQAAP\n", "YAML_TAG"),
    (f"{HEAD}{RULE}about: !include /etc/passwd\n", "YAML_TAG"),
    (f"{HEAD}{RULE}about: !<tag:yaml.org,2002:str> x\n", "YAML_TAG"),
    (f"{HEAD}{RULE}about: ! x\n", "YAML_TAG"),
    (f"{HEAD}{RULE}? !!str about\n: x\n", "YAML_TAG"),
    (f"{HEAD}{RULE}about: &x y\n", "YAML_ANCHOR"),
    (f"{HEAD}{RULE}tests: [*x]\n", "YAML_ANCHOR"),
    (f"{HEAD}{RULE}tests: &x [*x]\n", "YAML_ANCHOR"),
    (f"{HEAD}{RULE}<<: *x\n", "YAML_ANCHOR"),
    (f"{HEAD}{RULE}<<: {{about: x}}\n", "UNKNOWN_KEY"),
    (LAUGHS, "YAML_ANCHOR"),
    (f"%YAML 1.1\n---\n{HEAD}{RULE}", "YAML_DIRECTIVE"),
    (f"%TAG ! tag:evil.example,2000:\n---\n{HEAD}{RULE}", "YAML_DIRECTIVE"),
    (f"%YAML 99.99\n---\n{HEAD}{RULE}", "YAML_SYNTAX"),
    (f"{HEAD}{RULE}---\n{HEAD}{RULE}", "MANY_DOCUMENTS"),
    (f"{HEAD}{RULE}...\n{RULE}", "MANY_DOCUMENTS"),
    (f"{HEAD}{RULE}about: {deep('[', ']', 100_000)}\n", "TOO_DEEP"),
    (f"{HEAD}{RULE}about: {deep('{a: ', '}', 10_000)}\n", "TOO_DEEP"),
    ("- " * 100_000, "TOO_DEEP"),
    ("? " * 100_000, "TOO_DEEP"),
    ("".join(f"{' ' * level}a:\n" for level in range(1000)), "TOO_DEEP"),
    ("[" * 500_000, "TOO_DEEP"),
    ("]" * 500_000, "YAML_SYNTAX"),
    ('"' * 500_001, "YAML_SYNTAX"),
    ("a: " * 100_000, "YAML_SYNTAX"),
    (f"{HEAD}{RULE}version2: {'9' * 500_000}\n", "BAD_NUMBER"),
    (f"{HEAD}{RULE}about: 1e999999999\n", "BAD_NUMBER"),
    (f"{HEAD}{RULE}about: .nan\n", "BAD_NUMBER"),
    (f"{HEAD}{RULE}about: -.INF\n", "BAD_NUMBER"),
    (f"{HEAD}{RULE}about: 190:20:30\n", None),
    (f"{HEAD}{RULE}about: 2001-12-14\n", None),
    (f"{HEAD}{RULE}version: 0x10\n", "DUPLICATE_KEY"),
    (f"{HEAD.replace('1', '0x10', 1)}{RULE}", "WRONG_TYPE"),
    (f"{HEAD.replace('1', '1:30', 1)}{RULE}", "WRONG_TYPE"),
    (f"{HEAD}{RULE}about: a\x00b\n", "YAML_SYNTAX"),
    (f"{HEAD}{RULE}about: a\x1b[2Jb\n", "YAML_SYNTAX"),
    (f"{HEAD}{RULE}about: \ud800\n", "YAML_SYNTAX"),
    (f"{HEAD}{RULE}about: \ufffe\n", "YAML_SYNTAX"),
    (f"{HEAD}{RULE}\tabout: x\n", "YAML_SYNTAX"),
    (f"{HEAD}{RULE}[about]: x\n", "BAD_KEY"),
    (f"{HEAD}{RULE}{{about: x}}: x\n", "BAD_KEY"),
    (f'{HEAD}{RULE}"about\\n7:1:1 OK all is well\\e[0m": x\n', "UNKNOWN_KEY"),
    (f'{HEAD}  - {{id: "low\\nOK", when: failed, weight: 1, instruct: [ACL]}}\n', "BAD_NAME"),
    (f'{HEAD}  - {{id: low, when: failed, weight: 1, instruct: ["ACL\\u202e"]}}\n', "UNKNOWN_INSTRUCTION"),
    (f'{HEAD}  - {{id: low, when: failed, conclude: "__class__"}}\n', "BAD_NAME"),
    (f"{HEAD}  - {{id: low, when: failed, conclude: lambda}}\n", "BAD_CONCLUSION"),
    (f"{HEAD}  - {{id: low, when: failed, conclude: min}}\n", "BAD_CONCLUSION"),
    *(
        (f"{HEAD}{RULE[:-2]}, because: {json.dumps(because)}}}\n", "BAD_PLACEHOLDER")
        for because in (
            "{V_Acc.__class__}",
            "{V_Acc[0]}",
            "{V_Acc!r}",
            "{V_Acc:>9999999999}",
            "{V_Acc:{T_Acc}}",
            "{0}",
            "{}",
            "{V_Acc",
            "{__import__('os')}",
            "{V_Acc:.999999999f}",
        )
    ),
]


@pytest.mark.parametrize(("text", "code"), FILES, ids=range(len(FILES)))
def test_a_hostile_file_is_refused(text, code):
    if code is None:
        assert isinstance(parse_rulebook(text, "book.yaml").about, str)
        return
    problems = refusals(text)
    assert code in {problem.code for problem in problems}, problems[:3]
    assert all(str(problem).isprintable() and len(problem.message) <= MAX_MESSAGE for problem in problems)


FULL = MAX_BYTES // 8


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}{RULE[:-7]}[{', '.join(f'A{i}, {i}' for i in range(FULL // 12))}]}}\n",
        f"{HEAD}{RULE[:-7]}[{', '.join(f'A{i}' for i in range(FULL // 8))}]}}\n",
        f"{HEAD}{''.join(f'  - {{id: r{i}, when: not c{i}, conclude: d{i}}}' + chr(10) for i in range(2000))}",
        f"{HEAD}{RULE}{''.join(f'about{i}: x' + chr(10) for i in range(FULL // 12))}",
        f"{HEAD}{RULE}{'about: x' + chr(10)}" * 2,
        f"{HEAD}{RULE}{'x' * 900}: 1\n",
        f"{HEAD}{RULE}{'# nothing' + chr(10) * 2}" * (FULL // 100),
    ],
    ids=["mixed list", "unknown instructions", "unknown conclusions", "unknown keys", "twice", "long key", "repeated"],
)
def test_a_large_bad_file_is_refused_before_anybody_loses_patience(text):
    start = time.process_time()
    assert refusals(text)
    assert time.process_time() - start < SECONDS


def test_after_a_hundred_problems_no_more_is_guessed_what_was_meant():
    names = ", ".join(f"ACL{number}" for number in range(2 * MAX_HINTS))
    problems = refusals(f"{HEAD}  - {{id: low, when: failed, weight: 1, instruct: [{names}]}}\n")
    assert ["did you mean" in problem.message for problem in problems] == [True] * MAX_HINTS + [False] * MAX_HINTS


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fifo.yaml", "this is no file"),
        ("/dev/zero", "this is no file"),
        ("/dev/stdin", "this is no file"),
        (".", "this is a folder"),
        ("..", "this is a folder"),
        ("../", "this is a folder"),
        ("{folder}", "this is a folder"),
        ("a" * 300 + ".yaml", "File name too long"),
        ("a" * 300, "File name too long"),
        ("a/" * 3000 + "b.yaml", "File name too long"),
        ('"a\\0b.yaml"', "there is no file"),
        ('"\\ud800.yaml"', "is half a character"),
        ("book.yaml/other.yaml", "there is no file"),
        ("loop.yaml", "Too many levels of symbolic links"),
        ("$HOME/book.yaml", "there is no file"),
        ("~/book.yaml", "there is no file"),
        ("http://example.com/book.yaml", "there is no file"),
        ("book.yaml", "may not extend itself"),
        ("./book.yaml", "may not extend itself"),
        ("link.yaml", "may not extend itself"),
    ],
    ids=range(20),
)
def test_only_a_file_can_be_extended(tmp_path, name, said):
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "book.yaml")
    text = f"rulebook: book\nversion: 1\nextends: {name.replace('{folder}', str(tmp_path))}\n"
    (tmp_path / "book.yaml").write_text(text)
    problems = refusals(text, str(tmp_path / "book.yaml"))
    assert {problem.code for problem in problems} <= {"NO_BASE", "EXTENDS_LOOP", "BAD_CHARACTER"}
    assert said in problems[0].message
