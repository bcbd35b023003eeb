"""Attacks through what torch loads, compiles and unpacks."""

from __future__ import annotations

import json
import pickle
import struct

from attack import Attack, Outcome, leaks
from scene import Scene


def _made(scene: Scene, outcome: Outcome) -> bool:
    return bool(scene.written())


def _unpickled(scene: Scene, outcome: Outcome) -> bool:
    """Code ran where the reply was read; the control's parent reads it as ``torch.load`` did for years."""
    for _, tensors in outcome.frames:
        if tensors:
            pickle.loads(tensors)
    return bool(scene.written())


def _taken_for_tensors(scene: Scene, outcome: Outcome) -> bool:
    """The file passed for one that holds tensors; the control's parent slices as the header says."""
    if not outcome.frames:
        return outcome.code != "PROTOCOL"
    _, file = outcome.frames[0]
    (length,) = struct.unpack_from("<Q", file)
    header = json.loads(file[8 : 8 + length])
    body = file[8 + length :]
    return all(len(body[slice(*entry["data_offsets"])]) >= 0 for entry in header.values())


def _file(entries: str, body: str) -> str:
    return f"""
        header = json.dumps({entries}).encode()
        send(frame({{"answers": 5, "done": {{}}}}, struct.pack("<Q", len(header)) + header + {body}))
        """


_PICKLE = """
        pickle = __import__("pickle")
        class Payload:
            def __reduce__(self):
                return os.mkdir, (@OUT@ + "/folder",)
        """

ATTACKS = (
    Attack(
        "__reduce__",
        "in place of tensors",
        _PICKLE
        + """
        send(frame({"answers": 5, "done": {}}, pickle.dumps(Payload())))
        """,
        _unpickled,
        control="pipe",
        site="predict",
    ),
    Attack(
        "__reduce__",
        "in the weights",
        _PICKLE
        + """
        send(frame({"answers": 3, "epoch": {"index": 1, "loss": 0.1}}) + frame({"answers": 3, "done": {}}))
        send(frame({"answers": 4, "done": {}}, pickle.dumps(Payload())))
        """,
        _unpickled,
        control="pipe",
        site="train",
    ),
    Attack(
        "__reduce__",
        "a file of the candidate's making",
        _PICKLE
        + """
        io = __import__("io")
        torch.load(io.BytesIO(pickle.dumps(Payload())), weights_only=False)
        """,
        _made,
    ),
    Attack(
        "load_library",
        "torch.ops",
        "torch.ops.load_library(@LIBRARY@)",
        _made,
        site="init",
    ),
    Attack(
        "load_library",
        "ctypes and import",
        """
        first(lambda: ctypes.CDLL(@LIBRARY@))
        first(lambda: torch.classes.load_library(@LIBRARY@))
        """,
        _made,
    ),
    Attack(
        "cpp_extension",
        "load_inline",
        """
        import torch.utils.cpp_extension
        torch.utils.cpp_extension.load_inline("x", "int one() { return 1; }", build_directory=@OUT@)
        """,
        _made,
        slow=True,
    ),
    Attack(
        "torch.compile",
        "inductor",
        """
        import torch
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = @OUT@
        torch.compile(lambda value: value.sin() + 1)(torch.ones(4))
        """,
        _made,
        control="bare",
        slow=True,
        bare_seconds=60,
    ),
    Attack(
        "Timer strings",
        "Python",
        """
        import torch.utils.benchmark
        said = []
        statement = "said.append(open(%r).read())" % @SECRET@
        torch.utils.benchmark.Timer(statement, globals={"said": said}).timeit(1)
        return said[0]
        """,
        leaks,
        site="forward",
    ),
    Attack(
        "safetensors with bad header/shape/overlap",
        "overlap",
        _file(
            '{"logits": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},'
            ' "more": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}',
            "bytes(12)",
        ),
        _taken_for_tensors,
        control="pipe",
        site="predict",
    ),
    Attack(
        "safetensors with bad header/shape/overlap",
        "shape",
        _file('{"logits": {"dtype": "F32", "shape": [160, 4], "data_offsets": [0, 8]}}', "bytes(8)"),
        _taken_for_tensors,
        control="pipe",
        site="predict",
    ),
    Attack(
        "safetensors with bad header/shape/overlap",
        "header",
        _file('{"logits": {"dtype": "F32", "shape": [-160, -4], "data_offsets": [0, 2560]}}', "bytes(3000)"),
        _taken_for_tensors,
        control="pipe",
        site="predict",
    ),
    Attack(
        "safetensors with bad header/shape/overlap",
        "another tensor",
        _file('{"labels": {"dtype": "F32", "shape": [160, 4], "data_offsets": [0, 2560]}}', "bytes(2560)"),
        _taken_for_tensors,
        control="pipe",
        site="predict",
    ),
)
