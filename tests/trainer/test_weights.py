"""Weights files that fit, and all the ways in which they do not."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors.numpy import save_file

from lemonade_es.errors import ConfigError
from lemonade_es.trainer.weights import read_weights

LIMIT = 10**6


@pytest.fixture
def written(tmp_path):
    def write(**tensors):
        save_file(tensors, tmp_path / "w.safetensors")
        return read_weights(tmp_path / "w.safetensors", LIMIT)

    return write


def test_the_same_names_and_shapes_fit_in_any_precision(written):
    wanted = written(a=np.zeros((2, 3), np.float32), b=np.zeros(1, np.int64)).tensors
    written(a=np.ones((2, 3), np.float16), b=np.ones(1, np.int64)).demand_fit(wanted)


def test_a_misfit_names_the_tensors(written):
    wanted = written(a=np.zeros((2, 3), np.float32), b=np.zeros(4, np.float32), n=np.zeros(1, np.int64)).tensors
    given = written(a=np.zeros((2, 4), np.float32), c=np.zeros(4, np.float32), n=np.zeros(1, np.float32))
    with pytest.raises(ConfigError) as caught:
        given.demand_fit(wanted)
    assert "missing: b; not in the network: c" in str(caught.value)
    assert "a is F32 [2, 4], the network's is F32 [2, 3]" in str(caught.value)
    assert "n is F32 [1], the network's is I64 [1]" in str(caught.value)
    assert "w.safetensors" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "cure"),
    [
        (("module.a", "module.b"), "its names begin with 'module.'"),
        (("_orig_mod.a", "_orig_mod.b"), "its names begin with '_orig_mod.'"),
        (("model.net.a", "model.net.b", "ema.decay"), "its names begin with 'model.net.'"),
        (("a", "b", "ema.a", "ema.b"), None),
        (("a",), "if tensors are tied: safetensors.torch.save_model keeps one of them alone; write the weights with"),
        (("a", "c"), None),
    ],
)
def test_a_misfit_of_names_has_a_cure_where_it_is_known(written, names, cure):
    wanted = written(a=np.zeros(1, np.float32), b=np.zeros(1, np.float32)).tensors
    with pytest.raises(ConfigError) as caught:
        written(**{name: np.zeros(1, np.float32) for name in names}).demand_fit(wanted)
    assert caught.value.hint == cure if cure is None else caught.value.hint.startswith(cure)


@pytest.mark.parametrize(
    ("network", "file", "cure"),
    [
        (("module.a", "module.b"), ("a", "b"), "the network's names begin with 'module.'"),
        (("module.a", "module.b", "module.c"), ("a", "b"), "the network's names begin with 'module.'"),
        (("encoder.a", "encoder.b", "head.a"), ("a", "b"), None),
        (("n.weight", "n.num_batches_tracked"), ("n.weight",), "num_batches_tracked was left out"),
    ],
)
def test_what_the_network_has_and_the_file_lacks_has_a_cure(written, network, file, cure):
    wanted = written(**{name: np.zeros(1, np.float32) for name in network}).tensors
    with pytest.raises(ConfigError) as caught:
        written(**{name: np.zeros(1, np.float32) for name in file}).demand_fit(wanted)
    assert caught.value.hint == cure if cure is None else caught.value.hint.startswith(cure)


def test_many_misfits_are_counted(written):
    wanted = written(**{f"t{number:02}": np.zeros(1, np.float32) for number in range(30)}).tensors
    with pytest.raises(ConfigError, match="t04 and 25 more"):
        written(x=np.zeros(1, np.float32)).demand_fit(wanted)


def test_a_pickle_is_refused_unread(tmp_path):
    file = tmp_path / "w.pt"
    file.write_bytes(b"\x80\x02cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(ConfigError, match=r"no safetensors file.*pickles are not read"):
        read_weights(file, LIMIT)


@pytest.mark.parametrize("older", [False, True])
def test_a_file_of_torch_save_is_told_as_what_it_is(tmp_path, older):
    file = tmp_path / "w.pth"
    torch.save({"a": torch.zeros(2)}, file, _use_new_zipfile_serialization=not older)
    kind = "a pickle" if older else "a ZIP archive, as torch.save writes it,"
    with pytest.raises(ConfigError, match=f": this is {kind} and no safetensors file .pickles are not read; write"):
        read_weights(file, LIMIT)


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_a_tensor_of_a_type_that_is_not_read_is_named_with_it(tmp_path, kind):
    safetensors.torch.save_file({"a": torch.zeros(2), "b": torch.zeros(2).to(kind)}, tmp_path / "w.safetensors")
    with pytest.raises(ConfigError, match=r"tensor 'b' is of type 'F8_E\dM\d', which is not read .turn such tensors"):
        read_weights(tmp_path / "w.safetensors", LIMIT)


def test_a_file_that_is_too_large_or_not_there_is_said_so(tmp_path):
    (tmp_path / "w").write_bytes(b"0" * 100)
    with pytest.raises(ConfigError, match="too many"):
        read_weights(tmp_path / "w", 99)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_weights(tmp_path / "none", 99)
