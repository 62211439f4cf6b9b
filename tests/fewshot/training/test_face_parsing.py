"""How the face parser is made, on a few persons and steps."""

from dataclasses import replace
from pathlib import Path

import torch

from eval.face_parsing import HEADER, PARTS, FaceParser, FaceParsingHead
from eval.perceptual import load_perceptual
from eval.shipped_weights import load_shipped
from fewshot.data.packs import load_pack
from fewshot.samples import sample_folder
from fewshot.training.face_parsing import Settings, overlap, render, train
from fewshot.training.shipped import save_shipped

SETTINGS = Settings(plans=3, steps=24, batch=6)


def test_a_few_steps_find_parts_and_give_the_same_weights_again(tmp_path: Path) -> None:
    rendered = render(SETTINGS)
    pictures, labels = rendered
    assert pictures.shape[0] == labels.shape[0] == 15
    assert labels.max() < len(PARTS)
    pools = [
        torch.from_numpy(load_pack(sample_folder(hand), 160, limit=4).pixels) for hand in ("ink", "flat")
    ]
    made = train(SETTINGS, rendered, pools)
    torch.manual_seed(SETTINGS.seed)
    untaught = overlap(FaceParser(load_perceptual(), FaceParsingHead()), rendered)
    taught = overlap(made, rendered)
    assert sum(taught.values()) > 2 * sum(untaught.values())
    assert taught["ground"] > 0.6
    short = replace(SETTINGS, steps=3)
    first, again = (train(short, rendered, pools).head.state_dict() for _ in range(2))
    assert all(torch.equal(weights, again[name]) for name, weights in first.items())
    save_shipped(made.head, tmp_path / "head.safetensors", HEADER, {"seed": 0})
    loaded = load_shipped(FaceParsingHead(), tmp_path / "head.safetensors", HEADER, "a.module")
    assert torch.allclose(loaded.out.weight, made.head.out.weight, atol=1e-3)
