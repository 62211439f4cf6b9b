"""Adaptation from drawings to adapter folder, on the tiny base and the shipped sample drawings."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from base_models.registry import CheckpointError, create_model
from fewshot.adapters.adapter import read_adapter
from fewshot.consent import Consent
from fewshot.data.style_set import StyleSet
from fewshot.errors import (
    BadInputError,
    ConflictError,
    IntegrityError,
    Interrupted,
    NotFoundError,
    UsageError,
)
from fewshot.home import run_folder
from fewshot.inference.torch_engine import TorchEngine
from fewshot.samples import sample_folder
from fewshot.training.adapt import AdaptOutcome, adapt_style, thinned
from fewshot.training.adaptation import Adaptation
from fewshot.training.position import TIE, Progressed
from fewshot.training.runs import check_request
from fewshot.training.sources import pseudo_photos
from fewshot.training.state import load_state, save_state
from recipes import Recipe, RecipeError, apply_overrides, load_recipe


def recipe(*overrides: str) -> Recipe:
    # Part by part has tests of its own, and takes half of a step.
    short = ["steps=4", "eval_every=2", "batch=2", "warmup_steps=1", "patience=0", "by_parts=false"]
    return apply_overrides(load_recipe("quick"), [*short, *overrides])


def drawings(tmp_path: Path, count: int, hand: str = "ink") -> Path:
    folder = tmp_path / f"{hand} {count}"
    folder.mkdir(exist_ok=True)
    for path in sorted(sample_folder(hand).glob("*.webp"))[:count]:
        shutil.copy(path, folder)
    return folder


def adapt(folder: Path, *overrides: str, name: str = "mine", **options: object) -> AdaptOutcome:
    return adapt_style(folder, name=name, base="scan_tiny", recipe=recipe(*overrides), **options)  # type: ignore[arg-type]


def job(tmp_path: Path, *overrides: str, count: int = 6) -> Adaptation:
    style_set = StyleSet.from_folder(drawings(tmp_path, count), size=32, crop="face")
    base, run = create_model("scan_tiny"), tmp_path / "run"
    return Adaptation(style_set, base, recipe(*overrides), None, run, Accelerator(cpu=True))


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_a_discriminator_is_trained_on_what_it_is_asked_about(tmp_path: Path) -> None:
    """The one on features sees whole results, whatever the one on patches is shown instead."""
    trainer = job(tmp_path, "augment=cutout").trainer
    reals, fakes = torch.rand(2, 2, 3, 32, 32) * 2 - 1
    seen: dict[str, torch.Tensor] = {}
    for name, netD in trainer.D.items():
        netD.register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given[0].clone()}))
    losses = trainer._discriminator_losses(reals, fakes, trainer.batch.draws(0, 0))
    assert set(losses) == {"D_patch", "D_feature"}
    assert torch.equal(seen["feature"], torch.cat([reals, fakes]))
    assert not torch.equal(seen["patch"], torch.cat([reals, fakes]))


def test_the_time_that_there_is_decides_how_soon_the_rates_fall(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """20 steps tell the pace; a run of very many ends where its minutes are enough for, with small steps.

    A machine that slows down after them has time for fewer: it ends on time, a little before.
    """
    run = job(tmp_path, "steps=200000", "eval_every=10000", "lambda_feature=0", "lambda_gan=0")
    run.train_style(max_minutes=0.2)
    assert 20 < run.at.step <= run.at.last < 200_000
    assert run.at.step == run.at.last or 12 <= run.at.seconds < 13
    assert run.at.step >= 0.75 * run.at.last
    left = 1 - run.at.step / run.at.last
    assert run.trainer.optimizer_G.param_groups[0]["lr"] < (0.1 + 2 * left) * run.recipe.lr
    told = capsys.readouterr().err
    assert f"time for {run.at.last} of 200000 steps" in told
    assert f"stopped at step {run.at.step}" in told


def test_an_adapter_keeps_few_of_many_looks() -> None:
    for count in (1, 199, 200, 201, 8000):
        history = [{"step": float(step)} for step in range(count)]
        kept = thinned(history)
        assert len(kept) == min(count, len(kept)) <= 200
        assert kept[0] == history[0]
        assert kept[-1] == history[-1]
        assert kept == sorted(kept, key=lambda look: look["step"])
        assert len(kept) >= min(count, 100)


def test_the_run_folder_holds_adapter_previews_log_and_recipe(tmp_path: Path) -> None:
    outcome = adapt(drawings(tmp_path, 8), licence="CC0-1.0", consent=Consent("self", by="Ann"))
    assert outcome.adapter == run_folder("mine") / "adapter"
    assert outcome.steps == 4
    adapter = read_adapter(outcome.adapter)
    assert adapter.licence == "CC0-1.0"
    assert len(adapter.record["references"]) == 8
    assert {p.name for p in (outcome.run / "samples").iterdir()} == {f"step-{n:06d}.png" for n in (0, 2, 4)}
    lines = [json.loads(line) for line in (outcome.run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    metrics = json.loads((outcome.run / "metrics.json").read_text())
    assert metrics["kid"]["extractor"] == "random-steering"
    assert metrics["kid"]["n"][0] == 2
    assert sum(p.stat().st_size for p in outcome.adapter.iterdir()) < 2_000_000
    assert not list((outcome.run / "state").glob("*"))


def test_the_best_weights_are_kept_not_the_last(tmp_path: Path) -> None:
    run = job(tmp_path, "steps=6", "eval_every=1", "by_parts=true")
    run.train_style()
    scores = {entry["step"]: entry["score"] for entry in run.validation.history}
    # The last of those that are as good as the best.
    best = max(step for step, score in scores.items() if score < min(scores.values()) * (1 + TIE))
    assert run.at.best_step == best
    drawn = run.results_of_best()
    run.validation.history = run.validation.history[:1]
    assert run.validation.score(0, drawn) == pytest.approx(scores[best], abs=1e-6)


def test_training_moves_the_style_loss_and_leaves_the_base(tmp_path: Path) -> None:
    run = job(tmp_path, "steps=30", "eval_every=30", "lambda_gan=0", "lr=0.02", "ema=0")
    before = {name: p.clone() for name, p in run.base.netG_A.named_parameters()}
    first = run.trainer.step(0)["style"]
    run.train_style()
    assert run.trainer.step(30)["style"] < 0.9 * first
    assert all(torch.equal(p, before[name]) for name, p in run.base.netG_A.named_parameters())


def test_the_adapter_draws_through_the_engine_what_training_saw(tmp_path: Path) -> None:
    outcome = adapt(drawings(tmp_path, 6), "lr=0.02", "ema=0", "steps=16", "eval_every=4")
    run = job(tmp_path, "lr=0.02", "ema=0", "steps=16", "eval_every=4")
    run.train_style()
    assert run.at.best_step > 0
    engine = TorchEngine.from_names([str(outcome.adapter)], base="scan_tiny")
    ours, theirs = engine.stylize(run.sources.held.numpy()), run.results_of_best().numpy()
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


def test_the_validation_fold_and_its_pseudo_photos_stay_out_of_training(tmp_path: Path) -> None:
    run = job(tmp_path, count=10)
    assert run.fold is not None
    assert not set(run.train.hashes) & set(run.fold.hashes)
    kept_out = {p.numpy().tobytes() for p in pseudo_photos(run.base, run.fold.tensor())}
    assert not kept_out & {p.numpy().tobytes() for p in run.sources.photos}
    own_hand = StyleSet.from_folder(sample_folder("ink"), size=32).tensor()
    unseen = {p.numpy().tobytes() for p in pseudo_photos(run.base, own_hand[10:])}
    assert not unseen & {p.numpy().tobytes() for p in run.sources.photos}
    assert len(run.trainer.drawings) == len(run.train) == 8


def test_resumed_is_the_same_as_uninterrupted(tmp_path: Path) -> None:
    whole = job(tmp_path, "steps=6")
    whole.train_style()
    half = job(tmp_path, "steps=6")
    half.train_style(max_minutes=1e-9)
    assert half.at.step == 1
    rest = job(tmp_path, "steps=6")
    rest.train_style(resume=True)
    assert rest.at.step == 6
    for name, tensor in whole.trainer.adapter_tensors().items():
        assert torch.equal(tensor, rest.trainer.adapter_tensors()[name]), name


def test_early_stopping_counts_looks_without_improvement(tmp_path: Path) -> None:
    run = job(tmp_path, "steps=50", "eval_every=1", "patience=2", "lr=1e-9")
    run.train_style()
    assert run.at.step < 50
    assert run.at.step - run.at.clear_step == 2


@pytest.mark.parametrize("count", [1, 3])
def test_a_few_drawings_have_no_fold_and_still_work(tmp_path: Path, count: int) -> None:
    outcome = adapt(drawings(tmp_path, count))
    assert "none" in outcome.metrics["fold"]
    assert read_adapter(outcome.adapter)


def test_photos_of_the_user_are_used(tmp_path: Path) -> None:
    outcome = adapt(drawings(tmp_path, 6), photos=drawings(tmp_path, 10, "flat"))
    assert outcome.metrics["photos"].startswith("10 photos of flat 10, ")


@pytest.mark.parametrize(
    "overrides",
    [
        ("method=norm-only",),
        ("method=full",),
        ("lambda_gan=0",),
        ("d_start=base",),
        ("content_from=base",),
        ("lambda_feature=1", "lambda_cycle=1", "lambda_pair=1", "lambda_identity=1", "lambda_tv=1"),
        ("augment=shift,brightness,cutout,flip",),
    ],
)
def test_every_loss_and_method_trains(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    run = job(tmp_path, "steps=2", *overrides)
    before = run.trainer.adapter_tensors()
    losses = [run.trainer.step(step) for step in range(3)]
    assert all(torch.isfinite(torch.tensor(list(step.values()))).all() for step in losses)
    after = run.trainer.adapter_tensors()
    assert any(not torch.equal(before[name], after[name]) for name in after)


def test_content_from_the_base_costs_nothing_before_training(tmp_path: Path) -> None:
    content = {}
    for source in ("photo", "base"):
        (tmp_path / source).mkdir()
        run = job(tmp_path / source, "steps=2", f"content_from={source}")
        trainable = {name for name, p in run.trainer.G.named_parameters() if p.requires_grad}
        content[source] = run.trainer.step(0)["content"]
        assert trainable == {name for name, p in run.trainer.G.named_parameters() if p.requires_grad}
    # The fresh adapter draws as the base does.
    assert content["base"] == pytest.approx(0, abs=1e-3)
    assert content["photo"] > 0.05


def test_a_finished_style_is_not_overwritten(tmp_path: Path) -> None:
    folder = drawings(tmp_path, 6)
    outcome = adapt(folder)
    weights = load_file(outcome.adapter / "adapter_model.safetensors")
    with pytest.raises(ConflictError, match="mine"):
        adapt(folder)
    adapt(folder, "seed=5", "lr=0.05", overwrite=True)
    replaced = load_file(outcome.adapter / "adapter_model.safetensors")
    assert any(not torch.equal(weights[name], replaced[name]) for name in weights)


def test_resume_refuses_another_recipe(tmp_path: Path) -> None:
    first = job(tmp_path)
    first._save()
    other = job(tmp_path, "lambda_style=3")
    with pytest.raises(ConflictError, match=r"begun with lambda_style=2\.0 \(now 3\.0\)"):
        other.train_style(resume=True)


def test_what_was_begun_anew_is_what_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job(tmp_path)._save()
    other = job(tmp_path, "lambda_style=3")
    monkeypatch.setattr(other, "_look", lambda: exec("raise KeyboardInterrupt"))
    with pytest.raises(KeyboardInterrupt):
        other.train_style()
    with pytest.raises(ConflictError, match=r"begun with lambda_style=3\.0 \(now 2\.0\)"):
        job(tmp_path).train_style(resume=True)


@pytest.mark.parametrize(
    ("best", "score", "kept"), [(-0.1, -0.104, True), (-0.1, -0.05, False), (0.5, 0.51, True)]
)
def test_a_score_may_be_below_zero(best: float, score: float, kept: bool) -> None:
    at = Progressed(step=2, best_step=1, best_score=best, clear_score=best)
    assert at.keeps(score) is kept
    assert at.best_score == min(best, score)


def test_a_run_goes_on_under_other_names_of_the_drawings_and_on_another_number_of_threads(
    tmp_path: Path, threads: Callable[[int], None]
) -> None:
    threads(1)
    first = job(tmp_path)
    first.train_style(max_minutes=1e-9)
    for number, path in enumerate(sorted(drawings(tmp_path, 6).iterdir(), reverse=True)):
        path.rename(path.with_stem(f"{number} renamed"))
    threads(2)
    style_set = StyleSet.from_folder(tmp_path / "ink 6", size=32, crop="face")
    assert style_set.hashes != first.drawings.hashes
    second = Adaptation(
        style_set, create_model("scan_tiny"), recipe(), None, first.run, Accelerator(cpu=True)
    )
    second.train_style(resume=True)
    assert second.at.step == 4


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    run = job(tmp_path)
    run._save()
    data = bytearray(run.state_path().read_bytes())
    data[len(data) // 2] ^= 1
    run.state_path().write_bytes(data)
    with pytest.raises(IntegrityError, match=r"state\.pt"):
        job(tmp_path).train_style(resume=True)


def test_a_state_of_another_version_is_told_as_such(tmp_path: Path) -> None:
    run = job(tmp_path)
    run._save()
    state = load_state(run.state_path())
    assert state is not None
    state["trainer"]["optimizer_G"]["param_groups"] *= 2
    save_state(run.state_path(), state)
    with pytest.raises(ConflictError, match="another version of fewshot") as error:
        job(tmp_path).train_style(resume=True)
    assert "--overwrite" in error.value.hint


def test_resuming_what_is_finished_changes_nothing(tmp_path: Path) -> None:
    folder = drawings(tmp_path, 6)
    first = adapt(folder)
    before = {path.name: path.read_bytes() for path in first.adapter.iterdir()}
    again = adapt(folder, resume=True)
    assert (again.steps, again.best_step, again.metrics) == (first.steps, first.best_step, first.metrics)
    assert {path.name: path.read_bytes() for path in first.adapter.iterdir()} == before


def test_a_rank_that_no_folder_can_hold_is_refused_before_training(tmp_path: Path) -> None:
    folder = drawings(tmp_path, 6)
    with pytest.raises(BadInputError, match="rank 128"):
        adapt_style(folder, name="big", base="scan_128", recipe=recipe("rank=128"))


def test_an_unfinished_run_is_not_lost_by_repeating_the_command(tmp_path: Path) -> None:
    run = job(tmp_path)
    run.run = run_folder("mine")
    run._save()
    with pytest.raises(ConflictError, match="unfinished"):
        adapt(drawings(tmp_path, 6))


def test_what_cannot_be_gone_on_with_is_told_at_once(tmp_path: Path) -> None:
    folder = drawings(tmp_path, 6)
    with pytest.raises(NotFoundError, match="no run 'mine' to go on with") as caught:
        check_request(folder, "mine", base="scan_tiny", resume=True)
    assert "leave --resume out" in caught.value.hint
    unfinished = job(tmp_path)
    unfinished.run = run_folder("mine")
    unfinished._save()
    check_request(folder, "mine", base="scan_tiny", resume=True)
    with pytest.raises(NotFoundError) as caught:
        check_request(folder, "mime", base="scan_tiny", resume=True)
    assert caught.value.hint == "did you mean mine?"
    with pytest.raises(NotFoundError, match="does not exist") as caught:
        check_request(folder, "other", base="scan_tiny", photos=folder.with_name("inc 6"))
    assert "ink 6" in caught.value.hint
    with pytest.raises(CheckpointError, match="no base model") as unknown:
        check_request(folder, "other", base="scan_tiney")
    assert "did you mean scan_tiny?" in unknown.value.hint


def test_mistakes_leave_nothing_behind(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInputError):
        adapt(empty)
    with pytest.raises(UsageError):
        adapt(drawings(tmp_path, 6), name="a/b")
    with pytest.raises(RecipeError, match="lambda_stile"):
        recipe("lambda_stile=1")
    assert not run_folder("mine").exists()


def test_a_stop_right_after_the_first_state_was_saved_is_heeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sees that something was saved may stop it, though processes beside it are still beginning."""
    run = job(tmp_path, "steps=1000", "eval_every=500")
    save = run._save

    def saved() -> None:
        save()
        if run.at.step == 0:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(run, "_save", saved)
    with pytest.raises(Interrupted, match="stopped at step 1 of 1000") as stopped:
        run.train_style()
    assert "--resume" in stopped.value.hint
    assert run.state_path().exists()


def test_ctrl_c_saves_and_resume_finishes(tmp_path: Path, fewshot_home: Path) -> None:
    """Of two processes (of one: test_tracking.py); one alone goes on."""
    folder = drawings(tmp_path, 6)
    command = [
        *[
            sys.executable,
            "-m",
            "fewshot.cli.main",
            "adapt",
            str(folder),
            "--name",
            "mine",
            "--base",
            "scan_tiny",
        ],
        *["steps=100000", "eval_every=2", "batch=2", "by_parts=false", "crop=center", "patience=0"],
        *["--processes", "2"],
    ]
    env = os.environ | {"FEWSHOT_HOME": str(fewshot_home), "OMP_NUM_THREADS": "1"}
    state = run_folder("mine") / "state" / "state.pt"
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        # Two processes on a machine that is busy with other tests take minutes to begin.
        deadline = time.monotonic() + 300
        while not state.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=100)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "--resume" in stderr
    assert state.exists()
    assert not (run_folder("mine") / "adapter").exists()
    # It was asked for 100,000 steps; a minute limit ends it.
    command[command.index("--processes") :] = ["--resume", "--minutes", "0.01"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert read_adapter(run_folder("mine") / "adapter")
    # What it says to look at is there.
    told = dict(line.split(": ", 1) for line in done.stderr.splitlines() if ": /" in line)
    assert Path(told["the style"]).suffix == ".png"
    assert Path(told["the style"]).is_file()
    assert Path(told["previews of its training"]).is_dir()
