"""What the style losses know of the drawings."""

import pytest
import torch
from torch.nn import functional as F

from eval.face_parsing import PARTS, FaceParser, FaceParsingHead
from eval.perceptual import load_perceptual, style_statistics
from eval.random_features import disc_pictures
from fewshot.training.drawing_features import DrawingFeatures
from fewshot.training.drawing_parser import DrawingParser
from fewshot.training.mistaken_parts import without_mistaken
from fewshot.training.part_table import PartTable
from fewshot.training.sampled_rows import PATCH, sample_rows

GROUND, HAIR, SKIN = (PARTS.index(name) for name in ("ground", "hair", "skin"))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_statistics_are_those_of_all_drawings_and_their_mirror_images_however_they_are_batched() -> None:
    net = load_perceptual()
    drawings = disc_pictures(9, 64) * 2 - 1
    target = DrawingFeatures(drawings, net, generator(), rows=False)
    drawings = torch.cat([drawings, drawings.flip(-1)])
    with torch.no_grad():
        whole = style_statistics(net((drawings + 1) / 2))
    for ours, expected in zip(target.statistics, whole, strict=True):
        assert torch.allclose(ours, expected.mean(0), atol=1e-5)
    assert target.rows == []
    assert float(target.style_loss(net((drawings + 1) / 2))) == pytest.approx(0, abs=1e-6)


def test_drawings_are_nearer_to_themselves_than_their_pale_copies_are() -> None:
    net = load_perceptual()
    drawings = disc_pictures(12, 64) * 2 - 1
    target = DrawingFeatures(drawings, net, generator(), rows=True)
    with torch.no_grad():
        near, far = (
            (target.swd(x, net((x + 1) / 2), generator(1)), target.outlier_loss(net((x + 1) / 2)))
            for x in (drawings, drawings * 0.2)
        )
    assert near[0] < 0.3 * far[0]
    # At most 1, and less where the least spread is larger than that of these drawings.
    assert near[1] <= 1
    assert near[1] < 0.5 * far[1]


def test_one_drawing_has_a_spread_all_the_same() -> None:
    net = load_perceptual()
    drawing = disc_pictures(1, 64) * 2 - 1
    target = DrawingFeatures(drawing, net, generator(), rows=True)
    assert all((spread > 0).all() for spread in target.spreads)
    assert torch.isfinite(target.outlier_loss(net((drawing + 1) / 2)))


def test_rows_are_patches_and_features_at_places_that_the_generator_chooses() -> None:
    images = torch.arange(2 * 3 * 16 * 16, dtype=torch.float32).reshape(2, 3, 16, 16)
    maps = [images[:, :2, ::2, ::2]]
    first, again, other = (sample_rows(images, maps, 9, generator(seed)) for seed in (0, 0, 1))
    patches, features = (sampled.rows for sampled in first)
    assert (tuple(patches.shape), tuple(features.shape)) == ((2, 9, 3 * PATCH**2), (2, 9, 2))
    assert all(torch.equal(a.rows, b.rows) for a, b in zip(first, again, strict=True))
    assert not torch.equal(patches, other[0].rows)
    # A patch is contiguous: neighbours in a row of the picture differ by one here.
    neighbours = patches.reshape(2, 9, PATCH, PATCH, 3).diff(dim=3)
    assert torch.equal(neighbours, torch.ones(2, 9, PATCH, PATCH - 1, 3))
    # A feature is that of one place: both channels of a place are 256 apart here.
    assert torch.equal(features.diff(dim=2), torch.full((2, 9, 1), 256.0))
    # Each picture has its own places: the second one's numbers begin at 768.
    assert patches[0].max() < 768 <= patches[1].min()


def test_a_result_is_nearest_to_the_drawing_that_it_is() -> None:
    net = load_perceptual()
    drawings = disc_pictures(6, 64) * 2 - 1
    target = DrawingFeatures(drawings, net, generator(), rows=True)
    with torch.no_grad():
        maps = net((drawings + 1) / 2)
        own, others = (
            float(target.swd(drawings, maps, generator(1), targets))
            for targets in (torch.arange(6), torch.arange(6).roll(1))
        )
    assert own < 0.1 * others


def test_a_drawing_and_its_mirror_image_are_one() -> None:
    """Whichever way the artist's heads look, results may look either way."""
    net = load_perceptual()
    slope = torch.linspace(-1, 1, 64).view(1, 1, 1, 64).expand(1, 3, 64, 64)
    target = DrawingFeatures(slope, net, generator(), rows=True)
    with torch.no_grad():
        one, other, upright = (
            float(target.swd(x, net((x + 1) / 2), generator(1), torch.tensor([0])))
            for x in (slope, slope.flip(-1), slope.transpose(2, 3))
        )
    assert other == pytest.approx(one, rel=0.1)
    assert upright > 1.5 * one
    styles = [target.style_loss(net((x + 1) / 2)) for x in (slope, slope.flip(-1))]
    assert float(styles[0]) == pytest.approx(float(styles[1]), rel=1e-3)


def in_halves(left: float, right: float) -> torch.Tensor:
    """A picture of two flat grounds."""
    picture = torch.full((1, 3, 128, 128), left)
    picture[..., 64:] = right
    return picture


def halves(left: int, right: int) -> torch.Tensor:
    """Probabilities of parts that are sure of two halves."""
    parts = torch.zeros(1, len(PARTS), 32, 32)
    parts[:, left, :, :16] = 1
    parts[:, right, :, 16:] = 1
    return parts


class Paint(FaceParser):
    """Finds a part where the paint is between two values of [0, 1], and skin elsewhere."""

    def __init__(self, part: int = HAIR, low: float = 0, high: float = 0.5) -> None:
        super().__init__(load_perceptual(), FaceParsingHead())
        self.part, self.low, self.high = part, low, high

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grey = F.adaptive_avg_pool2d(images.mean(1), 32)
        parts = torch.zeros(len(images), len(PARTS), 32, 32)
        parts[:, self.part] = ((grey > self.low) & (grey < self.high)).float()
        parts[:, SKIN] = 1 - parts[:, self.part]
        return parts


class Fixed(FaceParser):
    """Finds hair in the darker half of a picture and skin in the other, whatever lies in them."""

    def __init__(self) -> None:
        super().__init__(load_perceptual(), FaceParsingHead())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        left_is_darker = (images[..., :64].mean((1, 2, 3)) < images[..., 64:].mean((1, 2, 3))).tolist()
        return torch.cat([halves(HAIR, SKIN) if left else halves(SKIN, HAIR) for left in left_is_darker])


def knowing(drawings: torch.Tensor, parser: FaceParser) -> DrawingParser:
    """A parser for drawings in [-1, 1]."""
    return DrawingParser(parser, ((drawings + 1) * 127.5).to(torch.uint8))


def test_by_parts_a_result_is_near_where_each_part_has_the_drawings_colour() -> None:
    net = load_perceptual()
    drawing = in_halves(-0.8, 0.8)
    target = DrawingFeatures(drawing, net, generator(), rows=True, parser=knowing(drawing, Paint()))

    def distance(result: torch.Tensor, parts: torch.Tensor) -> float:
        with torch.no_grad():
            maps = net((result + 1) / 2)
            return float(target.swd(result, maps, generator(1), torch.tensor([0]), parts))

    # Dark hair on the right half of the result is what the drawing has on its left.
    right = distance(in_halves(0.8, -0.8), halves(SKIN, HAIR))
    wrong = distance(in_halves(0.8, -0.8), halves(HAIR, SKIN))
    assert right < 0.2 * wrong
    # How much of a picture a part takes is the photo's business, and not the drawing's.
    little = torch.full((1, 3, 128, 128), 0.8)
    little[..., 96:] = -0.8
    parts = halves(SKIN, SKIN)
    parts[:, SKIN, :, 24:], parts[:, HAIR, :, 24:] = 0, 1
    by_parts = distance(little, parts)
    whole = DrawingFeatures(drawing, net, generator(), rows=True)
    with torch.no_grad():
        at_once = float(whole.swd(little, net((little + 1) / 2), generator(1), torch.tensor([0])))
    assert by_parts < 0.5 * at_once


def test_what_lies_around_a_face_is_taken_from_the_whole_drawing() -> None:
    net = load_perceptual()
    face, whole = in_halves(-0.8, 0.8), in_halves(0.3, -0.9)
    # Skin is 0.9 in the face, and 0.05 in the whole drawing.
    target = DrawingFeatures(face, net, generator(), True, knowing(face, Paint(GROUND, 0.08, 0.7)), whole)

    def distance(result: torch.Tensor) -> float:
        with torch.no_grad():
            maps = net((result + 1) / 2)
            return float(target.swd(result, maps, generator(1), torch.tensor([0]), halves(GROUND, SKIN)))

    # The ground of the whole drawing, the skin of the face.
    right = distance(in_halves(0.3, 0.8))
    for left, rest in ((-0.8, 0.8), (0.3, -0.9), (-0.8, -0.9)):
        assert right < 0.3 * distance(in_halves(left, rest))


def test_paint_that_passes_for_skin_is_taken_from_no_part() -> None:
    """A dark lock in the light half, and a line; the parser calls all of that half skin."""
    drawing = in_halves(-0.8, 0.8)
    drawing[..., 40:72, 96:112] = -0.6
    drawing[..., 100:102, 64:] = -1
    found = without_mistaken(halves(HAIR, SKIN), (drawing + 1) / 2)
    assert found.shape == (1, len(PARTS) + 1, 32, 32)
    mistaken = found[0].argmax(0) == len(PARTS)
    assert mistaken[10:18, 24:28].all()
    assert int(mistaken.sum()) == 8 * 4
    # Nothing is drawn like it, wherever it is asked for.
    wanted = in_halves(-0.8, 0.8)
    target = DrawingFeatures(drawing, load_perceptual(), generator(), True, knowing(drawing, Fixed()))
    whole = DrawingFeatures(wanted, load_perceptual(), generator(), True, knowing(wanted, Fixed()))
    skin = torch.full((1, 4000), SKIN)
    for known in (target, whole):
        rows = known.rows[0].flatten(0, 1)[known.tables[0].choose(skin, torch.tensor([0]), generator())]
        dark = (rows.float().mean(-1) < 0).float().mean()
        assert dark < 0.05, float(dark)


def test_a_part_that_a_drawing_lacks_is_served_by_the_others() -> None:
    parts = torch.full((2, 10), SKIN)
    parts[1, :8] = HAIR
    table = PartTable(parts)
    wanted = torch.tensor([[SKIN] * 50 + [HAIR] * 50] * 2)
    rows = table.choose(wanted, torch.tensor([0, 1]), generator())
    found = parts.flatten()[rows]
    assert torch.equal(found, wanted)
    # The first drawing's own skin; the second has two rows of skin only, which is too few.
    assert rows[0, :50].max() < 10
    assert rows[:, 50:].min() >= 10
    assert (rows[1, :50] < 10).any()
    # Nobody has a mouth: any row will do.
    anything = table.choose(torch.full((1, 200), PARTS.index("mouth")), None, generator())
    assert anything.unique().numel() > 15


def test_each_part_may_have_a_drawing_of_its_own() -> None:
    table = PartTable(torch.tensor([HAIR, SKIN] * 10).expand(3, -1))
    wanted = torch.tensor([[HAIR] * 40 + [SKIN] * 40] * 2)
    drawings = torch.zeros(2, len(PARTS), dtype=torch.long)
    drawings[0, HAIR], drawings[0, SKIN], drawings[1, HAIR], drawings[1, SKIN] = 2, 1, 0, 2
    of = table.choose(wanted, drawings, generator()) // 20
    assert torch.equal(of, torch.tensor([[2] * 40 + [1] * 40, [0] * 40 + [2] * 40]))
    # One drawing for all parts is the same as that drawing for each.
    alike = torch.tensor([1, 2])
    whole, parts = (
        table.choose(wanted, targets, generator())
        for targets in (alike, alike[:, None].expand(-1, len(PARTS)))
    )
    assert torch.equal(whole, parts)


def test_a_part_of_one_colour_is_even_whatever_colour_it_is() -> None:
    drawing = in_halves(-0.8, 0.8) + 0.02 * torch.randn(1, 3, 128, 128, generator=generator())
    target = DrawingFeatures(
        drawing, load_perceptual(), generator(), rows=True, parser=knowing(drawing, Paint())
    )

    def uneven(result: torch.Tensor) -> float:
        parts = halves(HAIR, SKIN)
        return float(target.evenness(result, generator(1), torch.tensor([0]), parts)[0])

    shade = torch.linspace(-0.5, 0.5, 128).view(1, 1, 128, 1)
    others = in_halves(0.1, -0.4) + 0.02 * torch.randn(1, 3, 128, 128, generator=generator(2))
    assert uneven(others) < 0.2 * uneven(in_halves(-0.8, 0.8) + shade)


def test_a_part_has_the_flat_colours_of_the_drawing_it_is_matched_with() -> None:
    """Two drawings with dark hair and pale skin, each of its own shade; the result takes one part of each."""
    drawings = torch.cat([in_halves(-0.8, 0.6), in_halves(-0.5, 0.9)])
    target = DrawingFeatures(
        drawings, load_perceptual(), generator(), rows=True, parser=knowing(drawings, Paint())
    )
    of_each = torch.zeros(1, len(PARTS), dtype=torch.long)
    of_each[0, SKIN] = 1

    def far(left: float, right: float) -> float:
        return float(target.flat_colours(in_halves(left, right), generator(1), of_each, halves(HAIR, SKIN)))

    assert far(-0.8, 0.9) < 0.02
    assert far(-0.5, 0.6) == pytest.approx(0.3 * 3**0.5, rel=0.1)


@pytest.mark.parametrize("low_precision", [False, True])
def test_a_seam_of_colour_beside_a_line_is_no_part_of_an_ink_drawing(low_precision: bool) -> None:
    def inked(seam: float, every: int = 16) -> torch.Tensor:
        picture = torch.full((1, 3, 128, 128), 0.9)
        picture[..., 8:, ::every] = picture[..., 8:, 1::every] = -0.9
        # A coloured ornament has stronger hues than any seam.
        picture[:, 0, :, :24] = -0.9
        # Some cyan in place of white to the right of each line.
        picture[:, 0, 8:, 34::every] -= seam
        return picture

    drawing = inked(0)
    target = DrawingFeatures(
        drawing, load_perceptual(), generator(), rows=True, parser=knowing(drawing, Paint())
    )

    def hued(result: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=low_precision):
            return target.evenness(result, generator(1), torch.tensor([0]), halves(SKIN, SKIN))[1]

    none, little, much = (float(hued(inked(seam))) for seam in (0, 0.1, 1.8))
    assert none < little < 0.3 * much
    assert little > none + 0.005
    assert float(hued(inked(0, every=24))) < 0.3 * much
    # It is taken off where it is.
    result = inked(0.1).requires_grad_()
    hued(result).backward()
    assert result.grad is not None
    at_seams = result.grad[0, :, 8:, 34::16].abs().sum(0) > 0
    assert at_seams.float().mean() > 0.1
