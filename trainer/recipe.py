"""The recipe: how a network is trained. All candidates of a search are trained by one, its result by another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML

from lemonade_es.errors import ConfigError
from lemonade_es.task import TaskKind
from lemonade_es.vocabulary import closest


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained; the defaults are the paper's for the search on images.

    Attributes:
        epochs: passes over the training set.
        batch_size: inputs in a step.
        optimizer: ``sgd`` or ``adam``.
        lr: initial learning rate.
        momentum: of SGD (the paper does not give one); Adam ignores it.
        weight_decay: L2 penalty.
        schedule: ``cosine`` anneals the rate to 0 over all steps; ``constant`` leaves it.
        rotation: largest angle of the random rotation of an image, in degrees; 0 is none.
        flip: mirror half of the images, where the data set's labels survive that.
        crop: cut a random window out of each image.
        crop_padding: black pixels put around an image before the cut; ``None`` is an eighth of its shorter
            side (4 on 32x32, 1 on 8x8), and 0 if a ``crop_size`` is given.
        crop_size: side of the window; ``None`` is the image's own size. A smaller window (the paper's text
            has 16x16) is scaled back, so that the network always sees the task's input shape.
        precision: of training: ``fp32``, ``bf16`` (autocast; weights and measuring stay in fp32), or ``auto``, which
            takes bf16 if a trial on this machine finds it clearly faster. Then a resume elsewhere may train otherwise.
    """

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 50
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = 128
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 0.025
    momentum: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.9
    weight_decay: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 3e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    rotation: Annotated[float, Field(ge=0, le=180, allow_inf_nan=False)] = 10.0
    flip: bool = True
    crop: bool = True
    crop_padding: Annotated[int, Field(ge=0, le=512)] | None = None
    crop_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    precision: Literal["fp32", "bf16", "auto"] = "fp32"


_REFUSED = {
    "compile": "torch.compile starts compilers and writes files, which the isolated process may not; "
    "on a CPU it does not pay for networks that train for minutes",
}
_ADAPTER = TypeAdapter(Recipe)
_FIELDS = {field.name: field.type for field in fields(Recipe)}


def search_recipe(kind: TaskKind) -> Recipe:
    """The shipped recipe for training the candidates of a search (``recipes/search-<kind>.yaml``).

    Args:
        kind: of the task: ``image``, ``text`` or ``table``.
    """
    return _shipped(f"search-{kind}.yaml")


def final_recipe(kind: TaskKind) -> Recipe:
    """The shipped recipe for training a search's result in the end (``recipes/final-<kind>.yaml``).

    Args:
        kind: of the task: ``image``, ``text`` or ``table``.
    """
    return _shipped(f"final-{kind}.yaml")


def with_overrides(recipe: Recipe, overrides: Mapping[str, Any], *, where: str = "recipe") -> Recipe:
    """The recipe with some of its fields replaced; numbers may come as text, as from a command line.

    Args:
        recipe: what to start from.
        overrides: new values by field name.
        where: the place that they come from, for errors.

    Raises:
        ConfigError: a field is unknown, or a value has the wrong type or lies out of range.
    """
    for name, value in overrides.items():
        if name not in _FIELDS:
            near = closest(name, _FIELDS)
            hint = f"did you mean {near}?" if near else f"fields: {', '.join(_FIELDS)}"
            hint = _REFUSED.get(name, hint)
            raise ConfigError(f"a recipe has no field {name!r}", where=where, hint=hint)
        # pydantic reads True as 1
        if isinstance(value, bool) and _FIELDS[name] != "bool":
            raise ConfigError(f"{name} cannot be {value}", where=where, hint=f"{name} must be a number or a word")
    try:
        return _ADAPTER.validate_python({**asdict(recipe), **overrides})
    except ValidationError as error:
        problems = "; ".join(
            f"{problem['loc'][0]} is {problem['input']!r}: {problem['msg'].lower()}" for problem in error.errors()
        )
        raise ConfigError(problems, where=where, hint="docs/finalize.md lists the fields of a recipe") from None


def with_epochs(recipe: Recipe, overrides: Mapping[str, Any], epochs: int | None, *, where: str = "recipe") -> Recipe:
    """The recipe with some of its fields replaced, and its epochs, which have an option of their own as well.

    Args:
        recipe: what to start from.
        overrides: new values by field name.
        epochs: what the option says; ``None`` if it was not given.
        where: the place that the overrides come from, for errors.

    Raises:
        ConfigError: as :func:`with_overrides`, or the two name different epochs.
    """
    changed = with_overrides(recipe, overrides, where=where)
    if epochs is None:
        return changed
    if "epochs" in overrides and changed.epochs != epochs:
        raise ConfigError(
            f"{epochs} is asked for, and epochs={changed.epochs} by the recipe",
            where="--epochs",
            hint="give one of the two",
        )
    return with_overrides(changed, {"epochs": epochs}, where="--epochs")


def _shipped(name: str) -> Recipe:
    text = resources.files("lemonade_es.trainer").joinpath("recipes", name).read_text(encoding="utf-8")
    return with_overrides(Recipe(), YAML(typ="safe", pure=True).load(text), where=name)
