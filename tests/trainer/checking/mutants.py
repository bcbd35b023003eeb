"""Networks with one or two faults, made from sound ones by a seeded generator: the slips that LLMs make."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator

_LAYERS = {
    "Conv2d": ("Conv1d", "ConvTranspose2d", "LazyConv2d", "Conv3d"),
    "BatchNorm2d": ("BatchNorm1d", "LayerNorm", "InstanceNorm2d"),
    "MaxPool2d": ("AvgPool2d", "MaxPool1d"),
    "AdaptiveAvgPool2d": ("AdaptiveMaxPool2d", "AdaptiveAvgPool1d"),
    "Linear": ("LazyLinear", "Bilinear"),
    "ReLU": ("Sigmoid", "Softmax", "GELU"),
    "ModuleList": ("list", "Sequential"),
    "LSTM": ("GRU", "RNN"),
}
_METHODS = {
    "view": ("reshape",),
    "reshape": ("view",),
    "flatten": ("squeeze", "unsqueeze"),
    "permute": ("reshape",),
    "mean": ("sum", "max", "std"),
    "relu": ("sigmoid", "softplus", "gelu", "relu_"),
    "transpose": ("view", "transpose_"),
    "cat": ("stack",),
    "matmul": ("mul",),
    "softmax": ("log_softmax", "argmax"),
}
_ENDINGS = (
    "({0}, {0})",
    "{{'logits': {0}}}",
    "[{0}]",
    "{0}.detach()",
    "{0}.squeeze()",
    "{0}.unsqueeze(1)",
    "{0}.log()",
    "{0}.argmax(1)",
    "{0}.double()",
    "{0}.half().float()",
    "{0}.item()",
    "{0}.mean(0)",
    "{0}[:2]",
    "{0}.softmax(1)",
    "{0}.log_softmax(-1)",
    "{0}.T",
    "{0}.numpy()",
    "{0}.clone().mul_(2)",
    "{0}.exp().add_(1)",
    "{0} * float('nan')",
    "{0} / 0",
    "{0}.to('cuda')",
    "{0}.data",
    "{0}.view(-1, 10)",
    "{0}.reshape({0}.shape[0], -1)",
    "{0} + __import__('torch').randn(1)",
    "torch.relu({0})",
    "None",
)


def mutant(source: str, rng: random.Random) -> str:
    """The source with one slip, or with two."""
    tree = ast.parse(source)
    for _ in range(rng.choice((1, 1, 1, 2))):
        for _ in range(20):
            changed = copy.deepcopy(tree)
            if rng.choice(_SLIPS)(changed, rng):
                tree = changed
                break
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _number(tree: ast.Module, rng: random.Random) -> bool:
    numbers = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) < 10**5
    ]
    if not numbers:
        return False
    node = rng.choice(numbers)
    node.value = rng.choice((node.value + 1, node.value - 1, node.value * 2, node.value // 2, -node.value, 0))
    return True


def _fraction(tree: ast.Module, rng: random.Random) -> bool:
    numbers = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is float]
    if not numbers:
        return False
    rng.choice(numbers).value = rng.choice((0.0, 1.0, 2.0, -0.5, 1e9))
    return True


def _import(tree: ast.Module, rng: random.Random) -> bool:
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    tree.body.remove(rng.choice(imports))
    return True


def _dropped(tree: ast.Module, rng: random.Random) -> bool:
    body = rng.choice(list(_bodies(tree)))
    del body[rng.randrange(len(body))]
    body.extend([] if body else [ast.Pass()])
    return True


def _doubled(tree: ast.Module, rng: random.Random) -> bool:
    body = rng.choice(list(_bodies(tree)))
    index = rng.randrange(len(body))
    body.insert(index, copy.deepcopy(body[index]))
    return True


def _swapped(tree: ast.Module, rng: random.Random) -> bool:
    bodies = [body for body in _bodies(tree) if len(body) > 1]
    if not bodies:
        return False
    body = rng.choice(bodies)
    index = rng.randrange(len(body) - 1)
    body[index], body[index + 1] = body[index + 1], body[index]
    return True


def _misspelt(tree: ast.Module, rng: random.Random) -> bool:
    nodes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    ]
    if not nodes:
        return False
    rng.choice(nodes).attr += "_2"
    return True


def _renamed(table: dict[str, tuple[str, ...]]) -> Callable[[ast.Module, random.Random], bool]:
    def slip(tree: ast.Module, rng: random.Random) -> bool:
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in table]
        if not nodes:
            return False
        node = rng.choice(nodes)
        node.attr = rng.choice(table[node.attr])
        return True

    return slip


def _ending(tree: ast.Module, rng: random.Random) -> bool:
    returns = [node for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value is not None]
    if not returns:
        return False
    node = rng.choice(returns)
    node.value = ast.parse(rng.choice(_ENDINGS).format(f"({ast.unparse(node.value)})"), mode="eval").body
    return True


def _argument(tree: ast.Module, rng: random.Random) -> bool:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and (node.args or node.keywords)]
    if not calls:
        return False
    call = rng.choice(calls)
    which = call.args if call.args and (not call.keywords or rng.random() < 0.5) else call.keywords
    if rng.random() < 0.5 and which is call.args and len(which) > 1:
        which[0], which[1] = which[1], which[0]
    else:
        which.pop(rng.randrange(len(which)))
    return True


def _unparented(tree: ast.Module, rng: random.Random) -> bool:
    inits = [
        body
        for body in _bodies(tree)
        if any("super(" in ast.unparse(line) and len(body) > 1 for line in body if isinstance(line, ast.Expr))
    ]
    if not inits:
        return False
    body = rng.choice(inits)
    body[:] = [line for line in body if "super(" not in ast.unparse(line)] or [ast.Pass()]
    return True


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    yield tree.body
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.For | ast.If):
            yield node.body


_SLIPS = (
    *[_number] * 6,
    *[_fraction] * 2,
    _import,
    _dropped,
    _doubled,
    _swapped,
    _misspelt,
    *[_renamed(_LAYERS)] * 2,
    *[_renamed(_METHODS)] * 2,
    *[_ending] * 3,
    *[_argument] * 2,
    _unparented,
)
