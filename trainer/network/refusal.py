"""A refusal: a typed reason why a candidate cannot be used, with its line and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from lemonade_es.printable import shortened
from lemonade_es.source_lines import lines_of
from lemonade_es.trainer.network.blame import FILE_NAME, built_at, line_of

_DOWNLOADER = "torch/hub.py"
_COMPILER = "torch/_dynamo/"
_TEXT_LIMIT = 300
_NAME_LIMIT = 100
MESSAGE_LIMIT = 2000
"""The longest message that a child tells."""
_MARK = "<--- HERE"
_SCRIPTED = re.compile(rf'File "{re.escape(FILE_NAME)}", line (\d+)')


class Refusal(Exception):  # noqa: N818  (an outcome with a reason, not an error of the program)
    """Why a candidate is refused: a typed code, one sentence to act on, the line of its source if known."""

    def __init__(self, code: str, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a known error of candidate code means.

    Attributes:
        code: the typed reason.
        advice: what to do, as an imperative sentence.
        pattern: matched against "ErrorType: message".
    """

    code: str
    advice: str
    pattern: re.Pattern[str]


def _diagnosis(code: str, advice: str, *patterns: str) -> Diagnosis:
    return Diagnosis(code, advice, re.compile("|".join(patterns), re.IGNORECASE))


# The first that matches counts.
DIAGNOSES = (
    _diagnosis(
        "OUT_OF_MEMORY",
        "Use fewer or narrower layers, or shrink the feature maps earlier.",
        r"^MemoryError",
        r"OutOfMemoryError",
        r"can't allocate memory",
        r"out of memory",
        r"Storage size calculation overflowed",
        r"Stride calculation overflowed",
    ),
    _diagnosis(
        "ENDLESS_RECURSION",
        "A method calls itself without end: call the layers instead.",
        r"^RecursionError",
        r"maximum recursion depth",
    ),
    _diagnosis(
        "UNDEFINED_NAME",
        "Import or define it before it is used.",
        r"^(NameError|UnboundLocalError)",
        r"undefined value \w+",
    ),
    _diagnosis(
        "UNDEFINED_ATTRIBUTE",
        "Define it in __init__ under this very name, or use what the object really has.",
        r"^RuntimeError: Module '\w+' has no attribute",
    ),
    _diagnosis("FORBIDDEN_IMPORT", "Write the model without it.", r"^ForbiddenImport"),
    _diagnosis("IMPORT_FAILED", "Use only names that the module has.", r"^(ImportError|ModuleNotFoundError)"),
    _diagnosis(
        "NO_SUPER_INIT",
        "Call super().__init__() first in the class's __init__.",
        r"before Module\.__init__\(\) call",
        r"has no attribute '_(parameters|buffers|modules|backward_hooks|forward_hooks|backward_pre_hooks)'",
    ),
    _diagnosis(
        "NO_FORWARD",
        "Define forward(self, x), indented as a method of the class.",
        r"missing the required .?.?forward",
        r"_forward_unimplemented",
    ),
    _diagnosis(
        "WRONG_SIGNATURE",
        "Make the parameters of forward fit how it is called; the network's own is forward(self, x).",
        r"forward\(\) (takes|missing|got)",
    ),
    _diagnosis(
        "NO_GRADIENT",
        "Stay with torch operations between input and output; do not leave them for NumPy or Python numbers.",
        r"call numpy\(\) on Tensor that requires grad",
        r"does not require grad and does not have a grad_fn",
    ),
    _diagnosis(
        "INDEX_OUT_OF_RANGE",
        "An index or a token is larger than the table: nn.Embedding needs the task's vocabulary size.",
        r"index out of range in self",
        r"^IndexError: .*embedding",
    ),
    _diagnosis(
        "WRONG_DEVICE",
        "Create tensors in forward with device=x.device; do not call .cuda() or .to() on a fixed device.",
        r"not compiled with CUDA",
        r"No CUDA GPUs|found no NVIDIA|CUDA driver|CUDA-capable",
        r"Expected all tensors to be on the same device",
        r"PyTorch is not linked with support for (mps|xpu|cuda)|with (MPS|XPU) (enabled|support)",
        r"device type \w+ is not available|Invalid device string",
    ),
    _diagnosis(
        "WRONG_DTYPE",
        "Image inputs and weights are float32, tokens are int64: convert explicitly.",
        r"scalar types?:? ",
        r"same dtype",
        r"Input type .* and (weight|bias) type",
        r"only Tensors of floating point",
        r"to have .*dtype",
        r"dtype .*(does not match|mismatch)|mixed dtype|share same datatype",
        r"dtypes match|dtype to be equal|same scalar type|expected dtype",
        r"(can't be cast|cannot be cast)",
        r"not implemented for '(Long|Int|Bool|Half|Byte|Complex\w*|BFloat16|Char|Short)'",
        r"should be a floating point|could not infer output dtype|tensor of type LongTensor",
    ),
    _diagnosis(
        "IN_PLACE",
        "Replace the in-place operation (+=, inplace=True, x[...] = ...) by one that makes a new tensor.",
        r"modified by an inplace operation",
        r"leaf Variable that requires grad",
        r"view .* is being modified inplace",
        r"unsupported operation: (more than one element|some elements)",
    ),
    _diagnosis(
        "GRAPH_KEPT",
        "Do not keep tensors of one forward pass for the next: keep them local, or detach them.",
        r"backward through the graph a second time",
        r"backward second time",
    ),
    _diagnosis(
        "NOT_CONTIGUOUS",
        "Use .reshape(...) or .flatten(1) there, or call .contiguous() before .view(...).",
        r"view size is not compatible",
    ),
    _diagnosis(
        "SHAPE_MISMATCH",
        "Follow the shapes from the input to this line and make the layer's size fit.",
        r"shapes? .*(cannot be multiplied|invalid|not aligned|incompatible)",
        r"size of tensor a",
        r"sizes? of tensors must match",
        r"expected .*channels",
        r"same number of dimensions",
        r"padded input size|kernel size can't be greater|output size is too small|calculated output size",
        r"expected .*\d-?D|\d-?dimensional|dimension out of range|dimensionality",
        r"normalized_shape|running_(mean|var) should contain",
        r"divisible by",
        r"expected size for|size mismatch|expanded size|must equal the",
        r"input.size\(-1\) must be equal|embedding dimension of|reduction dim",
        r"padding size should be less",
        r"more than 1 (value per channel|spatial element)",
        r"^ValueError: (not enough|too many) values to unpack",
        r"einsum\(\)",
        r"must match the (size|existing size)",
        r"broadcast",
        r"expected (input|output|weight|query|hidden)\S* .*(size|shape|dim|embed)",
        r"(batch|sequence|source|key|target)\w* (size|dim|sequence|length).*(match|equal)",
        r"should have (at least )?\d+ (dim|channel|element)",
        r"index \d+ is out of bounds for dimension",
        r"split_with_sizes|split_size|unflatten",
        r"both arguments to \w+ need to be|vector \+ matrix|inconsistent tensor size",
        r"got input_?(size|shape)|non-empty|non-zero size|zero-size|at least \w+ dimension",
        r"too many indices|number of dims don't match|number of dimensions in the tensor input does not match",
        r"repeat dims|mismatch|expected \d+ dim|only \d+D|only batches of|\d\s?D .*tensors? expected",
        r"invalid shape dimension|size does not match|cannot be concatenated|invalid max index",
        r"(to be|must be) equal|equal size|last dimension of size|should be a 1D|inconsistent hidden_size",
        r"expects a tensor with <= \d dimensions",
        r"weight of size|tensors? of (different|the same) (size|shape)",
        r"same number of spatial dimensions|should also be \d-D|must be a \dD tensor|with \d or more dimensions",
    ),
    _diagnosis(
        "WRONG_TYPE",
        "Recurrent, attention and pooling layers may return tuples: take the tensor out; call each layer with tensors.",
        r"must be Tensor, not (tuple|list|dict|NoneType|\w+)",
        r"'(tuple|list|dict|NoneType|int|float|function|str)' object (has no attribute|is not|does not)",
        r"(tuple|list) indices must be",
        r"is not a Module subclass|is not callable|object is not (iterable|subscriptable)",
        r"elements? cannot be converted to Scalar|must return a tensor|can't multiply sequence",
        r"only integer tensors of a single element|only one element tensors can be converted",
        r"Boolean value of Tensor with more than one value is ambiguous",
        r"cannot assign '.*' as (child module|parameter)",
    ),
    _diagnosis(
        "BAD_ARGUMENT",
        "Give the layer values that it takes; see its documentation for names, order and ranges.",
        r"unexpected keyword argument|multiple values for (keyword )?argument",
        r"missing \d+ required (positional|keyword-only) arguments?",
        r"takes (from )?\d+ .*positional arguments? but",
        r"got an invalid combination of arguments|received an invalid combination",
        r"invalid argument|argument '\w+' .*must be",
        r"dropout probability|(probability|rate) has to be|p must be",
        r"must be (a )?(positive|non-?negative|greater|larger|in range|between|an? (int|float|bool|integer))",
        r"should be (a )?(positive|non-?negative|greater|between)",
        r"negative (dimension|size|padding)|non-positive|trying to create tensor with negative",
        r"should be a number in range",
        r"padding mode|is not supported|invalid value|primitive descriptor",
        r"^TypeError: .*(expected|takes) .*arguments?|math domain error|should be at most half|expected stride to be",
        r"(should|must) be one of|unknown nonlinearity|mutable default",
        r"appears multiple times in the list of dims|duplicate dims|inconsistent with step sign",
        r"Class values must be",
        r"'\w+' object cannot be interpreted as an integer",
        r"unsupported operand type",
        r"empty \(.*\) or|has no parameters|num_heads",
    ),
    _diagnosis(
        "UNDEFINED_ATTRIBUTE",
        "Define it in __init__ under this very name, or use what the object really has.",
        r"^(AttributeError|ModuleAttributeError)",
    ),
    _diagnosis(
        "UNINITIALIZED",
        "Lazy layers have no weights before the first forward pass: give their sizes, or do this later.",
        r"uninitialized parameter|UninitializedParameter",
    ),
    _diagnosis(
        "MISSING_ENTRY",
        "Ask only for what the list or dict holds.",
        r"^(KeyError|IndexError)",
        r"cannot be used as a key",
    ),
    _diagnosis(
        "ASSERTION_FAILED",
        "The source's own condition does not hold for this task: meet it, or drop it.",
        r"^AssertionError",
    ),
    _diagnosis("NOT_IMPLEMENTED", "Write what is missing.", r"^NotImplementedError", r"instantiate abstract class"),
    _diagnosis(
        "WRONG_GRADIENT",
        "Let backward return one gradient for each input of forward, each of that input's shape.",
        r"invalid gradient at index|wrong number of gradients",
    ),
    _diagnosis(
        "NOT_PERMITTED",
        "A network may read no files, use no network and start no processes: make all that it needs itself.",
        r"^(PermissionError|FileNotFoundError|ConnectionError|ConnectionRefusedError|BlockingIOError|URLError|OSError)",
        r"urlopen error|Operation not permitted|Permission denied|No such file or directory",
        r"^ValueError: The provided filename",  # torch.jit.load
    ),
)


_NOT_COMPILED = (
    "torch.compile starts compilers and reads files, which a network may not: leave it out of forward; it changes no "
    "result."
)


def explain(error: BaseException, source: str, otherwise: str = "RAISED") -> Refusal:
    """Turn whatever candidate code raised into a typed refusal.

    Args:
        error: the exception, with its traceback.
        source: the candidate's source, to quote the line where it happened: the innermost line of the
            candidate, also if torch raised further down.
        otherwise: the code for errors that are not known.
    """
    if isinstance(error, Refusal):
        return error
    line = _line(error, source)
    said = f"{shortened(type(error).__name__, _NAME_LIMIT)}: {_text(error)}".removesuffix(": ")
    files = [frame.f_code.co_filename for frame, _ in _steps(error)]
    known = next((entry for entry in DIAGNOSES if entry.pattern.search(said)), None)
    code, advice = (known.code, known.advice) if known else (otherwise, "Correct this line." if line else "")
    if any(file.endswith(_DOWNLOADER) for file in files):
        code, advice = "NEEDS_DOWNLOAD", "There is no network here: use weights=None (or pretrained=False)."
    elif code == "NOT_PERMITTED" and any(_COMPILER in file for file in files):
        advice = _NOT_COMPILED
    if line is None:
        line = line_of(code, said, source)
    return Refusal(code, f"{said}{quoted(line, source)}. {advice}".rstrip(), line)


def quoted(line: int | None, source: str) -> str:
    """Where it is, with the line's text, to be put behind what is wrong; empty for an unknown line."""
    lines = lines_of(source)
    return f" at line {line} `{shortened(lines[line - 1].strip(), _TEXT_LIMIT)}`" if line and line <= len(lines) else ""


def _line(error: BaseException, source: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == FILE_NAME:  # else it is in what the candidate evaluates
        return error.lineno
    if scripted := _SCRIPTED.findall(_said(error)):
        return int(scripted[-1])
    found = layer = None
    for frame, line in _steps(error):
        if frame.f_code.co_filename == FILE_NAME:
            found = line
        elif frame.f_code.co_name == "forward":
            layer = frame.f_locals.get("self")
    # a network made of layers of torch alone has no line that runs, but one that makes the layer
    return built_at(layer, source) if found is None and layer is not None else found


def _steps(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame, step.tb_lineno
        step = step.tb_next


def _text(error: BaseException) -> str:
    """What the error says, on one line and not too long."""
    text = _said(error)
    if isinstance(error, ImportError) and error.path:  # where a package lies here helps nobody, and is sent to a model
        text = text.replace(f" ({error.path})", "")
    if _MARK in text:  # TorchScript quotes the source, after it said what is wrong or before
        first, last = text.partition('\n  File "')[0], text.rpartition(_MARK)[2]
        text = last if not first.strip() or first.lstrip().startswith("The following operation failed") else first
    text = " ".join(text.split()).removeprefix("RuntimeError: ").rstrip(" :")
    return shortened(text, _TEXT_LIMIT).rstrip(".")


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  (the candidate may define exceptions that cannot be printed)
        return ""
