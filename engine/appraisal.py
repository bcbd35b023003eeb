"""Any network, measured as it is: no search, no training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from lemonade_es.errors import ConfigError
from lemonade_es.task import Task
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.data.download import Progress
from lemonade_es.trainer.data.reading import Reading
from lemonade_es.trainer.data.spec import load
from lemonade_es.trainer.device.command import SECONDS, DeviceCommand, demand_command, device_command
from lemonade_es.trainer.energy import GRID_GCO2E_PER_KWH
from lemonade_es.trainer.isolation.level import Wish
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.measurement import Measurement
from lemonade_es.trainer.recipe import search_recipe
from lemonade_es.trainer.weights import Weights, read_weights
from lemonade_es.trainer.workshop import Workshop

_PLAIN_NOTE = "It takes skewed columns as they are, without their logarithms, as its input is no wider."
_NARROW = frozenset({"SHAPE_MISMATCH", "WRONG_OUTPUT", "FORWARD_FAILED", "ASSERTION_FAILED"})
"""How a network fails whose input has no room for logarithms: by a layer, a view, an unpacking or its own condition."""


@dataclass(frozen=True, slots=True)
class AppraisalSpec:
    """What a user says of the network to measure.

    Attributes:
        model: the file of its source.
        weights: the file of its weights; ``None`` measures it untrained.
        data: data set name, a folder of images, or a CSV file.
        reading: what is said of the columns of a file.
        data_root: where downloaded data sets lie.
        download: whether a data set that is not there may be fetched.
        limit: at most so many inputs, a stratified subset.
        resize: side of the square that images are scaled to, in pixels.
        seed: of subset and split, and of the weights of an untrained network.
        device: where it runs.
        isolation: the level that its code runs at.
        container_image: for the level ``container``.
        unsafe_no_isolation: run its code even where it cannot be isolated.
        measure_with: a command that measures on the user's device.
        measure_seconds: that the command may take; ``None`` takes the default.
        grid_gco2e_per_kwh: grams of CO2e that a kWh is taken for; ``None`` takes the default.
    """

    model: Path
    weights: Path | None
    data: str
    reading: Reading
    data_root: Path
    download: bool
    limit: int | None
    resize: int | None
    seed: int
    device: Literal["auto", "cpu", "cuda"]
    isolation: Wish
    container_image: str | None
    unsafe_no_isolation: bool
    measure_with: str | None
    measure_seconds: float | None
    grid_gco2e_per_kwh: float | None


@dataclass(frozen=True, slots=True)
class Appraisal:
    """A network, what was measured on it, and where.

    Attributes:
        model: path of its source.
        weights: path of its weights; ``None`` if it is untrained.
        task: what the data ask of it.
        device: ``cpu`` or ``cuda``.
        isolation: the level in force.
        meter: what metered the energy, in words.
        grid: grams of CO2e that a kWh is taken for.
        measurement: the figures.
        note: what the check says of a sound network: which of several it took, what is odd about it.
    """

    model: str
    weights: str | None
    task: Task
    device: str
    isolation: str
    meter: str
    grid: float
    measurement: Measurement
    note: str | None = None

    @property
    def whole(self) -> bool:
        """Whether the network was measured, and by the user's command as well, if one was given."""
        device = self.measurement.device
        return self.measurement.failure is None and (device is None or device.failure is None)


def appraise(spec: AppraisalSpec, progress: Progress | None) -> Appraisal:
    """Measures the network that a file defines; that it cannot be measured is an outcome, not an error.

    Args:
        spec: the network, the data, and where and how to measure.
        progress: told how far a download is.

    Raises:
        LemonadeError: the file, its weights or the data cannot be read, or the code cannot be isolated.
    """
    demand_command(spec.measure_with, spec.measure_seconds)
    source = _source(spec.model)
    limits = Limits()
    weights = None if spec.weights is None else read_weights(spec.weights, limits.weights_bytes)
    command = None
    if spec.measure_with is not None:
        command = device_command(spec.measure_with, spec.measure_seconds or SECONDS)
    measured = partial(_measured, spec, source, weights, limits, command)
    dataset = _dataset(spec, progress)
    if not _has_logs(dataset):
        return measured(dataset)
    try:
        found = measured(dataset)
    except ConfigError:
        if weights is None or (other := _without_logs(spec, measured, progress)) is None:
            raise
        return other
    failure = found.measurement.failure
    if failure is None or failure.code not in _NARROW:
        return found
    return _without_logs(spec, measured, progress) or found


def _without_logs(
    spec: AppraisalSpec, measured: Callable[[Dataset], Appraisal], progress: Progress | None
) -> Appraisal | None:
    """A network from elsewhere, which has a feature for each column; ``None`` if it does not fit this either."""
    plain = _dataset(replace(spec, reading=replace(spec.reading, logs=False)), progress)
    try:
        found = measured(plain)
    except ConfigError:
        return None
    if found.measurement.failure is not None:
        return None
    return replace(found, note=" ".join(filter(None, (_PLAIN_NOTE, found.note))))


def _has_logs(dataset: Dataset) -> bool:
    return dataset.table is not None and any(column.log is not None for column in dataset.table.columns)


def _dataset(spec: AppraisalSpec, progress: Progress | None) -> Dataset:
    return load(
        spec.data,
        limit=spec.limit,
        resize=spec.resize,
        seed=spec.seed,
        root=spec.data_root,
        download=spec.download,
        reading=spec.reading,
        progress=progress,
    )


def _measured(
    spec: AppraisalSpec,
    source: str,
    weights: Weights | None,
    limits: Limits,
    command: DeviceCommand | None,
    dataset: Dataset,
) -> Appraisal:
    with Workshop(
        dataset,
        search_recipe(dataset.task.kind),
        device=spec.device,
        limits=limits,
        unsafe_no_isolation=spec.unsafe_no_isolation,
        isolation=spec.isolation,
        container_image=spec.container_image,
        command=command,
    ) as workshop:
        trained = workshop.measure(source, weights, seed=spec.seed)
        return Appraisal(
            model=str(spec.model),
            weights=None if spec.weights is None else str(spec.weights),
            task=dataset.task,
            measurement=trained.measurement,
            note=trained.note,
            device=workshop.device,
            isolation=workshop.isolation,
            meter=workshop.meter.describe(),
            grid=GRID_GCO2E_PER_KWH if spec.grid_gco2e_per_kwh is None else spec.grid_gco2e_per_kwh,
        )


def _source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError("there is no such file", where=str(path), hint="give a Python file with a network") from None
    except UnicodeDecodeError:
        raise ConfigError("it is not UTF-8 text", where=str(path), hint="give a Python file with a network") from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from None
