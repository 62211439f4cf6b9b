"""Versions, aliases, tags and what is told of them, on both databases."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from fewshot.catalog import upkeep
from fewshot.catalog.adding import Facts, add
from fewshot.catalog.changing import alias, edit, rm, tag, unalias
from fewshot.catalog.filters import Filter
from fewshot.catalog.listing import log, ls, show
from fewshot.catalog.store import Catalog
from fewshot.catalog.upkeep import gc, verify
from fewshot.consent import Consent
from fewshot.errors import ConflictError, IntegrityError, NotFoundError, UsageError
from fewshot.files import temporary_beside

Make = Callable[..., Path]


def names(catalog: Catalog, wanted: Filter | None = None, **how: object) -> list[str]:
    return [row.name for row in ls(catalog, wanted, **how).rows]  # type: ignore[arg-type]


def test_each_add_is_the_next_version_and_the_same_files_are_none(catalog: Catalog, make: Make) -> None:
    first = make("ink", 1)
    assert (added := add(catalog, first)).number == 1
    assert added.created
    assert add(catalog, make("ink", 2)).number == 2
    again = add(catalog, first)
    assert (again.number, again.created) == (1, False)
    known = show(catalog, "ink")
    assert (known["version"], known["versions"]) == (2, [1, 2])
    assert show(catalog, "ink@v1")["tensors_sha256"] != known["tensors_sha256"]
    assert known["metrics"]["kid"]["n"] == 48
    assert known["licence"] == "CC0-1.0"
    assert known["consent"]["status"] == "granted"
    assert [f["path"] for f in known["files"]] == sorted(f.name for f in first.iterdir())


def test_a_run_is_added_by_its_folder(catalog: Catalog, make: Make, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    make("mine").rename(run / "adapter")
    assert add(catalog, run).name == "mine"


def test_numbers_are_never_given_twice(catalog: Catalog, make: Make) -> None:
    for seed in (1, 2):
        add(catalog, make("ink", seed))
    assert rm(catalog, "ink@2") == [2]
    assert show(catalog, "ink")["version"] == 1
    assert add(catalog, make("ink", 3)).number == 3
    assert rm(catalog, "ink") == [1, 3]
    assert names(catalog) == []
    with pytest.raises(NotFoundError):
        show(catalog, "ink")
    assert add(catalog, make("ink", 1)).number == 4
    assert verify(catalog).problems == ()


def test_an_aliased_version_cannot_be_removed(catalog: Catalog, make: Make) -> None:
    add(catalog, make("ink", 1))
    add(catalog, make("ink", 2), facts=Facts(alias="draft"))
    alias(catalog, "ink@1", "approved")
    assert show(catalog, "ink@approved")["version"] == 1
    for wanted in ("ink@1", "ink"):
        with pytest.raises(ConflictError, match="ink@approved"):
            rm(catalog, wanted)
    assert show(catalog, "ink")["versions"] == [1, 2]
    assert alias(catalog, "ink@2", "approved") == (2, 1)
    assert rm(catalog, "ink@1") == [1]
    unalias(catalog, "ink", "draft")
    with pytest.raises(NotFoundError, match="draft"):
        show(catalog, "ink@draft")
    assert show(catalog, "ink")["aliases"] == ["approved=2"]


@pytest.mark.parametrize("name", ["latest", "3", "v3", "v03", "a b", "", "x@y"])
def test_reserved_and_odd_aliases_are_refused(catalog: Catalog, make: Make, name: str) -> None:
    add(catalog, make("ink", 1))
    with pytest.raises(UsageError):
        alias(catalog, "ink", name)


def test_the_nearest_name_is_proposed(catalog: Catalog, make: Make) -> None:
    add(catalog, make("watercolour", 1))
    with pytest.raises(NotFoundError) as caught:
        show(catalog, "watercolor")
    assert caught.value.hint == "did you mean watercolour?"
    with pytest.raises(NotFoundError) as caught:
        show(catalog, "watercolour@7")
    assert "watercolour@1" in caught.value.hint


def test_lists_are_filtered_sorted_and_paged(catalog: Catalog, make: Make) -> None:
    for seed, (name, artist) in enumerate([("c", "Ann"), ("a", "Bob"), ("b", "Ann"), ("Ä-wash", "Åsa")]):
        add(catalog, make(name, seed), facts=Facts(artist=artist, tags=["soft"] if seed % 2 else ["hard"]))
    edit(catalog, "c", Facts(notes="100 % cotton_paper"))
    assert names(catalog, Filter(artist="Ann")) == ["b", "c"]
    assert names(catalog, Filter(tags=["soft"])) == ["a", "Ä-wash"]
    assert names(catalog, Filter(words=["ÄWASH".replace("W", "-W")])) == ["Ä-wash"]
    assert names(catalog, Filter(words=["åsa", "soft"])) == ["Ä-wash"]
    assert names(catalog, Filter(words=["0 %"])) == ["c"]
    assert names(catalog, Filter(words=["n_p"])) == ["c"]
    assert names(catalog, Filter(words=["_"])) == ["c"], "signs of LIKE are letters here"
    assert names(catalog, Filter(base="scan_128.anime")) == []
    assert names(catalog, Filter(consent="granted"), sort="created") == ["c", "a", "b", "Ä-wash"]
    values = [row.value for row in ls(catalog, sort="kid.adapter", descending=True).rows]
    assert values == sorted(values, reverse=True, key=lambda v: v or 0)
    page = ls(catalog, sort="created", limit=3, offset=2)
    assert ([row.name for row in page.rows], page.total) == (["b", "Ä-wash"], 4)
    with pytest.raises(UsageError, match="kidd"):
        ls(catalog, sort="kidd")
    with pytest.raises(UsageError, match="maybe"):
        ls(catalog, Filter(consent="maybe"))


def test_tags_come_and_go(catalog: Catalog, make: Make) -> None:
    add(catalog, make("ink", 1), facts=Facts(tags=["old", "ink"]))
    assert tag(catalog, "ink", ["new"], ["old", "never"]) == ["ink", "new"]
    assert names(catalog, Filter(words=["new"])) == ["ink"]
    assert names(catalog, Filter(words=["old"])) == []
    assert ls(catalog).rows[0].tags == ("ink", "new")


def test_the_same_weights_under_another_name_are_linked(catalog: Catalog, make: Make) -> None:
    folder = make("ink", 1)
    add(catalog, folder)
    assert add(catalog, folder, name="copy").duplicates == ("ink@1",)
    assert show(catalog, "ink")["same_weights"] == ["copy@1"]


def test_the_log_tells_all_and_cannot_be_changed(catalog: Catalog, make: Make) -> None:
    add(catalog, make("ink", 1))
    tag(catalog, "ink", ["soft"])
    alias(catalog, "ink", "approved")
    unalias(catalog, "ink", "approved")
    rm(catalog, "ink")
    lines = log(catalog, "ink")
    assert [line["verb"] for line in lines] == ["rm", "unalias", "alias", "tag", "add"]
    assert {line["who"] for line in lines} == {"tester"}
    for change in ("DELETE FROM event", "UPDATE event SET who = 'nobody'"):
        with pytest.raises(Exception, match="append-only"), catalog.write() as session:
            session.execute(text(change))
    assert log(catalog, "ink") == lines


def test_damaged_changed_and_foreign_folders_leave_nothing(
    catalog: Catalog, make: Make, tmp_path: Path
) -> None:
    damaged = make("ink", 1)
    data = (damaged / "adapter_model.safetensors").read_bytes()
    (damaged / "adapter_model.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=r"adapter_model\.safetensors"):
        add(catalog, damaged)
    with pytest.raises(NotFoundError, match="scan_9"):
        add(catalog, make("ink", 1, base={"name": "scan_9", "sha256": "0" * 64}))
    with pytest.raises(IntegrityError, match="000000000000"):
        add(catalog, make("ink", 1, base={"name": "scan_tiny", "sha256": "0" * 64}))
    with pytest.raises(NotFoundError):
        add(catalog, tmp_path)
    assert ls(catalog).total == 0
    assert verify(catalog).stray == 0
    assert log(catalog) == []


def test_a_plain_peft_folder_is_tried_on_its_base(catalog: Catalog, make: Make) -> None:
    plain = make("ink", 1)
    (plain / "adapter.json").unlink()
    assert add(catalog, plain, name="plain").number == 1
    assert show(catalog, "plain")["consent"]["status"] == "unknown"
    config = plain / "adapter_config.json"
    config.write_text(config.read_text().replace('"scan_tiny"', '"scan_128.anime"'))
    with pytest.raises(IntegrityError):
        add(catalog, plain, name="other")
    assert names(catalog) == ["plain"]


def test_stray_files_are_collected_once_they_are_old(catalog: Catalog, make: Make) -> None:
    add(catalog, make("ink", 1))
    add(catalog, make("pen", 2))
    sha256 = catalog.blobs.put(b"nothing refers to this")
    rm(catalog, "pen")
    here = catalog.blobs.folder
    assert here is not None
    foreign = here / sha256[:2] / f"{sha256}.bak"
    foreign.write_bytes(b"somebody's own")
    before = verify(catalog).stray
    half = temporary_beside(here / sha256[:2] / sha256)
    # As a kill leaves it.
    half.__enter__()
    found = verify(catalog)
    assert found.stray == before + 1
    assert found.problems == ()
    assert found.stray > 1
    kept = gc(catalog)
    assert (kept.removed, kept.young) == (0, found.stray)
    assert gc(catalog, grace=0).removed == found.stray
    after = verify(catalog)
    assert (after.stray, after.problems, after.versions) == (0, (), 1)
    assert foreign.exists()


def test_consent_given_once_stays_and_a_folder_can_only_withdraw(catalog: Catalog, make: Make) -> None:
    add(catalog, make("ink", 1), facts=Facts(consent=Consent("granted", by="Ann", date="2026-01-31")))
    add(catalog, make("ink", 2, consent="unknown"))
    assert show(catalog, "ink")["consent"]["by"] == "Ann"
    add(catalog, make("ink", 3, consent="withdrawn"))
    assert show(catalog, "ink")["refused"]
    add(catalog, make("ink", 4, consent="granted"))
    assert show(catalog, "ink")["refused"], "a file cannot take a withdrawal back"


def test_latest_is_one_version_and_not_the_style(catalog: Catalog, make: Make) -> None:
    for seed in (1, 2, 3):
        add(catalog, make("ink", seed))
    assert rm(catalog, "ink@latest") == [3]
    assert show(catalog, "ink")["versions"] == [1, 2]
    with pytest.raises(NotFoundError, match="no version 99999999999999999999"):
        show(catalog, "ink@99999999999999999999")


def test_words_are_the_same_however_they_are_typed(catalog: Catalog, make: Make) -> None:
    composed, apart = "caf\u00e9", "cafe\u0301"
    add(catalog, make("ink", 1), facts=Facts(tags=[apart], alias=apart))
    assert show(catalog, f"ink@{composed}")["version"] == 1
    assert names(catalog, Filter(tags=[apart])) == ["ink"]
    assert tag(catalog, "ink", remove=[apart]) == []
    unalias(catalog, "ink", apart)
    with pytest.raises(NotFoundError):
        show(catalog, f"ink@{apart}")


def test_what_is_said_of_all_versions_is_not_said_of_one(catalog: Catalog, make: Make) -> None:
    add(catalog, make("ink", 1))
    for change in (
        lambda: tag(catalog, "ink@1", ["soft"]),
        lambda: edit(catalog, "ink@1", Facts(artist="Ann")),
        lambda: log(catalog, "ink@1"),
    ):
        with pytest.raises(UsageError, match="as a whole"):
            change()


def test_a_damaged_file_is_healed_by_adding_its_folder_again(catalog: Catalog, make: Make) -> None:
    folder = make("ink", 1)
    add(catalog, folder)
    assert catalog.blobs.folder is not None
    for blob in catalog.blobs.folder.rglob("??/*"):
        blob.write_bytes(b"damaged")
    add(catalog, folder, name="copy")
    assert verify(catalog).problems == ()


def test_a_file_that_gc_takes_away_during_an_add_is_put_back(
    catalog: Catalog, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(catalog, make("ink", 1))
    hold = Catalog.hold_files

    def after_a_gc(self: Catalog, session: object, *, alone: bool = False) -> None:
        if not alone:
            for found in list(self.blobs.all()):
                self.blobs.remove(found.path)
        hold(self, session, alone=alone)  # type: ignore[arg-type]

    monkeypatch.setattr(Catalog, "hold_files", after_a_gc)
    folder = make("ink", 2)
    add(catalog, folder)
    monkeypatch.undo()
    assert {problem.style for problem in verify(catalog).problems} == {"ink@1"}


def test_what_is_removed_while_it_is_verified_is_not_missing(
    catalog: Catalog, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(catalog, make("ink", 1))
    add(catalog, make("pen", 2))
    check, once = catalog.blobs.check, threading.Event()

    def removed(sha256: str) -> str:
        if not once.is_set():
            once.set()
            rm(catalog, "pen")
            gc(catalog, grace=0)
        return check(sha256)

    monkeypatch.setattr(catalog.blobs, "check", removed)
    monkeypatch.setattr(upkeep, "_THREADS", 1)
    assert verify(catalog).problems == ()
