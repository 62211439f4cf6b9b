"""Makes docs/bases.png: what the shipped bases draw of scikit-image's astronaut (NASA, public domain).

    .venv/bin/python docs/bases.py

In the four views of `make demo`, and grey; by view and never chosen.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch.nn import functional as F

from base_models.registry import create_model
from fewshot.data.augment import to_float, to_uint8
from fewshot.demo import photo_views
from fewshot.sheets import contact_sheet, png_bytes

SIZE = 256


@torch.no_grad()
def main() -> None:
    """Draw and write."""
    whole = Image.fromarray(data.astronaut())
    views = [*photo_views(whole, SIZE), photo_views(whole.convert("L").convert("RGB"), SIZE)[0]]
    photos = to_float(torch.from_numpy(np.stack(views)))
    rows = [("photo", photos)]
    for label, name in (("128 px", "scan_128.anime"), ("256 px", "scan_256.anime")):
        netG_A = create_model(name).netG_A.eval()
        drawn = netG_A(F.interpolate(photos, (netG_A.size, netG_A.size), mode="area"))
        rows.append((label, F.interpolate(drawn, (SIZE, SIZE), mode="nearest")))
    sheet = contact_sheet([(label, to_uint8(images).numpy()) for label, images in rows])
    Path(__file__).with_suffix(".png").write_bytes(png_bytes(sheet))


if __name__ == "__main__":
    main()
