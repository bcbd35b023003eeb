"""Where the code of a reply begins and ends."""

from __future__ import annotations

import json
import time

import pytest

from lemonade_es.errors import ReplyError
from lemonade_es.llm.codes import Code
from lemonade_es.llm.reply import read_patch
from tests.llm.replies import BARE, GOOD, SOURCE, envelope, without


def test_the_same_code_once_more_in_a_fence_is_no_second_change() -> None:
    plain = "import torch\nclass Net(torch.nn.Module):\n    size = 1\n"
    once = read_patch(f"{json.dumps(envelope(model_py=plain))}\nHere it is:\n```python\n{plain}```")
    assert once.patch.model_py == plain
    assert "the same code in a python fence ignored" in once.mended
    twice = read_patch(f"{BARE}\n```python\n{plain}```\nOnce more:\n```python\n{plain}```")
    assert twice.patch.model_py == plain.rstrip()


@pytest.mark.parametrize("blanks", ["", " ", "   ", "    ", "          ", "\t"])
def test_code_in_a_list_loses_the_blanks_that_its_fence_has(blanks: str) -> None:
    lines = ["```json", without("model_py"), "```", "```python", *SOURCE.splitlines(), "```"]
    text = "\n".join(blanks + line for line in lines)

    for before in ("1. All of it:\n", "\n", ""):
        assert read_patch(before + text).patch.model_py == SOURCE.rstrip("\n")


@pytest.mark.parametrize("blanks", [" ", "    ", "\t"])
def test_code_that_stands_less_far_in_than_its_fence_keeps_its_own_blanks(blanks: str) -> None:
    text = f"{BARE}\n{blanks}```python\n{SOURCE}{blanks}```"

    assert read_patch(text).patch.model_py == SOURCE.rstrip("\n")


def test_a_fence_may_stand_behind_the_mark_of_a_list() -> None:
    code = "\n".join("   " + line for line in SOURCE.splitlines())
    text = f"1. ```json\n   {BARE}\n   ```\n2. ```python\n{code}\n   ```\n- and no more"

    assert read_patch(text).patch.model_py == SOURCE.rstrip("\n")


DOCUMENTED = '''"""A network: it's small.

```
Net()(x)  # "x" is a batch
```

```python
Net()
```
"""
import torch


class Net(torch.nn.Module):
    r\'\'\'Called \\\'\'\' so; \'no\' "mark".
```
inner
```
    \'\'\'
    size = "\'\'\'"  # not """ here
'''


@pytest.mark.parametrize("mark", ["python", "Py", "python model.py", ""])
@pytest.mark.parametrize("after", ["", "\nThat is all: it's done.", '\n```bash\necho """odd\n```\n'])
def test_a_docstring_may_hold_fences(mark: str, after: str) -> None:
    compile(DOCUMENTED, "network", "exec")

    assert read_patch(f"{BARE}\n```{mark}\n{DOCUMENTED}```{after}").patch.model_py == DOCUMENTED.rstrip("\n")


def test_code_that_ends_inside_of_a_string_is_refused_wherever_it_ends() -> None:
    whole = f"{BARE}\n```python\n{DOCUMENTED}```"
    for end in range(len(BARE), len(whole)):
        with pytest.raises(ReplyError) as refusal:
            read_patch(whole[:end])
        assert refusal.value.code in (Code.TRUNCATED, Code.NO_CHANGE)


def test_a_string_that_is_left_open_does_not_swallow_what_comes_after_its_fence() -> None:
    code = 'x = 1\n"""open\n'
    assert read_patch(f"```\n{code}```\n{GOOD}\n```\nmore\n```").patch == read_patch(GOOD).patch
    with pytest.raises(ReplyError) as refusal:
        read_patch(f"```python\n{code}```\n{BARE}")

    assert (refusal.value.code, refusal.value.message) == (
        Code.TRUNCATED,
        "the python fence ends inside of a string",
    )


def test_strings_with_raw_line_breaks_may_hold_fences_wherever_the_patch_stands() -> None:
    code = DOCUMENTED.replace("```", "    ```") + "\n```\n{}\n```\n"
    raw = json.dumps(envelope(model_py=code)).replace("\\n", "\n")
    for text in (f"Here it is:\n{raw}", f"```json\n{raw}\n```", f"As wished.\n\n    ```json\n{raw}\n    ```\nDone."):
        assert read_patch(text).patch.model_py == code


@pytest.mark.parametrize("end", ["", "```\n", "```\na note", "```\na note\n```\n```\nanother\n```"])
def test_fences_without_a_mark_beside_a_whole_patch_are_prose(end: str) -> None:
    assert read_patch(f"{GOOD}\n{end}").patch == read_patch(GOOD).patch


def test_two_fences_without_a_mark_are_no_source() -> None:
    envelope = json.dumps({**json.loads(GOOD), "model_py": None, "edits": None})

    with pytest.raises(ReplyError) as refusal:
        read_patch(f"{envelope}\n```\nx = 1\n```\n```\nx = 2\n```")

    assert refusal.value.code == Code.NO_CHANGE


@pytest.mark.parametrize("code", ["x", '"""\n' + "```\n" * 50_000, "  x\n" * 50_000, " " * 200_000 + "x\n" * 80_000])
def test_a_fence_that_stands_very_far_in_is_refused_soon(code: str) -> None:
    start = time.process_time()

    with pytest.raises(ReplyError):
        read_patch(f"{' ' * 600_000}```python\n{code}")

    assert time.process_time() - start < 3


@pytest.mark.parametrize(("begin", "letter"), [("```", "a"), ("```", " "), ("", "~")])
def test_a_line_that_begins_like_a_fence_and_is_none_is_read_soon(begin: str, letter: str) -> None:
    text = begin + letter * 50_000 + "`"
    start = time.process_time()

    with pytest.raises(ReplyError) as refusal:
        read_patch(text)

    assert refusal.value.code == Code.NOT_JSON
    assert time.process_time() - start < 1
