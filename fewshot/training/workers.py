"""Several workers on one machine, each a process: they are started, listened to, stopped and outlived."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from types import FrameType

from fewshot.sizes import usable_cores
from fewshot.training.launch import SHARING, own_gpu
from fewshot.training.many import Done
from fewshot.training.memory import free_of_machine

WORKER = "FEWSHOT_WORKER"
"""Set in the environment of a worker: its number."""
MEMORY = 2_600_000_000
"""Bytes that one training takes on a CPU, at 128 px with `quick`, with the measuring at its end."""


def is_worker() -> bool:
    """Whether this process is one of several that were started here."""
    return WORKER in os.environ


def fitting_workers() -> int:
    """How many trainings this machine has memory and processors for: one for each GPU, or for two cores."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.device_count()
    return max(1, min(usable_cores() // 2, int(free_of_machine()) // MEMORY))


def tell(done: Done) -> None:
    """What a worker says of one artist, for `run_workers`."""
    sys.stdout.write(json.dumps(asdict(done)) + "\n")
    sys.stdout.flush()


def run_workers(
    arguments: Sequence[str], count: int, on_done: Callable[[Done], None]
) -> tuple[list[int], bool]:
    """Run `fewshot ARGUMENTS...` in several processes, each with its share of processors or a GPU of its own.

    SIGINT and SIGTERM are passed on: every worker ends its step and saves.

    Args:
        on_done: called with what they tell, as it comes.

    Returns:
        Exit codes, negative for a signal, and whether this process was asked to stop.
    """
    asked: list[int] = []
    workers = [_start(arguments, number, count) for number in range(count)]

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    lines: queue.Queue[str | None] = queue.Queue()
    for worker in workers:
        threading.Thread(target=_listen, args=(worker, lines), daemon=True).start()
    try:
        open_ = count
        while open_:
            line = lines.get()
            if line is None:
                open_ -= 1
            else:
                on_done(Done(**json.loads(line)))
        return [worker.wait() for worker in workers], bool(asked)
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(arguments: Sequence[str], number: int, count: int) -> subprocess.Popen[str]:
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    own = {WORKER: str(number), SHARING: str(-(-count // max(1, gpus)))}
    if gpus:
        own["CUDA_VISIBLE_DEVICES"] = own_gpu(number % gpus)
    own["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(max(1, usable_cores() // count)))
    return subprocess.Popen(
        [sys.executable, "-m", "fewshot.cli.main", *arguments],
        env=os.environ | own,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C reaches the whole group of a terminal; each is to be told once, by the handler above.
        start_new_session=True,
    )


def _listen(worker: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert worker.stdout is not None
    for line in worker.stdout:
        lines.put(line)
    lines.put(None)
