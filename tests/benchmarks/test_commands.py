"""Wall time and peak memory of whole commands, each a process of its own.

Peak memory is the largest resident set of the command or of a process it started, as the kernel counts it
(`ru_maxrss`). The command is started by a bare Python of about 10 MB, since a process begins with its
parent's peak and pytest with torch in it would hide the command's own.
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from base_models.registry import create_model
from fewshot.adapters.attach import attach_adapter
from fewshot.adapters.folder import write_adapter
from fewshot.consent import Consent
from fewshot.home import run_folder
from fewshot.samples import sample_folder

MEGABYTE = 1_000_000

_LAUNCH = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=open("stderr.txt", "wb"))
print(json.dumps([code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""


def peak_memory(folder: Path, *arguments: str | Path) -> int:
    """Peak resident bytes of `fewshot ARGUMENTS...`, run in `folder`; fails when the command does."""
    command = [sys.executable, "-m", "fewshot.cli.main", *map(str, arguments)]
    launched = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCH, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    code, peak = json.loads(launched.stdout)
    assert code == 0, (folder / "stderr.txt").read_text()
    # Linux counts kilobytes, macOS bytes.
    return int(peak) * (1 if sys.platform == "darwin" else 1024)


def measure(benchmark: Any, folder: Path, *arguments: str | Path) -> int:
    """Run the command once, timed, and note its peak memory."""
    peak: int = benchmark.pedantic(peak_memory, args=(folder, *arguments), rounds=1)
    benchmark.extra_info["peak memory MB"] = round(peak / MEGABYTE)
    return peak


@pytest.mark.benchmark(group="commands: memory and wall time")
def test_stylize_a_large_photo(benchmark: Any, tmp_path: Path) -> None:
    """`fewshot stylize` of eight 12-megapixel photos with the 256 px network stays under 1 GB."""
    rng = np.random.default_rng(0)
    for i in range(8):
        coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        coarse.resize((4000, 3000), Image.Resampling.BICUBIC).save(tmp_path / f"{i}.jpg", quality=90)
    photos = sorted(tmp_path.glob("*.jpg"))
    peak = measure(benchmark, tmp_path, "stylize", *photos, "--base", "scan_256", "-o", tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == len(photos)
    assert peak < 1000 * MEGABYTE


@pytest.mark.benchmark(group="commands: memory and wall time")
def test_a_style_on_one_face_in_a_second(benchmark: Any, tmp_path: Path) -> None:
    """`fewshot stylize face.png --style NAME` at 256 px as a process: at most 1 s (median) and 400 MB."""
    base = create_model("scan_256.anime")
    model = attach_adapter(base.netG_A, method="lora", rank=12, alpha=12, base_sha256=base.sha256)
    preview = io.BytesIO()
    Image.new("RGB", (8, 8)).save(preview, "PNG")
    write_adapter(
        run_folder("mine") / "adapter",
        model,
        name="mine",
        base_name=base.name,
        base_sha256=base.sha256,
        recipe_toml="",
        recipe_hash="0",
        seed=0,
        steps=1,
        reference_hashes=[],
        metrics={},
        preview_png=preview.getvalue(),
        style_features={"references": torch.zeros(1, 2)},
        extractor_sha256="0",
        licence="CC0-1.0",
        consent=Consent("self"),
    )
    Image.fromarray(skimage.data.astronaut()[:256, 96:352]).save(tmp_path / "face.png")
    command: list[str | Path] = [
        "stylize",
        "face.png",
        "--style",
        "mine",
        "--crop",
        "face",
        "-o",
        "out.png",
        "--overwrite",
    ]
    peaks = []

    def once() -> None:
        peaks.append(peak_memory(tmp_path, *command))

    benchmark.pedantic(once, rounds=7, warmup_rounds=1)
    benchmark.extra_info["peak memory MB"] = round(max(peaks) / MEGABYTE)
    assert Image.open(tmp_path / "out.png").size == (256, 256)
    assert max(peaks) <= 400 * MEGABYTE
    assert benchmark.stats.stats.median <= 1.0


@pytest.mark.benchmark(group="commands: memory and wall time")
def test_adapt_at_256_px(benchmark: Any, tmp_path: Path) -> None:
    """`fewshot adapt` with the 256 px network and the recipe's batch, four steps, stays under 3 GB."""
    short = ["steps=4", "warmup_steps=0", "eval_every=4"]
    adapt: list[str | Path] = [
        "adapt",
        sample_folder("ink"),
        "--name",
        "memory",
        "--base",
        "scan_256",
        *short,
    ]
    assert measure(benchmark, tmp_path, *adapt) < 3000 * MEGABYTE
    assert list(Path(os.environ["FEWSHOT_HOME"]).rglob("adapter_model.safetensors"))


@pytest.mark.benchmark(group="commands: start-up")
@pytest.mark.parametrize("command", ["--help", "--version"])
def test_start_up(benchmark: Any, command: str) -> None:
    """Wall time of a command that loads nothing heavy; the limit of half a second is asserted in CPU time by
    the ordinary tests."""
    run = [sys.executable, "-m", "fewshot.cli.main", command]
    done = benchmark.pedantic(subprocess.run, args=(run,), kwargs={"capture_output": True}, rounds=5)
    assert done.returncode == 0
