"""The model card: what a finished network is, how good, on what, how it was found, and how to use it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from lemonade_es.engine.final.origin import Origin
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.finalized import Finalized
from lemonade_es.report.formats import count, duration, shape, value
from lemonade_es.trainer.energy import grams_co2e, kwh_pue
from lemonade_es.trainer.measurement import Energy
from lemonade_es.trainer.measuring.examination import ClassScore, Examination
from lemonade_es.vocabulary import METRICS
from lemonade_es.wording import counted, ordinal

_FIGURES = ("T_Acc", "V_Acc", "P", "M", "S", "L", "F", "B", "W", "R")
_BARE = ("", "")
_MATRIX_CLASSES = 12
_MOST_CLASSES = 40
_EXTREMES = 10
_ENERGIES = {
    "training": "energy of this training, the curve of accuracy left out",
    "test": "energy of one pass over the test split",
    "inference": "energy of one input, one at a time",
}
_KEPT = "they were kept"
"""In notes on inputs that occur more than once, and may be in the test split and in another one."""


def model_card(final: Finalized, origin: Origin, folder: RunFolder) -> str:
    """The card, in Markdown.

    Args:
        final: the training and its test.
        origin: where the network comes from.
        folder: where the run lies, for the command that explains it.
    """
    task = origin.begun.data.task
    parts = [
        f"# {_cell(task.data)}: the network of iteration {final.iteration}",
        _summary(final, origin),
        "## Test",
        *_test(final, origin),
        "## Figures",
        *_figures(final, origin),
        "## Training",
        *_training(final),
        "## Data",
        *_data(final, origin),
        "## How it was found",
        *_found(final, origin, folder),
        "## How to load it",
        *_usage(final, origin),
        "## Licence and limits",
        *_licence(origin),
    ]
    return "\n\n".join(parts) + "\n"


def accuracy_told(final: Finalized) -> str:
    """The test accuracy with its interval, in words."""
    test = final.test
    low, high = value("V_Acc", test.interval.low), value("V_Acc", test.interval.high)
    return f"{value('V_Acc', test.accuracy)} (95 % interval {low} to {high})"


def tested_told(final: Finalized) -> str | None:
    """A warning, if the test split of this run had been opened before."""
    before = final.tested_before
    if not before:
        return None
    return (
        f"the test split was opened for the {ordinal(before + 1)} time in this run: the best of several tests is "
        "better than the network deserves"
    )


def _summary(final: Finalized, origin: Origin) -> str:
    task = origin.begun.data.task
    metrics = final.measurement.metrics
    what = "R2" if task.objective == "regression" else "accuracy"
    twice = any(_KEPT in note for note in origin.begun.data.notes)
    repeated = " (but for inputs that occur more than once: see Data)" if twice else ""
    return (
        f"A network for {task.kind} data with {count(metrics.get('P') or 0)} parameters: test {what} "
        f"**{accuracy_told(final)}** on {final.test.count:,} inputs of the test split, which was kept from the search "
        f"and from the training{repeated}. "
        f"It was trained from scratch for {counted(final.recipe.epochs, 'epoch')} on {final.trained_on:,} inputs."
        "\n\n![Loss and accuracy over the epochs](curves.png)"
    )


def _test(final: Finalized, origin: Origin) -> Iterator[str]:
    test, task = final.test, origin.begun.data.task
    rows = [("inputs", f"{test.count:,}"), (f"accuracy ({task.accuracy})", accuracy_told(final))]
    if (errors := test.residuals) is not None:
        low, high = errors.r2_interval.low, errors.r2_interval.high
        rows += [
            ("R2", f"{errors.r2:.4f} (95 % interval {low:.4f} to {high:.4f}, bootstrap)"),
            (f"mean absolute error of {_cell(repr(errors.target))}", f"{errors.mae:.4g}, in the target's unit"),
            (f"root mean squared error of {_cell(repr(errors.target))}", f"{errors.rmse:.4g}, in the target's unit"),
            ("the same, if its mean were always answered", f"{errors.spread:.4g}"),
        ]
    else:
        rows.append(("cross-entropy", "not finite" if test.loss is None else f"{test.loss:.4g}"))
    if test.nonfinite:
        rows.append(("answers that are no number, counted as wrong", f"{test.nonfinite:,}"))
    yield _table(_BARE, rows)
    if (warning := tested_told(final)) is not None:
        yield f"**Note:** {warning}."
    if test.classes:
        yield from _by_class(test)


def _by_class(test: Examination) -> Iterator[str]:
    """Recall and precision of the classes, and which one was taken for which other."""
    shown: Sequence[ClassScore] = test.classes
    told = "Recall is the share of a class that was recognised, precision the share of its answers that are right."
    if len(shown) > _MOST_CLASSES:
        tested = [(item.recall, item) for item in shown if item.recall is not None]
        ranked = [item for _, item in sorted(tested, key=lambda pair: pair[0])]
        if len(ranked) > 2 * _EXTREMES:
            shown = [*ranked[:_EXTREMES], *ranked[-_EXTREMES:]]
            told += f" Here are the {_EXTREMES} classes with the lowest recall and the {_EXTREMES} with the highest."
        else:
            shown = ranked
            told += " Here are those that the test split has inputs of."
        told += " All of them are in `final.json`."
    yield told
    yield _table(
        ("class", "inputs", "recall", "precision"),
        [(_cell(item.name), f"{item.count:,}", _percent(item.recall), _percent(item.precision)) for item in shown],
    )
    if len(test.classes) <= _MATRIX_CLASSES:
        yield "Confusion matrix (a row for each true class, a column for each answer; also in `confusion.csv`):"
        names = [_cell(item.name) for item in test.classes]
        yield _table(
            ("", *names),
            [
                (f"**{name}**", *(str(number) if number else "·" for number in row))
                for name, row in zip(names, test.confusion, strict=True)
            ],
        )
    else:
        yield "The confusion matrix is in `confusion.csv`."


def _figures(final: Finalized, origin: Origin) -> Iterator[str]:
    measurement = final.measurement
    rows = []
    for name in _FIGURES:
        number = measurement.metrics.get(name)
        how = _cell(measurement.absent.get(name, "")) if number is None else _how(final, name)
        rows.append((f"`{name}`", value(name, number, unit=True), METRICS[name].text, how))
    grid = origin.begun.spec.grid_gco2e_per_kwh
    for phase, text in _ENERGIES.items():
        if (energy := measurement.energy.get(phase)) is not None:
            rows.append((phase, _joules(energy, grid), text, _source(energy)))
    yield _table(("figure", "value", "what it is", "how it is known"), rows)
    yield (
        f"Measured on {final.device}, {final.versions.get('platform', 'an unknown system')}; energy: {final.energy}. "
        f"CO2e takes a kWh for {grid:g} g."
    )


def _how(final: Finalized, name: str) -> str:
    latency = final.measurement.latency
    if name in ("T_Acc", "V_Acc"):
        return "scored outside of the network's process, without augmentation"
    if name in ("L", "F") and latency is not None and latency.spread is not None:
        unsettled = "" if latency.settled else ", which did not settle"
        return f"+-{latency.spread:.1%} (95 %), {latency.windows} windows of {latency.passes} passes{unsettled}"
    if name == "W" and (inference := final.measurement.energy.get("inference")) is not None:
        of_what = "" if inference.joules is None else f"energy of one input in {inference.seconds * 1e3:.3g} ms, "
        return f"{of_what}{_source(inference)}"
    return {"P": "counted", "M": "counted, a lower bound", "S": "length of the file", "R": "the kernel's account"}.get(
        name, "measured"
    )


def _training(final: Finalized) -> Iterator[str]:
    measurement = final.measurement
    recipe = asdict(final.recipe)
    if final.recipe.flip and not final.mirrored:
        recipe["flip"] = "not done, as labels of these data do not survive it"
    fields = ", ".join(f"{name} {'none' if item is None else item}" for name, item in recipe.items())
    rows = [
        ("recipe", fields),
        ("inputs", _inputs(final)),
        ("trained in", measurement.precision),
        ("seed", str(final.seed)),
        ("time", duration(measurement.training_seconds)),
        ("training accuracy at the end", value("T_Acc", measurement.metrics.get("T_Acc"))),
    ]
    if final.taken_up:
        rows.append(("taken up again after epoch", ", ".join(map(str, final.taken_up))))
    yield _table(_BARE, rows)
    second = (
        "The second curve is the validation split, which was held out."
        if final.held_out
        else "There is no validation curve: the validation split was trained on (`--hold-out validation` shows one)."
    )
    yield (
        "`curves.png` and `curves.csv` show the loss of each epoch, with augmentation, and accuracy on training "
        f"inputs without it. {second} The test split was opened after the last epoch; nothing in this training was "
        "chosen by it."
    )


def _inputs(final: Finalized) -> str:
    held = f"; {final.held_out:,} validation inputs held out" if final.held_out else ", validation split included"
    return f"{final.trained_on:,}{held}"


def _data(final: Finalized, origin: Origin) -> Iterator[str]:
    data, spec = origin.begun.data, origin.begun.spec
    columns = (("target", spec.target_column), ("text", spec.text_column), ("label", spec.label_column))
    rows = [
        ("data set", _code(spec.data) + (f", limited to {spec.limit:,} inputs" if spec.limit else "")),
        *((f"{what} column", _code(name)) for what, name in columns if name is not None),
        ("task", f"{data.task.kind}, {data.task.objective}: inputs of {shape(data.task)}, {data.task.answer}"),
        (
            "splits",
            f"{data.training:,} training, {data.validation:,} validation, {data.test:,} test, seed {spec.seed}",
        ),
        ("fingerprint", f"`{data.fingerprint}`"),
    ]
    if final.mean:
        rows.append(
            ("normalisation", f"(x / 255 - mean) / std, mean {_numbers(final.mean)}, std {_numbers(final.std)}")
        )
    if final.target_scale is not None:
        mean, std = final.target_scale
        rows.append(("target", f"prediction = output x {std!r} + {mean!r}"))
    yield _table(_BARE, rows)
    if data.notes:
        yield "\n".join(f"- {_cell(note)}" for note in data.notes)


def _in_the_search(origin: Origin) -> str:
    begun, ended = origin.begun, origin.ended
    searched = ended.metrics.get("V_Acc") if ended is not None else None
    kind = " (R2)" if begun.data.task.objective == "regression" else ""
    mean = f", the mean of {ended.trainings} trainings" if ended is not None and ended.trainings > 1 else ""
    return f"V_Acc{kind} {value('V_Acc', searched)} after {counted(begun.recipe.epochs, 'epoch')}{mean}"


def _on_the_device(origin: Origin) -> Iterator[tuple[str, str]]:
    """What --measure-with told in the search; the final training was not measured with it."""
    measured, ended = origin.measured, origin.ended
    if measured is None or ended is None or not measured.measurement.sources:
        return
    told = (value(name, ended.metrics.get(name), unit=True) for name in measured.measurement.sources)
    figures = ", ".join(f"{name} {text}" for name, text in zip(measured.measurement.sources, told, strict=True))
    device = measured.measurement.device
    whose = _cell(device.device) if device is not None and device.device else "the device"
    yield f"measured on {whose}", f"in the search, with other weights: {figures}"


def _found(final: Finalized, origin: Origin, folder: RunFolder) -> Iterator[str]:
    begun = origin.begun
    rows = [
        ("run", f"`{origin.run}`, iteration {final.iteration}"),
        ("rulebook", f"{_code(begun.rulebook_file)}, SHA-256 {', then '.join(map(_code, origin.rulebooks))}"),
        ("written by", ", ".join(map(_code, origin.authors))),
        ("in the search", _in_the_search(origin)),
        *_on_the_device(origin),
        ("isolation", f"{final.isolation}: {final.isolation_reason}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in final.versions.items() if name != "platform")),
    ]
    yield _table(_BARE, rows)
    why = folder.command("explain", origin.run, "--iteration", str(final.iteration))
    yield f"Why the network is as it is: {_code(why)}"


def _usage(final: Finalized, origin: Origin) -> Iterator[str]:
    task = origin.begun.data.task
    made = f"Task({task.kind!r}, {task.data!r}, {task.input_shape!r}, {task.classes}"
    if task.vocabulary_size is not None:
        made += f", vocabulary_size={task.vocabulary_size}"
    if task.objective != "classification":
        made += f", objective={task.objective!r}"
    yield (
        "```python\n"
        "from pathlib import Path\n\n"
        "import safetensors.torch\n\n"
        "from lemonade_es.task import Task\n"
        "from lemonade_es.trainer.network.candidate import build\n\n"
        f"model = build(Path('model.py').read_text(encoding='utf-8'), {made}))\n"
        "model.load_state_dict(safetensors.torch.load_file('weights.safetensors'))\n"
        "model.eval()\n"
        "```"
    )
    yield (
        f"It takes {_takes(origin)}, and returns {_returns(final, origin)}. This runs `model.py` as it is: read "
        "it before, or let `lemonade-es measure model.py --weights weights.safetensors --data ...` run it in isolation."
    )


def _takes(origin: Origin) -> str:
    task = origin.begun.data.task
    if task.kind == "image":
        return f"float batches (N, {', '.join(map(str, task.input_shape))}), normalised as above"
    if task.kind == "text":
        return f"integer token batches (N, {task.input_shape[0]}), as `lemonade_es.trainer.data.spec.load` makes them"
    return f"float batches (N, {task.input_shape[0]}), as `lemonade_es.trainer.data.spec.load` makes them"


def _returns(final: Finalized, origin: Origin) -> str:
    if final.target_scale is not None:
        return "(N, 1), the target in standard deviations from its mean"
    names = origin.begun.data.class_names
    shown = ", ".join(map(_cell, names[:_MATRIX_CLASSES])) + (", ..." if len(names) > _MATRIX_CLASSES else "")
    return f"logits (N, {len(names)}) for {shown}"


def _licence(origin: Origin) -> Iterator[str]:
    by = [
        "the built-in executor of lemonade-es (Apache-2.0)" if name == "builtin" else _code(name)
        for name in origin.authors
    ]
    written = f"The source was written by {' and '.join(by)} on instructions of the rulebook."
    if set(origin.authors) != {"builtin"}:
        written += " The terms of whoever provides a model may bear on what it wrote."
    yield (
        f"This card grants no licence. {written} The data have a licence of their own, which may bear on "
        "weights that were learned from them: look it up before you pass them on."
    )
    yield (
        "The figures hold for inputs like those of this data set's test split. They say nothing of other inputs, "
        "of inputs that were changed on purpose, or of fairness between groups of people."
    )


def _joules(energy: Energy, grid: float) -> str:
    if energy.joules is None:
        return "-"
    kwh = kwh_pue(energy.joules)
    return f"{energy.joules:.3g} J = {kwh:.3g} kWh-PUE, {grams_co2e(kwh, grid):.3g} g CO2e"


def _source(energy: Energy) -> str:
    around = "" if energy.rel_uncertainty is None else f" +-{energy.rel_uncertainty:.0%}"
    return f"{energy.provenance}{around}: {energy.reason or energy.method}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{number:.4f}" for number in values) + ")"


def _cell(text: str) -> str:
    """A name of the user's, or words of a network's own, harmless in a table."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return "".join(f"\\{letter}" if letter in "\\|`*_<>[]" else letter for letter in plain)


def _code(text: str) -> str:
    """A name of the user's as code, where a backslash escapes nothing but a bar in a table."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text).replace("|", "\\|")
    longest = max(map(len, re.findall("`+", plain)), default=0)
    if not longest:
        return f"`{plain}`"
    fence = "`" * (longest + 1)
    return f"{fence} {plain} {fence}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
