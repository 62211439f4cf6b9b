"""SCAN: unsupervised translation with stacked cycle-consistent networks (Li et al. 2018, arXiv 1807.08536).

A `StackedGenerator` holds the stages of one direction. Stage 1 is an ordinary CycleGAN generator at low
resolution. Stage k works at twice the resolution and sees the input (the paper's skip connection) and the
upsampled result of the stage below; `AdaptiveFusion` mixes its result with that of the stage below, pixel by
pixel (the paper's eq. 5 and 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from base_models.architectures import PARSER_FOLD, PLACES, StageSpec, multiple_of
from base_models.blocks import ConvBlock, ResidualBlock, SubPixel, UpsampleBlock, thumbnail
from base_models.photo_parser import PhotoParser, with_colours


class TranslationStage(nn.Module):
    """One stage's encoder, residual trunk and decoder.

    Args:
        inputs: channels of the input picture(s), 3 for stage 1 and 6 with the skip connection.
        spec: widths and depth; `spec.unshuffle` folds the picture into channels first, so that the
            convolutions run at 1/unshuffle of the resolution.
        parts: channels that tell the decoder which part of a face is where; 0: none does.

    `forward` maps `(B, inputs, S, S)` to `(B, 3, S, S)` in [-1, 1]; it takes those channels too.
    """

    def __init__(self, inputs: int, spec: StageSpec, parts: int = 0) -> None:
        super().__init__()
        fold = spec.unshuffle**2
        widths = [spec.width * 2**i for i in range(spec.downs)] + [spec.trunk]
        self.fold = nn.PixelUnshuffle(spec.unshuffle)
        self.cells = spec.film
        self.stem = ConvBlock(inputs * fold, widths[0], spec.kernel, film=spec.film)
        self.down = nn.ModuleList(ConvBlock(a, b, stride=2, film=spec.film) for a, b in pairwise(widths))
        self.trunk = nn.ModuleList(ResidualBlock(spec.trunk, spec.film) for _ in range(spec.blocks))
        self.up = nn.ModuleList(UpsampleBlock(a, b, spec.film, parts) for a, b in pairwise(widths[::-1]))
        self.head = ConvBlock(widths[0], 3 * fold, spec.kernel, norm=False, act=False)
        self.unfold = SubPixel(spec.unshuffle)

    def forward(self, x: Tensor, parts: Tensor | None = None) -> Tensor:
        # Of what is drawn, be that the photo or, without the skip connection, the result of the stage below.
        seen = thumbnail(x[:, :3], self.cells)
        x = self.stem(self.fold(x), seen)
        for block in (*self.down, *self.trunk):
            x = block(x, seen)
        for block in self.up:
            x = block(x, seen, parts)
        return torch.tanh(self.unfold(self.head(x)))


class AdaptiveFusion(nn.Module):
    """Learned mixing weights: h(x, below, above), two conv-InstanceNorm-ReLU and one conv-sigmoid.

    Args:
        inputs: channels of x, below and above together.
        spec: width of the two hidden convolutions, fold factor and thumbnail, as in `TranslationStage`.

    `forward` returns alpha `(B, 1, H, W)` in (0, 1); the fused picture is
    `(1 - alpha) * below + alpha * above`.
    """

    def __init__(self, inputs: int, spec: StageSpec) -> None:
        super().__init__()
        fold, width = spec.unshuffle**2, spec.fusion_width
        self.cells = spec.film
        self.fold = nn.PixelUnshuffle(spec.unshuffle)
        self.conv1 = ConvBlock(inputs * fold, width, film=spec.film)
        self.conv2 = ConvBlock(width, width, film=spec.film)
        self.conv3 = ConvBlock(width, fold, norm=False, act=False)
        self.unfold = SubPixel(spec.unshuffle)

    def forward(self, x: Tensor, below: Tensor, above: Tensor) -> Tensor:
        seen = thumbnail(x, self.cells)
        hidden = self.conv2(self.conv1(self.fold(torch.cat([x, below, above], 1)), seen), seen)
        return torch.sigmoid(self.unfold(self.conv3(hidden)))


class RefinementStage(nn.Module):
    """Stage k > 1: translation of (x, upsampled result of the stage below), then fusion with that result.

    Args:
        spec: the stage's sizes.
        fusion: learned fusion; without it the translation replaces the result below.
        skip: feed the input picture again; without it only the result below is seen.
        parts: as in `TranslationStage`.
    """

    def __init__(self, spec: StageSpec, *, fusion: bool = True, skip: bool = True, parts: int = 0) -> None:
        super().__init__()
        self.skip = skip
        self.translation = TranslationStage(6 if skip else 3, spec, parts)
        self.fusion = AdaptiveFusion(9, spec) if fusion else None

    def forward(self, x: Tensor, below: Tensor, parts: Tensor | None = None) -> Tensor:
        above = self.translation(torch.cat([x, below], 1) if self.skip else below, parts)
        if self.fusion is None:
            return above
        alpha = self.fusion(x, below, above)
        return below + alpha * (above - below)


class StackedGenerator(nn.Module):
    """All stages of one direction (netG_A: photo to drawing, netG_B: drawing to photo).

    Args:
        stages: sizes of the stages, coarse to fine; each works at twice the resolution of the one before.
        fusion, skip: the paper's two parts, switchable for the ablation.
        parser: width of the network that tells the decoders what part of a face is where; 0: none does.

    `forward` maps `(B, 3, H, W)` in [-1, 1] to the same shape and range; H and W are multiples of
    `multiple`.
    """

    def __init__(
        self, stages: Sequence[StageSpec], *, fusion: bool = True, skip: bool = True, parser: int = 0
    ) -> None:
        super().__init__()
        if not stages:
            raise ValueError("a StackedGenerator needs at least one stage")
        for lower, upper in pairwise(stages):
            if upper.size != 2 * lower.size:
                raise ValueError(f"stage sizes must double: {upper.size} px follows {lower.size} px")
        self.specs = tuple(stages)
        parts = PLACES if parser else 0
        self.stages = nn.ModuleList([TranslationStage(3, stages[0], parts)])
        self.stages.extend(
            RefinementStage(spec, fusion=fusion, skip=skip, parts=parts) for spec in stages[1:]
        )
        # Neither base training nor adapters change it: what they learn is what to do with its answers.
        self.parser = PhotoParser(parser).requires_grad_(False) if parser else None
        self.name_or_path = ""

    @property
    def size(self) -> int:
        """Side in pixels of the pictures the last stage is made for."""
        return self.specs[-1].size

    @property
    def multiple(self) -> int:
        """See `architectures.multiple_of`."""
        return multiple_of(self.specs, int(self.parser is not None))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_all(x)[-1]

    def forward_all(self, x: Tensor) -> list[Tensor]:
        """The result of every stage, coarse to fine, each at its own resolution."""
        return self._run(x, len(self.stages))

    def forward_first(self, x: Tensor, count: int, parts: Tensor | None = None) -> Tensor:
        """The result of the first `count` stages alone, `x` being at the size of the last of them.

        Args:
            x: pictures.
            count: how many stages.
            parts: what `find_parts` gave, if that is known.
        """
        return self._run(x, count, parts)[-1]

    def find_parts(self, x: Tensor, count: int) -> Tensor | None:
        """What part of a face is where and of what colour, `(B, PLACES, h, w)`, see `with_colours`.

        The pictures are at the size of stage `count`. None without a parser. No gradient is sent through it.
        """
        if self.parser is None:
            return None
        with torch.no_grad():
            smallest = self._shrink(x, count - 1)
            return with_colours(self.parser(smallest), F.avg_pool2d(smallest, PARSER_FOLD))

    def _run(self, x: Tensor, count: int, parts: Tensor | None = None) -> list[Tensor]:
        parts = self.find_parts(x, count) if parts is None else parts
        result = self.stages[0](self._shrink(x, count - 1), parts)
        results = [result]
        for k in range(1, count):
            below = F.interpolate(result, scale_factor=2, mode="bilinear")
            result = self.stages[k](self._shrink(x, count - 1 - k), below, parts)
            results.append(result)
        return results

    @staticmethod
    def _shrink(x: Tensor, halvings: int) -> Tensor:
        return F.avg_pool2d(x, 2**halvings) if halvings else x


def init_weights(net: nn.Module, std: float = 0.02) -> nn.Module:
    """Normal(0, 0.02) convolutions, zero biases, InstanceNorm at one and zero (the CycleGAN reference).

    What modulates a norm starts at zero, as nothing.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.InstanceNorm2d) and module.affine:
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    for module in net.modules():
        if isinstance(module, ConvBlock):
            for modulation in (module.film, module.place):
                if modulation is not None:
                    nn.init.zeros_(modulation.weight)
    return net
