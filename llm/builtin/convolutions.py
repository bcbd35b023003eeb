"""Edits of the stages: ACL, RCL, ASC, RSC, AMK and RK of the paper's Table 3.

For a table, whose stage has dense layers in the place of convolutions, they are what comes next to these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lemonade_es.llm.builtin import wording
from lemonade_es.llm.builtin.blueprint import Blueprint, Conv, Site, Stage, Unit, final_size, sites
from lemonade_es.llm.builtin.change import Change, scaled
from lemonade_es.llm.builtin.cost import macs, unit_macs

_DEEPEST_STAGE = 6


def deeper(blueprint: Blueprint) -> Iterator[Change]:
    """ACL: a convolution in the stage that has few, or a new stage while the map is large enough to halve."""
    norm = any(conv.norm for stage in blueprint.stages for unit in stage.units for conv in unit.convs)
    for number, stage in enumerate(blueprint.stages):
        depth = sum(len(unit.convs) for unit in stage.units)
        if depth >= _DEEPEST_STAGE:
            continue
        # The first stage has the largest maps and the plainest features: depth pays least there.
        preference = (1.0 if number else 0.3) * (number + 1) / depth**2
        unit = Unit((_layer(blueprint, stage.width, norm=norm),))
        end = len(stage.units)
        added = "a dense layer" if blueprint.kind == "table" else "a 3-wide convolution"
        where = wording.stage(blueprint, number)
        how = f"added {added} with {stage.width} {wording.widths(blueprint)} at the end of {where}"
        yield Change(blueprint.with_units(number, end, end, unit), how, preference)
        for index, unit in enumerate(stage.units):
            if unit.skip and len(unit.convs) == 1:
                convs = (*unit.convs, _layer(blueprint, unit.width, norm=norm))
                longer = blueprint.with_units(number, index, index + 1, replace(unit, convs=convs))
                how = f"added a second {wording.layer(blueprint)} to residual unit {index + 1} of {where}"
                yield Change(longer, how, preference)
    if blueprint.kind != "table":
        yield from _new_stages(blueprint, norm=norm)


def _layer(blueprint: Blueprint, width: int, *, norm: bool) -> Conv:
    return Conv(width, kernel=1 if blueprint.kind == "table" else 3, norm=norm)


def _new_stages(blueprint: Blueprint, *, norm: bool) -> Iterator[Change]:
    smallest = min(final_size(blueprint))
    if smallest < 4:
        return
    last = blueprint.stages[-1].width
    for factor in (1.25, 1.5, 2.0):
        width = scaled(last, factor)
        stage = Stage((Unit((Conv(width, norm=norm),)),))
        grown = replace(blueprint, stages=(*blueprint.stages, stage))
        how = f"added stage {len(grown.stages)}: pooling, then a convolution with {width} kernels"
        yield Change(grown, how, (4.0 if smallest >= 8 else 0.7) * min(factor, 1.5))


def shallower(blueprint: Blueprint) -> Iterator[Change]:
    """RCL: the layers that cost most go first; one is always left."""
    total = macs(blueprint)
    for site in sites(blueprint):
        share = 0.1 + unit_macs(blueprint, site) / total
        stage, unit = blueprint.stages[site.stage], site.unit
        place = wording.unit(blueprint, site)
        if len(unit.convs) > 1 and unit.convs[0].stride == 1:
            shorter = replace(unit, convs=unit.convs[1:])
            changed = blueprint.with_units(site.stage, site.index, site.index + 1, shorter)
            yield Change(changed, f"removed the first {wording.layer(blueprint)} of {place}", share)
        if len(stage.units) > 1 and unit.stride == 1:
            changed = blueprint.with_units(site.stage, site.index, site.index + 1)
            # The stem turns colours into features; the network can spare any other unit more easily.
            stem = site.stage == site.index == 0
            yield Change(changed, f"removed {place}", share * (0.1 if stem else 1.0))
    if len(blueprint.stages) > 1 and len(blueprint.stages[-1].units) == 1:
        changed = replace(blueprint, stages=blueprint.stages[:-1])
        yield Change(changed, f"removed stage {len(blueprint.stages)}", 0.3)


def skip_added(blueprint: Blueprint) -> Iterator[Change]:
    """ASC: around two layers where it can be, around one else; identities before projections.

    Where an image network has no layers that an identity fits around, one more layer may come with its skip.
    """
    fits = False
    for site in sites(blueprint):
        units, unit = blueprint.stages[site.stage].units, site.unit
        place = wording.unit(blueprint, site)
        if unit.skip:
            if len(unit.convs) > 1:
                yield Change(_split(blueprint, site), f"split {place} into two residual units", 0.2)
            continue
        if unit.stride != 1:
            continue
        # Around the very first layer a skip would carry raw inputs: possible, and of little use.
        usefulness = 0.05 if site.stage == site.index == 0 else 1.0
        changed = blueprint.with_units(site.stage, site.index, site.index + 1, replace(unit, skip=True))
        identity = site.inputs == unit.width
        fits = fits or identity
        kind = wording.skip(blueprint, identity=identity)
        yield Change(changed, f"added {kind} around {place}", (2.0 if identity else 0.5) * usefulness)
        following = units[site.index + 1] if site.index + 1 < len(units) else None
        if following and not following.skip and not unit.dropout and following.stride == 1:
            pair = replace(following, convs=(*unit.convs, *following.convs), skip=True)
            changed = blueprint.with_units(site.stage, site.index, site.index + 2, pair)
            identity = site.inputs == following.width
            fits = fits or identity
            kind = wording.skip(blueprint, identity=identity)
            where = wording.stage(blueprint, site.stage)
            how = f"added {kind} around units {site.index + 1} and {site.index + 2} of {where}"
            yield Change(changed, how, (4.0 if identity else 1.0) * usefulness)
    if blueprint.kind == "image" and not fits:
        yield from _residual_units(blueprint)


def _residual_units(blueprint: Blueprint) -> Iterator[Change]:
    """One more convolution in a stage, with an identity around it.

    On photographs, ASC and ACL together gained 2.9 points of accuracy with these and 0.6 with projections alone, ASC
    alone lost 1.0 and 2.7 (2,125 images, 6 epochs, 12 edits of four networks each).
    """
    for number, stage in enumerate(blueprint.stages):
        if sum(len(unit.convs) for unit in stage.units) < _DEEPEST_STAGE:
            unit = Unit((Conv(stage.width, norm=stage.units[-1].convs[-1].norm),), skip=True)
            end = len(stage.units)
            where = wording.stage(blueprint, number)
            how = f"added a convolution with {stage.width} kernels and an identity skip around it at the end of {where}"
            # in the first stage, with the largest maps, it costs most
            yield Change(blueprint.with_units(number, end, end, unit), how, 4.0 if number else 1.0)


def _split(blueprint: Blueprint, site: Site) -> Blueprint:
    unit = site.unit
    head = Unit(unit.convs[:1], skip=True)
    tail = replace(unit, convs=unit.convs[1:])
    return blueprint.with_units(site.stage, site.index, site.index + 1, head, tail)


def skip_removed(blueprint: Blueprint) -> Iterator[Change]:
    """RSC: projections first, since they cost multiply-accumulates; the layers stay."""
    for site in sites(blueprint):
        unit = site.unit
        if unit.skip:
            plain = [Unit((conv,)) for conv in unit.convs]
            plain[-1] = replace(plain[-1], dropout=unit.dropout)
            changed = blueprint.with_units(site.stage, site.index, site.index + 1, *plain)
            how = f"removed the skip around {wording.unit(blueprint, site)}"
            yield Change(changed, how, 2.0 if site.projects else 1.0)


def wider(blueprint: Blueprint) -> Iterator[Change]:
    """AMK: a stage, later ones first, since their maps are small; or all stages a little."""
    for number, stage in enumerate(blueprint.stages):
        for factor in (1.25, 1.5):
            how = f"widened {wording.stage(blueprint, number)} by about {factor:g}"
            yield Change(_resized(blueprint, factor, number), how, (number + 1) ** 2 / (1 + stage.width / 64))
    if len(blueprint.stages) > 1:
        yield Change(_resized(blueprint, 1.25), "widened all stages by about 1.25", len(blueprint.stages))


def narrower(blueprint: Blueprint) -> Iterator[Change]:
    """RK: the stage that costs most, a quarter of its kernels at first; or all stages."""
    total = macs(blueprint)
    for number in range(len(blueprint.stages)):
        cost = sum(unit_macs(blueprint, site) for site in sites(blueprint) if site.stage == number)
        for factor in (0.75, 0.5):
            narrowed = wording.stage(blueprint, number)
            how = f"narrowed {narrowed} to about {factor:.0%} of its {wording.widths(blueprint)}"
            preference = (0.1 + cost / total) * factor
            yield Change(_resized(blueprint, factor, number), how, preference)
    for factor, preference in ((0.75, 0.3), (0.5, 0.02)) if len(blueprint.stages) > 1 else ():
        how = f"narrowed all stages to about {factor:.0%} of their kernels"
        yield Change(_resized(blueprint, factor), how, preference)


def _resized(blueprint: Blueprint, factor: float, only: int | None = None) -> Blueprint:
    for number, stage in enumerate(blueprint.stages):
        if only in (None, number):
            units = tuple(_resized_unit(unit, factor) for unit in stage.units)
            blueprint = blueprint.with_stage(number, replace(stage, units=units))
    return blueprint


def _resized_unit(unit: Unit, factor: float) -> Unit:
    convs = tuple(replace(conv, width=scaled(conv.width, factor)) for conv in unit.convs)
    return replace(unit, convs=convs)
