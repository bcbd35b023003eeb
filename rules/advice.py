"""What to write instead of a key, a word or a value that cannot stand where it stands."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from lemonade_es.vocabulary import METRICS, PRIORITIES, SETTABLE, TERMS, THRESHOLDS, closest

TOP = "the rulebook"
"""What the mapping is called that all others stand in."""

CONCLUSION = r"^[a-z][a-z0-9_]{0,79}$"
PLAIN = "write a plain number, without a unit, as 0.5 or 100000"
ALWAYS = "1 > 0"
"""The condition of a rule that always fires."""

REPLACED = "a rule with the id of an extended book's takes the place of all of it: copy what is to stay"
JOIN = "join comparisons with `and` or `or`"
AMOUNT = "how much is told by a number, as 0.5, or by a threshold or priority"
UNBRANCHED = "an expression has no `if`: a case stands in `when`, and each other case takes a rule of its own"
UNASKED = "whether a value is known cannot be asked: where it is unknown, a rule that needs it does not fire"
"""What to say of a condition that asks it."""

_KNOWING = "exist exists existing known unknown defined undefined missing available unavailable none null nan"
KNOWING = frozenset([*_KNOWING.split(), "isnan", "isnull", "isnone", "is_nan", "is_null", "is_none", "is_known", "nil"])
"""Words that ask whether a value is known."""

_TORN_NUMBER = "if it ends a number, write that with a point, as 0.5"

PARTED = re.compile(r"[1-9]\d{0,2}\.\d{3}")
"""A number whose point may part thousands, as in ``100.000``."""

_UPWARDS = "increase increment raise rise grow more up upwards higher larger bigger greater wider deeper add enlarge"
_DOWNWARDS = "reduce reduction decrease decrement lower shrink less fewer down downwards smaller narrower shallower cut"
_DIRECTIONS: Mapping[str, str] = {
    **dict.fromkeys([*_UPWARDS.split(), "expand", "extend", "boost", "maximize", "plus", "+"], "increase"),
    **dict.fromkeys([*_DOWNWARDS.split(), "drop", "remove", "diminish", "lessen", "minimize", "minus", "-"], "reduce"),
}
"""Words for the two directions: by their spelling alone, `decrease` would be taken for `increase`."""
_OFTEN = ("increase", "reduce", "decrease")
"""Words that are recognised though they are misspelt."""

_LISTS = frozenset({"instruct", "drop", "fired", "not_fired", "absent"})
"""Keys whose values are names in a list."""

_HOLDING = frozenset({"thresholds", "priorities", "instructions", "rules", "tests", "given", "expect"})
"""Keys that others stand below."""

_FORMS: Mapping[str, tuple[type | tuple[type, ...], str]] = MappingProxyType(
    {
        **dict.fromkeys(("rulebook", "about", "id", "name", "because"), ((int, float), "; put it in quotes")),
        "rules": (Mapping, "; begin each one with a hyphen, as `- id: low`"),
        "tests": (Mapping, "; begin each one with a hyphen, as `- name: low`"),
        "extends": (list, "; name one, which may extend another"),
        "when": (list, "; join its comparisons with `and` or `or`"),
        "an item of instruct": (Mapping, "; write its name alone: one weight, in `weight`, is that of all"),
        "given": (str, "; write names with numbers, as {V_Acc: 0.5}"),
        "expect": (str, "; write what is expected, as {fired: [low]}"),
        "range": (str, "; write its two ends, as [0.5, 0.99]"),
        TOP: (object, "; `lemonade-es rulebook new mine.yaml` makes a beginning"),
    }
)
"""What is often written in the place of a list, a mapping or a text, and what to do about it."""

_MUCH = "highest high higher large medium middle moderate normal small low lower lowest critical important"
_DEGREES = frozenset(_MUCH.split())
"""Words for how much: by their spelling alone, `high` would be taken for `grad_high`."""

_TRUTHS: Mapping[str, int] = {
    **dict.fromkeys(("true", "yes", "on"), 1),
    **dict.fromkeys(("false", "no", "off"), 0),
}
"""Words for what is 1 or 0."""

ALWAYS_WORDS = frozenset({"true", "yes", "on", "always"})
"""Words that are written for a condition that always holds."""
TRUTHS = frozenset(_TRUTHS)

_NAMED = 4
_MOST_LISTED = 20

_CALLED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("if", "condition", "conditions"), ("when", "given")),
        **dict.fromkeys(("then", "do", "action", "actions"), ("instruct", "expect")),
        "when": ("given",),
        **dict.fromkeys(("why", "reason", "explanation"), ("because",)),
        **dict.fromkeys(("priority", "importance"), ("weight",)),
        **dict.fromkeys(("description", "summary", "purpose"), ("about", "text", "because")),
        "name": ("id", "rulebook"),
    }
)
"""Words by which keys are called elsewhere, and which are spelled like other keys or like none."""


def choice(word: str, choices: Sequence[str]) -> str | None:
    """The one of a few words that another was most likely meant to be; ``None`` if it is like none of them."""
    if set(choices) != set(_DIRECTIONS.values()):
        return closest(word, choices)
    return _DIRECTIONS.get(word.lower()) or _DIRECTIONS.get(closest(word, _OFTEN) or "")


def for_key(key: str, section: str, near: str | None, conclusions: Collection[str]) -> str:
    """What to do about an unknown key.

    Args:
        key: as it was written.
        section: the key of the mapping that it stands in.
        near: the known key that it was most likely meant to be.
        conclusions: what the rules of the file draw.
    """
    kind = {"thresholds": THRESHOLDS, "priorities": PRIORITIES}.get(section)
    settings = (*THRESHOLDS, *PRIORITIES) if section == TOP else TERMS if kind is not None else ()
    if key in settings:
        return _right_section(key) + (", indented" if section == TOP else "")
    if section == "given" and key in conclusions:
        return "conclusions are drawn by the rules, not given: give what is measured where they draw it"
    torn = _torn(key) if ":" in key or not near else None
    if torn is not None:
        return torn
    if kind is not None:
        own = f"write a number of your own into `{'when' if kind is THRESHOLDS else 'weight'}`"
        known = f"the {section} are those of the vocabulary ({', '.join([*kind][:_NAMED])}, ...)"
        return f"did you mean {near}? ({own})" if near else f"{known}; {own}"
    if section == "given" and (not near or re.fullmatch(CONCLUSION, key)):
        drawn = "conclusions are drawn by the rules, not given"
        return f"did you mean {near}? ({drawn})" if near else f"give metrics and settings; {drawn}"
    alone = f"write what is expected of it, as {{fired: [{key}]}}" if section == "expect" else "remove it"
    return f"did you mean {near}?" if near else alone


def for_missing(key: str, keys: Collection[str]) -> str:
    """What to do about a key that is missing; mostly to add it, which needs no word.

    Args:
        key: the missing one.
        keys: those that are there.
    """
    if key == "when" and not {"instruct", "conclude"} & set(keys):
        return REPLACED
    if key == "id" and set(keys) <= {"when", "weight", "instruct", "conclude", "because", "salience"}:
        return "if it belongs to the rule above, leave out its hyphen"
    return ""


def for_name(name: str, source: str, known: Collection[str], *, compares: bool) -> str:
    """What to add about a name that an expression cannot use; mostly nothing.

    Args:
        name: as it was written.
        source: the expression.
        known: the names that it can use.
        compares: whether the expression is a condition, and no weight.
    """
    if name.lower() in _DEGREES and name.lower() not in known:
        return f"; {AMOUNT}"
    if name.lower() in KNOWING and name.lower() not in known:
        return f"; {UNASKED}"
    for torn in re.findall(r"\w+(?:-\w+)+", source):
        whole = next((one for one in known if one.lower() == torn.lower().replace("-", "_")), None)
        if whole is not None and name in torn.split("-"):
            return f"; did you mean {whole}? (a hyphen subtracts)"
    near = closest(name, known)
    if near is None and name == source and not compares:
        return f"; {AMOUNT}"
    return f"; did you mean {near}?" if near else "; `lemonade-es rulebook words` lists the vocabulary"


def for_instruction(name: str, known: Mapping[str, str]) -> str:
    """What to add about an instruction that is not there: the one that was meant, or those that there are.

    Args:
        name: as it was written.
        known: the text of each instruction, by its name.
    """
    several = [word for word in re.split(r"[,;&+\s]+", name) if word.strip("-")]
    if len(several) > 1 and set(several) <= set(known):
        return f"; write [{', '.join(several)}]"
    if name.isdecimal():
        return f"; {_TORN_NUMBER}"
    texts = {text: word for word, text in known.items()}
    near = texts[text] if " " in name and (text := closest(name, texts)) else closest(name, known)
    if near:
        return f"; did you mean {near}?"
    return f"; choose one of {', '.join(known)}" if 0 < len(known) <= _MOST_LISTED else ""


def for_type(key: str, value: object, section: str) -> str:
    """What to add where a value is of the wrong type; mostly nothing.

    Args:
        key: what the value is that of.
        value: as it was read.
        section: the key of the mapping that this key stands in; none at the top.
    """
    weighed = key == "instruct" and isinstance(value, Mapping)
    if weighed or (key in _LISTS and isinstance(value, str)):
        names = [str(name) for name in value] if isinstance(value, Mapping) else [str(value)]
        words = [word for part in names for word in re.split(r"[,;&+()\[\]\s]+", part)]
        listed = ", ".join(word for word in words if word and word.lower() not in ("and", "or"))
        alike = ", and the one weight in `weight`; another weight takes another rule" if weighed else ""
        return f"; write [{listed}]{alike}" if listed else ""
    if key == "instructions" and isinstance(value, list) and all(isinstance(name, str) for name in value):
        told = "weight, as {{{}: 1}}" if section else "text, as {{{}: {{text: Add a layer}}}}"
        return f"; write each with its {told.format(value[0] if value else 'ACL')}"
    if section == "instructions" and isinstance(value, str):
        return "; write {text: ...}"
    if key in SETTABLE:
        return _default(value)
    if key == "when" and isinstance(value, bool):
        return f"; a rule that always fires has `when: {ALWAYS}`" if value else "; leave out a rule that never fires"
    form, cure = _FORMS.get(key, (None, ""))
    if value is None and key in _HOLDING:
        form, cure = type(None), "; indent what belongs to it below it, or remove it"
    return cure if form is not None and isinstance(value, form) else ""


def key_meant(key: str, known: Collection[str]) -> str | None:
    """The known key that another was most likely meant to be: what others call the same, or what is spelled alike."""
    called = next((word for word in _CALLED.get(key.lower(), ()) if word in known), None)
    return called or closest(key, known)


def for_number(value: object, path: Sequence[str], *, flag: bool) -> str:
    """What to write instead of a truth, or of a text that begins as a number does; mostly nothing.

    Args:
        value: what stands where a number is wanted.
        path: the keys that lead there.
        flag: whether it is that of a metric which is 0 or 1.
    """
    if flag and str(value).lower() in _TRUTHS:
        return f"; write {_TRUTHS[str(value).lower()]}"
    if not isinstance(value, str) or not re.match(r"[-+]?\.?[0-9]", value):
        return ""
    if re.fullmatch(r"[-+]?[0-9]*\.?[0-9]+", value):
        return f"; write {value} without quotes"
    if re.fullmatch(r"[-+]?[0-9]+(?:,[0-9]+)+", value):
        return "; write it with a point and without commas, as 0.5"
    percent = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%", value)
    if percent:
        return f"; write {float(percent[1]) / 100:g}"
    term = next((TERMS[name] for name in reversed(path) if name in TERMS and TERMS[name].unit), None)
    return f"; {PLAIN}" + (f" ({term.name} is in {term.unit})" if term else "")


def for_fraction(text: str) -> str:
    """What to add where a number must be whole; mostly nothing."""
    return f"; if its point parts thousands, write {text.replace('.', '')}" if PARTED.fullmatch(text) else ""


def _default(value: object) -> str:
    """What to write where a threshold or a priority is a number alone."""
    number = re.match(r"([0-9]+(?:\.[0-9]+)?)\s*(%?)", value) if isinstance(value, str) else None
    if number is not None:
        value = f"{float(number[1]) / 100:g}" if number[2] else number[1]
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"; write {{default: {value}}}"


def _torn(key: str) -> str | None:
    """What to do about a key that is more than one, or the rest of a value, which its braces end at its first comma."""
    if ":" in key:
        return f"put a blank after its colon: `{key.replace(':', ': ', 1)}`"
    if key.count(")") > key.count("("):
        return "it is the rest of an expression with a comma: quote the whole expression"
    return _TORN_NUMBER if key.isdecimal() else None


def _right_section(name: str) -> str:
    """Where a term of the vocabulary belongs that stands among the wrong settings."""
    if name in THRESHOLDS:
        return "it is a threshold: move it to thresholds"
    if name in PRIORITIES:
        return "it is a priority: move it to priorities"
    return "it is measured, and no setting" if name in METRICS else "only --set and presets set it"
