"""Few-shot style adaptation: a shared base model, fine-tuned to one artist's hand with small adapters."""

import os

__version__ = "0.1.0"

# ONNX Runtime's official builds send usage data to their maker and keep an identifier of the machine, unless
# this is set before it is loaded. Nothing here sends anything.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
