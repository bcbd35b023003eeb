"""All attacks, one module for each theme."""

from __future__ import annotations

from attack import Attack

from attacks import exhaustion, integrity, loading, network, processes, protocol, reading, writing

ATTACKS: tuple[Attack, ...] = (
    *reading.ATTACKS,
    *writing.ATTACKS,
    *network.ATTACKS,
    *processes.ATTACKS,
    *exhaustion.ATTACKS,
    *loading.ATTACKS,
    *protocol.ATTACKS,
    *integrity.ATTACKS,
)
