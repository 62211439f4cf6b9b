"""Makes docs/bases.png: what the shipped bases draw of scikit-image's astronaut (NASA, public domain).

    .venv/bin/python docs/bases.py

By view and never chosen: framed, mirrored, loose, tilted, grey.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from base_models.registry import create_model
from fewshot.data.augment import to_float, to_uint8
from fewshot.sheets import contact_sheet, png_bytes

SIZE = 256


def views() -> Tensor:
    """Float `(5, 3, 256, 256)` in [-1, 1]."""
    whole = Image.fromarray(data.astronaut())
    framed, loose = whole.crop((150, 10, 310, 170)), whole.crop((90, 0, 370, 280))
    tilted = whole.rotate(-12, center=(230, 100), resample=Image.Resampling.BICUBIC).crop((150, 20, 310, 180))
    shown = [framed, ImageOps.mirror(framed), loose, tilted, framed.convert("L").convert("RGB")]
    pixels = np.stack([np.asarray(v.resize((SIZE, SIZE), Image.Resampling.LANCZOS)) for v in shown])
    return to_float(torch.from_numpy(pixels).permute(0, 3, 1, 2))


@torch.no_grad()
def main() -> None:
    """Draw and write."""
    photos = views()
    rows = [("photo", photos)]
    for label, name in (("128 px", "scan_128.anime"), ("256 px", "scan_256.anime")):
        netG_A = create_model(name).netG_A.eval()
        drawn = netG_A(F.interpolate(photos, (netG_A.size, netG_A.size), mode="area"))
        rows.append((label, F.interpolate(drawn, (SIZE, SIZE), mode="nearest")))
    sheet = contact_sheet([(label, to_uint8(images).numpy()) for label, images in rows])
    Path(__file__).with_suffix(".png").write_bytes(png_bytes(sheet))


if __name__ == "__main__":
    main()
