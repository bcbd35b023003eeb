"""Where things lie, and what may be asked for, unless it is said otherwise."""

from __future__ import annotations

from pathlib import Path

OUT = Path("runs")
"""The folder of the runs."""

OUT_VARIABLE = "LEMONADE_OUT"
"""The environment variable that names another one."""

DATA_ROOT = Path("data")
"""The folder of downloaded data sets."""

MAX_SEED = 2**63 - 1

MAX_SOURCE_BYTES = 100_000
"""Of a network's source: what a request promises, and what a check accepts."""
