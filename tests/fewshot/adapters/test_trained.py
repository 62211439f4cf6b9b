"""Every method through a real adaptation of two steps: trained, averaged, disabled, written, drawn again."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from peft import PeftModel

from base_models.registry import create_model
from fewshot.adapters.adapter import Adapter, read_adapter
from fewshot.adapters.attach import METHODS, adapter_state, saved_names
from fewshot.adapters.folder import MAX_BYTES
from fewshot.adapters.merged import merged
from fewshot.consent import Consent
from fewshot.data.augment import to_float, to_uint8
from fewshot.data.style_set import StyleSet
from fewshot.samples import sample_folder
from fewshot.training.adapt import finish
from fewshot.training.adaptation import Adaptation
from recipes import apply_overrides, load_recipe

SHORT = ["steps=2", "eval_every=1", "batch=2", "warmup_steps=0", "patience=0", "lr=0.02", "ema=0.5"]


def job(tmp_path: Path, method: str) -> Adaptation:
    folder = tmp_path / "drawings"
    folder.mkdir(exist_ok=True)
    for path in sorted(sample_folder("ink").glob("*.webp"))[:5]:
        shutil.copy(path, folder)
    recipe = apply_overrides(load_recipe("quick"), [*SHORT, f"method={method}", "rank=6"])
    drawings = StyleSet.from_folder(folder, size=32)
    return Adaptation(
        drawings, create_model("scan_tiny"), recipe, None, tmp_path / "run", Accelerator(cpu=True)
    )


@pytest.mark.parametrize("method", METHODS)
def test_two_steps_end_in_a_folder_that_draws_what_training_saw(
    write: Callable[..., Adapter], tmp_path: Path, method: str
) -> None:
    run = job(tmp_path, method)
    before = copy.deepcopy(run.best)
    base_draws = run.results_of_base()
    for step in range(2):
        run.trainer.step(step)
    run.best = run.trainer.adapter_tensors()
    assert any(not torch.equal(before[name], run.best[name]) for name in before)
    assert saved_names(run.best).keys() == adapter_state(run.trainer.G).keys()
    assert torch.equal(run.results_of_base(), base_draws)
    with torch.no_grad():
        alone = to_uint8(run.base.netG_A(to_float(run.sources.held)))
    # Training holds the weights channels last, which rounds otherwise.
    assert (base_draws.int() - alone.int()).abs().max() <= 1

    folder = tmp_path / "adapter"
    write(folder, weights=run.best, config=run.trainer.G.peft_config["default"])
    adapter = read_adapter(folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MAX_BYTES
    held, seen = to_float(run.sources.held), run.results_of_best().int()
    assert not torch.equal(seen, base_draws.int())
    by_peft = PeftModel.from_pretrained(copy.deepcopy(run.base.netG_A), str(folder)).eval()
    for net in (merged(run.base, [(adapter, 1.0)]), by_peft):
        with torch.no_grad():
            assert (to_uint8(net(held)).int() - seen).abs().max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_the_state_of_a_run_comes_back(tmp_path: Path, method: str) -> None:
    run = job(tmp_path, method)
    run.trainer.step(0)
    state = copy.deepcopy(run.trainer.state_dict())
    run.trainer.step(1)
    again = job(tmp_path, method)
    again.trainer.load_state_dict(state)
    again.trainer.step(1)
    for name, tensor in run.trainer.adapter_tensors().items():
        assert torch.equal(tensor, again.trainer.adapter_tensors()[name]), name


def test_the_card_names_the_method(tmp_path: Path) -> None:
    run = job(tmp_path, "rslora")
    outcome = finish(run, name="x", licence="", consent=Consent(), overwrite=False)
    alpha = run.recipe.alpha
    assert f"rank-stabilised LoRA of rank 6, alpha {alpha:g}" in (outcome.adapter / "README.md").read_text()
