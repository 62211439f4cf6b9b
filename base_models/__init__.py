"""The SCAN base model: network, discriminators, losses, checkpoint format and registry of shipped weights.

Imports torch and nothing of ours. `registry` and this file load without torch, so that listing models is
instant. See `README.md` in this folder for what lives where.
"""

from base_models.registry import CheckpointError, ModelInfo, create_model, list_models

__all__ = ["CheckpointError", "ModelInfo", "create_model", "list_models"]
