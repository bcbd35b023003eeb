"""Edits of the dense head: ADL, RDL, AMN and RN of the paper's Table 3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lemonade_es.llm.builtin.blueprint import Blueprint, Dense
from lemonade_es.llm.builtin.change import NARROWEST, Change, scaled

_MOST_HIDDEN = 2


def dense_added(blueprint: Blueprint) -> Iterator[Change]:
    """ADL: a hidden layer before the classifier, wider than what it sees; at most two in all.

    With layer normalisation it gained accuracy in short trainings of small networks; without, and as a
    bottleneck, it lost some: the plain one is for requests that forbid a regulariser.
    """
    if len(blueprint.hidden) >= _MOST_HIDDEN:
        return
    inputs = blueprint.hidden[-1].width if blueprint.hidden else blueprint.stages[-1].width
    for factor, preference in ((1.25, 0.7), (2.0, 1.0), (3.0, 0.7)):
        width = min(max(scaled(inputs, factor), 48), 256)
        for norm in (True, False):
            grown = replace(blueprint, hidden=(*blueprint.hidden, Dense(width, norm=norm)))
            how = f"added a {'normalised' if norm else 'plain'} hidden dense layer with {width} neurons"
            yield Change(grown, how, preference if norm else 0.05 * preference)


def dense_removed(blueprint: Blueprint) -> Iterator[Change]:
    """RDL: any hidden layer, the widest most likely; the classifier stays."""
    for index, dense in enumerate(blueprint.hidden):
        how = f"removed hidden dense layer {index + 1} with {dense.width} neurons"
        yield Change(_with_hidden(blueprint, index), how, dense.width)


def neurons_added(blueprint: Blueprint) -> Iterator[Change]:
    """AMN: a wider hidden layer; where there is none, a first one."""
    if not blueprint.hidden:
        yield from dense_added(blueprint)
    for index, dense in enumerate(blueprint.hidden):
        for factor in (1.25, 1.5):
            wider = replace(dense, width=scaled(dense.width, factor))
            how = f"widened hidden dense layer {index + 1} from {dense.width} to {wider.width} neurons"
            yield Change(_with_hidden(blueprint, index, wider), how, 1.0)


def neurons_removed(blueprint: Blueprint) -> Iterator[Change]:
    """RN: a narrower hidden layer; the narrowest goes altogether."""
    for index, dense in enumerate(blueprint.hidden):
        for factor in (0.75, 0.5):
            narrower = replace(dense, width=scaled(dense.width, factor))
            how = f"narrowed hidden dense layer {index + 1} from {dense.width} to {narrower.width} neurons"
            yield Change(_with_hidden(blueprint, index, narrower), how, dense.width * factor)
        if dense.width <= NARROWEST:
            yield Change(_with_hidden(blueprint, index), f"removed hidden dense layer {index + 1}", 1.0)


def _with_hidden(blueprint: Blueprint, index: int, *dense: Dense) -> Blueprint:
    hidden = (*blueprint.hidden[:index], *dense, *blueprint.hidden[index + 1 :])
    return replace(blueprint, hidden=hidden)
