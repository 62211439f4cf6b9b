"""Stopping cleanly: SIGINT and SIGTERM ask for a stop, training finishes its step and saves."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from fewshot.output import notice


class StopRequest:
    """Inside the `with` block the first SIGINT or SIGTERM sets `requested`; a second one stops at once.

    The handlers before are put back at the end. Outside the main thread Python delivers no signals, so
    nothing is installed there.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        notice("stopping after this step")
