"""Discriminators: PatchGAN on pixels, and a projected one on frozen perceptual features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from base_models.blocks import InstanceNorm


class PatchGAN(nn.Module):
    """70x70 PatchGAN with three stride-2 layers (pix2pix, arXiv 1611.07004; the CycleGAN reference's layout).

    Args:
        inputs: channels of the picture.
        ndf: channels after the first convolution, doubled by each layer up to eight times.
        layers: stride-2 convolutions; 3 see 70x70 pixels, 2 see 34x34.
        norm: InstanceNorm on all but the first and last convolution.
        spectral: spectral norm on every convolution (it stays out of the generators, whose weights are
            merged).

    `forward` maps `(B, inputs, H, W)` in [-1, 1] to unbounded patch scores `(B, 1, h, w)`.
    """

    def __init__(
        self, inputs: int = 3, ndf: int = 64, layers: int = 3, *, norm: bool = True, spectral: bool = False
    ) -> None:
        super().__init__()
        wrap: Callable[[nn.Module], nn.Module] = spectral_norm if spectral else lambda module: module
        body: list[nn.Module] = [wrap(nn.Conv2d(inputs, ndf, 4, 2, 1)), nn.LeakyReLU(0.2)]
        width = ndf
        for index in range(1, layers + 1):
            outputs = ndf * min(2**index, 8)
            stride = 2 if index < layers else 1
            body.append(wrap(nn.Conv2d(width, outputs, 4, stride, 1, bias=not norm)))
            if norm:
                body.append(InstanceNorm(outputs))
            body.append(nn.LeakyReLU(0.2))
            width = outputs
        body.append(wrap(nn.Conv2d(width, 1, 4, 1, 1)))
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class FeatureDiscriminator(nn.Module):
    """Small heads on frozen features (projected GAN, arXiv 2111.01007; vision-aided GAN, arXiv 2112.09130).

    Args:
        features: frozen network, RGB in [0, 1] to a list of maps; not registered as a submodule, so that
            neither its weights are saved nor its parameters trained with the heads.
        channels: channels of each map.
        width: hidden channels of each head.

    `forward` maps `(B, 3, H, W)` in [-1, 1] to a list of patch scores, one per map.
    """

    def __init__(
        self, features: Callable[[Tensor], list[Tensor]], channels: Sequence[int], width: int = 64
    ) -> None:
        super().__init__()
        self._features = (features,)
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(inputs, width, 1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, width, 3, 1, 1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, 1, 1)),
            )
            for inputs in channels
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.score(self._features[0]((x + 1) / 2))

    def score(self, maps: list[Tensor]) -> list[Tensor]:
        """Scores of feature maps that are already there."""
        return [head(feature) for head, feature in zip(self.heads, maps, strict=True)]


def as_list(scores: Tensor | list[Tensor]) -> list[Tensor]:
    """Scores of either discriminator as a list."""
    return [scores] if isinstance(scores, torch.Tensor) else scores
