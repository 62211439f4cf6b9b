"""What a container, a service or a batch system leaves of a machine's memory (Linux control groups)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_FILES = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Of version 2, then version 1: folder of the controller, limit, what is used, and what of it may go."""


def cgroup_memory(root: Path = _ROOT, own: Path = _OWN) -> Iterator[tuple[float, float]]:
    """Bytes that are left, and the limit, of each group that this process is in and that has one.

    Args:
        root: where the groups are mounted.
        own: names the groups of this process (`/proc/self/cgroup`).
    """
    for controller, limit, used, idle in _FILES:
        for folder in _folders(root / controller, controller, own):
            try:
                most = float((folder / limit).read_text().replace("max", "inf"))
                taken = float((folder / used).read_text())
                # Files that were read and may be forgotten count as used there.
                stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                left = most - taken + float(stat.get(idle, 0))
            except (OSError, ValueError):
                continue
            if left < float("inf"):
                yield left, most


def _folders(mount: Path, controller: str, own: Path) -> Iterator[Path]:
    """From a process's own group up to the one that is mounted, which in a container is all it sees."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines() if line.count(":") > 1]
    except OSError:
        lines = []
    paths = [path for _, kinds, path in lines if controller in kinds.split(",")]
    inner = mount / paths[0].lstrip("/") if paths else mount
    yield from [folder for folder in (inner, *inner.parents) if folder.is_relative_to(mount)]
