"""What signals do to commands that go on for long."""

from __future__ import annotations

import signal


def interrupt_by_signals() -> None:
    """SIGTERM and SIGHUP interrupt as Ctrl-C does, but for one that is ignored on purpose, as under ``nohup``."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
