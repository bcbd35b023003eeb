from __future__ import annotations

from dataclasses import replace

import pytest

from lemonade_es.engine.configuration import read_config
from lemonade_es.engine.options import extend, resolve, said_anew
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import ConfigError
from lemonade_es.trainer.recipe import Recipe, with_epochs


def write(tmp_path, text):
    path = tmp_path / "search.yaml"
    path.write_text(text)
    return path


def test_without_options_a_run_has_the_papers_defaults():
    spec = resolve({}, {})
    assert (spec.data, spec.iterations, spec.start_from, spec.preset) == ("digits", 30, "best", "accuracy")


def test_options_win_over_the_configuration_and_sets_are_merged_by_name(tmp_path):
    config = read_config(write(tmp_path, "iterations: 5\nset: {TV_Acc: 0.9, UT: 0.01}\nmax_seconds: 60\n"))
    spec = resolve(config, {"iterations": 7, "set": {"UT": 0.02}, "epochs": None})
    assert spec.iterations == 7
    assert spec.set == {"TV_Acc": 0.9, "UT": 0.02}
    assert spec.max_seconds == 60


def test_a_count_is_set_in_a_configuration_by_a_whole_number(tmp_path):
    spec = resolve(read_config(write(tmp_path, "set: {TP: 200000, TM: 1e6}\n")), {})
    assert spec.set == {"TP": 200000, "TM": 1e6}


def trained_by(spec):
    return with_epochs(Recipe(), spec.recipe, spec.epochs)


@pytest.mark.parametrize(
    ("config", "options", "epochs"),
    [
        ({"recipe": {"epochs": 50, "lr": 0.1}}, {"epochs": 5}, 5),
        ({"epochs": 50, "recipe": {"lr": 0.1}}, {"recipe": {"epochs": 5}}, 5),
        ({"epochs": 50, "recipe": {"epochs": 50, "lr": 0.1}}, {"epochs": 5}, 5),
        ({"epochs": 5, "recipe": {"lr": 0.1}}, {"seed": 3, "recipe": {}}, 5),
        ({"recipe": {"lr": 0.1}}, {"epochs": 5, "recipe": {"epochs": 5}}, 5),
    ],
)
def test_the_epochs_of_the_command_line_win_by_either_name(config, options, epochs):
    changed = trained_by(resolve(config, options))
    assert (changed.epochs, changed.lr) == (epochs, 0.1)


@pytest.mark.parametrize(
    ("config", "options"),
    [({}, {"epochs": 5, "recipe": {"epochs": 50}}), ({"epochs": 5, "recipe": {"epochs": 50}}, {"seed": 1})],
)
def test_two_numbers_of_epochs_are_refused(config, options):
    with pytest.raises(ConfigError, match="5 is asked for, and epochs=50 by the recipe") as refused:
        trained_by(resolve(config, options))
    assert refused.value.where == "--epochs"


def test_numbers_are_read_as_yaml_1_2_reads_them(tmp_path):
    config = read_config(write(tmp_path, "set: {TT_E: 1e-3}\n"))
    assert resolve(config, {}).set == {"TT_E": 0.001}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("iterashuns: 5\n", "1:1", "did you mean iterations?"),
        ("data: digits\niterations: many\n", "2:13", "'many'"),
        ("data: digits\niterations: 0\n", "2:13", "too few"),
        ("- data\n", "1:1", "mapping"),
        ("data: [1\n", "2:1", ""),
        ("data: a\ndata: b\n", "2:1", "duplicate"),
        ("seed: -1\n", "1:7", "out of range"),
        ("target: {V_Acc: 2}\n", "1:9", "out of range"),
        ("target: {P: 0}\n", "1:9", "P=0 leaves no room"),
        ("target: {V_Ac: 0.9}\n", "1:9", "did you mean V_Acc?"),
        ("preset: egde\n", "1:9", "no preset is called 'egde'"),
        ("epochs: 3\nset:\n  PF: 0.5\n  PFF: 1\n", "4:8", "no threshold, priority or weight 'PFF'"),
        ("set: {TV_Acc: 1.5}\n", "1:15", "1.5 is out of range"),
        ("recipe:\n  lrr: 0.1\n", "2:8", "did you mean lr?"),
        ("recipe: {lr: fast}\n", "1:14", "lr is 'fast'"),
        ("target: price\n", "1:9", "write target_column: price for a column, and {V_Acc: 0.95} for a metric to reach"),
        ("require: S < 0.1 MB\n", "1:10", "write pairs of a name and its value"),
        ("set: {TV_Acc: 95%}\n", "1:6", "'95%': write a plain number with a point"),
        ("iterations: 2.5\n", "1:13", "2.5: write a whole number"),
        ("data: 2001-99-99\n", "1:1", "this is not YAML"),
        ("data: !!int abc\n", "1:1", "this is not YAML"),
        ('llm: "local:a\\0b.gguf"\n', "1:6", "holds a NUL"),
        ('container_image: "a\\0b"\nisolation: container\n', "1:18", "holds a NUL"),
        ("iterations: 0x_\n", "1:1", "this is not YAML"),
        (f"data: {3000 * '['}{3000 * ']'}\n", "1:1", "this is not YAML"),
        ("set: {1: 2}\n", "1:6", "1: write a word"),
        *(
            (text, place, f"{rest}: this is no name; if it ends a number, write that with a point, as 0.5")
            for text, place, rest in (
                ("set: {PF: 0,5}\n", "1:6", 5),
                ("recipe: {lr: 0,05}\n", "1:9", 5),
                ("target: {V_Acc: 0,95, F: 3000}\n", "1:9", 95),
                ("prices: {gpt: {input: 1, output: 0,5}}\n", "1:9", 5),
            )
        ),
        (f"set: {{TF: {10**400}}}\n", "1:6", "write a plain number"),
        ("recipe: {[1]: 2}\n", "1:9", "(1,): write a word"),
        ("1: 2\n", "1:1", "there is no option 1"),
        ("out: other\n", "1:1", "'out' is for the command line alone (give --out to the command)"),
        ("unsafe_no_isolation: true\n", "1:1", "give --unsafe-no-isolation to the command"),
    ],
)
def test_a_problem_in_a_configuration_names_its_line_and_the_way_out(tmp_path, text, place, words):
    with pytest.raises(ConfigError) as caught:
        read_config(write(tmp_path, text))
    assert f"search.yaml:{place}:" in str(caught.value)
    assert words in str(caught.value)


def test_all_problems_of_a_configuration_are_told_at_once(tmp_path):
    text = "iterashuns: 5\nepochs: few\nseed: -1\nrepairs: 99\ntarget: {V_Acc: 0.9, F: -1}\nlimit: 100\n"
    with pytest.raises(ConfigError) as caught:
        read_config(write(tmp_path, text))
    told = [line.partition("search.yaml:")[2] for line in str(caught.value).splitlines()]
    assert [line.split(": ")[0] for line in told] == ["1:1", "2:9", "3:7", "4:10", "5:9"]
    assert "did you mean iterations?" in told[0]
    assert "'few'" in told[1]
    assert "F=-1 is out of range" in told[4]


@pytest.mark.parametrize(
    ("merged", "said"),
    [
        ("iterations: 0", "search.yaml:2:1: 0 is too few"),
        ("iterashuns: 5", "search.yaml:2:1: there is no option 'iterashuns'"),
    ],
)
def test_what_a_merge_brings_along_is_told_where_the_mapping_begins(tmp_path, merged, said):
    with pytest.raises(ConfigError) as caught:
        read_config(write(tmp_path, f"# merged\n<<: {{{merged}}}\nepochs: 3\n"))
    assert said in str(caught.value)


def test_an_empty_configuration_is_no_option_at_all(tmp_path):
    assert read_config(write(tmp_path, "# nothing yet\n")) == {}


@pytest.mark.parametrize(("name", "words"), [("missing.yaml", "no such file"), ("", "Is a directory")])
def test_a_configuration_that_cannot_be_read_is_named_with_the_reason(tmp_path, name, words):
    with pytest.raises(ConfigError, match=words):
        read_config(tmp_path / name)


def test_a_configuration_that_is_no_text_is_named(tmp_path):
    (tmp_path / "search.yaml").write_bytes(b"\xff\xfe\x00data")
    with pytest.raises(ConfigError, match=r"search\.yaml: cannot be read"):
        read_config(tmp_path / "search.yaml")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"iterations": 0}, "--iterations: 0 is too few"),
        ({"max_seconds": float("nan")}, "--max-seconds: nan is no number above 0"),
        ({"max_seconds": -1.0}, "--max-seconds: -1 is no number above 0"),
        ({"llm_timeout": 1e10}, "--llm-timeout: 1e+10 s are more than a day"),
        ({"candidate_seconds": 1e7}, "--candidate-seconds: 1e+07 s are more than twenty days"),
        ({"candidate_seconds": float("inf")}, "--candidate-seconds: inf is no number above 0"),
        ({"device": "tpu"}, "--device: 'tpu'"),
        ({"limit": 0}, "--limit: 0 is too few"),
    ],
)
def test_a_problem_in_an_option_names_the_option(options, words):
    with pytest.raises(ConfigError) as caught:
        resolve({}, options)
    assert words in str(caught.value)


def test_weights_that_tell_no_network_from_another_are_refused_unless_bounds_do():
    with pytest.raises(ConfigError, match="CM is 0 for every network"):
        resolve({}, {"set": {"WA": 0}})
    with pytest.raises(ConfigError, match="CM is 0 for every network"):
        resolve({"preset": "edge", "set": {"WA": 0, "WF": 0}}, {"set": {"WE": 0}})
    assert resolve({}, {"set": {"WA": 0, "WF": 1}}).set["WF"] == 1
    assert resolve({"preset": "edge"}, {"set": {"WA": 0}}).set["WA"] == 0
    assert resolve({}, {"set": {"WA": 0}, "require": {"V_Acc": 0.9}}).set["WA"] == 0


def test_all_problems_of_the_options_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        resolve({}, {"iterations": 0, "device": "tpu", "target": {"F": 0.0, "class_gap": 1.0}})
    assert str(caught.value).splitlines() == [
        "--iterations: 0 is too few (give 1 or more)",
        "--device: 'tpu': input should be 'auto', 'cpu' or 'cuda'",
        "--target: F=0 is reached by any network (give more than 0)",
        "--target: class_gap=1 is kept by any network (give less than 1)",
    ]


def test_all_problems_within_one_option_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        resolve({}, {"require": {"S": 0, "G": 1, "F": 100.0}, "target": {"V_Acc": "high", "F": "fast"}})
    told = [line for line in str(caught.value).splitlines() if "--" in line]
    assert len(told) == 4
    assert [word in line for word, line in zip(("S=0", "'G'", "'high'", "'fast'"), told, strict=True)] == [True] * 4


def test_a_resume_may_move_the_end_of_a_run():
    assert extend(RunSpec(iterations=3), {"iterations": 9, "data": None, "set": {}}).iterations == 9


def test_a_resume_may_not_change_what_a_run_computes():
    with pytest.raises(ConfigError, match="--seed: a resumed run keeps"):
        extend(RunSpec(), {"seed": 4})


def test_a_resume_may_say_again_what_the_run_was_started_with():
    """As who takes the command line of the evening and adds ``--resume latest`` to it."""
    begun = RunSpec(seed=4, require={"S": 0.1}, measure_with="./board.sh")
    assert extend(begun, {"seed": 4, "require": {"S": 0.1}, "measure_with": "./board.sh", "iterations": 9}) == replace(
        begun, iterations=9
    )
    assert said_anew(begun, {"seed": 4, "iterations": begun.iterations}) == {"iterations": begun.iterations}
