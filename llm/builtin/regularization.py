"""Edits of how the network learns: AD, RD, AR, RR and AWI of the paper's Table 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from lemonade_es.llm.builtin import wording
from lemonade_es.llm.builtin.blueprint import Blueprint, Dense, Site, Unit, sites
from lemonade_es.llm.builtin.change import Change
from lemonade_es.llm.builtin.source import INITIALIZERS


@dataclass(frozen=True, slots=True)
class _Dropout:
    """A place where dropout may stand: its rate now, the largest that makes sense, and how to set it."""

    place: str
    rate: float
    largest: float
    preference: float
    at: Callable[[float], Blueprint]


def dropout_added(blueprint: Blueprint) -> Iterator[Change]:
    """AD: before the head and of an embedding at first, then after hidden layers, then little after convolutions."""
    for dropout in _dropouts(blueprint):
        steps = (0.1, 0.2) if dropout.largest >= 0.5 else (0.05, 0.1)
        for step in steps:
            rate = round(dropout.rate + step, 2)
            if rate <= dropout.largest:
                verb = "raised" if dropout.rate else "added"
                preference = dropout.preference * (0.3 if dropout.rate else 1.0)
                yield Change(dropout.at(rate), f"{verb} dropout {dropout.place} to {rate}", preference)


def dropout_removed(blueprint: Blueprint) -> Iterator[Change]:
    """RD: the strongest dropout most likely, by a step or altogether."""
    for dropout in _dropouts(blueprint):
        for step in (0.1, 0.2):
            if dropout.rate:
                rate = max(round(dropout.rate - step, 2), 0.0)
                how = f"lowered dropout {dropout.place} from {dropout.rate} to {rate}"
                yield Change(dropout.at(rate), how, dropout.rate)


def _dropouts(blueprint: Blueprint) -> Iterator[_Dropout]:
    yield _Dropout(
        "before the head",
        blueprint.head_dropout,
        0.5,
        5.0,
        lambda rate: replace(blueprint, head_dropout=rate),
    )
    if blueprint.kind == "text":
        yield _Dropout(
            "of the embedding",
            blueprint.embedding_dropout,
            0.5,
            5.0,
            lambda rate: replace(blueprint, embedding_dropout=rate),
        )
    for index, dense in enumerate(blueprint.hidden):
        yield _Dropout(
            f"after hidden dense layer {index + 1}",
            dense.dropout,
            0.5,
            3.0,
            partial(_with_dense_dropout, blueprint, index),
        )
    for site in sites(blueprint):
        yield _Dropout(
            f"after {wording.unit(blueprint, site)}",
            site.unit.dropout,
            0.2,
            1.0 if site.stage or (blueprint.kind == "table" and site.index) else 0.2,
            partial(_with_unit_dropout, blueprint, site),
        )


def regularizer_added(blueprint: Blueprint) -> Iterator[Change]:
    """AR: normalisation where it is missing, then stochastic depth, layer normalisation, noise on the input.

    Where a number is predicted, batch normalisation comes last: it blurs the number.
    """
    missed = 6.0 if blueprint.objective == "classification" else 0.3
    for site in sites(blueprint):
        if not all(conv.norm for conv in site.unit.convs):
            changed = _with_norms(blueprint, site, norm=True)
            yield Change(changed, f"added batch normalisation to {wording.unit(blueprint, site)}", missed)
        if site.unit.skip and not site.unit.stochastic_depth:
            for rate in (0.05, 0.1, 0.2):
                changed = _with_unit(blueprint, site, replace(site.unit, stochastic_depth=rate))
                yield Change(changed, f"added stochastic depth {rate} to {wording.unit(blueprint, site)}", 1.0)
    for index, dense in enumerate(blueprint.hidden):
        if not dense.norm:
            changed = _with_dense(blueprint, index, replace(dense, norm=True))
            yield Change(changed, f"added layer normalisation to hidden dense layer {index + 1}", 2.0)
    if not blueprint.noise:
        for deviation in (0.05, 0.1):
            changed = replace(blueprint, noise=deviation)
            yield Change(changed, f"added multiplicative noise {deviation} on the input", 0.7)


def regularizer_removed(blueprint: Blueprint) -> Iterator[Change]:
    """RR: noise and stochastic depth first; batch normalisation last, since training leans on it."""
    if blueprint.noise:
        yield Change(replace(blueprint, noise=0.0), "removed the noise on the input", 4.0)
    for index, dense in enumerate(blueprint.hidden):
        if dense.norm:
            changed = _with_dense(blueprint, index, replace(dense, norm=False))
            yield Change(changed, f"removed layer normalisation from hidden dense layer {index + 1}", 3.0)
    for site in sites(blueprint):
        if site.unit.stochastic_depth:
            changed = _with_unit(blueprint, site, replace(site.unit, stochastic_depth=0.0))
            yield Change(changed, f"removed stochastic depth from {wording.unit(blueprint, site)}", 4.0)
        if any(conv.norm for conv in site.unit.convs):
            changed = _with_norms(blueprint, site, norm=False)
            yield Change(changed, f"removed batch normalisation from {wording.unit(blueprint, site)}", 0.1)


@dataclass(frozen=True, slots=True)
class _Part:
    """What an initialiser is for, and how promising it is."""

    name: str
    preference: float


_PARTS = MappingProxyType(
    {
        "conv": _Part("convolutions", 4.0),
        "dense": _Part("dense layers", 1.0),
        "residual": _Part("residual branches", 2.0),
        "embedding": _Part("embedding", 4.0),
    }
)


def initializer_added(blueprint: Blueprint) -> Iterator[Change]:
    """AWI: one for convolutions, one for dense layers, one that lets residual branches or embeddings start small."""
    has = {name.rpartition("_")[2] for name in blueprint.initializers}
    fit_for_residual = any(site.unit.skip and any(c.norm for c in site.unit.convs) for site in sites(blueprint))
    useful = {"dense"} if blueprint.kind == "table" else {"dense", "conv"}
    useful |= {"residual"} if fit_for_residual else set()
    useful |= {"embedding"} if blueprint.kind == "text" else set()
    for name in INITIALIZERS:
        method, _, layer = name.rpartition("_")
        if layer in has or layer not in useful:
            continue
        names = tuple(known for known in INITIALIZERS if known == name or known in blueprint.initializers)
        how = f"initialised the {_PARTS[layer].name}: {method.replace('_', ' ')}"
        yield Change(replace(blueprint, initializers=names), how, _PARTS[layer].preference)


def _with_unit(blueprint: Blueprint, site: Site, unit: Unit) -> Blueprint:
    return blueprint.with_units(site.stage, site.index, site.index + 1, unit)


def _with_unit_dropout(blueprint: Blueprint, site: Site, rate: float) -> Blueprint:
    return _with_unit(blueprint, site, replace(site.unit, dropout=rate))


def _with_norms(blueprint: Blueprint, site: Site, *, norm: bool) -> Blueprint:
    convs = tuple(replace(conv, norm=norm) for conv in site.unit.convs)
    return _with_unit(blueprint, site, replace(site.unit, convs=convs))


def _with_dense(blueprint: Blueprint, index: int, dense: Dense) -> Blueprint:
    hidden = (*blueprint.hidden[:index], dense, *blueprint.hidden[index + 1 :])
    return replace(blueprint, hidden=hidden)


def _with_dense_dropout(blueprint: Blueprint, index: int, rate: float) -> Blueprint:
    return _with_dense(blueprint, index, replace(blueprint.hidden[index], dropout=rate))
