"""Rights wherever a style goes: removed, added again, passed on as a bundle or a folder."""

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from peft import PeftModel

from base_models.registry import create_model
from fewshot.adapters.files import RECORD, record_bytes
from fewshot.catalog.adding import Facts, add
from fewshot.catalog.bundle import export, import_
from fewshot.catalog.bundle_file import pack, read
from fewshot.catalog.changing import rm, set_consent
from fewshot.catalog.filters import Filter
from fewshot.catalog.listing import log, ls, show
from fewshot.catalog.store import Catalog
from fewshot.consent import Consent
from fewshot.errors import ConflictError, IntegrityError, UsageError
from fewshot.styles import load_style

Make = Callable[..., Path]
YESTERDAY = (datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)).isoformat()


def test_a_withdrawal_outlives_its_versions(make: Make, fewshot_home: Path) -> None:
    folder, catalog = make("ink", 1), Catalog()
    add(catalog, folder)
    rm(catalog, "ink")
    assert load_style(str(folder)).name == "ink"
    set_consent(catalog, "ink", Consent("withdrawn", by="Ann"))
    add(catalog, folder, name="other")
    for name in (str(folder), "other"):
        with pytest.raises(IntegrityError, match="withdrawn"):
            load_style(name)
    assert [line["verb"] for line in log(catalog, "ink")] == ["consent", "rm", "add"]


def test_adding_cannot_give_back_what_was_withdrawn(make: Make, fewshot_home: Path) -> None:
    folder, catalog = make("ink", 1), Catalog()
    add(catalog, folder)
    set_consent(catalog, "ink", Consent("withdrawn", by="Ann"))
    with pytest.raises(IntegrityError, match="withdrawn") as caught:
        add(catalog, folder, facts=Facts(consent=Consent("granted", by="Me")))
    assert "fewshot catalog consent ink granted" in caught.value.hint
    added = add(catalog, folder, name="copy", facts=Facts(consent=Consent("granted", by="Me")))
    assert "said of ink" in added.refusal
    with pytest.raises(IntegrityError, match="said of ink"):
        load_style("copy")
    assert [(row.name, row.consent) for row in ls(catalog).rows] == [
        ("copy", "withdrawn"),
        ("ink", "withdrawn"),
    ]
    assert [row.name for row in ls(catalog, Filter(consent="withdrawn")).rows] == ["copy", "ink"]
    assert ls(catalog, Filter(consent="granted")).total == 0
    set_consent(catalog, "ink", Consent("granted", by="Ann"))
    assert load_style("copy").name == "copy"


def test_what_add_changes_is_in_the_log(catalog: Catalog, make: Make) -> None:
    folder = make("ink", 1)
    add(catalog, folder, facts=Facts(artist="Ann"))
    add(catalog, folder, facts=Facts(artist="Bea", consent=Consent("self", by="Bea")))
    lines = log(catalog, "ink")
    assert [line["verb"] for line in lines] == ["add", "consent", "edit", "add"]
    assert lines[2]["detail"] == {"artist": ["Ann", "Bea"]}
    assert lines[1]["detail"]["after"]["by"] == "Bea"


def test_a_consent_cannot_begin_tomorrow_or_end_before_it_began(catalog: Catalog, make: Make) -> None:
    add(catalog, make("ink", 1))
    for odd in (
        Consent("granted", date="2099-01-01"),
        Consent("granted", date="2026-06-01", expires="2026-05-01"),
    ):
        with pytest.raises(UsageError, match=r"still to come|before it was given"):
            set_consent(catalog, "ink", odd)


def test_consent_is_kept_for_the_whole_style(catalog: Catalog, make: Make) -> None:
    add(catalog, make("ink", 1))
    with pytest.raises(UsageError, match="as a whole") as caught:
        set_consent(catalog, "ink@1", Consent("withdrawn"))
    assert caught.value.hint == "write ink"
    assert show(catalog, "ink")["consent"]["status"] == "granted"


def test_said_to_be_unknown_is_not_the_same_as_never_said(catalog: Catalog, make: Make) -> None:
    add(catalog, make("ink", 1, consent="unknown"))
    add(catalog, make("ink", 2))
    assert show(catalog, "ink")["consent"]["status"] == "granted"
    set_consent(catalog, "ink", Consent("unknown"))
    add(catalog, make("ink", 3))
    assert show(catalog, "ink")["consent"]["status"] == "unknown"


def test_lists_tell_the_consent_as_it_counts_today(catalog: Catalog, make: Make) -> None:
    consents = {
        "free": Consent("granted"),
        "late": Consent("granted", expires=YESTERDAY),
        "gone": Consent("withdrawn", expires=YESTERDAY),
    }
    for seed, (name, consent) in enumerate(consents.items()):
        add(catalog, make(name, seed), facts=Facts(consent=consent))
    add(catalog, make("unsaid", 9, consent="unknown"))
    for wanted, name in (
        ("granted", "free"),
        ("expired", "late"),
        ("withdrawn", "gone"),
        ("unknown", "unsaid"),
    ):
        assert [(row.name, row.consent) for row in ls(catalog, Filter(consent=wanted)).rows] == [
            (name, wanted)
        ]


def test_a_bundle_launders_nothing(catalog: Catalog, make: Make, tmp_path: Path) -> None:
    add(catalog, make("ink", 1))
    packed = read(export(catalog, "ink", tmp_path / "ink.zip"))
    record = record_bytes(json.loads(packed.files[RECORD]) | {"consent": "withdrawn"})
    rest = {key: value for key, value in packed.manifest.items() if key != "files"}
    (tmp_path / "washed.zip").write_bytes(pack(rest, {**packed.files, RECORD: record}))
    import_(catalog, tmp_path / "washed.zip", name="washed")
    assert show(catalog, "washed")["consent"]["status"] == "withdrawn"


def test_a_folder_that_goes_out_says_what_the_catalogue_knows(
    catalog: Catalog, make: Make, tmp_path: Path
) -> None:
    folder = make("ink", 1)
    plain = make("plain", 2)
    (plain / RECORD).unlink()
    said = Facts(
        artist="Ann | Ink",
        licence="CC-BY-4.0",
        tags=["soft", "1.0"],
        consent=Consent("granted", by="Ann", expires="2099-12-31", scope="prints"),
    )
    for number, source in enumerate((folder, plain)):
        add(catalog, source, name=f"style{number}", facts=said)
        out = export(catalog, f"style{number}", tmp_path / f"out{number}")
        record = json.loads((out / RECORD).read_text())
        assert (record["licence"], record["artist"], record["consent"]) == (
            "CC-BY-4.0",
            "Ann | Ink",
            said.consent and said.consent.to_dict(),
        )
        card = ModelCard.load(out / "README.md").data
        assert (card.base_model, card.license) == ("scan_tiny", "cc-by-4.0")
        assert card.tags[-2:] == ["1.0", "soft"]
        style = load_style(str(out))
        assert (style.name, style.consent) == (f"style{number}", said.consent)
        PeftModel.from_pretrained(create_model("scan_tiny").netG_A, str(out))
    untouched = export(catalog, "style0", tmp_path / "again", overwrite=True)
    assert (untouched / "adapter_model.safetensors").read_bytes() == (
        folder / "adapter_model.safetensors"
    ).read_bytes()


def test_what_nothing_was_said_of_goes_out_as_it_came(catalog: Catalog, make: Make, tmp_path: Path) -> None:
    folder = make("ink", 1, consent=Consent("granted").to_dict())
    add(catalog, folder)
    out = export(catalog, "ink", tmp_path / "out")
    for path in folder.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert add(catalog, out).created is False


def test_only_adapters_and_bundles_are_replaced(catalog: Catalog, make: Make, tmp_path: Path) -> None:
    add(catalog, make("ink", 1))
    documents = tmp_path / "Documents"
    documents.mkdir()
    export(catalog, "ink", documents, overwrite=True)
    export(catalog, "ink", documents, overwrite=True)
    (other := tmp_path / "Pictures").mkdir()
    (other / "precious.txt").write_text("precious")
    for out in (other, other / "precious.txt"):
        with pytest.raises(ConflictError, match="would be lost"):
            export(catalog, "ink", out, overwrite=True)
    assert (other / "precious.txt").read_text() == "precious"
    with pytest.raises(UsageError, match="no room for a base"):
        export(catalog, "ink", tmp_path / "new", with_base=True)
    assert [line["verb"] for line in log(catalog)].count("export") == 2
