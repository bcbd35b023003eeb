#!/bin/sh
# Measures an ONNX network on a board that is reached by ssh, and prints the figures as JSON:
#
#   lemonade-es run --measure-with './measure_over_ssh.sh pi@board {model} {input_shape}'
#
# The board needs python3 with onnxruntime and numpy (python3 -m pip install onnxruntime), and an ssh key that asks
# nothing. Of the environment these count:
#
#   LEMONADE_DEVICE_PYTHON   the board's Python (python3)
#   LEMONADE_DEVICE_THREADS  threads for one inference (1)
#   LEMONADE_DEVICE_SECONDS  how long to measure (5)
#
# For texts lemonade-es says in LEMONADE_DEVICE_VOCABULARY how many tokens there are.
set -eu

if [ $# -ne 3 ]; then
    echo "usage: $0 [USER@]HOST MODEL.onnx INPUT_SHAPE" >&2
    exit 2
fi
host=$1 model=$2 shape=$3
python=${LEMONADE_DEVICE_PYTHON:-python3}
threads=${LEMONADE_DEVICE_THREADS:-1}
seconds=${LEMONADE_DEVICE_SECONDS:-5}
vocabulary=${LEMONADE_DEVICE_VOCABULARY:-2}

on_board() {
    ssh -o BatchMode=yes -o ConnectTimeout=20 "$host" "$@"
}

folder=$(on_board 'mktemp -d /tmp/lemonade-XXXXXXXX')
case $folder in
    /tmp/lemonade-????????) ;;
    *) echo "the board gave no folder but: $folder" >&2; exit 1 ;;
esac
trap 'on_board "rm -rf $folder" </dev/null' EXIT
trap 'exit 1' HUP INT TERM

scp -q -o BatchMode=yes -o ConnectTimeout=20 "$model" "$host:$folder/model.onnx" </dev/null >&2
on_board "$python - $folder/model.onnx $shape $threads $seconds $vocabulary" <<'PYTHON'
import json
import platform
import resource
import statistics
import sys
import time

import numpy
import onnxruntime

path, shape, threads, seconds, vocabulary = *sys.argv[1:3], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
wanted = session.get_inputs()[0]
sides = [int(side) for side in shape.split(",")]
random = numpy.random.default_rng(0)
if "int" in wanted.type:
    batch = random.integers(1, vocabulary, sides)  # token 0 is padding
else:
    batch = random.standard_normal(sides).astype(numpy.float32)


def once():
    started = time.perf_counter()
    session.run(None, {wanted.name: batch})
    return time.perf_counter() - started


for _ in range(20):
    once()
times, end = [], time.perf_counter() + seconds
while len(times) < 20 or (time.perf_counter() < end and len(times) < 100000):
    times.append(once())
try:
    with open("/proc/device-tree/model") as file:
        name = file.read().strip("\0\n ")
except OSError:
    name = f"{platform.node()} ({platform.machine()})"
milliseconds = 1e3 * statistics.median(times)
kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"L": milliseconds, "F": 1e3 / milliseconds, "R": kilobytes * 1024 / 1e6, "device": name}))
PYTHON
