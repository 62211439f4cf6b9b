"""The generator's losses of an adaptation, what is kept, and what a folder of two hands is told."""

from pathlib import Path
from types import ModuleType

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from base_models.registry import create_model
from eval.face_parsing import PARTS, load_face_parser
from eval.perceptual import load_perceptual
from fewshot.data.draws import Draws
from fewshot.data.style_set import StyleSet
from fewshot.samples import sample_folder
from fewshot.training.adapt import warn_of_two_hands
from fewshot.training.parts import step_generator
from fewshot.training.position import TIE, Progressed
from fewshot.training.shown import shifted
from fewshot.training.sources import make_sources
from fewshot.training.style_trainer import StyleTrainer
from recipes import apply_overrides, load_recipe

ALL_OFF = [f"lambda_{name}=0" for name in ("gan", "feature", "outlier", "swd", "content", "tone")]


def trainer(*overrides: str) -> StyleTrainer:
    drawings = StyleSet.from_folder(sample_folder("riso"), size=64, limit=6)
    base = create_model("scan_128")
    recipe = apply_overrides(load_recipe("quick"), ["batch=2", "rank=2", "alpha=2", *overrides])
    sources = make_sources(base, drawings, None, None)
    features = load_perceptual()
    parser = load_face_parser(features) if recipe.by_parts else None
    return StyleTrainer(base, recipe, drawings, sources, features, parser, Accelerator(cpu=True))


def losses(of: StyleTrainer, step: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
    draws = Draws(step_generator(0, step), 2)
    photos = (of.sources.photos[:2].float() / 127.5 - 1).contiguous()
    parts = None if of.parser is None else of.parser.parser((photos + 1) / 2)
    return of.losses.of(of.G, of.D, photos, draws, parts=parts)


@pytest.mark.parametrize(
    ("override", "name"),
    [
        ("lambda_outlier=1", "outlier"),
        ("lambda_swd=1", "swd"),
        ("lambda_content=1", "content"),
        ("lambda_tone=1", "tone"),
        ("lambda_cycle=1", "cycle"),
        ("lambda_pair=1", "pair"),
        ("lambda_identity=1", "identity"),
        ("lambda_tv=1", "tv"),
        ("grey=true", "grey"),
    ],
)
def test_a_loss_is_there_when_its_weight_is_and_moves_the_adapter_alone(override: str, name: str) -> None:
    made = trainer(*ALL_OFF, override)
    if name in ("content", "tone"):
        # A fresh adapter draws what the base draws, where nothing is lost and nothing pulls.
        made.G.base_model.model.stages[0].head.conv.base_layer.weight.data *= 1.5
    _, found = losses(made)
    assert set(found) == {"style", name}
    found[name].backward()
    moved = [n for n, p in made.G.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    trainable = {n for n, p in made.G.named_parameters() if p.requires_grad}
    assert set(moved) <= trainable
    if name not in ("content", "tone"):
        assert moved


def test_what_the_base_draws_is_kept_without_loss_at_the_start() -> None:
    _, found = losses(trainer("content_from=base"))
    assert float(found["content"].detach()) == pytest.approx(0, abs=1e-5)
    assert float(found["tone"].detach()) == pytest.approx(0, abs=1e-5)


def test_results_and_losses_depend_on_the_step_alone() -> None:
    # Spectral norm takes one more power iteration with each pass: another number, from one state to the next.
    made = trainer("lambda_feature=0")
    (first, some), (again, same), (_, other) = losses(made), losses(made), losses(made, step=1)
    assert torch.equal(first, again)
    assert {n: float(v) for n, v in some.items()} == {n: float(v) for n, v in same.items()}
    assert float(some["swd"]) != float(other["swd"])


def test_parts_are_seen_by_the_discriminator_that_starts_anew_or_as_the_bases() -> None:
    for overrides in (("by_parts=true",), ("by_parts=true", "d_start=base"), ("by_parts=false",)):
        made = trainer(*overrides)
        first = made.D["patch"].get_submodule("body.0")
        assert first.in_channels == (3 + len(PARTS) if "by_parts=true" in overrides else 3)
        losses_of_a_step = made.step(0)
        assert torch.isfinite(torch.tensor(list(losses_of_a_step.values()))).all()
    base = create_model("scan_128").netD_B
    assert base is not None
    made = trainer("by_parts=true", "d_start=base")
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    parts = torch.rand(2, len(PARTS), 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(made.D["patch"](torch.cat([pictures, parts], 1)), base(pictures), atol=1e-5)
    # What looks at the parts has to be learned; all else of the first two layers is kept.
    learned = {name: weight.requires_grad for name, weight in made.D["patch"].named_parameters()}
    assert (learned["body.0.weight"], learned["body.2.weight"]) == (True, False)


def test_a_grey_recipe_makes_results_grey() -> None:
    # The drawings are not grey here: the loss alone has to do it, against what maps of places begin with.
    made = trainer(*ALL_OFF, "lambda_style=0.001", "grey=true", "warmup_steps=0")
    first = made.step(0)["grey"]
    for step in range(1, 12):
        last = made.step(step)["grey"]
    assert last < 0.8 * first


def test_shifted_windows_come_from_the_mirrored_picture() -> None:
    pixels = torch.arange(64, dtype=torch.uint8).repeat(64, 1).expand(3, 2, 64, 64)
    moved = shifted(pixels, torch.Generator().manual_seed(1))
    assert moved.shape == pixels.shape
    steps = moved[:, :, :, 8:56].int().diff(dim=-1)
    assert set(steps.unique().tolist()) <= {-1, 1}


def test_nearly_equal_scores_keep_the_later_weights_without_drifting() -> None:
    at = Progressed()
    kept = []
    for step, score in enumerate([1.0, 0.5, 0.5 * (1 + TIE / 2), 0.5 * (1 + 1.5 * TIE), 0.6, 0.4]):
        at.step = step
        if at.keeps(score):
            kept.append(step)
    # The fourth is near the third and not near the best: ties do not add up.
    assert kept == [0, 1, 2, 5]
    assert (at.best_step, at.best_score) == (5, 0.4)


def test_two_hands_in_a_folder_are_told(
    tmp_path: Path, makers: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    makers.fill_drawings(tmp_path, 12)
    first = StyleSet.from_folder(tmp_path, size=32)
    warn_of_two_hands(tmp_path, first)
    assert capsys.readouterr().err == ""
    makers.fill_drawings(tmp_path, 8, "paint")
    # Those of the other hand are not used.
    warn_of_two_hands(tmp_path, first)
    assert capsys.readouterr().err == ""
    warn_of_two_hands(tmp_path, StyleSet.from_folder(tmp_path, size=32))
    told = capsys.readouterr().err
    assert "8 drawings look like a second hand" in told
    assert f"fewshot check {tmp_path}" in told


def test_bare_heads_are_skin_in_drawings_and_pseudo_photos_and_not_in_photos() -> None:
    made = trainer()
    assert made.parser is not None

    class Everywhere(torch.nn.Module):
        """Says that all is hair, until it is corrected."""

        parser = staticmethod(lambda images: torch.ones(len(images), len(PARTS), 4, 4))

        @staticmethod
        def corrected(parts: Tensor, images: Tensor) -> Tensor:
            return parts * 0

    made.parser = Everywhere()  # type: ignore[assignment]
    seen = {True: 0, False: 0}
    for step in range(40):
        shown = made.pictures.of(step)
        assert shown.parts is not None
        assert shown.real_parts is not None
        assert not shown.real_parts.any()
        for place, number in enumerate(made.pictures.chosen(step)[0]):
            pseudo = number < made.sources.made
            assert bool(shown.parts[place].any()) != pseudo
            seen[pseudo] += 1
    assert min(seen.values()) > 0
