"""GPU counters from recorded values, and which GPU is meant."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from lemonade_es.trainer.energy import CounterMeter, CounterUnavailableError, best_meter
from lemonade_es.trainer.energy.nvml import GpuEnergy, GpuPower, gpu_counter, visible_gpu


def recorded(values):
    """Gives one recorded value after the other; ``None`` is a reading that failed."""
    rest = iter(values)

    def read():
        value = next(rest)
        if value is None:
            raise OSError("NVML: GPU is lost")
        return value

    return read


def test_a_total_energy_counter_is_in_millijoules(clock):
    counter = GpuEnergy("H100", recorded([5_000_000, 5_000_000, 5_123_456]))
    meter = CounterMeter("NVML", [counter], least_seconds=1.0, clock=clock, watch=False)
    window = meter.begin(0)
    clock.pass_(2)
    energy = meter.end(window)
    assert energy.joules == pytest.approx(123.456)
    assert energy.scope == "device"
    assert energy.method == "NVML GPU H100"
    assert energy.domains[0].resolution_joules == 1e-3


def test_an_older_gpu_is_sampled_and_integrated(clock):
    # one to see whether it can be read, then at 0, 1, 3 and 4 s
    counter = GpuPower("K80", recorded([1, 30_000, 50_000, 50_000, 150_000]))
    meter = CounterMeter("NVML", [counter], least_seconds=1.0, clock=clock, watch=False)
    window = meter.begin(0)
    for seconds in (1, 2):
        clock.pass_(seconds)
        meter.touch()
    clock.pass_(1)
    energy = meter.end(window)
    assert energy.joules == pytest.approx(40 + 100 + 100)
    assert energy.rel_uncertainty == pytest.approx((0.1**2 + (0.1 / 4) ** 2) ** 0.5, rel=1e-3)
    assert "sampled" in energy.domains[0].method


def test_while_a_window_is_open_samples_are_taken_without_being_asked_for():
    samples = []

    def read():
        samples.append(time.monotonic())
        return 1000

    meter = CounterMeter("NVML", [GpuPower("K80", read)], least_seconds=1.0)
    window = meter.begin(0)
    deadline = time.monotonic() + 10
    while len(samples) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    energy = meter.end(window)
    assert len(samples) >= 6
    assert energy.joules == pytest.approx(energy.seconds, rel=0.01)


@pytest.mark.parametrize("kind", [GpuEnergy, GpuPower])
def test_a_gpu_that_is_lost_makes_the_window_unknown(kind, clock):
    meter = CounterMeter("NVML", [kind("H100", recorded([1, 1, None]))], least_seconds=1.0, clock=clock, watch=False)
    window = meter.begin(0)
    clock.pass_(1)
    energy = meter.end(window)
    assert energy.joules is None
    assert "GPU H100 cannot be read" in energy.reason


def test_the_gpu_is_the_first_that_cuda_sees():
    assert visible_gpu({}) == 0
    assert visible_gpu({"CUDA_VISIBLE_DEVICES": "2,0"}) == 2
    assert visible_gpu({"CUDA_VISIBLE_DEVICES": "GPU-8f5e,1"}) == "GPU-8f5e"
    for hidden in ("", "-1", "none"):
        with pytest.raises(CounterUnavailableError, match="names no GPU"):
            visible_gpu({"CUDA_VISIBLE_DEVICES": hidden})
    with pytest.raises(CounterUnavailableError, match="MIG"):
        visible_gpu({"CUDA_VISIBLE_DEVICES": "MIG-1c2d"})


class Driver(ModuleType):
    """NVML of a machine with some GPUs."""

    NVMLError = RuntimeError

    def __init__(self, *gpus):
        super().__init__("pynvml")
        self.gpus = gpus

    def nvmlInit(self):
        """The driver is there."""

    def nvmlDeviceGetCount(self):
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetName(self, handle):
        return self.gpus[handle]

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-{handle}"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return 1000 * (handle + 1)


@pytest.mark.parametrize(
    ("gpus", "environment", "gpu"),
    [
        (["A2", "H100"], {}, None),
        (["A2", "H100"], {"CUDA_DEVICE_ORDER": "FASTEST_FIRST", "CUDA_VISIBLE_DEVICES": "1"}, None),
        (["A2", "H100"], {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}, "H100"),
        (["A2", "H100"], {"CUDA_VISIBLE_DEVICES": "GPU-1"}, "H100"),
        (["H100", "H100"], {}, "H100"),
    ],
)
def test_where_gpus_differ_the_one_that_computes_must_be_known(monkeypatch, gpus, environment, gpu):
    monkeypatch.setitem(sys.modules, "pynvml", Driver(*gpus))
    if gpu is None:
        with pytest.raises(CounterUnavailableError, match="which of A2, H100 computes is not known: set CUDA_DEV"):
            gpu_counter(environment)
    else:
        assert gpu_counter(environment).domain.name == f"GPU {gpu}"


def test_a_machine_without_a_driver_says_so():
    if Path("/dev/nvidiactl").exists():
        pytest.skip("there is a GPU")
    pytest.importorskip("pynvml")
    with pytest.raises(CounterUnavailableError, match="NVML"):
        gpu_counter({})


@pytest.mark.gpu
def test_a_real_gpu_takes_energy_even_while_it_does_nothing():
    if not Path("/dev/nvidiactl").exists():
        pytest.skip("there is no GPU")
    meter = best_meter("cuda")
    window = meter.begin(0)
    time.sleep(1.2)
    gpu = meter.end(window).domains[-1]
    assert gpu.provenance == "measured"
    assert 1 < gpu.joules < 1000
