"""Many artists, several workers, and one of them killed: every artist once, and the catalogue in order."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from fewshot.catalog.adding import add
from fewshot.catalog.listing import log, ls
from fewshot.catalog.store import Catalog
from fewshot.catalog.upkeep import verify
from fewshot.cli.main import app
from fewshot.errors import BadInputError, NotFoundError, UsageError
from fewshot.samples import sample_folder
from fewshot.training.claims import Claims, FileClaims, PostgresClaims
from fewshot.training.many import artists_in

SHORT = "--base scan_tiny steps=3 eval_every=3 batch=2 by_parts=false crop=center lambda_gan=0".split()


def artists(folder: Path, count: int) -> Path:
    """Folders of six drawings of the shipped hands, no two of them the same six."""
    hands = [sample_folder(name) for name in ("ink", "flat", "pastel", "riso")]
    for number in range(count):
        drawings = sorted(hands[number % 4].glob("*.webp"))[number // 4 : number // 4 + 6]
        made = folder / f"artist{number:02d}"
        made.mkdir(parents=True)
        for path in drawings:
            shutil.copy(path, made)
    return folder


def start(folder: Path, workers: int, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fewshot.cli.main", "adapt-many", str(folder), *SHORT, *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "--workers", str(workers), "--format", "json"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def added(catalog: Catalog) -> list[str]:
    return [line["entry"] for line in log(catalog, limit=1000) if line["verb"] == "add"]


@pytest.mark.soak(sample=3)
def test_every_artist_once_though_a_worker_is_killed(tmp_path: Path, soak: Any) -> None:
    folder = artists(tmp_path / "studio", soak.count)
    # One folder that cannot be used stops nobody else.
    (folder / "broken").mkdir()
    (folder / "broken" / "a.png").write_text("no picture")
    process = start(folder, 3 if soak.count > 5 else 2)
    catalog, rng = Catalog(), random.Random(soak.seed)
    deadline = time.monotonic() + 120
    while not added(catalog) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    workers = psutil.Process(process.pid).children()
    rng.choice(workers).send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=60 + 20 * soak.count)
    assert process.returncode == 3, err
    assert "1 of" in err
    assert "broken: " in err
    shutil.rmtree(folder / "broken")
    names = [path.name for path in sorted(folder.iterdir())]
    assert [row["artist"] for row in json.loads(out)] == names
    # Each was added once, and by whoever trained it.
    assert sorted(added(catalog)) == names
    assert [row.version for row in ls(catalog).rows] == [1] * len(names)
    assert verify(catalog).problems == ()
    # Again: nothing is left to do. With other drawings, that one alone.
    (folder / names[0] / sorted(os.listdir(folder / names[0]))[0]).unlink()
    again = start(folder, 2)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    what = {row["artist"]: row["what"] for row in json.loads(out)}
    assert what.pop(names[0]) == "trained"
    assert set(what.values()) == {"was there already"}
    catalog.close()


def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path: Path, fewshot_home: Path) -> None:
    folder = artists(tmp_path / "studio", 2)
    long = start(folder, 2, "steps=100000", "eval_every=2")
    state = fewshot_home / "runs" / "artist00" / "state" / "state.pt"
    deadline = time.monotonic() + 100
    while not state.exists() and long.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    long.send_signal(signal.SIGINT)
    _, err = long.communicate(timeout=100)
    assert long.returncode == 130, err
    assert "Traceback" not in err
    assert state.exists()


def test_a_style_of_fewshot_adapt_is_not_replaced(
    tmp_path: Path, fewshot_home: Path, small: ModuleType
) -> None:
    """It has the name of a folder, was learned from other drawings, and nobody put it into the catalogue."""
    folder = artists(tmp_path / "studio", 1)
    adapter = fewshot_home / "runs" / "artist00" / "adapter"
    small.write_template(adapter)
    before = {path.name: path.read_bytes() for path in adapter.iterdir()}
    refused = start(folder, 1)
    _, err = refused.communicate(timeout=120)
    assert refused.returncode == 3, err
    assert "catalog add artist00" in err
    assert {path.name: path.read_bytes() for path in adapter.iterdir()} == before
    # Kept by the catalogue, it makes way.
    catalog = Catalog()
    add(catalog, adapter, name="kept")
    catalog.close()
    done = start(folder, 1)
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err
    assert [row["what"] for row in json.loads(out)] == ["trained"]


def test_what_is_no_studio_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        artists_in(tmp_path / "nowhere")
    with pytest.raises(BadInputError, match="no folder of drawings"):
        artists_in(tmp_path)
    (tmp_path / "a:b").mkdir()
    (tmp_path / "a:b" / "x.png").touch()
    (tmp_path / "Jane Doe").mkdir()
    (tmp_path / "Jane Doe" / "x.png").touch()
    with pytest.raises(UsageError, match="2 of 2 folders") as refused:
        artists_in(tmp_path)
    assert all(f"{tmp_path / name}: " in str(refused.value) for name in ("a:b", "Jane Doe"))
    assert CliRunner().invoke(app, ["adapt-many", str(tmp_path / "nowhere")]).exit_code == 4


@pytest.mark.parametrize("kind", ["files", "postgresql"])
def test_a_claim_is_held_by_one_and_ends_with_its_process(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres") if kind == "postgresql" else ""

    def opened() -> Claims:
        return PostgresClaims(url) if url else FileClaims(tmp_path)

    one, other = opened(), opened()
    assert one.claim("ink")
    assert not other.claim("ink")
    assert other.claim("日本" * 30)
    one.release("ink")
    assert other.claim("ink")
    other.close()
    made = f"PostgresClaims({url!r})" if url else f"FileClaims(Path({str(tmp_path)!r}))"
    script = (
        "from pathlib import Path; from fewshot.training.claims import *; import time; "
        f"c = {made}; print(c.claim('ink'), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not one.claim("ink")
        holder.kill()
        holder.wait()
        deadline = time.monotonic() + 10
        while not one.claim("ink"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    one.close()
