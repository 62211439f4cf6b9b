"""What control groups leave, from files as the kernel lays them out."""

from pathlib import Path

import pytest

from fewshot.training.cgroups import cgroup_memory
from fewshot.training.memory import free_of_machine


def group(folder: Path, version: int, most: str, used: int, idle: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = (
        ("memory.max", "memory.current")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    for name, value in zip(names, (most, used), strict=True):
        (folder / name).write_text(f"{value}\n")
    key = "inactive_file" if version == 2 else "total_inactive_file"
    (folder / "memory.stat").write_text(f"anon 5\n{key} {idle}\nkernel 3\n")


def test_every_group_up_to_the_root_counts(tmp_path: Path) -> None:
    """As systemd nests a service: the limit may be the parent's."""
    own = tmp_path / "own"
    own.write_text("0::/system.slice/job.service\n")
    group(tmp_path / "cg", 2, "max", 900, 0)
    group(tmp_path / "cg/system.slice", 2, "1000", 700, 50)
    group(tmp_path / "cg/system.slice/job.service", 2, "max", 300, 0)
    assert list(cgroup_memory(tmp_path / "cg", own)) == [(350, 1000)]
    group(tmp_path / "cg/system.slice/job.service", 2, "600", 300, 0)
    assert list(cgroup_memory(tmp_path / "cg", own)) == [(300, 600), (350, 1000)]


def test_version_one_has_a_folder_for_the_controller(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("9:cpu,cpuacct:/a\n4:memory:/docker/x\n")
    group(tmp_path / "cg/memory/docker/x", 1, "2000", 1500, 250)
    assert list(cgroup_memory(tmp_path / "cg", own)) == [(750, 2000)]


def test_where_nothing_is_limited_or_told_the_machine_is_what_counts(tmp_path: Path) -> None:
    assert list(cgroup_memory(tmp_path / "none", tmp_path / "own")) == []
    assert 0 < free_of_machine() <= 2**50


@pytest.mark.parametrize("text", ["", "0::/../../outside\n", "no colons\n"])
def test_odd_group_files_are_passed_over(tmp_path: Path, text: str) -> None:
    own = tmp_path / "own"
    own.write_text(text)
    group(tmp_path / "cg", 2, "1000", 400, 0)
    assert all(found == (600, 1000) for found in cgroup_memory(tmp_path / "cg", own))
