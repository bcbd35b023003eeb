"""`lemonade-es rulebook`, as a domain expert types it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from lemonade_es.cli import main
from lemonade_es.rules.load import find_rulebook, shipped
from lemonade_es.rules.schema import rulebook_schema
from tests.cli.conftest import documented


def test_the_schema_is_printed_for_editors(rulebook):
    assert json.loads(rulebook("schema").output) == rulebook_schema()


def test_the_shipped_rulebooks_are_listed_with_what_they_are_for(rulebook):
    lines = json.loads(rulebook("list", "--json").output)
    assert [line["name"] for line in lines] == shipped()
    assert all(line["about"] and line["rules"] and line["tests"] for line in lines)
    assert all(line["name"] in rulebook("list").output for line in lines)


def test_the_words_of_rules_are_listed_for_people_and_programs(rulebook):
    assert "median latency at batch size 1" in rulebook("words").output
    assert "Reduce number of kernel" in rulebook("words", "lemonade").output
    assert json.loads(rulebook("words", "edge", "--json").output)["metrics"][0]["name"] == "T_Acc"
    assert "did you mean lemonade?" in rulebook("words", "lemonad").output


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_rulebook_is_shown_letter_by_letter(rulebook, name):
    assert rulebook("show", name).output == find_rulebook(name).read_text(encoding="utf-8")


def test_the_rules_of_a_rulebook_are_shown_with_their_places(rulebook):
    shown = rulebook("show", "lemonade", "--rules").output
    assert "low-training-accuracy" in shown
    data = json.loads(rulebook("show", "lemonade", "--json").output)
    rule = next(rule for rule in data["rules"] if rule["id"] == "low-training-accuracy")
    assert rule["when"] == "T_Acc < TT_Acc"
    assert rule["instruct"] == ["ACL", "AMK", "ADL", "ASC"]
    assert rule["place"].startswith("lemonade.yaml:")


def test_a_misspelt_shipped_name_is_met_with_the_right_one(rulebook):
    done = rulebook("show", "lemonad")
    assert done.exit_code == 2
    assert "did you mean lemonade?" in done.output


BROKEN = """\
rulebook: broken
version: 1
extends: lemonade
rules:
  - {id: first, when: T_Ac < TT_Acc, weight: PV_Acc, instruct: [ACX]}
  - {id: second, wen: T_Acc < 1, when: T_Acc < , conclude: low}
"""


def test_all_problems_of_all_files_come_at_once(rulebook):
    Path("one.yaml").write_text(BROKEN)
    Path("two.yaml").write_text("rulebook: two\nversion: 0\n")
    done = rulebook("check", "one.yaml", "two.yaml", "lemonade")
    assert done.exit_code == 2
    for line in (
        "one.yaml:5:23 UNKNOWN_NAME 'T_Ac' is neither in the vocabulary nor a conclusion of any rule; did you mean",
        "one.yaml:5:65 UNKNOWN_INSTRUCTION no instruction is called 'ACX'; did you mean ASC?",
        "one.yaml:6:18 UNKNOWN_KEY 'wen' is not a key here; did you mean when?",
        "two.yaml:2:10 OUT_OF_RANGE version must be at least 1, found 0",
        "two.yaml:1:1 MISSING_KEY 'rules' is missing here",
    ):
        assert line in done.output, done.output
    assert "one.yaml: 4 problems; it cannot be used" in done.output


@pytest.mark.parametrize("command", ["check", "test"])
def test_the_same_problems_are_given_as_data(rulebook, command):
    Path("one.yaml").write_text(BROKEN)
    data = json.loads(rulebook(command, "one.yaml", "--json").output)
    (file,) = data["files"]
    assert len(file["problems"]) == 4
    assert not file.get("usable")
    assert file["problems"][0] == {
        "level": "error",
        "code": "UNKNOWN_NAME",
        "file": "one.yaml",
        "line": 5,
        "column": 23,
        "message": "'T_Ac' is neither in the vocabulary nor a conclusion of any rule; did you mean T_Acc?",
    }


def test_a_file_that_is_not_there_does_not_hide_the_others(rulebook):
    done = rulebook("check", "missing.yaml", "lemonade")
    assert done.exit_code == 2
    assert "there is no file 'missing.yaml'" in done.output
    assert "lemonade: " in done.output


def test_a_rulebook_whose_weights_cannot_be_summed_does_not_hide_the_others(rulebook, tmp_path):
    rules = "".join(f"  - {{id: r{n}, when: V_Acc < 0.5, weight: 1e308, instruct: [ACL]}}\n" for n in (1, 2))
    tests = "tests:\n  - {name: both, given: {V_Acc: 0.4}, expect: {fired: [r1]}}\n"
    (tmp_path / "huge.yaml").write_text(
        f"rulebook: huge\nversion: 1\nextends: lemonade\ndrop_tests: all\nrules:\n{rules}{tests}"
    )
    done = rulebook("check", "lemonade", "huge.yaml", "--json")
    assert done.exit_code == 2
    good, huge = json.loads(done.output)["files"]
    assert (good["usable"], huge["usable"]) == (True, False)
    assert "the weight of ACL is too large to compute" in huge["error"]


@pytest.mark.parametrize("name", shipped())
def test_the_shipped_rulebooks_check_without_a_warning(rulebook, name):
    done = rulebook("check", name, "--strict")
    assert done.exit_code == 0, done.output


def test_a_check_says_when_a_search_would_refuse_the_rulebook_for_its_tests(rulebook):
    Path("three.yaml").write_text("rulebook: three\nversion: 1\nextends: lemonade\nmax_instructions: 3\n")
    done = rulebook("check", "three.yaml")
    assert done.exit_code == 0
    assert done.output.splitlines()[-1].endswith(
        "tests fail, and `run` will not take it; see why: lemonade-es rulebook test three.yaml"
    )
    (checked,) = json.loads(rulebook("check", "three.yaml", "--json").output)["files"]
    tested = json.loads(rulebook("test", "three.yaml", "--json").output)["files"][0]["tests"]
    assert checked["failing_tests"] == sum(not test["passed"] for test in tested) > 0
    assert rulebook("check", "three.yaml", "--strict").exit_code == 2
    done = CliRunner().invoke(main, ["run", "--rulebook", "three.yaml"])
    assert done.exit_code == 2
    assert "write `drop_tests: all`" in done.output


def test_supposed_facts_are_answered_with_what_fires_and_what_does_not(rulebook):
    done = rulebook("whatif", "lemonade", "--fact", "T_Acc=0.62", "--set", "PT_Acc=1", "--set", "PV_Acc=0")
    assert done.exit_code == 0
    assert "1. low-training-accuracy  (lemonade.yaml:" in done.output
    assert "because training accuracy 62.0% is below 99.0%: the network lacks capacity" in done.output
    assert "is unknown: F < TF (F unknown)" in done.output
    data = json.loads(rulebook("whatif", "lemonade", "--fact", "T_Acc=0.62", "--set", "PT_Acc=1", "--json").output)
    assert list(data) == [
        "facts",
        "fired",
        "not_fired",
        "conclusions",
        "conflicts",
        "instructions",
        "dropped",
        "surplus",
    ]


def test_one_value_runs_through_a_range(rulebook):
    words = ("whatif", "lemonade", "--fact", "T_Acc=0.95", "--sweep", "V_Acc=0.5:1:0.05")
    assert "V_Acc [0.85 .. 0.89]  ACL 1, ASC 1, ADL 0.5" in rulebook(*words).output
    sweep = json.loads(rulebook(*words, "--json").output)["sweep"]
    assert [stretch["from"] for stretch in sweep] == [0.5, 0.85, 0.89, 0.9, 0.99]


def test_two_rulebooks_are_compared_by_text_and_by_advice(rulebook):
    rulebook("new", "mine.yaml")
    done = rulebook("diff", "lemonade", "mine.yaml")
    assert done.exit_code == 0
    assert "+ rule too-many-parameters  (mine.yaml:" in done.output
    assert "because of too-many-parameters" in done.output
    data = json.loads(rulebook("diff", "lemonade", "mine.yaml", "--json").output)
    assert all(region["witness"]["P"] > 200000 for region in data["regions"])
    assert "The advice is the same in all of" in rulebook("diff", "lemonade", "lemonade").output


def test_a_change_that_shows_only_at_other_settings_is_told_with_them(rulebook):
    rule = "{id: slow, when: F < TF, weight: PF * 3, instruct: [RCL]}"
    Path("mine.yaml").write_text(f"rulebook: mine\nversion: 1\nextends: lemonade\nrules: [{rule}]\n")
    assert "It differs with PF = 1\n" in rulebook("diff", "lemonade", "mine.yaml").output
    data = json.loads(rulebook("diff", "lemonade", "mine.yaml", "--json").output)
    assert data["regions"] == []
    (there,) = data["elsewhere"]
    assert there["settings"] == {"PF": 1}
    assert {tuple(region["rules"]) for region in there["regions"]} == {("slow",)}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["whatif", "lemonade", "--fact", "T_Ac=1"], "did you mean T_Acc?"),
        (["whatif", "lemonade", "--fact", "T_Acc"], "is not NAME=NUMBER"),
        (["whatif", "lemonade", "--fact", "T_Acc=62%"], "is not NAME=NUMBER, for example V_Acc=0.95; write 0.62"),
        (["whatif", "lemonade", "--fact", "failed=yes"], "is not NAME=NUMBER, for example V_Acc=0.95; write 1"),
        (["whatif", "lemonade", "--iteration", "2"], "name it with --from RUN"),
        (["whatif", "lemonade", "--from", "latest"], "there are no runs here"),
        (
            ["whatif", "lemonade", "--sweep", "V_Acc=0:1:0.1", "--sweep", "F=1:9:1"],
            "one value can run at a time, and --sweep was given 2 times",
        ),
        (["whatif", "lemonade", "--fact", "F=1", "--fact", "F=2"], "F has one value, and was given 1 and 2"),
        (["whatif", "lemonade", "--set", "PF=1", "--set", "PF=0.5"], "PF has one value, and was given 1 and 0.5"),
        (["whatif", "lemonade", "--fact", "plateau=2.5"], "fact plateau: 2.5 is no whole number (plateau is a count)"),
        (["whatif", "lemonade", "--fact", "P=1.5"], "fact P: 1.5 is no whole number (P is a count)"),
        (["whatif", "lemonade", "--fact", "failed=0.3"], "fact failed: 0.3 is neither yes nor no (failed is 0 or 1)"),
        (["whatif", "lemonade", "--set", "TP=1.5"], "set TP: 1.5 is no whole number (TP is a count)"),
        (["whatif", "lemonade", "--sweep", "V_Acc=0:1"], "this is not NAME=START:STOP:STEP"),
        (["diff", "lemonade", "missing.yaml"], "there is no file"),
        (["backtest", "lemonade", "latest"], "there are no runs here"),
        (["backtest", "lemonade"], "Missing argument"),
    ],
)
def test_a_question_that_cannot_be_answered_ends_with_one_message(rulebook, words, told):
    done = rulebook(*words)
    assert done.exit_code == 2
    assert told in done.output
    assert "Traceback" not in done.output


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_the_shipped_rulebooks_are_covered_and_their_tests_notice_nearly_every_change(rulebook, name):
    done = rulebook("test", name, "--coverage", "--min-score", "90", "--json")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.output)["files"]
    assert found["failed"] == 0
    assert found["coverage"]["rules"]["covered"] == found["coverage"]["rules"]["total"]
    assert found["mutation"]["score"] >= 0.9


FAILING = """\
rulebook: mine
version: 1
extends: lemonade
drop_tests: all
tests:
  - {name: this one <holds>, given: {T_Acc: 0.6}, expect: {fired: [low-training-accuracy]}}
  - {name: this one does not, given: {T_Acc: 0.6}, expect: {fired: [slow], instructions: {ACL: 2}}}
"""


def test_a_failed_test_says_what_was_expected_and_what_came(rulebook):
    Path("mine.yaml").write_text(FAILING)
    done = rulebook("test", "mine.yaml")
    assert done.exit_code == 1
    assert "mine.yaml:7:5" in done.output
    assert "this one does not" in done.output
    assert "expected slow to fire; fired: low-training-accuracy" in done.output
    assert "expected ACL with weight 2; given: none" in done.output
    (found,) = json.loads(rulebook("test", "mine.yaml", "--json").output)["files"]
    assert (found["passed"], found["failed"]) == (1, 1)
    assert [test["passed"] for test in found["tests"]] == [True, False]
    assert set(found) == documented("rulebook test")


def test_results_are_written_as_ci_systems_read_them(rulebook):
    Path("mine.yaml").write_text(FAILING)
    assert rulebook("test", "mine.yaml", "lemonade", "--junit", "out.xml").exit_code == 1
    root = ElementTree.parse("out.xml").getroot()
    assert [suite.get("name") for suite in root.iter("testsuite")] == ["mine.yaml", "lemonade"]
    (failed,) = (case for case in root.iter("testcase") if case.find("failure") is not None)
    assert failed.get("name") == "this one does not"
    assert "this one <holds>" in {case.get("name") for case in root.iter("testcase")}


def test_a_file_that_cannot_be_used_does_not_keep_others_from_being_tested(rulebook):
    Path("mine.yaml").write_text("rulebook: [")
    done = rulebook("test", "mine.yaml", "lemonade")
    assert done.exit_code == 2
    assert "YAML_SYNTAX" in done.output
    assert "lemonade: " in done.output


def test_a_rulebook_whose_tests_notice_little_falls_short_of_the_score_that_is_asked(rulebook):
    Path("mine.yaml").write_text(FAILING.replace("fired: [slow], instructions: {ACL: 2}", "not_fired: [slow]"))
    assert rulebook("test", "mine.yaml").exit_code == 0
    done = rulebook("test", "mine.yaml", "--min-score", "90")
    assert done.exit_code == 1
    assert "the mutation score is below 90 %" in done.output


def test_tests_for_a_rulebook_without_any_come_with_the_key_that_they_belong_under(rulebook):
    Path("mine.yaml").write_text(FAILING.partition("\ntests:")[0] + "\n")
    suggested = rulebook("test", "mine.yaml", "--suggest").stdout
    assert suggested.startswith("tests:\n  - name: ")
    Path("mine.yaml").write_text(Path("mine.yaml").read_text() + suggested)
    assert rulebook("test", "mine.yaml").exit_code == 0


def test_what_is_wrong_with_files_is_told_beside_their_suggested_tests(rulebook):
    Path("mine.yaml").write_text(FAILING)
    Path("odd.yaml").write_text("rulebook: [")
    done = rulebook("test", "mine.yaml", "odd.yaml", "--suggest")
    assert done.exit_code == 2
    assert done.stdout.startswith("# mine.yaml\n  - name: ")
    assert "FAILED" in done.stderr
    assert "odd.yaml: it cannot be used" in done.stderr
    assert "odd.yaml" not in done.stdout


@pytest.mark.slow
def test_suggested_tests_pass_when_they_are_pasted(rulebook):
    Path("mine.yaml").write_text(FAILING.replace("fired: [slow], instructions: {ACL: 2}", "not_fired: [slow]"))
    suggested = rulebook("test", "mine.yaml", "--suggest").output
    assert suggested.count("- name:") > 20
    Path("mine.yaml").write_text(Path("mine.yaml").read_text() + suggested)
    again = rulebook("test", "mine.yaml", "--min-score", "90")
    assert again.exit_code == 0, again.output
