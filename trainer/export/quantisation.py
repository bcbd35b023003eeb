"""Static int8 quantisation of an ONNX file (QDQ), calibrated on training inputs; all of it in memory.

onnxruntime's ``quantize_static`` does the same and goes through files, which a locked process cannot write. Its parts
are used here: the quantiser that places the nodes, and its ranges, which are taken by the same runtime.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lemonade_es.trainer.export.graph import INPUT
from lemonade_es.trainer.export.runtime import session
from lemonade_es.trainer.network.refusal import Refusal

CALIBRATION = 256
"""Training inputs that the ranges of activations are taken over."""

_TYPES = ("Conv", "Gemm", "MatMul")
"""What is computed in int8; the rest is cheap, or loses too much."""

_TOUCHED = (*_TYPES, "MaxPool", "Add", "Relu", "AveragePool", "GlobalAveragePool", "Concat")


def quantised(content: bytes, batches: Iterable[NDArray[Any]]) -> bytes:
    """An ONNX file with int8 weights (symmetric, a scale for each output channel) and uint8 activations.

    Args:
        content: a float32 ONNX file with one input.
        batches: raw inputs to calibrate with.

    Raises:
        Refusal: nothing in it can be computed in int8.
    """
    import onnx  # noqa: PLC0415  (an extra)
    from onnxruntime.quantization import CalibrationMethod, QuantType  # noqa: PLC0415
    from onnxruntime.quantization.calibrate import TensorsData  # noqa: PLC0415
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer  # noqa: PLC0415
    from onnxruntime.quantization.quant_utils import add_infer_metadata  # noqa: PLC0415

    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(content))
    if not any(node.op_type in _TYPES for node in model.graph.node):
        raise Refusal("NOT_QUANTISABLE", "the network has no convolution and no matrix product to compute in int8")
    for index, node in enumerate(model.graph.node):  # the quantiser tells nodes apart by their names
        node.name = f"{node.op_type}_{index}"
    add_infer_metadata(model)  # else the quantiser infers shapes once more, by way of a file
    ranges = _ranges(model, batches)
    # a mask of minus infinity has no scale: what it goes into stays in float32
    endless = {name for name, bounds in ranges.items() if not np.isfinite(bounds).all()}
    quantiser: Any = QDQQuantizer(
        model,
        True,  # a scale for each channel
        False,  # all eight bits
        QuantType.QInt8,
        QuantType.QUInt8,
        TensorsData(CalibrationMethod.MinMax, {name: bounds for name, bounds in ranges.items() if name not in endless}),
        [],
        [node.name for node in model.graph.node if endless.intersection((*node.input, *node.output))],
        list(_TOUCHED),
        {"WeightSymmetric": True, "QuantizeBias": True},
    )
    quantiser.quantize_model()
    result: bytes = quantiser.model.model.SerializeToString()
    return result


def int8_weights(content: bytes) -> dict[str, NDArray[Any]]:
    """The int8 tensors of a quantised file, each with its scales: ``NAME`` and ``NAME.scale``.

    Args:
        content: a file as :func:`quantised` makes it.
    """
    import onnx  # noqa: PLC0415  (an extra)

    graph = onnx.load_from_string(content).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found: dict[str, NDArray[Any]] = {}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in stored and node.input[1] in stored:
            values = stored[node.input[0]]
            if values.dtype == np.int8:
                name = f"weight_{len(found) // 2}"
                found[name] = values
                found[f"{name}.scale"] = stored[node.input[1]].astype(np.float32).reshape(-1)
    return found


def _ranges(model: Any, batches: Iterable[NDArray[Any]]) -> Mapping[str, tuple[Any, Any]]:
    """The smallest and the largest value of the input and of each float tensor that is computed on the way."""
    import onnx  # noqa: PLC0415  (an extra)

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    floats = {
        info.name
        for info in (*watched.graph.value_info, *watched.graph.output)
        if info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    outputs = {entry.name for entry in watched.graph.output}
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in sorted(floats - outputs)
    )
    running = session(watched.SerializeToString())
    names = [entry.name for entry in running.get_outputs()]
    found: dict[str, tuple[Any, Any]] = {}
    for batch in batches:
        computed = zip(names, running.run(None, {INPUT: batch}), strict=True)
        for name, values in ((INPUT, batch), *computed):
            if values.size:
                low, high = found.get(name, (np.inf, -np.inf))
                found[name] = (np.minimum(low, values.min()), np.maximum(high, values.max()))
    return {name: (np.float32(low), np.float32(high)) for name, (low, high) in found.items()}
