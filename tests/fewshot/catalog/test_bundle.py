"""Bundles: the same bytes for the same version, all or nothing, and nothing of a changed one."""

import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from peft import PeftModel

from base_models.registry import create_model, find_file
from fewshot.adapters.adapter import read_adapter
from fewshot.catalog.adding import Facts, add
from fewshot.catalog.bundle import export, import_
from fewshot.catalog.bundle_base import packed_base
from fewshot.catalog.bundle_file import MANIFEST, pack, read
from fewshot.catalog.changing import set_consent
from fewshot.catalog.listing import ls, show
from fewshot.catalog.store import Catalog
from fewshot.catalog.upkeep import verify
from fewshot.consent import Consent
from fewshot.errors import ConflictError, FewshotError, IntegrityError, NotFoundError
from fewshot.inference.engine import base_of
from fewshot.inference.torch_engine import TorchEngine

Make = Callable[..., Path]


@pytest.fixture
def sqlite(tmp_path: Path) -> Catalog:
    """A catalogue that takes bundles in."""
    return Catalog(str(tmp_path / "other.db"), str(tmp_path / "other"))


@pytest.fixture
def bundle(make: Make, tmp_path: Path) -> Path:
    """A bundle of ink@1."""
    source = Catalog(str(tmp_path / "source.db"), str(tmp_path / "source"))
    facts = Facts(artist="Ann", tags=["soft"], notes="on wet paper", consent=Consent("granted", by="Ann"))
    add(source, make("ink", 1), facts=facts)
    return export(source, "ink", tmp_path / "ink.zip")


def test_what_goes_out_comes_in_with_its_words_and_rights(sqlite: Catalog, bundle: Path) -> None:
    added = import_(sqlite, bundle)
    assert (added.name, added.number, added.created) == ("ink", 1, True)
    known = show(sqlite, "ink")
    assert (known["artist"], known["tags"], known["notes"]) == ("Ann", ["soft"], "on wet paper")
    assert known["consent"]["by"] == "Ann"
    assert verify(sqlite).problems == ()


def test_a_bundle_is_no_version_of_somebody_elses_style(sqlite: Catalog, bundle: Path, make: Make) -> None:
    add(sqlite, make("ink", 7), facts=Facts(artist="Bob", consent=Consent("granted", by="Bob")))
    with pytest.raises(ConflictError, match="'ink' by Bob already; this one is by Ann") as error:
        import_(sqlite, bundle)
    assert "--name" in error.value.hint
    assert show(sqlite, "ink")["versions"] == [1]
    assert import_(sqlite, bundle, name="ink-2").created


@pytest.mark.parametrize(
    ("here", "there", "fits"), [("", "Ann", False), ("", "", False), ("Ann", "Ann", True)]
)
def test_a_style_of_nobody_named_is_nobodys_to_change(
    sqlite: Catalog, make: Make, tmp_path: Path, here: str, there: str, fits: bool
) -> None:
    """Two people call a style of theirs `mine`; only one who is named on both sides is the same."""
    source = Catalog(str(tmp_path / "theirs.db"), str(tmp_path / "theirs"))
    add(source, make("mine", 1), facts=Facts(artist=there, consent=Consent("granted")))
    sent = export(source, "mine", tmp_path / "mine.zip")
    add(sqlite, make("mine", 2), facts=Facts(artist=here, consent=Consent("self")))
    if fits:
        assert import_(sqlite, sent).number == 2
        return
    with pytest.raises(ConflictError, match="nobody named") as caught:
        import_(sqlite, sent)
    assert "--name mine-2" in caught.value.hint
    assert show(sqlite, "mine")["versions"] == [1]


def test_twice_is_once(sqlite: Catalog, bundle: Path, tmp_path: Path) -> None:
    import_(sqlite, bundle)
    assert import_(sqlite, bundle).created is False
    assert show(sqlite, "ink")["versions"] == [1]
    again = export(sqlite, "ink@1", tmp_path / "again.zip")
    assert again.read_bytes() == bundle.read_bytes()


def test_a_bundle_gives_no_rights_back(sqlite: Catalog, bundle: Path, tmp_path: Path) -> None:
    import_(sqlite, bundle)
    set_consent(sqlite, "ink", Consent("withdrawn", date="2026-03-01"))
    import_(sqlite, bundle)
    import_(sqlite, bundle, name="another")
    for style in ("ink", "another"):
        with pytest.raises(IntegrityError, match="withdrawn since 2026-03-01"):
            export(sqlite, style, tmp_path / f"{style}-again.zip")
    assert not list(tmp_path.glob("*-again.zip"))


def test_peft_loads_an_exported_folder(sqlite: Catalog, bundle: Path, tmp_path: Path) -> None:
    import_(sqlite, bundle)
    folder = export(sqlite, "ink", tmp_path / "ink")
    net = PeftModel.from_pretrained(create_model("scan_tiny").netG_A, str(folder))
    state = read_adapter(folder).state
    ours = {name: p for name, p in net.named_parameters() if "lora_" in name}
    assert ours
    for name, value in ours.items():
        assert np.array_equal(value.detach().numpy(), state[name.replace(".default", "")])
    with pytest.raises(ConflictError):
        export(sqlite, "ink", tmp_path / "ink")


def test_a_base_comes_along_by_its_hash(
    sqlite: Catalog, bundle: Path, small: ModuleType, fewshot_home: Path, tmp_path: Path
) -> None:
    packed, path = read(bundle), tmp_path / "foreign.zip"
    base, sha256 = small.studio_base(1)
    bases = fewshot_home / "base"
    for data, error in (
        (small.foreign_bundle(packed, "studio.base", None, sha256), NotFoundError),
        (small.foreign_bundle(packed, "studio.base", base, sha256, "0" * 64), IntegrityError),
        (small.foreign_bundle(packed, "studio.base", base[:-1] + b"x", sha256), IntegrityError),
        (small.foreign_bundle(packed, "studio.base.netD", base, sha256), IntegrityError),
    ):
        path.write_bytes(data)
        with pytest.raises(error):
            import_(sqlite, path)
        assert not list(bases.glob("*"))
        assert ls(sqlite).total == 0
    # Another base has the name already: it stays, and the new one is found by its hash.
    other, _ = small.studio_base(2)
    bases.mkdir(parents=True, exist_ok=True)
    (bases / "studio.base.safetensors").write_bytes(other)
    path.write_bytes(small.foreign_bundle(packed, "studio.base", base, sha256))
    import_(sqlite, path)
    assert (bases / "studio.base.safetensors").read_bytes() == other
    assert (bases / f"studio.base-{sha256[:12]}.safetensors").read_bytes() == base
    folder = export(sqlite, "ink", tmp_path / "ink")
    engine = TorchEngine.from_names([str(folder)])
    assert (engine.base_sha256, base_of(engine)) == (sha256, f"studio.base-{sha256[:12]}")
    assert import_(sqlite, path).created is False
    again = export(sqlite, "ink", tmp_path / "again.zip", with_base=True)
    assert again.read_bytes() == path.read_bytes()


def test_only_the_base_that_a_style_was_made_for_is_packed(fewshot_home: Path) -> None:
    own = create_model("scan_128.anime").sha256
    assert packed_base({"name": "scan_128.anime", "sha256": own}) == find_file("scan_128.anime").read_bytes()
    with pytest.raises(IntegrityError, match="expected 000000000000"):
        packed_base({"name": "scan_128.anime", "sha256": "0" * 64})
    damaged = fewshot_home / "base" / "studio.base.safetensors"
    damaged.parent.mkdir(parents=True, exist_ok=True)
    damaged.write_bytes(find_file("scan_128.anime").read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="damaged"):
        packed_base({"name": "studio.base", "sha256": own})


def evil(packed: Any) -> list[bytes]:
    """Bundles that are whole, but not harmless."""
    plain = {key: value for key, value in packed.manifest.items() if key != "files"}
    files = dict(packed.files)
    made = [
        pack(plain, {**files, name: b"x"})
        for name in (
            "../up.json",
            "/abs.json",
            "a/b.json",
            "C:\\x.json",
            "run.py",
            "x.bin",
            ".json",
            "\0.json",
        )
    ]
    made += [pack({**plain, key: 3}, files) for key in ("name", "schema", "tags", "consent", "base")]
    made += [pack({**plain, "name": "../up"}, files), pack({**plain, "tags": ["a b"]}, files)]
    made += [pack({**plain, "base": {"name": "../b", "sha256": ""}}, files), pack(plain, {})]
    made += [pack({**plain, "consent": {"status": "sold"}}, files)]
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps({**packed.manifest}))
        archive.writestr("adapter.json", b"\0" * 50_000_000)
    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as archive:
        info = zipfile.ZipInfo("adapter.json")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return [*made, bomb.getvalue(), link.getvalue(), b"", b"PK", b"PK\5\6" + b"\0" * 18]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut out, doubled or put elsewhere."""
    kind, at = rng.randrange(5), rng.randrange(len(data))
    if kind == 0:
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    if kind == 1:
        return data[:at]
    end = min(len(data), at + rng.randrange(1, 64))
    if kind == 2:
        return data[:at] + data[end:]
    if kind == 3:
        return data[:end] + data[at:]
    return data[:at] + rng.randbytes(end - at) + data[end:]


def snapshot(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".db" not in path.name
    }


def refusal(catalog: Catalog, path: Path) -> str:
    """What to do about a bundle that was refused; empty if it was taken in."""
    try:
        import_(catalog, path)
    except FewshotError as error:
        return error.hint
    return ""


def refuse_all(catalog: Catalog, candidates: list[bytes], original: bytes, folder: Path) -> None:
    before = snapshot(folder)
    path = folder / "candidate.zip"
    for number, data in enumerate(candidates):
        if data == original:
            continue
        path.write_bytes(data)
        assert refusal(catalog, path), f"candidate {number}"
    path.unlink()
    assert snapshot(folder) == before
    assert ls(catalog).total == 0


def test_evil_bundles_leave_nothing(sqlite: Catalog, bundle: Path, tmp_path: Path) -> None:
    refuse_all(sqlite, evil(read(bundle)), bundle.read_bytes(), tmp_path)


def test_changed_bundles_leave_nothing(sqlite: Catalog, bundle: Path, tmp_path: Path) -> None:
    data, rng = bundle.read_bytes(), random.Random(0)
    refuse_all(sqlite, [mutated(data, rng) for _ in range(60)], data, tmp_path)


@pytest.mark.soak
def test_many_changed_bundles_leave_nothing(sqlite: Catalog, bundle: Path, tmp_path: Path, soak: Any) -> None:
    data, rng = bundle.read_bytes(), random.Random(soak.seed)
    refuse_all(sqlite, [mutated(data, rng) for _ in range(5 * soak.count)], data, tmp_path)
