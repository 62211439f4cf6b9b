"""A batch that is shared by processes and computed in pieces trains what one process would."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from fewshot.data.draws import Draws
from fewshot.errors import UsageError
from fewshot.training.global_batch import GlobalBatch, Join, Rehearsal
from fewshot.training.launch import _environment, _free_port

# Every loss there is; float32; a rate at which rounding does not grow to more than is asked for in 20 steps:
# Adam's first updates turn the last bit of a gradient near zero into a whole step.
SCRIPT = """
import json, sys
from pathlib import Path
import torch
from base_models.registry import create_model
from fewshot.data.style_set import StyleSet
from fewshot.samples import sample_folder
from fewshot.training.adaptation import Adaptation
from fewshot.training.launch import leave
from fewshot.training.parts import world_size
from fewshot.training.precision import make_accelerator
from recipes import apply_overrides, load_recipe

folder, at_once, steps, pictures, *overrides = sys.argv[1:]
torch.set_num_threads(1)
accelerator = make_accelerator("no", cpu=True)
drawings = StyleSet.from_folder(sample_folder("flat"), size=32, limit=8, crop="face")
base = create_model("scan_tiny")
# Even paint has a comparison of its own below, over few steps.
fixed = ["batch=4", "lr=1e-4", "lr_d=2e-5", "warmup_steps=1", "lambda_even=0"]
recipe = apply_overrides(load_recipe("quick"), [*fixed, *overrides])
job = Adaptation(drawings, base, recipe, None, Path(folder), accelerator)
job.trainer.batch.at_once = min(int(at_once), job.trainer.batch.largest)
job.trainer.pictures.seed = int(pictures)
first = job.validation.score(0, job.trainer.redraw(job.sources.held))
losses = [job.trainer.step(step) for step in range(int(steps))]
if accelerator.is_main_process:
    tensors = {name: t.double().sum().item() for name, t in job.trainer.adapter_tensors().items()}
    last = job.validation.score(20, job.trainer.redraw(job.sources.held))
    told = dict(losses=losses, first=first, last=last, adapter=tensors, processes=world_size(accelerator))
    Path(folder, "told.json").write_text(json.dumps(told))
else:
    job.trainer.redraw(job.sources.held)
    world_size(accelerator)
leave(0)
"""
ALL = ["lambda_feature=0.5", "lambda_cycle=1", "lambda_pair=0.3", "lambda_identity=1", "lambda_tv=0.1"]


def train(
    folder: Path,
    processes: int,
    *overrides: str,
    at_once: int = 64,
    steps: int = 20,
    pictures: str = "0",
) -> Any:
    """What the main one of the processes tells.

    Args:
        pictures: seed of which pictures are shown, and how.
    """
    folder.mkdir()
    port = _free_port()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder), str(at_once), str(steps), pictures, *overrides],
            env=os.environ | (_environment(rank, processes, port, cpu=True) if processes > 1 else {}),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    results = [worker.communicate(timeout=150)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * processes, results
    return json.loads((folder / "told.json").read_text())


def assert_losses_equal(some: Any, other: Any) -> None:
    assert len(some) == len(other)
    for one, two in zip(some, other, strict=True):
        assert one.keys() == two.keys()
        for name, value in one.items():
            # A cosine near one is known to a few millionths in float32.
            assert two[name] == pytest.approx(value, rel=1e-4, abs=5e-6), name


def assert_equal(some: Any, other: Any) -> None:
    assert_losses_equal(some["losses"], other["losses"])
    assert other["first"] == pytest.approx(some["first"], rel=1e-6)
    assert other["last"] == pytest.approx(some["last"], rel=1e-4)
    for name, total in some["adapter"].items():
        assert other["adapter"][name] == pytest.approx(total, rel=1e-3, abs=1e-2), name


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return train(tmp_path_factory.mktemp("alone") / "run", 1, *ALL)


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_that_share_a_batch_train_what_one_does(alone: Any, tmp_path: Path, processes: int) -> None:
    steps = 20 if processes == 2 else 8
    told = train(tmp_path / "run", processes, *ALL, steps=steps)
    assert (alone["processes"], told["processes"]) == (1, processes)
    assert set(alone["losses"][0]) > {
        "style",
        "swd",
        "outlier",
        "gan",
        "pair",
        "identity",
        "cycle",
        "D_patch",
    }
    if steps == len(alone["losses"]):
        assert_equal(alone, told)
    else:
        assert_losses_equal(alone["losses"][:steps], told["losses"])


def test_pieces_of_a_batch_train_what_the_whole_does(alone: Any, tmp_path: Path) -> None:
    assert_equal(alone, train(tmp_path / "run", 1, *ALL, at_once=2))


@pytest.mark.parametrize(
    "short",
    [
        ("swd_target=all", "by_parts=true"),
        ("swd_target=all", "by_parts=false"),
        # Its gradient is the sign of small differences, which rounding turns around: few steps.
        ("swd_target=matched", "by_parts=true", "lambda_even=4"),
    ],
)
def test_sets_of_the_whole_batch_are_seen_by_all_processes_and_pieces(
    tmp_path: Path, short: tuple[str, ...]
) -> None:
    """Sets that are sorted over the batch: each piece needs the others' rows, and the parts they are of."""
    whole = train(tmp_path / "whole", 1, *short, steps=4)
    assert_equal(whole, train(tmp_path / "shared", 2, *short, steps=4))
    assert_equal(whole, train(tmp_path / "pieces", 1, *short, steps=4, at_once=2))


def test_the_comparison_sees_a_process_with_pictures_of_its_own(alone: Any, tmp_path: Path) -> None:
    other = train(tmp_path / "run", 1, *ALL, steps=2, pictures="1")
    with pytest.raises(AssertionError):
        assert_losses_equal(alone["losses"][:2], other["losses"])


@dataclass
class Rank:
    """One of several processes, as far as sharing goes."""

    process_index: int
    """Its number."""
    num_processes: int
    """How many there are."""


@pytest.mark.parametrize(("total", "processes", "at_once"), [(4, 2, None), (5, 3, 1), (7, 2, 2), (64, 5, 4)])
def test_weights_of_pieces_make_the_mean_over_the_batch(
    total: int, processes: int, at_once: int | None
) -> None:
    values = torch.rand(total, dtype=torch.float64)
    means, places = [], []
    for rank in range(processes):
        batch = GlobalBatch(Rank(rank, processes), total, at_once)
        mine = values[batch.places]
        means.append(sum(batch.weight(piece) * mine[piece].mean() for piece in batch.pieces()))
        places += batch.places.tolist()
    assert places == list(range(total))
    assert float(sum(means)) / processes == pytest.approx(float(values.mean()))


def test_more_processes_than_pictures_are_refused() -> None:
    with pytest.raises(UsageError, match="a batch of 2 cannot be shared by 3 processes"):
        GlobalBatch(Rank(0, 3), 2)


def test_rows_of_pieces_have_the_gradient_of_the_whole_batch() -> None:
    batch = GlobalBatch(Accelerator(cpu=True), 5, 2)
    rows = torch.rand(5, 3, requires_grad=True)

    def loss(seen: Tensor) -> Tensor:
        return (seen.sort(0).values * torch.arange(5.0)[:, None]).square().mean() + seen.mean(
            0
        ).square().sum()

    (wanted,) = torch.autograd.grad(loss(rows), rows)
    rehearsal = Rehearsal(batch)
    for piece in batch.pieces():
        rehearsal.next_piece()
        rehearsal(rows[piece])
    found = torch.zeros_like(rows)
    for piece in batch.pieces():
        join = Join(batch, piece, rehearsal.all_rows())
        weighted = batch.weight(piece) * loss(join(rows[piece]))
        found += torch.autograd.grad(weighted, rows)[0]
    torch.testing.assert_close(found, wanted)


def test_a_place_has_its_numbers_wherever_it_is() -> None:
    def draw(places: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        draws = Draws(torch.Generator().manual_seed(3), 6, places)
        return draws.rand(2), draws.randint(9), draws.choose(torch.tensor([0.2, 0.8]))

    whole = draw(None)
    for places in (torch.tensor([1]), torch.arange(2, 6)):
        for some, every in zip(draw(places), whole, strict=True):
            assert torch.equal(some, every[places])
