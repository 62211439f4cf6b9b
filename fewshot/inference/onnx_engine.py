"""The engine on ONNX Runtime: the base's graph with the styles merged into its weights by NumPy. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from base_models.onnx_builder import INPUT, OUTPUT
from base_models.onnx_graph import build_onnx
from fewshot.adapters.algebra import blend
from fewshot.consent import require
from fewshot.errors import UsageError
from fewshot.inference.engine import BATCH, Styles, fitted

if TYPE_CHECKING:
    from base_models.arrays import BaseArrays

PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""By device; `auto` takes the first that the installed ONNX Runtime has."""


class OnnxEngine:
    """`fewshot.inference.engine.Engine` on ONNX Runtime.

    Args:
        base: the base model.
        styles: adapters and their weights.
        device: `auto`, or one of `PROVIDERS`.

    Raises:
        IntegrityError: an adapter of another base, damaged, or without consent.
        UsageError: a device that is not here.
    """

    def __init__(self, base: BaseArrays, styles: Styles = (), *, device: str = "auto") -> None:
        self.base = base
        self.base_name, self.base_sha256 = base.name, base.sha256
        self.size: int = base.size
        self.multiple: int = base.multiple
        self.device, self.providers = device, _providers(device)
        self.switch(styles)

    def switch(self, styles: Styles) -> None:
        """Draw in other styles from now on; raises as the constructor does, and then nothing has changed."""
        for adapter, _ in styles:
            require(adapter.name, adapter.consent.refusal())
        graph = build_onnx(self.base.architecture, blend(self.base, styles))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Threads that wait by spinning take a core from what else runs: a video decoder, another engine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(graph, options, providers=self.providers)
        if self.device != "auto" and session.get_providers()[0] != self.providers[0]:
            # What was compiled in need not start: a driver may be missing.
            raise UsageError(f"--device {self.device}: ONNX Runtime cannot start it", "use --device cpu")
        self.session = session
        self.styles = tuple((adapter.name, weight) for adapter, weight in styles)

    def stylize(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `Engine`."""
        return self.draw(fitted(images, self.size, self.multiple))

    def draw(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `Engine`."""
        results = np.empty_like(images)
        for start in range(0, len(images), BATCH):
            shown = np.ascontiguousarray(images[start : start + BATCH].transpose(0, 2, 3, 1))
            (drawn,) = self.session.run([OUTPUT], {INPUT: shown})
            results[start : start + BATCH] = drawn.transpose(0, 3, 1, 2)
        return results


def _providers(device: str) -> list[str]:
    here = onnxruntime.get_available_providers()
    if device == "auto":
        return [name for name in PROVIDERS.values() if name in here]
    wanted = PROVIDERS.get(device, "")
    if wanted not in here:
        known = [name for name, provider in PROVIDERS.items() if provider in here]
        raise UsageError(
            f"--device {device}: the ONNX Runtime here has {', '.join(known)}",
            "install onnxruntime-gpu (CUDA) or onnxruntime-directml, or use --device cpu",
        )
    return [wanted, PROVIDERS["cpu"]] if wanted != PROVIDERS["cpu"] else [wanted]
