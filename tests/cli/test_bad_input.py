"""Bad input ends in one clear message and exit code 2, never in a traceback, and leaves nothing behind."""

from __future__ import annotations

import pytest


@pytest.fixture
def refused(lemonade, tmp_path):
    before = {path.name for path in tmp_path.rglob("*")}

    def run(*words, **environment):
        done = lemonade("run", *words, **environment)
        assert done.code == 2, done
        assert done.out == ""
        assert "Traceback" not in done.err
        new = {path.name for path in tmp_path.rglob("*")} - before
        assert not {name for name in new if name in ("runs", "lemonade.db", "artifacts")}
        return done.err.strip()

    return run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "nosuch"], "'nosuch' is neither a known data set nor a folder"),
        (["--data", "digit"], "did you mean digits?"),
        (["--set", "XX=1"], "there is no threshold, priority or weight 'XX'"),
        (["--set", "PV_Ac=1"], "did you mean PV_Acc?"),
        (["--set", "V_Acc=1"], "V_Acc is measured and cannot be set"),
        (["--set", "UT=5"], "UT must be between 0 and 1"),
        (["--set", "PV_Acc=nan"], "nan is out of range"),
        (["--rulebook", "lemonad"], "did you mean lemonade?"),
        (["--llm", "opnai:gpt"], "did you mean openai?"),
        (["--llm", "openai:gpt-4o"], "OPENAI_API_KEY is not set"),
        (["--llm-timeout", "60"], "builtin takes no timeout"),
        (["--measure-seconds", "5"], "--measure-seconds: there is no command that may take so long"),
        (["--epochs", "5", "--recipe", "epochs=50"], "--epochs: 5 is asked for, and epochs=50 by the recipe"),
        (["--target", "V_Acc=2"], "V_Acc=2 is out of range"),
        (["--limit", "3"], "--limit 20 or more"),
        (["--resume", "nosuch"], "there are no runs here"),
        (["--device", "cuda"], "cuda cannot be used"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line(refused, words, message):
    said = refused(*words, OPENAI_API_KEY="", CUDA_VISIBLE_DEVICES="")
    assert message in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("words", [["--set", "foo"], ["--iterations", "many"], ["--preset", "fast"], ["--nonsense"]])
def test_words_that_are_no_options_are_explained_by_the_usage(refused, words):
    assert "Usage: " in refused(*words)


@pytest.mark.parametrize(
    ("option", "first", "second", "told"),
    [
        ("--set", "PF=1", "PF=0.5", "PF has one value, and was given 1 and 0.5"),
        ("--require", "S=0.1", "S=0.2", "S has one value, and was given 0.1 and 0.2"),
        ("--target", "V_Acc=0.9", "V_Acc=0.8", "V_Acc has one value, and was given 0.9 and 0.8"),
        ("--recipe", "crop_size=8", "crop_size=null", "crop_size has one value, and was given 8 and null"),
    ],
)
def test_a_name_that_is_given_two_values_is_refused(refused, option, first, second, told):
    assert told in refused(option, first, option, second)


def test_an_example_for_a_setting_is_one_that_can_be_set(refused):
    assert "is not NAME=NUMBER, for example PF=0.5" in refused("--set", "TV_Acc=high")


def test_an_empty_folder_is_said_to_hold_no_images(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "the folder holds no images" in refused("--data", "empty")


def test_one_class_is_not_enough(refused, tree):
    for path in (tree / "dog").iterdir():
        path.unlink()
    (tree / "dog").rmdir()
    assert "only the class 'cat' has images" in refused("--data", "photos")


@pytest.mark.parametrize("content", [b"", b"no picture at all"])
def test_an_unreadable_image_is_named(refused, tree, content):
    (tree / "dog" / "3.png").write_bytes(content)
    said = refused("--data", "photos")
    assert "3.png" in said
    assert len(said.splitlines()) == 1


def test_a_rulebook_with_problems_shows_all_of_them_with_their_places(refused, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "rulebook: mine\nversion: 1\ncombine: sum\n"
        "instructions:\n  ACL: {text: Add convolutional layer}\n"
        "rules:\n  - {id: a, when: T_Ac < 1, weight: 1, instruct: [ACL], because: x}\n"
        "  - {id: b, when: T_Acc < 1, weight: 1, instruct: [ACX], because: x}\n"
    )
    said = refused("--rulebook", "mine.yaml").splitlines()
    assert len(said) == 2
    assert "mine.yaml:7:" in said[0]
    assert "did you mean T_Acc?" in said[0]
    assert "mine.yaml:8:" in said[1]


SMALL = """\
rulebook: small
version: 1
instructions:
  ACL: {text: Add convolutional layer, changes: conv_layers, direction: increase}
rules:
  - {id: deeper, when: T_Acc < 1, weight: 1, instruct: [ACL], because: x}
tests:
  - {name: it does what it does not, given: {T_Acc: 0.5}, expect: {absent: [ACL]}}
"""


def test_a_rulebook_that_fails_its_own_tests_is_not_run(refused, tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    said = refused("--rulebook", "small.yaml")
    assert "small.yaml:8:" in said
    assert "TEST_FAILED it does what it does not" in said


def test_weights_too_large_to_add_end_the_search_with_one_line(lemonade, tmp_path):
    huge = SMALL.split("tests:", maxsplit=1)[0].replace("weight: 1,", "weight: 1e308,")
    again = "  - {id: again, when: T_Acc < 1, weight: 1e308, instruct: [ACL], because: x}\n"
    (tmp_path / "huge.yaml").write_text(huge + again)
    done = lemonade("run", "--rulebook", "huge.yaml", "--iterations", 2, "--epochs", 1)
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert "rules deeper, again: the weight of ACL is too large" in done.err


def test_an_out_folder_that_cannot_be_written_is_named(refused, tmp_path):
    (tmp_path / "taken").write_text("a file")
    assert "taken" in refused("--out", "taken/runs", "--iterations", "1")


def test_a_budget_for_a_model_without_a_price_is_refused_before_it_is_asked(refused):
    words = ["--llm", "openai:nobody-knows-it", "--max-llm-cost", "1"]
    assert "the price of openai:nobody-knows-it is not known" in refused(*words, OPENAI_API_KEY="sk-not-a-real-key")


def test_a_configuration_is_not_taken_beside_a_resume(lemonade, tmp_path):
    (tmp_path / "search.yaml").write_text("iterations: 2\n")
    assert lemonade("run", "search.yaml", "--resume", "x").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["validate", "x.py", "--input-shape", "1,8,8", "--classes", "10", "--seconds"],
        ["measure", "x.py", "--measure-with", "true {model}", "--measure-seconds"],
        ["measure", "x.py", "--grid-gco2e-per-kwh"],
        ["finalize", "latest", "--checkpoint-seconds"],
        ["rulebook", "tune", "latest", "--doubt"],
    ],
)
@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_number_that_is_not_finite_is_no_number(lemonade, words, number):
    done = lemonade(*words, number)
    assert done.code == 2
    assert f"{number} is no finite number" in done.err or "is not in the range" in done.err


@pytest.mark.parametrize("value", ["2001-99-99", "!!int abc", "0x_", "[1", "{a: 1}"])
def test_what_is_no_value_of_a_recipe_is_refused(lemonade, value):
    done = lemonade("run", "--recipe", f"lr={value}")
    assert done.code == 2
    assert f"'lr={value}' is not NAME=VALUE" in done.err


def test_a_recipe_is_looked_at_before_the_data_are(lemonade):
    done = lemonade("run", "--data", "cifar10", "--recipe", "speed=1")
    assert done.code == 2
    assert "a recipe has no field 'speed'" in done.err


def test_an_option_before_its_command_is_not_passed_over(lemonade, tmp_path):
    done = lemonade("runs", "--out", tmp_path, "show", "latest")
    assert done.code == 2
    assert "--out belongs behind `show`" in done.err


@pytest.mark.parametrize("words", [["finalize", "latest"], ["measure", "x.py"], ["data", "digits"]])
@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_torch_does_not_take_is_refused(lemonade, words, seed):
    done = lemonade(*words, "--seed", seed)
    assert done.code == 2
    assert f"{seed} is not in the range" in done.err


def test_a_rulebook_that_a_full_disk_has_no_room_for_leaves_no_empty_file(lemonade, tmp_path):
    done = lemonade("rulebook", "new", "mine.yaml", file_bytes=0)
    assert done.code == 2
    assert done.err == "lemonade-es: mine.yaml: cannot be written: File too large\n"
    assert not (tmp_path / "mine.yaml").exists()
