"""Contact sheets as files."""

import io
import json
from inspect import signature

import numpy as np
import torch
from PIL import Image

from fewshot.adapters import folder
from fewshot.data.style_set import StyleSet
from fewshot.sheets import contact_sheet, png_bytes


def noisy_sheet() -> Image.Image:
    """What compresses least: more than any drawing takes."""
    pictures = np.random.default_rng(0).integers(0, 256, (8, 3, 64, 64), np.uint8)
    return contact_sheet([(name, pictures) for name in ("drawings", "photos", "result")])


def test_a_sheet_is_made_smaller_until_it_fits() -> None:
    sheet = noisy_sheet()
    whole = png_bytes(sheet)
    assert Image.open(io.BytesIO(whole)).size == sheet.size
    fitted = png_bytes(sheet, 200_000)
    assert len(whole) > 400_000
    assert 100_000 < len(fitted) <= 200_000
    width, height = Image.open(io.BytesIO(fitted)).size
    assert abs(width / height - sheet.width / sheet.height) < 0.05
    assert len(png_bytes(sheet, 1)) > 1


def test_what_stands_beside_the_largest_adapter_fits_for_the_largest_set() -> None:
    """Sixty drawings whose preview compresses badly: a training must not fail at its end for lack of room."""
    from eval.features import get_extractor

    most = signature(StyleSet.from_folder).parameters["limit"].default
    rows = torch.zeros(most + 32, get_extractor("style").dim)
    features = folder._features({"references": rows[:most], "results": rows[most:]}, "0" * 64)
    texts, names_of_tensors = 40_000, 40_000
    assert len(features) + texts + names_of_tensors < folder._OTHER_BYTES
    for trainable, looks in ((10_000, 10), (600_000, 10), (850_000, 10), (750_000, 400)):
        metrics = {"curve": [{"score": 1 / 3, "kid": 1 / 7, "content_top1": 0.99}] * looks}
        preview = png_bytes(noisy_sheet(), folder.preview_bytes(trainable, metrics))
        room = folder.MAX_BYTES - folder._OTHER_BYTES - 2 * trainable
        assert 80_000 < len(preview) <= room - len(json.dumps(metrics))
