"""The only module that imports Experta, and what the project makes of it: fact classes and an ordered engine.

Experta 1.9.4 needs care:

* It needs ``frozendict`` 1.2, whose import fails on Python 3.10 and later for want of ``collections.Mapping``.
* Its import calls ``logging.basicConfig()``, which would configure the logging of the whole program.
* Rules of equal salience fire in hash order, and activations are cached globally.
* Every predicate stays in a global table for ever.

Importing this module does nothing; :func:`load` does, once.
"""

from __future__ import annotations

import collections
import collections.abc
import functools
import importlib
import inspect
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from lemonade_es.errors import InferenceError


@dataclass(frozen=True, slots=True)
class Experta:
    """Experta's module and the classes built on it.

    Attributes:
        module: ``experta`` itself.
        Metric: a fact ``Metric(name, value)``; ``value`` is ``None`` where it is unknown.
        Setting: likewise, for thresholds, priorities and weights.
        Conclusion: a fact ``Conclusion(name, holds)``; ``holds`` is ``True``, ``False`` or ``None``.
        Advice: a fact ``Advice(rule, instruction, weight)``.
        Engine: a ``KnowledgeEngine`` whose rules fire in the order of the keys given to :func:`make_rule`.
    """

    module: ModuleType
    Metric: type[Any]
    Setting: type[Any]
    Conclusion: type[Any]
    Advice: type[Any]
    Engine: type[Any]


@functools.cache
def load() -> Experta:
    """Import Experta without leaving a trace in ``collections`` or the root logger.

    Raises:
        InferenceError: Experta is not usable here.
    """
    module = _import()
    fact: type[Any] = module.Fact
    parts = {"__strategy__": _firing_order(), "__matcher__": _matcher()}
    return Experta(
        module,
        Metric=type("Metric", (fact,), {}),
        Setting=type("Setting", (fact,), {}),
        Conclusion=type("Conclusion", (fact,), {}),
        Advice=type("Advice", (fact,), {}),
        Engine=type("OrderedEngine", (module.KnowledgeEngine,), parts),
    )


Values = dict[str, float | bool | None]


def make_rule(
    title: str,
    terms: Mapping[str, type[Any]],
    test: Callable[[Values], bool],
    action: Callable[[Any, Values], None],
    key: tuple[int, int, int],
) -> Any:
    """An Experta rule.

    Args:
        title: what it is called.
        terms: the names that it matches, each with the class of its fact.
        test: decides on the matched values; must not raise.
        action: what to do with the engine and the matched values when the rule fires.
        key: the place in the firing order; greater fires earlier. No two rules that can be active at the same
            time may share it.
    """
    experta = load()
    variables = {f"value_of_{name}": name for name in terms}  # a variable called `self` would break Experta's calls
    patterns = [] if variables else [experta.module.InitialFact()]
    for variable, name in variables.items():
        field = "holds" if terms[name] is experta.Conclusion else "value"
        pattern = terms[name](name=name, **{field: getattr(experta.module.MATCH, variable)})
        # A variable for the fact, too: without one, Experta makes matching nodes anew for each pattern.
        patterns.append(f"fact_of_{name}" << pattern)

    def predicate(**bound: Any) -> bool:
        return test({name: bound[variable] for variable, name in variables.items()})

    # Experta passes the variables that the predicate's signature names.
    parameters = [inspect.Parameter(variable, inspect.Parameter.KEYWORD_ONLY) for variable in variables]
    predicate.__dict__["__signature__"] = inspect.Signature(parameters)

    def fire(engine: Any, /, **bound: Any) -> None:
        action(engine, {name: bound[variable] for variable, name in variables.items()})

    fire.__name__ = title
    # The matcher rebuilds each rule; attributes of the function are what survives that.
    fire.__dict__.update(firing_key=key, predicate=predicate)
    return experta.module.Rule(*patterns, experta.module.TEST(predicate))(fire)


def make_engine(name: str, rules: Iterable[Any]) -> Any:
    """An engine with exactly these rules, of a class of its own.

    Experta collects rules by attribute and shares them between the instances of a class; hence a class for each
    engine, and a prefix, without which a rule called ``run`` would replace ``engine.run``.
    """
    experta = load()
    numbered = {f"rule_{index:05d}": rule for index, rule in enumerate(rules)}
    engine = type(name, (experta.Engine,), numbered)()
    check = importlib.import_module("experta.matchers.rete.check").WhereCheck
    for rule in numbered.values():
        check._instances.pop(rule.predicate, None)
    return engine


def _import() -> ModuleType:
    with _mapping_in_collections(), _root_logger_restored(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both are older than the warnings that they cause
        try:
            importlib.import_module("frozendict")
            module = importlib.import_module("experta")
        except ImportError as error:
            raise InferenceError(f"Experta cannot be imported: {error}", hint="pip install experta==1.9.4") from error
    if not hasattr(module, "KnowledgeEngine"):
        # Its own `except ImportError: pass` hides what is missing.
        raise InferenceError(
            "Experta is incomplete: one of the packages that it requires cannot be imported",
            hint="pip install --force-reinstall experta==1.9.4",
        )
    return module


@contextmanager
def _mapping_in_collections() -> Iterator[None]:
    if hasattr(collections, "Mapping"):
        yield
        return
    setattr(collections, "Mapping", collections.abc.Mapping)  # noqa: B010 - no such attribute for type-checkers
    try:
        yield
    finally:
        delattr(collections, "Mapping")


@contextmanager
def _root_logger_restored() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        yield
    finally:
        for handler in list(root.handlers):
            if handler not in before:
                root.removeHandler(handler)
                handler.close()


def _firing_order() -> type[Any]:
    strategies = importlib.import_module("experta.strategies")

    def get_key(_strategy: Any, activation: Any) -> tuple[int, int, int]:
        key: tuple[int, int, int] = activation.rule.firing_key
        return key

    return type("FiringOrder", (strategies.DepthStrategy,), {"get_key": get_key})


def _matcher() -> type[Any]:
    """Experta's Rete network with two shortcuts and without its cache, which keeps the last engine alive."""
    rete = importlib.import_module("experta.matchers.rete")
    terminal = importlib.import_module("experta.matchers.rete.nodes").ConflictSetNode

    def prepare_ruleset(engine: Any) -> set[Any]:
        # All rules are conjunctions of facts and one test: there is nothing to normalise.
        return {rule.new_conditions(*rule) for rule in engine.get_rules()}

    def changes(matcher: Any, adding: Iterable[Any] = (), deleting: Iterable[Any] = ()) -> tuple[list[Any], list[Any]]:
        for fact in deleting:
            matcher.root_node.remove(fact)
        for fact in adding:
            matcher.root_node.add(fact)
        if "terminals" not in matcher.__dict__:
            matcher.terminals = tuple(_reachable(matcher.root_node, terminal))
        added: list[Any] = []
        removed: list[Any] = []
        for node in matcher.terminals:
            if node.added or node.removed:
                came, went = node.get_activations()
                added.extend(came)
                removed.extend(went)
        return added, removed

    parts = {"prepare_ruleset": staticmethod(prepare_ruleset), "changes": changes}
    return type("PlainMatcher", (rete.ReteMatcher,), parts)


def _reachable(root: Any, wanted: type[Any]) -> Iterator[Any]:
    seen, waiting = {id(root)}, [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, wanted):
            yield node
        for child in node.children:
            if id(child.node) not in seen:
                seen.add(id(child.node))
                waiting.append(child.node)
