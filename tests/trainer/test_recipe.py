"""The recipe: shipped files, overrides, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import TypeAdapter

from lemonade_es.commands.finalize import finalize
from lemonade_es.errors import ConfigError
from lemonade_es.trainer.recipe import Recipe, final_recipe, search_recipe, with_epochs, with_overrides


def test_the_shipped_image_recipe_is_the_papers_and_equals_the_defaults():
    recipe = search_recipe("image")
    assert recipe == Recipe()
    assert (recipe.epochs, recipe.batch_size, recipe.optimizer) == (50, 128, "sgd")
    assert (recipe.lr, recipe.weight_decay, recipe.schedule) == (0.025, 3e-4, "cosine")
    assert (recipe.rotation, recipe.flip, recipe.crop, recipe.crop_padding) == (10.0, True, True, None)


def test_the_shipped_text_recipe_is_adam_without_augmentation():
    recipe = search_recipe("text")
    assert (recipe.optimizer, recipe.lr, recipe.batch_size) == ("adam", 1e-3, 128)
    assert (recipe.rotation, recipe.flip, recipe.crop) == (0.0, False, False)


def test_overrides_replace_only_what_they_name_and_take_text_from_a_command_line():
    recipe = with_overrides(Recipe(), {"epochs": "3", "lr": "1e-2", "flip": "false", "crop_size": 16})
    assert recipe == Recipe(epochs=3, lr=0.01, flip=False, crop_size=16)


def test_epochs_have_two_names_and_one_number():
    assert with_epochs(Recipe(), {"lr": 0.1}, 5) == Recipe(epochs=5, lr=0.1)
    assert with_epochs(Recipe(), {"epochs": "5"}, None) == with_epochs(Recipe(), {"epochs": "5"}, 5) == Recipe(epochs=5)
    with pytest.raises(ConfigError, match="5 is asked for, and epochs=50 by the recipe"):
        with_epochs(Recipe(), {"epochs": "50"}, 5)  # though that is what it has of its own


def test_an_unknown_field_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"no field 'epoch'.*did you mean epochs"):
        with_overrides(Recipe(), {"epoch": 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", True),
        ("epochs", 1.5),
        ("batch_size", 1),
        ("lr", -0.1),
        ("lr", float("nan")),
        ("momentum", 1.0),
        ("optimizer", "adagrad"),
        ("schedule", None),
        ("rotation", 400),
        ("crop_padding", -1),
        ("flip", "perhaps"),
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_refused_with_its_name(name, value):
    with pytest.raises(ConfigError, match=name):
        with_overrides(Recipe(), {name: value})


def test_all_bad_values_are_reported_at_once():
    with pytest.raises(ConfigError, match=r"epochs is 0.*lr is -1"):
        with_overrides(Recipe(), {"epochs": 0, "lr": -1})


def test_a_recipe_survives_json():
    adapter = TypeAdapter(Recipe)
    recipe = Recipe(epochs=7, crop_padding=2)
    assert adapter.validate_json(adapter.dump_json(recipe)) == recipe


def test_importing_the_recipe_does_not_import_torch():
    code = "import sys, lemonade_es.trainer.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_shipped_final_recipes_are_the_papers():
    image, text = final_recipe("image"), final_recipe("text")
    assert (image.epochs, image.batch_size, image.optimizer, image.lr) == (600, 256, "sgd", 0.025)
    assert (text.epochs, text.batch_size, text.optimizer, text.lr) == (200, 256, "adam", 1e-3)
    assert {recipe.weight_decay for recipe in (image, text)} == {3e-4}
    assert {recipe.schedule for recipe in (image, text)} == {"cosine"}


def test_a_table_is_trained_in_the_end_as_in_the_search():
    assert final_recipe("table") == search_recipe("table")


def test_the_help_of_finalize_tells_how_long_each_kind_is_trained():
    epochs = {kind: final_recipe(kind).epochs for kind in ("image", "text", "table")}
    (option,) = (option for option in finalize.params if option.name == "epochs")
    assert option.help.endswith("{image}, of texts {text}, of tables {table}].".format(**epochs))


@pytest.mark.parametrize("kind", ["image", "text", "table"])
def test_the_final_recipe_augments_as_the_search_does(kind):
    for field in ("optimizer", "lr", "rotation", "flip", "crop", "crop_padding", "crop_size"):
        assert getattr(final_recipe(kind), field) == getattr(search_recipe(kind), field)


def test_compiling_is_refused_with_the_reason():
    with pytest.raises(ConfigError, match="starts compilers"):
        with_overrides(Recipe(), {"compile": True})


def test_the_precision_is_fp32_unless_another_is_asked_for():
    assert Recipe().precision == "fp32"
    assert with_overrides(Recipe(), {"precision": "bf16"}).precision == "bf16"
    with pytest.raises(ConfigError, match="precision"):
        with_overrides(Recipe(), {"precision": "fp16"})
