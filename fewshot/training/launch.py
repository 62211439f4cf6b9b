"""Run this very command in several processes that train together.

The processes find each other through the variables that torch.distributed and Accelerate read (`RANK`,
`WORLD_SIZE`, `MASTER_ADDR`…), as torchrun sets them. They are started here rather than by torchrun because a
stop has to let each finish its step and save, however long that takes, and leave with the exit code of that.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import FrameType
from typing import IO, NoReturn

from fewshot.errors import UsageError
from fewshot.output import notice
from fewshot.sizes import usable_cores

_POLL = 0.1
SHARING = "FEWSHOT_WORKERS"
"""Set in the environment of trainings that share the memory of one machine or GPU: how many there are."""
_THREADS = "FEWSHOT_THREADS"
"""Set by `launch`: how many threads a process would have by itself."""
_GROUP = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_UNEXPECTED, _NO_MEMORY = 1, 3
"""Exit codes: of what nobody thought of, and where memory or pictures are not what they should be."""
_GRACE = 20.0
"""Seconds a process gets to end after another one failed: it may wait for an answer that never comes."""


def is_worker() -> bool:
    """Whether this process is one of several that train together."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def work_alone() -> int:
    """Leave the group that a launcher made: for work that processes share out by other means.

    Call it before anything asks for a GPU: the process keeps the one that would have been its own.

    Returns:
        Its number; 0 where it is the only one.
    """
    rank, count = (int(os.environ.get(name, "0")) for name in ("RANK", "WORLD_SIZE"))
    if count < 2:
        return 0
    local, beside = (int(os.environ.get(name, "0")) for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    os.environ["CUDA_VISIBLE_DEVICES"] = own_gpu(local)
    import torch

    if not torch.cuda.is_available():
        os.environ[SHARING] = str(max(1, beside))
    for name in _GROUP:
        os.environ.pop(name, None)
    return rank


def own_gpu(number: int) -> str:
    """Value of `CUDA_VISIBLE_DEVICES` for the process of that number, which has one GPU of those in sight."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return str(number)
    # Set to nothing, it hides all GPUs, and they stay hidden.
    several = visible.split(",")
    return several[number % len(several)]


def take_all() -> None:
    """Use the threads and the memory of the processes that have ended beside this one."""
    if (threads := os.environ.pop(_THREADS, None)) is None:
        return
    os.environ.pop(SHARING, None)
    # A person may have said how many; that may be a list, one for each level.
    if threads.isdigit() and int(threads):
        import torch

        torch.set_num_threads(int(threads))


def leave(code: int) -> NoReturn:
    """End this worker, whose files are written, without running C++ destructors.

    torch.distributed leaves threads behind that now and then are still running when the C++ runtime goes
    down, which then aborts (`terminate called without an active exception`): a finished run would end as a
    failed one. Seen with torch 2.15 and gloo, with the process group destroyed before or not.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def check_share(batch: int, processes: int) -> None:
    """Refuse more processes than there are pictures in a batch.

    Raises:
        UsageError: naming both ways out.
    """
    if batch < processes:
        raise UsageError(
            f"a batch of {batch} cannot be shared by {processes} processes",
            f"use --processes {batch}, or a larger batch: batch={processes}, or --batch {processes}",
        )


def on_cpu(processes: int, *, cpu: bool = False, otherwise: str = "") -> bool:
    """Whether several processes have to share the CPU.

    Args:
        cpu: they are to stay there in any case.
        otherwise: what else there is to do where there are too few GPUs.

    Raises:
        UsageError: there are GPUs, but fewer than processes.
    """
    import torch

    gpus = torch.cuda.device_count()
    if cpu or gpus == 0:
        return True
    if gpus < processes:
        raise UsageError(
            f"--processes {processes}, but this machine has {gpus} GPU(s)",
            f"use --processes {gpus}{otherwise}",
        )
    return False


def launch(arguments: Sequence[str], processes: int, *, cpu: bool, together: bool = True) -> int:
    """Run `fewshot ARGUMENTS...` in several processes on this machine; returns the exit code.

    Args:
        arguments: the command line behind `fewshot`.
        processes: how many.
        cpu: stay on the CPU and talk through gloo; else each process gets a GPU of its own.
        together: none can go on without the others, so all are ended when one fails.

    SIGINT and SIGTERM are passed on; the processes save and end by themselves. Only the first one's messages
    are shown, unless another one fails by itself.
    """
    with tempfile.TemporaryFile() as quiet:
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "fewshot.cli.main", *arguments],
                env=_environment(rank, processes, port, cpu),
                stdout=None if rank == 0 else subprocess.DEVNULL,
                stderr=None if rank == 0 else quiet,
                # Ctrl-C reaches the whole group of a terminal; each is to be told once, by the loop below.
                start_new_session=True,
            )
            for port in [_free_port()]
            for rank in range(processes)
        ]
        codes, asked, ended = _wait(workers, together)
        # Where one fails, the others lose their connection to it, and call that unexpected.
        if codes[0] <= _UNEXPECTED and codes[0] < max(codes):
            _show_end(quiet)
    killed = any(code == -signal.SIGKILL for rank, code in enumerate(codes) if rank not in ended)
    if killed:
        notice("a process was killed: if nobody did that, the system was out of memory")
        notice("hint: train with a --memory-limit, or with fewer --processes")
    return 0 if not together and codes[0] == 0 else _exit_code(codes, killed=killed, asked=asked)


def _exit_code(codes: Sequence[int], *, killed: bool, asked: bool) -> int:
    """The one that says most: what a process failed with, and not what the others made of its end."""
    if told := [code for code in codes if code > _UNEXPECTED]:
        return told[0]
    if killed:
        return _NO_MEMORY
    return _UNEXPECTED if _UNEXPECTED in codes else 130 if asked else int(any(codes))


def _environment(rank: int, processes: int, port: int, cpu: bool) -> dict[str, str]:
    cores = usable_cores()
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    variables = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": processes,
        "LOCAL_WORLD_SIZE": processes,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "OMP_NUM_THREADS": chosen or max(1, cores // processes),
        _THREADS: chosen or cores,
    }
    if cpu:
        variables["ACCELERATE_USE_CPU"] = "true"
    return os.environ | {name: str(value) for name, value in variables.items()}


def _wait(workers: Sequence[subprocess.Popen[bytes]], together: bool) -> tuple[list[int], bool, set[int]]:
    """Exit codes of all, whether we were told to stop, and which ones were ended from here.

    Where they work together, all are ended when one fails; else when the first does, whom the others help.
    """
    asked: list[int] = []
    ended: set[int] = set()

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        told, deadline = 0, float("inf")
        while any(worker.poll() is None for worker in workers):
            for _ in asked[told:]:
                _signal(workers, signal.SIGTERM)
            told = len(asked)
            others = workers if together else workers[:1]
            if deadline == float("inf") and any(worker.poll() not in (None, 0) for worker in others):
                deadline = time.monotonic() + _GRACE
                if not together:
                    _signal(workers, signal.SIGTERM)
            if time.monotonic() > deadline:
                ended |= {rank for rank, worker in enumerate(workers) if worker.poll() is None}
                _signal(workers, signal.SIGKILL)
            time.sleep(_POLL)
    finally:
        _signal(workers, signal.SIGKILL)
        for number, handler in before.items():
            signal.signal(number, handler)
    return [worker.wait() for worker in workers], bool(asked), ended


def _signal(workers: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(number)


def _show_end(log: IO[bytes]) -> None:
    log.seek(0)
    for line in log.read().decode(errors="replace").splitlines()[-20:]:
        notice(line)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
