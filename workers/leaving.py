"""Whether a job at work was asked to come to an end: SIGUSR1, from the worker that runs it."""

from __future__ import annotations

import signal
from types import FrameType


class Asked:
    """One a process; a job's process begins with its parent's, which is never asked."""

    to_leave = False


def _note(_signum: int, _frame: FrameType | None) -> None:
    Asked.to_leave = True


def listen() -> None:
    """From now on, and in every process forked from this one, the signal is noted and ends nothing."""
    signal.signal(signal.SIGUSR1, _note)
