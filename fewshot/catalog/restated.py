"""A version's files as they leave the catalogue in a folder: with the rights and words known by then.

The weights stay as they are. What was said in the catalogue after the adapter was made (whose it is, the
licence, what the artist agreed to and until when) is written into its adapter.json and its card, so that
whoever gets the folder gets that too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from fewshot.adapters.card import write_card
from fewshot.adapters.files import CONFIG, FORMAT, RECORD, record_bytes
from fewshot.strict_json import loads

CARD = "README.md"


def restated(files: Mapping[str, bytes], facts: Mapping[str, Any]) -> dict[str, bytes]:
    """The files with other words in adapter.json and the card; the same files where nothing differs.

    Args:
        files: a version's, by name; without adapter.json where others made the adapter.
        facts: `name`, `base`, `artist`, `licence`, `tags` and `consent`, as adapter.json states them.
    """
    record: dict[str, Any] = loads(files[RECORD]) if RECORD in files else {"format": FORMAT}
    said = {key: value for key, value in facts.items() if value or key in (*record, "licence", "consent")}
    if RECORD in files and all(record.get(key) == value for key, value in said.items()):
        return dict(files)
    record |= said
    changed = {**files, CARD: write_card(record, loads(files[CONFIG])).encode()}
    listed = {path: hashlib.sha256(data).hexdigest() for path, data in changed.items() if path != RECORD}
    return {**changed, RECORD: record_bytes({**record, "files": dict(sorted(listed.items()))})}
