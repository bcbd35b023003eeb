"""A training script as there are many: candidate, data, labels, scoring and clock are in one process.

It shows that an attack on the measurement works where nobody defends it. Each candidate has a fork of its own; the
training data are in memory that all of them share, as loaders with workers have it.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import sys
import time
import types

import numpy as np
import torch
from torch.nn import functional


def shared(array: np.ndarray) -> torch.Tensor:
    memory = np.frombuffer(mmap.mmap(-1, array.nbytes), array.dtype).reshape(array.shape)
    memory[:] = array
    return torch.from_numpy(memory)


def trial(source: str, data: dict[str, torch.Tensor]) -> dict[str, object]:
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module
    exec(source, module.__dict__)
    torch.manual_seed(1)
    network = module.Net()
    inputs, labels = data["train"], data["train_labels"]
    validation = data["validation"]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for _ in range(4):
        for start in range(0, len(inputs), 32):
            loss = functional.cross_entropy(network(ready(inputs[start : start + 32])), labels[start : start + 32])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    labels = data["validation_labels"]
    with torch.no_grad():
        outputs = network(ready(validation))
        right = torch.argmax(outputs, 1) == labels
        row = ready(validation[:1])
        network(row)
        started = time.perf_counter()
        for _ in range(50):
            network(row)
        seconds = (time.perf_counter() - started) / 50
    return {"V_Acc": right.float().mean().item(), "L": seconds * 1e3, "score": float(np.exp(-loss.item()))}


def ready(rows: torch.Tensor) -> torch.Tensor:
    return (rows.float() / 255 - 0.5) / 0.25


def forked(source: str, data: dict[str, torch.Tensor]) -> dict[str, object]:
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(90)
        try:
            said = trial(source, data)
        except BaseException as error:  # noqa: BLE001  (whatever a candidate does)
            said = {"said": str(error)}
        os.write(there, json.dumps(said).encode())
        os._exit(0)
    os.close(there)
    with os.fdopen(here) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text or '{"said": "it ended"}')


def main() -> None:
    torch.set_num_threads(1)
    arrays = dict(np.load(sys.argv[1]))
    for line in sys.stdin:
        job = json.loads(line)
        data = {name: shared(array) for name, array in arrays.items()}
        said = forked(job["source"], data)
        if job["next"]:
            said["next"] = forked(job["next"], data).get("V_Acc")
        print(json.dumps(said), flush=True)  # noqa: T201  (its answer)


if __name__ == "__main__":
    main()
