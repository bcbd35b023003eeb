"""The C header is C, whatever classes are called."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy

from lemonade_es.trainer.data.traits import Target
from lemonade_es.trainer.export.delivery import Exported, Figures, Format
from lemonade_es.trainer.export.description import described
from lemonade_es.trainer.export.form import FORMS
from lemonade_es.trainer.export.header import MOST_WEIGHTS, header_file
from lemonade_es.trainer.measurement import Latency

NAMES = ('"; int main(void) { return 1; } //', "*/ \\", "Äpfel\n??/", "\x00day")


def exported(int8_weights=None):
    figures = Figures(0.1, 0.5, Latency(p10=1, p50=1, p90=1, p99=1, best=1, windows=20, passes=1))
    return Exported(
        Format("onnx", int8_weights is not None), b"", None, None, 4, figures, figures, None, int8_weights, 1e-3
    )


def weights(shape):
    values = np.arange(np.prod(shape), dtype=np.int64).astype(np.int8).reshape(shape)
    return safetensors.numpy.save({"weight_0": values, "weight_0.scale": np.full(shape[0], 0.5, np.float32)})


@pytest.fixture
def hostile(toy):
    return replace(toy, class_names=NAMES)


def test_the_header_holds_the_constants(toy):
    text = header_file(toy, exported()).decode("ascii")
    assert "lemonade_input_shape[3] = {3, 8, 8};" in text
    assert "#define LEMONADE_INPUT_SIZE 192" in text
    assert "lemonade_mean[3] = {5.0e-01f, 5.0e-01f, 5.0e-01f};" in text
    assert 'lemonade_classes[4] = {"night", "dusk", "dawn", "day"};' in text
    assert "int8_t lemonade_weight" not in text


@pytest.mark.parametrize("form", FORMS)
def test_the_header_and_the_description_are_of_one_mind_about_inputs(toy, form):
    file = replace(exported(), wanted=Format(form, False))
    about, text = described(toy, file), header_file(toy, file).decode("ascii")
    kinds = {"uint8": "uint8_t", "float32": "float"}
    assert f"typedef {kinds[about['input']['dtype']]} lemonade_input_t;" in text
    baked = 0 if form == "source" else 1
    assert f"#define LEMONADE_NORMALISATION_BAKED {baked}" in text
    assert about["input"]["dtype"] == ("uint8" if baked else "float32")


def test_int8_weights_come_with_their_scales_unless_they_are_too_many(toy):
    text = header_file(toy, exported(weights((2, 3)))).decode("ascii")
    assert "static const int8_t lemonade_weight_0[6] = {0, 1, 2, 3, 4, 5};" in text
    assert "static const float lemonade_weight_0_scale[2] = {5.0e-01f, 5.0e-01f};" in text
    large = header_file(toy, exported(weights((1, MOST_WEIGHTS + 1)))).decode("ascii")
    assert f"{MOST_WEIGHTS + 1} int8 weights are too many" in large
    assert "lemonade_weight_0" not in large


@pytest.mark.parametrize(
    ("mean", "std", "mean_line", "std_line"),
    [
        (1.5, 2.0, "float lemonade_target_mean = 1.5e+00f;", "float lemonade_target_std = 2.0e+00f;"),
        (1e9 + 10.733, 3.85, "double lemonade_target_mean = 1000000010.733;", "float lemonade_target_std = 3.85e+00f;"),
        (0.0, 1e-44, "float lemonade_target_mean = 0.0e+00f;", "double lemonade_target_std = 1e-44;"),
        (-2.5e149, 3e150, "double lemonade_target_mean = -2.5e+149;", "double lemonade_target_std = 3e+150;"),
    ],
)
def test_the_scale_of_a_target_is_double_where_a_float_has_no_room_for_it(toy, mean, std, mean_line, std_line):
    target = Target("price", mean=mean, std=std, low=mean - std, high=mean + std)
    text = header_file(replace(toy, target=target), exported()).decode("ascii")
    assert f"static const {mean_line}\nstatic const {std_line}\n" in text


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_names_of_classes_cannot_leave_their_strings(hostile, tmp_path):
    (tmp_path / "model.h").write_bytes(header_file(hostile, exported(weights((2, 3)))))
    program = tmp_path / "main.c"
    program.write_text(
        '#include <stdio.h>\n#include "model.h"\n'
        'int main(void) { for (int i = 0; i < 3; i++) printf("%s|", lemonade_classes[i]);'
        ' printf("%d %g", lemonade_weight_0[5], lemonade_weight_0_scale[1]); return 0; }\n'
    )
    subprocess.run(["cc", "-std=c99", "-trigraphs", "-o", tmp_path / "main", program], check=True, capture_output=True)
    said = subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout
    assert said == "|".join((*NAMES[:3], "")).encode() + b"5 0.5"
