"""Extractors that read trained weights: `perceptual`, `squeezenet`, `inception`, `timm:<model>`."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eval.errors import EvalError, UnknownNameError, WeightsMismatchError
from eval.features import square, square_text
from eval.weight_files import (
    WeightFile,
    file_sha256,
    find_on_hub,
    find_weights,
    load_into,
    read_state,
    ways,
    weights_folder,
)

Built = tuple[nn.Module, str, str]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


INCEPTION = WeightFile(
    "weights-inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
SQUEEZENET = WeightFile("squeezenet1_0_imagenet.safetensors")


class PooledMaps(nn.Module):
    """Channel mean and standard deviation of each of a network's feature maps."""

    def __init__(self, maps: Callable[[Tensor], list[Tensor]], dim: int, size: int) -> None:
        super().__init__()
        self.maps = maps
        self.dim = dim
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        flat = [m.flatten(2) for m in self.maps(square(images, self.size))]
        return torch.cat([part for m in flat for part in (m.mean(2), m.std(2, unbiased=False))], 1)


class SqueezeNetMaps(nn.Module):
    """SqueezeNet 1.0 up to fire7; maps after relu1, fire3, fire5 and fire7."""

    TAPS = (1, 4, 7, 9)
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import squeezenet1_0

        self.features = squeezenet1_0(weights=None).features[: max(self.TAPS) + 1]
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = (images - self.mean) / self.std
        maps = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.TAPS:
                maps.append(x)
        return maps


class InceptionFeatures(nn.Module):
    """torch-fidelity's InceptionV3, 2048 pooled features, with its own TensorFlow-like stretch to 299."""

    dim = 2048

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError:
            raise EvalError(
                "'inception' is torch-fidelity's own network; that package is not installed",
                "pip install 'torch-fidelity>=0.4'",
            ) from None

        # The class unpickles without restriction: it is handed what went through the safe reader.
        safe = io.BytesIO()
        torch.save(read_state(path), safe)
        safe.seek(0)
        try:
            self.net = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=safe)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise WeightsMismatchError(
                f"{path} is not torch-fidelity's InceptionV3: {reason}", ways(INCEPTION)
            ) from None
        # A fifth faster on CPUs; sums in another order, so equal to theirs in six digits rather than bits.
        self.net = self.net.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        (features,) = self.net((images * 255).round().clamp(0, 255).to(torch.uint8))
        return features


class TimmFeatures(nn.Module):
    """Pooled features of a timm model, with that model's own size, mean and standard deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, config: dict[str, Any]) -> None:
        super().__init__()
        self.model = model
        self.dim = int(model.num_features)  # type: ignore[arg-type]
        self.size = int(config["input_size"][-1])
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(1, 3, 1, 1), persistent=False)
        with torch.inference_mode():
            self.dim = int(self.eval()(torch.zeros(1, 3, self.size, self.size)).shape[1])

    def forward(self, images: Tensor) -> Tensor:
        return self.model((square(images, self.size) - self.mean) / self.std)


def perceptual() -> Built:
    """The shipped network's four maps, pooled."""
    from eval.perceptual import CHANNELS, WEIGHTS, load_perceptual

    module = PooledMaps(load_perceptual(), 2 * sum(CHANNELS), 128)
    return module, file_sha256(WEIGHTS), square_text(128)


def squeezenet(weights: Path | None, sha256: str | None = None) -> Built:
    """SqueezeNet's four maps, pooled; `weights` in torchvision's `squeezenet1_0` layout."""
    path = find_weights(SQUEEZENET.pinned(sha256), weights)
    maps = SqueezeNetMaps()
    unused = ("classifier", "features.10.", "features.11.", "features.12.")
    load_into(maps, path, "SqueezeNet 1.0 in torchvision's layout", unused)
    return PooledMaps(maps, 2 * (96 + 128 + 256 + 384), 128), file_sha256(path), square_text(128)


def inception(weights: Path | None, sha256: str | None = None) -> Built:
    """The features of published FID and KID numbers; another file than theirs only with its `sha256`."""
    path = find_weights(INCEPTION.pinned(sha256), weights)
    return InceptionFeatures(path), file_sha256(path), "TensorFlow 1 bilinear stretch to 299x299"


def timm_model(name: str, weights: Path | None, sha256: str | None = None) -> Built:
    """Any timm model by its name, pooled; without `weights` its pretrained file from the Hugging Face hub.

    That file is the identity of the features (its sha256 is also on the hub's page), rather than the name.
    """
    import timm

    if not timm.is_model(name):
        close = timm.list_models(f"*{name[:5]}*")[:3]
        hint = f"did you mean {', '.join(f'timm:{c}' for c in close)}?" if close else "see timm.list_models()"
        raise UnknownNameError(f"timm has no model called {name!r}", hint)
    model = timm.create_model(name, pretrained=False, num_classes=0)
    config = timm.data.resolve_model_data_config(model)
    path = _timm_file(name, model.pretrained_cfg or {}, weights, sha256)
    classifier = (model.pretrained_cfg or {}).get("classifier") or ()
    load_into(
        model, path, f"timm {name}", (classifier,) if isinstance(classifier, str) else tuple(classifier)
    )
    return TimmFeatures(model, config), file_sha256(path), square_text(int(config["input_size"][-1]))


def _timm_file(name: str, config: dict[str, Any], weights: Path | None, sha256: str | None) -> Path:
    repository = config.get("hf_hub_id")
    url = config.get("url") or None
    if repository:
        url = f"https://huggingface.co/{repository}/resolve/main/model.safetensors"
    suffix = ".pth" if url and not repository else ".safetensors"
    wanted = WeightFile(f"timm-{name}{suffix}", url).pinned(sha256)
    if not repository or weights is not None or (weights_folder() / wanted.name).is_file():
        return find_weights(wanted, weights)
    return find_on_hub(wanted, repository)
