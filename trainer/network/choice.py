"""Which object of an executed source is the network."""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn

from lemonade_es.task import Task
from lemonade_es.trainer.network.refusal import Refusal

_OBVIOUS_INSTANCES = ("model", "net", "network")
_OBVIOUS_FACTORY = re.compile(r"(build|get|create|make)_(model|net|network)", re.IGNORECASE)
_PART = re.compile(
    r"(block|layer|unit|module|head|stem|branch|loss|criterion|norm|pool\w*|attention|attn|embed\w*|encoder|encoding"
    r"|decoder|act\w*|relu|gelu|swish|mish|dropout|drop_?path|noise|bottleneck|residual|conv(\dd)?|mlp|ffn|feed_?forward)$",
    re.IGNORECASE,
)
"""Names of classes that are parts of networks, should no other class of the source use them."""

_ERRAND = re.compile(r"_?(main|train|test|eval|load|run|count|demo|check|plot|save)", re.IGNORECASE)
"""How functions begin that do something with a network rather than make one."""

_QUANTISED = ("torch.ao.nn.quantized.", "torch.ao.nn.intrinsic.quantized.")
_WEIGHTLESS = "torch.ao.nn.quantized.modules.functional_modules"
"""Where sums that may be quantised lie, which networks in floating point have, too."""

_MISSING = object()


def network(module: types.ModuleType, tree: ast.Module, task: Task) -> nn.Module:
    """The network of an executed source.

    It is, in this order: what a module-level variable holds; what a function called ``build_model`` or the
    like returns; an instance of the class that no other class uses (of several the one that the script below
    ``if __name__ == "__main__"`` mentions, else the one that is called ``Model``, ``Net`` or ``Network``, else the
    last that is not named like a part); what any other function returns. Classes and functions are called without
    arguments, except that required ones with an obvious name (``num_classes``, ``in_channels``, ...) are given the
    task's values.

    Args:
        module: the executed source.
        tree: its syntax.
        task: what the network is for.

    Raises:
        Refusal: there is no network, it needs arguments, or it is quantised.
    """
    model = _Choice(module, tree, task).made()
    if kinds := _quantised(model):
        raise Refusal(
            "QUANTISED",
            f"Layers of 8 bits ({', '.join(kinds)}) cannot learn; give the network in floating point, and quantise it "
            "when it is exported.",
        )
    return model


def making(module: types.ModuleType, tree: ast.Module, task: Task) -> str:
    """How :func:`network` makes it, as an expression over the module ``source``: ``source.Net(num_classes=10)``.

    Args:
        module: the executed source.
        tree: its syntax.
        task: what the network is for.

    Raises:
        Refusal: as for :func:`network`.
    """
    choice = _Choice(module, tree, task)
    choice.made()
    return choice.expression


def rivals(tree: ast.Module, taken: str) -> list[str]:
    """Classes that might as well be the network, where nothing but its place or its name speaks for the one taken.

    Args:
        tree: the source's syntax.
        taken: the name of the network's class.
    """
    used = _used_by_classes(tree)
    likely = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and node.name not in used
        and any(ast.unparse(base).rpartition(".")[2] == "Module" for base in node.bases)
    ]
    made = any(isinstance(node, ast.FunctionDef) and _OBVIOUS_FACTORY.fullmatch(node.name) for node in tree.body)
    if made or taken not in likely or taken in _mentioned_by_script(tree) or taken.lower() in _OBVIOUS_INSTANCES:
        return []
    return [name for name in likely if name != taken and not _PART.search(name)]


def unused_instances(tree: ast.Module, taken: str) -> list[str]:
    """Variables at module level that hold networks of the class taken, where none of them is the network.

    Args:
        tree: the source's syntax.
        taken: the name of the network's class.
    """
    held = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == taken
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    made = any(isinstance(node, ast.FunctionDef) and _OBVIOUS_FACTORY.fullmatch(node.name) for node in tree.body)
    return [] if made or len(held) < 2 or held.intersection(_OBVIOUS_INSTANCES) else sorted(held)


def rival_makers(tree: ast.Module, taken: str) -> list[str]:
    """Functions that each make a network of the class taken, where no script calls one, and no name says which it is.

    Args:
        tree: the source's syntax.
        taken: the name of the network's class.
    """
    used = _used_by_classes(tree)
    makers = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name not in used and not _ERRAND.match(node.name)
    ]
    found = [node.name for node in makers if _makes(node, taken)]
    chosen = any(_OBVIOUS_FACTORY.fullmatch(node.name) for node in makers)
    return [] if chosen or len(found) < 2 or _mentioned_by_script(tree).intersection(found) else found


def default_classes(tree: ast.Module, count: int) -> str | None:
    """The argument for the number of classes, say ``num_classes``, that has this number as its default.

    Args:
        tree: the source's syntax.
        count: of the outputs that a network was seen to have.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            positional = [*node.args.posonlyargs, *node.args.args]
            given = zip(reversed(positional), reversed(node.args.defaults), strict=False)
            for argument, default in (*given, *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)):
                if argument.arg.lower() in _CLASSES and isinstance(default, ast.Constant) and default.value == count:
                    return argument.arg
    return None


class _Choice:
    def __init__(self, module: types.ModuleType, tree: ast.Module, task: Task) -> None:
        self._module_name = module.__name__
        self._names: Mapping[str, Any] = dict(vars(module))
        self._tree = tree
        self._task = task
        self._used = _used_by_classes(tree)
        self._mentioned = _mentioned_by_script(tree)
        own = {
            name: value
            for name, value in self._names.items()
            if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__
        }
        outermost = [cls for name, cls in own.items() if name not in self._used] or list(own.values())
        self._outermost = list(dict.fromkeys(outermost))
        self.expression = ""

    def made(self) -> nn.Module:
        if (ready := self._instance()) is not None:
            self.expression = self._named(ready)
            return ready
        obvious = [function for name, function in self._functions() if _OBVIOUS_FACTORY.fullmatch(name)]
        others = [function for name, function in self._functions() if function not in obvious]
        for function in obvious:
            if (model := self._called(function)) is not None:
                return model
        free = [cls for cls in self._outermost if self._arguments(cls) is not None]
        spare: tuple[nn.Module, str] | None = None
        if free:
            best = max(enumerate(free), key=lambda entry: (*self._rank(entry[1]), entry[0]))[1]
            instance: nn.Module = self._call(best)
            if any(True for _ in instance.parameters()):
                return instance
            spare = instance, self.expression  # a part, perhaps, of what a function makes
        failure: Exception | None = None
        for function in others:
            try:
                if (model := self._called(function)) is not None:
                    return model
            except Exception as error:  # noqa: BLE001  (it may have been made for something else: data, a table)
                failure = failure or error
        if spare is not None:
            instance, self.expression = spare
            return instance
        raise failure or self._refusal()

    def _instance(self) -> nn.Module | None:
        """What a module-level variable holds, if it is clear which."""
        whole = self._instances()
        if len({id(value) for value in whole.values()}) == 1:
            return next(iter(whole.values()))
        return next((whole[name] for name in _OBVIOUS_INSTANCES if name in whole), None)

    def _instances(self) -> Mapping[str, nn.Module]:
        """What module-level variables hold; a loss or an activation has no parameters, a part has a user."""
        ready = {
            name: value
            for name, value in self._names.items()
            if isinstance(value, nn.Module)
            and (any(True for _ in value.parameters()) or _quantised(value))
            and name not in self._used
            and type(value).__name__ not in self._used
        }
        inner = {id(part) for value in ready.values() for part in value.modules() if part is not value}
        return {name: value for name, value in ready.items() if id(value) not in inner}

    def _functions(self) -> Iterable[tuple[str, Callable[[], object]]]:
        """Functions that may make a network, those first that the script mentions."""
        returning = {
            node.name
            for node in self._tree.body
            if isinstance(node, ast.FunctionDef)
            and node.name not in self._used
            and not _ERRAND.match(node.name)
            and any(isinstance(inner, ast.Return) and inner.value is not None for inner in ast.walk(node))
        }
        found = [
            (name, value)
            for name, value in self._names.items()
            if (isinstance(value, types.FunctionType) and name in returning) or isinstance(value, functools.partial)
        ]
        return sorted(found, key=lambda entry: entry[0] not in self._mentioned)

    def _called(self, function: Callable[..., object]) -> nn.Module | None:
        if self._arguments(function) is None:
            return None
        made = self._call(function)
        return made if isinstance(made, nn.Module) else None

    def _rank(self, cls: type[nn.Module]) -> tuple[bool, bool, bool]:
        name = cls.__name__
        return name in self._mentioned, _PART.search(name) is None, name.lower() in _OBVIOUS_INSTANCES

    def _call(self, make: Callable[..., Any]) -> Any:
        arguments = self._arguments(make) or {}
        told = ", ".join(f"{name}={self._told(value)}" for name, value in arguments.items())
        self.expression = f"{self._named(make)}({told})"
        return make(**arguments)

    def _told(self, value: object) -> str:
        return repr(value) if isinstance(value, int | tuple) else f"{self._named(type(value))}()"

    def _named(self, value: object) -> str:
        return "source." + next((name for name, other in self._names.items() if other is value), "?")

    def _arguments(self, make: Callable[..., object]) -> dict[str, object] | None:
        """Values for all that it needs; ``None`` if one is not obvious."""
        values = {parameter.name: self._obvious(parameter) for parameter in _required(make)}
        return None if any(value is _MISSING for value in values.values()) else values

    def _obvious(self, parameter: inspect.Parameter) -> object:
        known = _task_values(self._task)
        if (value := known.get(parameter.name.lower(), _MISSING)) is not _MISSING:
            return value
        kind = parameter.annotation
        kind = self._names.get(kind, kind) if isinstance(kind, str) else kind
        if isinstance(kind, type) and kind.__module__ == self._module_name and not issubclass(kind, nn.Module):
            return _MISSING if _required(kind) else kind()  # a configuration with defaults of its own
        return _MISSING

    def _refusal(self) -> Refusal:
        makers = [function for name, function in self._functions() if _OBVIOUS_FACTORY.fullmatch(name)]
        makers = [function for function in makers if self._lacking(function)]
        if not self._outermost and not makers:
            if several := self._instances():
                return Refusal(
                    "SEVERAL_NETWORKS", f"It is not clear which is the network: {', '.join(several)}; call it model."
                )
            return Refusal(
                "NO_NETWORK",
                "At the top level of the source is no subclass of torch.nn.Module, and no network in a variable; "
                "define exactly one.",
            )
        make: Callable[..., object] = (makers or self._outermost)[-1]
        name = self._named(make).removeprefix("source.")
        needed = ", ".join(self._lacking(make))
        return Refusal(
            "NEEDS_ARGUMENTS", f"{name}() needs the arguments {needed}; give each a default value.", self._line(name)
        )

    def _lacking(self, make: Callable[..., object]) -> list[str]:
        """The arguments that it needs and that are not obvious."""
        return [entry.name for entry in _required(make) if self._obvious(entry) is _MISSING]

    def _line(self, name: str) -> int | None:
        """Where a class or a function is defined."""
        definitions = ast.ClassDef | ast.FunctionDef
        found = (node for node in ast.walk(self._tree) if isinstance(node, definitions) and node.name == name)
        return next((node.lineno for node in found), None)


_CLASSES = (
    *("num_classes", "n_classes", "nclasses", "classes", "num_class", "n_class", "nb_classes", "class_num"),
    *("num_labels", "n_labels", "output_dim", "out_dim", "num_outputs", "n_outputs", "n_out"),
    *("out_features", "output_size", "d_out"),
)
_CHANNELS = ("in_channels", "input_channels", "in_chans", "in_ch", "n_channels", "num_channels")
_VOCABULARY = ("vocab_size", "vocabulary_size", "n_vocab", "num_tokens", "num_embeddings", "ntoken")
_LENGTH = ("max_len", "max_length", "seq_len", "seq_length", "max_seq_len")
_FEATURES = (
    *("in_features", "input_dim", "in_dim", "input_size", "num_features", "n_features", "n_inputs", "num_inputs"),
    "d_in",
)


def _task_values(task: Task) -> dict[str, object]:
    """What an argument of this name must mean."""
    values: dict[str, object] = {**dict.fromkeys(_CLASSES, task.classes), "input_shape": task.input_shape}
    match task.kind:
        case "text":
            values |= dict.fromkeys(_VOCABULARY, task.vocabulary_size) | dict.fromkeys(_LENGTH, task.input_shape[0])
        case "table":
            values |= dict.fromkeys(_FEATURES, task.input_shape[0])
        case "image":
            channels, height, width = task.input_shape
            values |= dict.fromkeys(_CHANNELS, channels)
            values |= dict.fromkeys(("img_size", "image_size"), height if height == width else (height, width))
    return values


def _quantised(model: nn.Module) -> list[str]:
    """The classes of layers whose weights are integers, and so no parameters."""
    kinds = (type(part) for part in model.modules())
    names = {
        kind.__name__ for kind in kinds if kind.__module__.startswith(_QUANTISED) and kind.__module__ != _WEIGHTLESS
    }
    return sorted(name for name in names if "Packed" not in name)  # those are the weights of the others


def _required(make: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):  # a callable of a library's that does not say
        return []
    return [
        parameter
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _used_by_classes(tree: ast.Module) -> set[str]:
    """Names of definitions and variables that another class mentions, directly or through functions."""
    definitions = {
        node.name: _names_in([node]) - {node.name}
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    used: set[str] = set()
    pending = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    while pending:
        for name in definitions.get(pending.pop(), set()) - used:
            used.add(name)
            pending.append(name)
    return used


def _mentioned_by_script(tree: ast.Module) -> set[str]:
    """Names in statements that are no definitions: a script's, most of all below ``if __name__ == "__main__"``."""
    definitions = ast.ClassDef | ast.FunctionDef | ast.Import | ast.ImportFrom
    return _names_in(node for node in tree.body if not isinstance(node, definitions))


def _makes(function: ast.FunctionDef, taken: str) -> bool:
    """Whether a function calls the class and returns what may be a network: a name in an annotation makes none."""
    inside = list(ast.walk(function))
    called = _names_in(node.func for node in inside if isinstance(node, ast.Call))
    returned = {_beginning(node.value) for node in inside if isinstance(node, ast.Return)} - {None}
    return taken in called and any(not hasattr(builtins, str(name)) for name in returned)


def _beginning(value: ast.expr | None) -> str | None:
    """The name that a value begins with, as ``Net`` in ``Net(4).to(device)``."""
    while isinstance(value, ast.Call | ast.Attribute):
        value = value.func if isinstance(value, ast.Call) else value.value
    return value.id if isinstance(value, ast.Name) else None


def _names_in(nodes: Iterable[ast.AST]) -> set[str]:
    return {inner.id for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Name)}
