"""Features of gathered pictures: kept under the home folder, resumed after a kill, shared out."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from eval.features import Extractor, extract, get_extractor
from eval.framings import ENLARGED
from fewshot.evaluation.comparison import compare
from fewshot.evaluation.features import BATCH, features_of
from fewshot.evaluation.sources import gather
from fewshot.samples import sample_folder
from fewshot.training.launch import _environment, _free_port


def stored(home: Path) -> int:
    """How many rows of features the home folder holds."""
    file = home / "cache" / "features" / "features-1.db"
    if not file.exists():
        return 0
    try:
        with sqlite3.connect(file) as database:
            return int(database.execute("SELECT count(*) FROM features").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_features_of_files_are_kept_and_those_of_arrays_are_not(
    tmp_path: Path, makers: ModuleType, fewshot_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawings = gather(makers.fill_drawings(tmp_path / "set", 5), 64)
    judge = get_extractor("colour-edge")
    direct = features_of(judge, drawings.pixels)
    assert stored(fewshot_home) == 0
    assert np.array_equal(features_of(judge, drawings), direct)
    assert np.array_equal(direct, extract(judge, drawings.pixels))
    assert stored(fewshot_home) == 5
    capsys.readouterr()
    blind = Extractor(judge.name, judge.sha256, judge.dim, judge.resize, True, _Never())
    assert np.array_equal(features_of(blind, drawings.rows([4, 0])), direct[[4, 0]])
    assert capsys.readouterr().err == ""


def test_gathered_drawings_compare_as_their_pixels_do(fewshot_home: Path) -> None:
    flat, ink, riso = (gather(sample_folder(hand), 64) for hand in ("flat", "ink", "riso"))
    shown = (ink.pixels[:8], flat.pixels[:8], flat.pixels[:8])
    kept = compare(*shown, ink.rows(range(8, 24)), {"riso": riso})
    framed = len(ENLARGED) * (16 + len(riso))
    assert stored(fewshot_home) == 2 * framed, "two judges; what was drawn is not kept"
    direct = compare(*shown, ink.pixels[8:], {"riso": riso.pixels})
    assert kept.rows() == direct.rows()


class _Never(torch.nn.Module):
    def forward(self, _: torch.Tensor) -> torch.Tensor:
        raise AssertionError("nothing was to be computed")


_MEASURE = """
import sys
from pathlib import Path
from eval.framings import ENLARGED
from eval.features import get_extractor
from fewshot.evaluation.features import features_of
from fewshot.evaluation.sources import gather
import numpy as np
import torch
torch.set_num_threads(1)
found = features_of(get_extractor("colour-edge"), gather(Path(sys.argv[1]), 128))
np.save(sys.argv[2], found)
"""


def test_a_killed_measurement_goes_on_where_it_was(tmp_path: Path, fewshot_home: Path) -> None:
    """Killed with SIGKILL as soon as something is stored."""
    rng = np.random.default_rng(0)
    folder, out = tmp_path / "many", tmp_path / "out.npy"
    folder.mkdir()
    n = 10 * BATCH
    for i in range(n):
        colours = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(colours).resize((128, 128), Image.Resampling.NEAREST).save(folder / f"{i}.png")
    command = [sys.executable, "-c", _MEASURE, str(folder), str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not stored(fewshot_home) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.communicate()[1]
    kept = stored(fewshot_home)
    assert 0 < kept < n
    assert kept % BATCH == 0, "a batch is kept whole or not at all"
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert f"{n}/{n}" in done.stderr
    assert "damaged" not in done.stderr
    assert stored(fewshot_home) == n
    fresh = extract(get_extractor("colour-edge"), gather(folder, 128).pixels, BATCH)
    assert np.allclose(np.load(out), fresh, atol=1e-5)


_SHARED_OUT = """
import sys
from pathlib import Path
import numpy as np
import torch
from eval.errors import EvalError
from eval.framings import ENLARGED
from eval.features import Extractor, get_extractor
from fewshot.evaluation.features import features_of
from fewshot.evaluation.sources import gather
from fewshot.training.launch import leave
from fewshot.training.precision import make_accelerator

torch.set_num_threads(1)

class Broken(torch.nn.Module):
    seen = 0
    def forward(self, images):
        self.seen += len(images)
        mean = images.mean((2, 3))
        return mean / (mean.sum(1) > 0)[:, None]

accelerator = make_accelerator("no", cpu=True)
assert accelerator.num_processes == 2
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
pictures = gather(folder, 64)
judge = get_extractor("colour-edge")
np.save(out / f"{accelerator.process_index}.npy", features_of(judge, pictures, accelerator=accelerator))
network = Broken()
broken = Extractor("broken", "0" * 64, 3, "none", True, network)
try:
    features_of(broken, pictures, accelerator=accelerator)
except EvalError as error:
    print(network.seen, str(error))
leave(0)
"""


def test_processes_share_the_pictures_and_all_have_all_features(
    tmp_path: Path, makers: ModuleType, fewshot_home: Path
) -> None:
    """Seven pictures on two processes, the third of them black, which a broken network cannot bear."""
    folder = makers.fill_drawings(tmp_path / "set", 7)
    Image.new("RGB", (64, 64)).save(folder / "ink-02.png")
    port = _free_port()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _SHARED_OUT, str(folder), str(tmp_path)],
            env=os.environ | _environment(rank, 2, port, cpu=True),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    results = [worker.communicate(timeout=60) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], results
    expected = extract(get_extractor("colour-edge"), gather(folder, 64).pixels)
    for rank in range(2):
        assert np.allclose(np.load(tmp_path / f"{rank}.npy"), expected, atol=1e-5)
    assert [out.split()[0] for out, _ in results] == ["4", "3"], "each computed its own share"
    for out, _ in results:
        assert "set: ink-02: its features by 'broken' are not finite" in out
    assert stored(fewshot_home) == 7 + 6
