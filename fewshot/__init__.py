"""Few-shot style adaptation: a shared base model, fine-tuned to one artist's hand with small adapters."""

__version__ = "0.1.0"
