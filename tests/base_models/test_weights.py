"""The shipped weights draw what they drew: no sha256 notices a network that changes under them."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from base_models.registry import create_model, list_models

# Mean red, green and blue of the four quarters of the drawing of `picture`, and its total variation. Replaced
# weights need new numbers; the same weights must keep theirs.
DRAWN: dict[str, tuple[str, list[float]]] = {
    "scan_128.anime": (
        "3cc29132cb1c",
        [-0.149, 0.01, -0.015, 0.329, -0.09, -0.153, 0.322, 0.284, 0.197, 0.058, 0.495, 0.272, 0.105],
    ),
    "scan_256.anime": (
        "48415f5e73bd",
        [-0.049, 0.232, -0.063, 0.334, -0.003, -0.086, 0.387, 0.322, 0.325, 0.141, 0.525, 0.345, 0.053],
    ),
}


def picture(size: int) -> Tensor:
    """A face of ellipses before a gradient, `(1, 3, size, size)` in [-1, 1]."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    image = torch.stack([0.4 * x, 0.2 * y, 0.3 - 0.3 * x])
    shapes: list[tuple[float, float, float, float, list[float]]] = [
        (0.0, -0.1, 0.7, 0.85, [-0.6, -0.8, -0.9]),
        (0.0, 0.05, 0.5, 0.65, [0.7, 0.35, 0.1]),
        (-0.2, 0.0, 0.1, 0.06, [-0.8, -0.8, -0.8]),
        (0.2, 0.0, 0.1, 0.06, [-0.8, -0.8, -0.8]),
        (0.0, 0.4, 0.16, 0.05, [0.4, -0.4, -0.4]),
    ]
    for left, top, width, height, colour in shapes:
        inside = ((x - left) / width).square() + ((y - top) / height).square() < 1
        image = torch.where(inside, torch.tensor(colour).view(3, 1, 1), image)
    return image[None]


def facts(drawing: Tensor) -> list[float]:
    quarters = F.adaptive_avg_pool2d(drawing, 2).flatten().tolist()
    return [*quarters, float(drawing.diff(dim=-1).abs().mean() + drawing.diff(dim=-2).abs().mean())]


@pytest.mark.parametrize("name", [model.name for model in list_models() if model.path])
def test_shipped_weights_draw_what_they_drew(name: str) -> None:
    model = create_model(name)
    with torch.no_grad():
        drawing = model.netG_A.eval()(picture(model.netG_A.size))
    sha256, expected = DRAWN[name]
    assert model.sha256.startswith(sha256), "new weights: look at them, then write down what they draw"
    assert facts(drawing) == pytest.approx(expected, abs=0.01)
