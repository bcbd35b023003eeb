"""A candidate: model source that becomes a network, or a typed refusal that an LLM can act on."""

from __future__ import annotations

import ast
import linecache
import sys
import types
import warnings

import torch
import torchvision  # noqa: F401  (a candidate may use it, and its locked process reads only what is loaded)
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lemonade_es.defaults import MAX_SOURCE_BYTES
from lemonade_es.source_lines import lines_of
from lemonade_es.task import Task
from lemonade_es.trainer.network import choice, imports, layout, mode
from lemonade_es.trainer.network.blame import FILE_NAME
from lemonade_es.trainer.network.refusal import Refusal, explain, quoted

MODULE_NAME = "_lemonade_candidate"


def build(source: str, task: Task) -> nn.Module:
    """Make the network that a source defines, with all its layers and in its memory order.

    Weights are drawn from torch's global generator: seed it before.

    Args:
        source: Python source that defines a network, as :func:`choice.network` finds it.
        task: what the network is for.

    Raises:
        Refusal: the source is refused, or its code raised.
    """
    model = construct(source, task)
    try:
        complete(model, task)
    except BaseException as error:  # candidate code may raise anything, SystemExit too
        raise explain(error, source, "FORWARD_FAILED") from error
    return model


def construct(source: str, task: Task) -> nn.Module:
    """Run a source and make its network, on the device that is the default; it may still lack lazy layers.

    Args:
        source: as for :func:`build`.
        task: what the network is for.

    Raises:
        Refusal: the source is refused, or its code raised.
    """
    tree = parse(source)
    compiler = torch.compile
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            vars(torch)["compile"] = _uncompiled
            return mode.in_train_mode(choice.network(_executed(tree, source), tree, task))
        except BaseException as error:  # as above
            raise explain(error, source, "BUILD_FAILED") from error
        finally:
            vars(torch)["compile"] = compiler


def making(source: str, task: Task) -> str:
    """How :func:`construct` makes the network of a source, as an expression: ``source.Net(num_classes=10)``.

    Args:
        source: as for :func:`build`; it is run once more.
        task: what the network is for.

    Raises:
        Refusal: as for :func:`construct`.
    """
    tree = parse(source)
    return choice.making(_executed(tree, source), tree, task)


def complete(model: nn.Module, task: Task) -> None:
    """Give a network what it makes in its first forward pass, lazy layers above all, and its memory order.

    Args:
        model: as :func:`construct` made it; left in train mode.
        task: what the network is for.

    Raises:
        BaseException: whatever the network's forward pass raises.
    """
    lazy = any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers()))
    inputs = example(task, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if lazy or task.kind != "image":
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                mode.in_eval_mode(model)(inputs)
            model.train()
        if task.kind == "image" and not inputs.is_meta:
            layout.settle(model, inputs)


def parse(source: str) -> ast.Module:
    """Parse a source and hold it against size and imports.

    Raises:
        Refusal: with ``SOURCE_TOO_LARGE``, ``SYNTAX_ERROR`` or ``FORBIDDEN_IMPORT``.
    """
    if len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:  # no size is told: the end may be cut off
        raise Refusal("SOURCE_TOO_LARGE", f"The source has more than the {MAX_SOURCE_BYTES} bytes that are accepted.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, FILE_NAME)
            compile(tree, FILE_NAME, "exec", dont_inherit=True)  # finds what parsing does not: return outside of def
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        said = error.msg if isinstance(error, SyntaxError) else str(error) or "it is nested too deeply to be read"
        message = f"The source is not valid Python: {said}{quoted(line, source)}."
        raise Refusal("SYNTAX_ERROR", message, line) from None
    _demand_one_reading(tree, source)
    try:
        return imports.screened(tree, source)
    except RecursionError:  # a sum of a thousand numbers, which Python itself can take
        message = "The source is nested too deeply to be read: split its longest expression."
        raise Refusal("SYNTAX_ERROR", message) from None


def _demand_one_reading(tree: ast.Module, source: str) -> None:
    """What is checked must be what its file says: Python reads a file in the encoding that its first lines declare.

    There, in another encoding than UTF-8, a comment may hold lines of code.
    """
    first = [line for line, text in enumerate(lines_of(source)[:2], 1) if "coding" in text]
    if not first:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alike = ast.dump(ast.parse(source.encode(), FILE_NAME)) == ast.dump(tree)
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        alike = False
    if not alike:
        message = (
            f"The source declares an encoding{quoted(first[0], source)} in which it says something else, or cannot be "
            "read; it is UTF-8: leave that comment out."
        )
        raise Refusal("SYNTAX_ERROR", message, first[0])


def example(task: Task, rows: int, *, padded: bool = True) -> Tensor:
    """A random batch of the task's shape: images ``(rows, C, H, W)``, tokens ``(rows, L)`` or ``(rows, F)`` features.

    Token batches hold the largest token, and a last row that is one word and padding: real texts do. None is without
    a word.

    Args:
        task: what the network is for.
        rows: inputs in the batch.
        padded: whether that last text is so short; without it, each text has its whole length.
    """
    if task.kind != "text":
        return torch.randn(rows, *task.input_shape, dtype=torch.float32)
    largest = (task.vocabulary_size or 2) - 1
    tokens = torch.randint(1, largest + 1, (rows, *task.input_shape))
    tokens[0, 0] = largest
    if padded:
        tokens[-1, 1:] = 0
    return tokens


def _uncompiled(model: object = None, **_options: object) -> object:
    """In the place of ``torch.compile``, which needs a compiler, changes no result, and is not for a locked process."""
    return (lambda model: model) if model is None else model


def _executed(tree: ast.Module, source: str) -> types.ModuleType:
    module = types.ModuleType(MODULE_NAME)
    module.__file__ = FILE_NAME
    vars(module)[imports.STAND_IN] = imports.outside
    # dataclasses and inspect look the module and its lines up here
    sys.modules[MODULE_NAME] = module
    linecache.cache[FILE_NAME] = (len(source), None, [f"{line}\n" for line in lines_of(source)], FILE_NAME)
    exec(compile(tree, FILE_NAME, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  (the purpose)
    return module
