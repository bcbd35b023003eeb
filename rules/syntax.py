"""From the text of an expression to a syntax tree of the standard library's ``ast``.

Characters, numbers, length and depth are checked first, so that the parser sees plain ASCII arithmetic only, and
says neither more nor less on one version of Python than on another.
"""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Callable, Iterator

from lemonade_es.rules.advice import AMOUNT, JOIN, KNOWING, PLAIN, UNASKED, UNBRANCHED
from lemonade_es.vocabulary import SETTABLE, TERMS

MAX_LENGTH = 2000
MAX_DEPTH = 50
MAX_DIGITS = 15
"""Longer integers are not exact as floats."""
EXCERPT = 50
"""How much of an expression is quoted on either side of a mistake."""

Note = Callable[[int, str, str], None]
"""Receives a problem: the offset in the text, its code, and what is wrong."""

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)(?P<tail>[A-Za-z0-9_.]*)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator><=|>=|==|!=|=<|=>|<>|\*\*|//|&&|\|\||[-+*/<>(),])",
    re.ASCII,
)
_ADVICE = {
    "=": "write == to compare",
    "=<": "write <=",
    "=>": "write >=",
    "<>": "write !=",
    "&": "write `and`",
    "&&": "write `and`",
    "|": "write `or`",
    "||": "write `or`",
    "!": "write `not`, or != to compare",
    "**": "there are no powers; multiply instead",
    "^": "there are no powers; multiply instead",
    "//": "write / to divide",
    "%": "write 0.5 for 50%",
    ";": JOIN,
    "#": "a comment has a blank before its #",
    "\u00b7": "write * to multiply",
    "≤": "write <=",
    "≥": "write >=",
    "≠": "write !=",
    "\u00d7": "write * to multiply",
    "\u00f7": "write / to divide",
    "'": "there are no strings",
    '"': "there are no strings",
}
_WORDS = frozenset({"and", "or", "not"})
_MINUS = "\u2212"

_UNIT = re.compile(r"(?<![\w.])([\d.]+)\s+(?!(?:and|or|not|if)\b)([A-Za-z]\w*)")
_PER_CENT = frozenset({"percent", "per", "pct", "prozent"})
_GOES_ON = re.compile(r"\s+(?!(?:and|or|not)\b)[\w(]")
_PARTED = re.compile(r"(?<![\w.])\d{1,3}(?:[ ']\d{3})+(?![ ']?\d)(?:\.\d+)?(?![\w.])")
_ENDS = re.compile(r"(?:[-+*/<>=]|\b(?:and|or|not))$")
_COMPARED = re.compile(r"[<>=][^<>=]*\b[A-Za-z]\w* [A-Za-z]\w*[^<>=]*[<>=]")
_TIMES = re.compile(r"(?<=[\w.)])(?<!\band)(?<!\bor)(?<!\bnot)\s+[xX]\s+(?!(?:and|or)\b)[\w.(]")
_TWO_WORDS = re.compile(r"\b(?!(?:and|or|not|if)\b)[A-Za-z]\w* (?!(?:and|or|not|if)\b)[A-Za-z]\w*")


def read_tree(source: str, note: Note, *, compares: bool = True) -> ast.expr | None:
    """The syntax tree, or ``None`` after noting what is wrong.

    Args:
        source: the expression, without blanks around it.
        note: receives what is wrong.
        compares: whether it is to be a condition, and no weight.
    """
    if not source:
        note(0, "EMPTY_EXPRESSION", "the expression is empty")
        return None
    if len(source) > MAX_LENGTH:
        note(0, "EXPRESSION_TOO_LONG", f"{len(source)} characters; {MAX_LENGTH} are allowed")
        return None
    if not _tokens_are_allowed(source, note):
        return None
    tree = _parsed(re.sub(r"[\t\r\n]", " ", source), note, compares)
    return tree if tree is not None and _is_shallow(tree, note) else None


def _parsed(line: str, note: Note, compares: bool) -> ast.expr | None:
    try:
        return ast.parse(line, mode="eval").body
    except SyntaxError as error:
        offset = min(error.offset - 1 if error.offset else len(line), len(line))
        if "nested parentheses" in error.msg:
            _note_depth(offset, note)
        else:
            note(
                offset,
                "EXPRESSION_SYNTAX",
                f"{_excerpt(line, offset)!r}: {error.msg}{_cure(error.msg, line, compares)}",
            )
    except (RecursionError, MemoryError):
        _note_depth(0, note)
    return None


def _cure(said: str, line: str, compares: bool) -> str:
    return next((f"; {cure}" for cure in _cures(said, line, compares)), "")


def _cures(said: str, line: str, compares: bool) -> Iterator[str]:
    """What may be wrong, the most likely first: a rule in braces ends an expression at its first comma, for instance.

    Args:
        said: what Python says of it.
        line: the expression.
        compares: whether it is to be a condition, and no weight.
    """
    if "never closed" in said:
        yield "in a rule written in braces, quote an expression that has commas"
    if _TIMES.search(line) is not None:
        yield "write * to multiply"
    parted = _PARTED.search(line)
    if parted is not None:
        yield _unparted(parted)
    unit = _UNIT.search(line)
    if unit is not None:
        yield _unitless(unit, line)
    if re.search(r"\b(?:if|else)\b", line):
        yield "leave out `if`: a condition stands alone" if line.startswith("if ") else UNBRANCHED
    if KNOWING & {word.lower() for word in re.findall(r"\w+", line)}:
        yield UNASKED
    if _ENDS.search(line) is not None:
        yield "something is missing at its end"
    if line.endswith(" then"):
        yield "leave out `then`: what is to be done stands in `instruct`"
    if _TWO_WORDS.search(line) is not None and not compares:
        yield AMOUNT
    if _TWO_WORDS.search(line) is not None:
        yield JOIN if _COMPARED.search(line) is not None else "compare with signs, as in V_Acc < 0.5"


def _unitless(unit: re.Match[str], line: str) -> str:
    """What to write where a word follows a number: a per cent, the next comparison, or a unit."""
    if unit[2].lower() in _PER_CENT:
        return "write 0.5 for 50 per cent"
    if unit[2] in TERMS or unit[2] == "then" or _GOES_ON.match(line, unit.end()):
        return JOIN
    return f"numbers have no units here: write {unit[1]} without {unit[2]}, in the unit of the vocabulary"


def _unparted(number: re.Match[str]) -> str:
    """How a number is written whose thousands are parted by blanks or apostrophes."""
    return f"write {number[0].replace(' ', '').replace(chr(39), '')}"


def _excerpt(line: str, offset: int) -> str:
    """The line, or what stands around the offset if it is long."""
    begin, end = max(0, offset - EXCERPT), offset + EXCERPT
    return f"{'…' if begin else ''}{line[begin:end]}{'…' if line[end:] else ''}"


def _tokens_are_allowed(source: str, note: Note) -> bool:
    position, allowed = 0, True
    while position < len(source):
        token = _TOKEN.match(source, position)
        if token is None:
            character = source[position]
            parted = next((one for one in _PARTED.finditer(source) if one.start() < position < one.end()), None)
            advice = _unparted(parted) if parted is not None else _ADVICE.get(character) or _advice(character)
            note(position, "UNKNOWN_CHARACTER", f"{character!r} cannot be used here: {advice}")
            return False
        text = token.group()
        problem = _token_problem(text, token)
        if problem is not None:
            note(position, *problem)
            allowed = False
        position = token.end()
    return allowed


def _advice(character: str) -> str:
    """What to write instead; what a word processor puts in the place of a plain sign is called by its name."""
    name = unicodedata.name(character, "no plain character")
    category = unicodedata.category(character)
    if category == "Pd" or character == _MINUS:
        return f"it is {name}; write a plain -"
    if category in ("Zs", "Cf"):
        return f"it is {name}; {'write a plain blank' if category == 'Zs' else 'remove it'}"
    if "QUOTATION MARK" in name:
        return f"it is {name}; write plain quotes around the whole expression, or none"
    if character.isalpha():
        return f"it is {name}; names have plain letters (a-z, A-Z), digits and _"
    return "use names, numbers, + - * / < <= > >= == != ( ) and or not"


def _token_problem(text: str, token: re.Match[str]) -> tuple[str, str] | None:
    if token["tail"]:
        times = f"write {token['number']} * {token['tail']} to multiply"
        return "BAD_NUMBER", f"{text!r} is no number; {times if token['tail'] in SETTABLE else PLAIN}"
    if token["number"] and (not math.isfinite(float(text)) or (text.isdigit() and len(text) > MAX_DIGITS)):
        return "BAD_NUMBER", f"{text[:20]} is too large a number; give a smaller one"
    if text.isdigit() and text.startswith("0") and text.strip("0"):
        return "BAD_NUMBER", f"{text!r} begins with 0: write {int(text)}, and compare no dates"
    if token["name"] and text not in _WORDS and text.lower() in _WORDS:
        return "EXPRESSION_SYNTAX", f"write `{text.lower()}` in small letters, not {text!r}"
    if text in _ADVICE:
        return "UNKNOWN_CHARACTER", f"{text!r} cannot be used here: {_ADVICE[text]}"
    return None


def _is_shallow(tree: ast.expr, note: Note) -> bool:
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return True
    _note_depth(next((node.col_offset for node in level if isinstance(node, ast.expr)), 0), note)
    return False


def _note_depth(offset: int, note: Note) -> None:
    said = f"nested more than {MAX_DEPTH} deep; let rules draw conclusions from its parts"
    note(offset, "EXPRESSION_TOO_DEEP", said)
