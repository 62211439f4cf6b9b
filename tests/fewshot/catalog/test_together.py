"""Many processes on one catalogue, and processes that are killed in the middle of a write."""

import multiprocessing
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

from fewshot.catalog.adding import Facts, add
from fewshot.catalog.bundle import export, import_
from fewshot.catalog.bundle_file import read
from fewshot.catalog.changing import alias, rm, tag
from fewshot.catalog.listing import log, ls, show
from fewshot.catalog.store import Catalog
from fewshot.catalog.upkeep import gc, verify
from fewshot.errors import ConflictError, NotFoundError
from fewshot.home import base_folder

Make = Callable[..., Path]
NAMES = ("ink", "pen", "wash", "chalk")
VERBS = {"add": 5, "tag": 3, "alias": 2, "ls": 4, "rm": 2, "gc": 1}
"""What the processes do, and how often each."""


def work(db: str, root: str, folders: list[Path], seed: int, count: int, out: Any) -> None:
    """Mixed operations; what was done goes to `out`."""
    done: list[tuple[str, str, int]] = []
    try:
        catalog, rng = Catalog(db, root, who=f"p{seed}"), random.Random(seed)
        for number in range(count):
            name, verb = rng.choice(NAMES), rng.choices(list(VERBS), list(VERBS.values()))[0]
            try:
                if verb == "add":
                    added = add(catalog, rng.choice(folders), name=name)
                    done += [("add", name, added.number)] * added.created
                elif verb == "tag":
                    tag(catalog, name, [f"t{seed}-{number}"])
                    done.append(("tag", f"{name} t{seed}-{number}", 0))
                elif verb == "alias":
                    alias(catalog, name, f"a{rng.randrange(3)}")
                elif verb == "ls":
                    ls(catalog, sort="created")
                elif verb == "gc":
                    # Without grace, so that it meets those that are adding.
                    gc(catalog, grace=0)
                else:
                    done += [("rm", name, n) for n in rm(catalog, f"{name}@{rng.randrange(1, 20)}")]
            except (NotFoundError, ConflictError):
                continue
        catalog.close()
        out.put(done)
    except BaseException:
        out.put(traceback.format_exc())
        raise


def run_together(db: str, root: str, folders: list[Path], processes: int, count: int) -> None:
    context = multiprocessing.get_context("fork")
    out = context.Queue()
    workers = [
        context.Process(target=work, args=(db, root, folders, seed, count, out)) for seed in range(processes)
    ]
    for worker in workers:
        worker.start()
    results = [out.get(timeout=500) for _ in workers]
    for worker in workers:
        worker.join()
    assert not [result for result in results if isinstance(result, str)], results
    done = [one for result in results for one in result]
    catalog = Catalog(db, root)
    added = [one[1:] for one in done if one[0] == "add"]
    assert len(added) == len(set(added)), "a number was given twice"
    tagged = [one[1].split() for one in done if one[0] == "tag"]
    removed = {one[1:] for one in done if one[0] == "rm"}
    for name in NAMES:
        expected = sorted(
            number for style, number in added if style == name and (style, number) not in removed
        )
        try:
            assert show(catalog, name)["versions"] == expected
        except NotFoundError:
            assert expected == []
            continue
        tags = {word for style, word in tagged if style == name}
        assert tags == set(show(catalog, name)["tags"]), "an update was lost"
    told = log(catalog, limit=100_000)
    assert sum(line["verb"] == "add" and line["detail"]["new"] for line in told) == len(added)
    assert verify(catalog).problems == ()
    catalog.close()


def test_processes_at_the_same_time(db: str, make: Make, tmp_path: Path) -> None:
    run_together(db, str(tmp_path / "files"), [make("ink", seed) for seed in range(4)], 4, 25)


@pytest.mark.soak
def test_many_processes_at_the_same_time(db: str, make: Make, tmp_path: Path, soak: Any) -> None:
    run_together(db, str(tmp_path / "files"), [make("ink", seed) for seed in range(12)], 8, soak.count)


WATCHED = ("/fewshot/catalog/", "/fewshot/files.py", "/sqlalchemy/engine/", "/sqlalchemy/orm/session.py")
"""Where a fault point is: every line of ours that runs in a write, and of what talks to the database."""
WRITES = ("install_base", "add_contents", "rm")
"""The functions that a write begins and ends with."""


class Points:
    """Counts the lines that a write runs, and kills the process at one of them."""

    def __init__(self, kill_at: float, log: int) -> None:
        self.count, self.kill_at, self.log, self.inside = 0, kill_at, log, False

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if not any(part in code.co_filename for part in WATCHED):
            return None
        if code.co_name in WRITES and event in ("call", "return"):
            self.inside = event == "call"
        if self.inside and event == "line":
            if self.count == self.kill_at:
                os.write(self.log, f"{Path(code.co_filename).name}:{frame.f_lineno}".encode())
                os.kill(os.getpid(), signal.SIGKILL)
            self.count += 1
        return self.trace


def attempt(job: Callable[[], object], kill_at: int) -> int | str:
    """Run a job in a process of its own; how many points it passed, or the line at which it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        points = Points(kill_at, writing)
        sys.settrace(points.trace)
        try:
            job()
        finally:
            sys.settrace(None)
            os.write(writing, str(points.count).encode())
            os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    told = os.read(reading, 200).decode()
    os.close(reading)
    return told if os.WIFSIGNALED(status) else int(told)


def kill_everywhere(
    db: str,
    make: Make,
    small: ModuleType,
    tmp_path: Path,
    seed: int,
    count: int,
    record: Callable[[str, object], None],
) -> None:
    root = str(tmp_path / "files")
    catalog = Catalog(db, root)
    folder, other = make("pen", 2), make("wash", 3)
    add(catalog, make("ink", 1), facts=Facts(alias="approved"))
    add(catalog, other)
    bundle = export(catalog, "wash", tmp_path / "wash.zip")
    base, sha256 = small.studio_base(1)
    bundle.write_bytes(small.foreign_bundle(read(bundle), "studio.base", base, sha256))
    there = base_folder() / "studio.base.safetensors"
    rm(catalog, "wash")
    catalog.close()

    def adding() -> None:
        add(Catalog(db, root), folder, facts=Facts(tags=["soft"], alias="draft"))

    def importing() -> None:
        import_(Catalog(db, root), bundle, name="gift")

    def removing() -> None:
        rm(Catalog(db, root), "doomed")

    rng, killed = random.Random(seed), list[int | str]()
    for job, name in ((adding, "pen"), (importing, "gift"), (removing, "doomed")):
        catalog = Catalog(db, root)
        if job is removing:
            add(catalog, folder, name="doomed")
        catalog.close()
        total = attempt(job, -1)
        assert isinstance(total, int)
        aimed = len(killed) + -(-count // 3)
        while len(killed) < aimed:
            catalog = Catalog(db, root)
            if job is removing:
                add(catalog, folder, name="doomed")
            elif name in {row.name for row in ls(catalog).rows}:
                if job is adding:
                    changed_alias(catalog)
                rm(catalog, name)
                gc(catalog, grace=0)
                if job is importing:
                    there.unlink()
            catalog.close()
            # A write runs a few lines more or less from time to time: the last ones may not be reached.
            place = attempt(job, at := rng.randrange(total))
            killed += [place] * isinstance(place, str)
            catalog = Catalog(db, root)
            found = verify(catalog)
            assert found.problems == (), (job.__name__, at, found.problems)
            assert not there.exists() or there.read_bytes() == base
            gc(catalog, grace=0)
            after = verify(catalog)
            assert (after.problems, after.stray) == ((), 0), (job.__name__, at)
            assert show(catalog, "ink@approved")["version"] == 1
            catalog.close()
    record("killed at", sorted({str(place) for place in killed}))


def changed_alias(catalog: Catalog) -> None:
    """Take the alias away that the add gave."""
    from fewshot.catalog.changing import unalias

    unalias(catalog, "pen", "draft")


def test_killed_in_the_middle_of_a_write(
    db: str, make: Make, small: ModuleType, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    kill_everywhere(db, make, small, tmp_path, 0, 15, record_property)


@pytest.mark.soak
def test_killed_at_many_points(
    db: str,
    make: Make,
    small: ModuleType,
    tmp_path: Path,
    soak: Any,
    record_property: Callable[[str, object], None],
) -> None:
    kill_everywhere(db, make, small, tmp_path, soak.seed, soak.count, record_property)
