"""What an adapter says of itself to other tools: the weight file's header, and the card."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from fewshot.adapters.adapter import Adapter

Write = Callable[..., Adapter]


def test_the_header_says_what_it_is_in_the_same_bytes_each_time(write: Write, tmp_path: Path) -> None:
    first, second = (write(tmp_path / name).folder / "adapter_model.safetensors" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    with safe_open(first, "pt") as file:
        metadata = file.metadata()
        names = list(file.keys())
    assert metadata["format"] == "pt"
    spec = json.loads(metadata["modelspec"])
    assert spec["modelspec.title"] == "ink"
    assert spec["modelspec.license"] == "CC0-1.0"
    assert spec["modelspec.architecture"] == "scan_tiny/lora"
    assert {"modelspec.sai_model_spec", "modelspec.implementation"} <= spec.keys()
    assert load_file(first).keys() == set(names)


@pytest.mark.parametrize(
    ("licence", "known", "words"),
    [
        ("CC-BY-4.0", "cc-by-4.0", None),
        ('mine: "all" of it', "other", 'mine: "all" of it'),
        ("", "other", "not stated"),
    ],
)
def test_the_hub_can_read_the_card(
    write: Write, tmp_path: Path, licence: str, known: str, words: str | None
) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard((write(tmp_path / "ink", licence=licence).folder / "README.md").read_text())
    facts = card.data.to_dict()
    assert (facts["license"], facts.get("license_name")) == (known, words)
    assert facts["base_model"] == "scan_tiny"
    assert "lora" in facts["tags"]
