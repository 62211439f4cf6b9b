"""A batch that is shared by processes and computed in pieces trains what one process would."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from fewshot.data.draws import Draws
from fewshot.errors import UsageError
from fewshot.training.global_batch import GlobalBatch, Join, Rehearsal
from fewshot.training.launch import _environment, _free_port

# Every loss there is; float32; a low rate, and 10 steps: Adam's first updates turn the last bit of a gradient
# near zero into a whole step, and after a dozen steps what differed by a millionth differs by a thousandth.
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

folder, trainings = sys.argv[1:]
torch.set_num_threads(1)
accelerator = make_accelerator("no", cpu=True)
drawings = StyleSet.from_folder(sample_folder("flat"), size=32, limit=8, crop="face")
base = create_model("scan_tiny")
# Even paint has a comparison of its own below, over few steps.
fixed = ["batch=5", "lr=1e-4", "lr_d=2e-5", "warmup_steps=1", "lambda_even=0"]
for name, (overrides, at_once, steps, pictures) in json.loads(trainings).items():
    recipe = apply_overrides(load_recipe("quick"), [*fixed, *overrides])
    job = Adaptation(drawings, base, recipe, None, Path(folder), accelerator)
    job.trainer.batch.at_once = min(at_once, job.trainer.batch.largest)
    job.trainer.pictures.seed = pictures
    first = job.validation.score(0, job.trainer.redraw(job.sources.held))
    losses = [job.trainer.step(step) for step in range(steps)]
    last = job.validation.score(steps, job.trainer.redraw(job.sources.held))
    told = dict(losses=losses, first=first, last=last, processes=world_size(accelerator))
    told["adapter"] = {name: t.double().sum().item() for name, t in job.trainer.adapter_tensors().items()}
    if accelerator.is_main_process:
        Path(folder, f"{name}.json").write_text(json.dumps(told))
leave(0)
"""
ALL = ["lambda_feature=0.5", "lambda_cycle=1", "lambda_pair=0.3", "lambda_identity=1", "lambda_tv=0.1"]
SETS = {
    "all by parts": ["swd_target=all", "by_parts=true"],
    "all": ["swd_target=all", "by_parts=false"],
    # Its gradient is the sign of small differences, which rounding turns around: few steps.
    "even": ["swd_target=matched", "by_parts=true", "lambda_even=4", "lambda_flat=4"],
}
"""Losses of sets that are sorted over the whole batch, over few steps."""


class Training(NamedTuple):
    """What one process, or several together, are to do."""

    overrides: Sequence[str]
    """Of the recipe."""
    at_once: int = 64
    """Pictures computed together."""
    steps: int = 10
    """Updates."""
    pictures: int = 0
    """Seed of which pictures are shown, and how."""


def train(folder: Path, processes: int, trainings: Mapping[str, Training]) -> dict[str, Any]:
    """What the main one of the processes tells of each training, which they do one after the other."""
    port = _free_port()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder), json.dumps(trainings)],
            env=os.environ | (_environment(rank, processes, port, cpu=True) if processes > 1 else {}),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    results = [worker.communicate(timeout=240)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * processes, results
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in trainings}


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
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One process: everything at once, in pieces, and with other pictures."""
    todo = {"every loss": Training(ALL), "every loss in pieces": Training(ALL, at_once=2)}
    todo["other pictures"] = Training(ALL, steps=2, pictures=1)
    for name, overrides in SETS.items():
        todo[name] = Training(overrides, steps=4)
        todo[f"{name} in pieces"] = Training(overrides, steps=4, at_once=2)
    return train(tmp_path_factory.mktemp("alone"), 1, todo)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two processes that share each batch."""
    todo = {name: Training(overrides, steps=4) for name, overrides in SETS.items()}
    return train(tmp_path_factory.mktemp("two"), 2, {"every loss": Training(ALL), **todo})


def test_processes_that_share_a_batch_train_what_one_does(alone: dict[str, Any], two: dict[str, Any]) -> None:
    """Three pictures are the first one's, and two the other's."""
    one = alone["every loss"]
    named = {"style", "swd", "outlier", "gan", "pair", "identity", "cycle", "D_patch"}
    assert set(one["losses"][0]) > named
    assert_equal(one, two["every loss"])
    assert [told["processes"] for told in (one, two["every loss"])] == [1, 2]


def test_pieces_of_a_batch_train_what_the_whole_does(alone: dict[str, Any]) -> None:
    assert_equal(alone["every loss"], alone["every loss in pieces"])


@pytest.mark.parametrize("name", SETS)
def test_sets_of_the_whole_batch_are_seen_by_all_processes_and_pieces(
    alone: dict[str, Any], two: dict[str, Any], name: str
) -> None:
    """Sets that are sorted over the batch: each piece needs the others' rows, and the parts they are of."""
    assert_equal(alone[name], alone[f"{name} in pieces"])
    assert_equal(alone[name], two[name])


def test_the_comparison_sees_a_process_with_pictures_of_its_own(alone: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        assert_losses_equal(alone["every loss"]["losses"][:2], alone["other pictures"]["losses"])


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
