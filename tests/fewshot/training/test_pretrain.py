"""A whole run of base training on generated pictures: stages, stops, exact resume, damage."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from base_models.registry import create_model
from fewshot.errors import BadInputError, ConflictError, IntegrityError, NotFoundError
from fewshot.training.pretrain import Pretraining
from fewshot.training.pretrain_export import Exported, write_base
from fewshot.training.pretrain_files import Position

STEPS = (4, 4)
# Everything that draws random numbers, so that a resumed run has to get all of them right.
OPTIONS: dict[str, Any] = {
    "steps": STEPS,
    "pool": 3,
    "augment": ("shift", "cutout", "brightness", "flip"),
    "lambda_penalty": 1.0,
    "lambda_identity": 0.5,
}


def tensors_of(exported: Exported) -> dict[str, Tensor]:
    """Every tensor of both files."""
    return load(exported.generators) | load(exported.discriminators)


def stop_at(run: Pretraining, total: int) -> None:
    """Ask for a stop, as a signal would, at the `total`-th step."""

    def watch(position: Position, losses: dict[str, float]) -> None:
        if sum(STEPS[: position.stage]) + position.step == total - 1:
            run.stop.requested = True

    run.watch = watch


def test_a_resumed_run_is_the_same_bit_for_bit(tiny: Any, tmp_path: Path) -> None:
    expected = tensors_of(tiny.run(**OPTIONS).run())
    # Inside a stage, at the end of the first stage, and twice in one run.
    for stops in ((3,), (4,), (2, 6)):
        tiny.folder = tmp_path / f"{stops}"
        for number, stop in enumerate(stops):
            part = tiny.run(**OPTIONS)
            stop_at(part, stop)
            part.run(resume=number > 0)
            assert part.stopping
            assert part.position.pairs == 2 * stop
        rest = tiny.run(**OPTIONS)
        resumed = tensors_of(rest.run(resume=True))
        assert rest.position.pairs == 2 * sum(STEPS)
        assert resumed.keys() == expected.keys()
        assert all(torch.equal(resumed[name], expected[name]) for name in expected)


def test_slices_add_up_to_the_same_run(tiny: Any, tmp_path: Path) -> None:
    expected = tensors_of(tiny.run(**OPTIONS).run())
    tiny.folder = tmp_path / "sliced"
    slices = 0
    while True:
        part = tiny.run(**OPTIONS)
        exported = part.run(resume=slices > 0, slice_minutes=1e-6)
        slices += 1
        if not part.stopping:
            break
        assert not part.interrupted
    # One step in each, and a last one that finds nothing left to do.
    assert slices == sum(STEPS) + 1
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors_of(exported).items())


def test_many_steps_between_two_looks_are_still_the_asked_number(
    tiny: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("fewshot.training.pretrain.steps_at_once", lambda *arguments: 3)
    looks: list[tuple[int, int, int]] = []
    run = tiny.run(**OPTIONS)
    run.watch = lambda position, losses: looks.append((position.stage, position.step, position.pairs))
    expected = tensors_of(run.run())
    assert looks == [(0, 3, 6), (0, 4, 8), (1, 3, 14), (1, 4, 16)]
    tiny.folder = tmp_path / "sliced"
    for resume in (False, True, True, True, True):
        exported = tiny.run(**OPTIONS).run(resume=resume, slice_minutes=1e-6)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors_of(exported).items())


def test_a_run_leaves_a_base_previews_and_a_log(tiny: Any, tmp_path: Path) -> None:
    run = tiny.run(steps=(2, 2), lambda_content=1.0, lambda_feature=1.0)
    run.licence, run.name = "CC0", "scan_tiny.test"
    model = write_base(run.run(), tmp_path / "scan_tiny.test.safetensors")
    assert model.netD_B is not None
    assert model.header["licence"] == "CC0"
    assert model.header["training"]["pairs"] == 8
    assert model.header["training"]["config"]["steps"] == [2, 2]
    names = sorted(path.name for path in (tiny.folder / "samples").iterdir())
    assert names == ["stage1-000001.png", "stage2-000001.png"]
    lines = [json.loads(line) for line in (tiny.folder / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [(0, 1), (1, 1)]
    card = (tmp_path / "scan_tiny.test.md").read_text()
    assert "8,965 parameters" in card
    assert model.sha256 in card
    assert "CC0" in card


def test_the_base_holds_the_averaged_weights(tiny: Any) -> None:
    run = tiny.run(steps=(3, 3), ema=0.9)
    shadows: list[torch.Tensor] = []
    finish = run._finish_stage

    def spy(trainer: Any) -> None:
        shadows.append(
            trainer.ema.shadow[
                "A.stage.head.conv.weight" if not shadows else "A.stage.translation.head.conv.weight"
            ]
        )
        finish(trainer)

    run._finish_stage = spy
    tensors = tensors_of(run.run())
    assert torch.equal(tensors["netG_A.stages.0.head.conv.weight"], shadows[0].half())
    assert torch.equal(tensors["netG_A.stages.1.translation.head.conv.weight"], shadows[1].half())


def test_a_stop_in_the_first_stage_gives_a_smaller_base(tiny: Any, tmp_path: Path) -> None:
    run = tiny.run(**OPTIONS)
    stop_at(run, 2)
    path = tmp_path / "scan_tiny.part.safetensors"
    path.write_bytes(run.run().generators)
    model = create_model(path)
    assert model.netG_A.size == 16
    assert model.netG_A(torch.zeros(1, 3, 16, 16)).shape == (1, 3, 16, 16)


def test_the_minutes_end_a_run_and_are_shared(tiny: Any) -> None:
    run = tiny.run(minutes=0.05, share=(0.5, 0.5))
    steps = {0: 0, 1: 0}

    def watch(position: Position, losses: dict[str, float]) -> None:
        steps[position.stage] = position.step

    run.watch = watch
    start = time.monotonic()
    run.run()
    assert 3 <= run.position.total_seconds < 5
    assert time.monotonic() - start < 15
    assert min(steps.values()) > 1
    assert not run.stopping


def test_a_run_is_not_overwritten_nor_continued_with_other_settings(tiny: Any) -> None:
    tiny.run(steps=(1, 1)).run()
    with pytest.raises(ConflictError, match="holds a run") as error:
        tiny.run(steps=(1, 1)).run()
    assert "--resume" in error.value.hint
    with pytest.raises(ConflictError, match=r"lr 0\.0002 -> 0\.01"):
        tiny.run(steps=(1, 1), lr=0.01).run(resume=True)
    tiny.run(steps=(1, 1), preview_every=9.0).run(resume=True)


def damage(folder: Path, stem: str) -> None:
    for path in (folder / "state").glob(f"{stem}*.pt"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)


def test_a_damaged_state_is_an_integrity_error_that_names_what_to_delete(tiny: Any) -> None:
    tiny.run(steps=(1, 1)).run()
    damage(tiny.folder, "state")
    with pytest.raises(IntegrityError, match=r"state\.pt") as error:
        tiny.run(steps=(1, 1)).run(resume=True)
    assert all(str(path) in error.value.hint for path in (tiny.folder / "state").glob("state*.pt"))


def test_damaged_pools_are_filled_anew(tiny: Any, capsys: pytest.CaptureFixture[str]) -> None:
    first = tiny.run(**OPTIONS)
    stop_at(first, 2)
    first.run()
    damage(tiny.folder, "pool-0")
    rest = tiny.run(**OPTIONS)
    rest.run(resume=True)
    assert rest.position.pairs == 2 * sum(STEPS)
    assert "filled anew" in capsys.readouterr().err


def test_pools_of_another_stage_are_not_mixed_in(tiny: Any, tmp_path: Path) -> None:
    first = tiny.run(**OPTIONS)
    stop_at(first, 2)
    first.run()
    state = (tiny.folder / "state" / "state.pt").read_bytes()
    tiny.run(**OPTIONS).run(resume=True)
    # As after a kill between the two files: pools of stage 2 beside the state of stage 1.
    (tiny.folder / "state" / "state.pt").write_bytes(state)
    rest = tiny.run(**OPTIONS)
    rest.run(resume=True)
    assert rest.position.pairs == 2 * sum(STEPS)


def test_training_that_explodes_says_so_and_keeps_the_older_state(tiny: Any) -> None:
    run = tiny.run(steps=(4, 4))

    def watch(position: Position, losses: dict[str, float]) -> None:
        if position.stage == 1:
            next(run.netG_A.stages[1].parameters()).data.fill_(float("nan"))

    run.watch = watch
    with pytest.raises(BadInputError, match=r"stage 2.* is not finite") as error:
        run.run()
    assert "--lr" in error.value.hint
    # Two photos and two drawings, by pack and name.
    shown = str(error.value).split("with the pictures ")[1].split(", ")
    assert {name[:3] for name in shown} == {"p1:", "p2:"}
    assert 2 <= len(shown) <= 4
    state = run.files.load(resume=True)
    assert state is not None
    assert (state["position"]["stage"], state["position"]["step"]) == (0, 4)


def test_an_unknown_architecture_is_not_found(tiny: Any) -> None:
    with pytest.raises(NotFoundError, match="scan_512"):
        tiny.run(arch="scan_512", steps=(1, 1))
