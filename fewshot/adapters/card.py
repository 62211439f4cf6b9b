"""The README.md of an adapter folder: what it is, how it scores, how to use it here and with PEFT alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fewshot.consent import Consent
from fewshot.output import format_value

_FIRST_COLUMNS = ("base", "adapter", "value", "low", "high", "ratio", "n", "n_references", "extractor")

_HUB_LICENCES = {
    *("apache-2.0", "mit", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "cc0-1.0", "cc-by-3.0"),
    *("cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-sa-4.0"),
}
"""Of https://huggingface.co/docs/hub/repositories-licenses."""

_TEMPLATE = """\
---
base_model: {base}
library_name: peft
pipeline_tag: image-to-image
{licence_lines}
tags: {tags}
---

# {name}

A small adapter that makes the base model `{base}` draw photos in one artist's style{learned}

| | |
|---|---|
{facts}

## Scores

{metrics}

## Use

`./{name}` stands for this folder. With fewshot-style:

```
fewshot stylize photo.jpg --style ./{name} -o drawing.png
```

With PEFT alone:

```python
from base_models.registry import create_model
from peft import PeftModel

net = PeftModel.from_pretrained(create_model("{base}").netG_A, "./{name}").eval()
drawing = net(photo)  # (B, 3, H, W) in [-1, 1]
```

Strength and blending are fewshot's: `--style ./{name}:0.5 --style other`.
"""


def write_card(record: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The card's text from the contents of adapter.json and adapter_config.json.

    Whatever `record` does not know, since others made the adapter, is left out; `artist` and `tags` are what
    a catalogue knows besides.
    """
    tags = ["fewshot-style", "style-adaptation", str(config["peft_type"]).lower(), *record.get("tags", ())]
    return _TEMPLATE.format(
        name=record["name"],
        base=record["base"]["name"],
        learned=_learned(record),
        licence_lines=_licence_lines(record["licence"]),
        tags=json.dumps(tags, ensure_ascii=False),
        facts="\n".join(
            f"| {what} | {_cell(value)} |" for what, value in _facts(record, config).items() if value
        ),
        metrics=_metrics_table(record.get("metrics") or {}),
    )


def _learned(record: Mapping[str, Any]) -> str:
    if "steps" not in record:
        return "."
    preview = "\n\n![drawings and results](preview.png)"
    return f", learned from\n{len(record['references'])} drawings in {record['steps']} steps.{preview}"


def _facts(record: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    base, recipe = record["base"], record.get("recipe")
    return {
        "artist": record.get("artist", ""),
        "base": f"`{base['name']}`, sha256 `{base['sha256']}`",
        "method": _method(config),
        "recipe": f"`recipe.toml`, hash `{recipe['hash']}`, seed {record['seed']}" if recipe else "",
        "licence": record["licence"] or "not stated",
        "consent of the artist": str(Consent.from_dict(record["consent"])),
    }


def _licence_lines(licence: str) -> str:
    """The licence as the Hugging Face hub reads it: an identifier it knows, or `other` and the words."""
    if licence.lower() in _HUB_LICENCES:
        return f"license: {licence.lower()}"
    return f"license: other\nlicense_name: {json.dumps(licence or 'not stated', ensure_ascii=False)}"


def _method(config: Mapping[str, Any]) -> str:
    kind = config["peft_type"]
    if kind == "LORA":
        words = "rank-stabilised LoRA" if config.get("use_rslora") else "LoRA"
        return f"{words} of rank {config['r']}, alpha {config['lora_alpha']:g}"
    if kind in ("LOKR", "LOHA"):
        return f"{'LoKr' if kind == 'LOKR' else 'LoHa'} of rank {config['r']}, alpha {config['alpha']:g}"
    if kind == "BOFT":
        return f"BOFT with blocks of {config['boft_block_size']}, {config['boft_n_butterfly_factor']} factor"
    return "trained copies of whole layers (LN tuning)" if kind == "LN_TUNING" else kind


def _metrics_table(metrics: Mapping[str, Any]) -> str:
    if not metrics:
        return "Not measured."
    # A list is a curve, which metrics.json has.
    rows = {
        key: dict(value) if isinstance(value, Mapping) else {"value": value}
        for key, value in metrics.items()
        if not isinstance(value, list)
    }
    seen = list(dict.fromkeys(column for row in rows.values() for column in row))
    columns = [c for c in _FIRST_COLUMNS if c in seen] + [c for c in seen if c not in _FIRST_COLUMNS]
    lines = ["| metric | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [
        f"| {key} | " + " | ".join(_cell(row.get(c)) for c in columns) + " |" for key, row in rows.items()
    ]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        value = json.dumps(value, ensure_ascii=False)
    return format_value(value).replace("|", "\\|").replace("\n", " ")
