"""NOTICE and ATTRIBUTION.md are what the committed ledger says, and the ledger is of the committed vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest

from psdstudio.errors import FileCorrupt
from psdstudio.training.assets import notice
from psdstudio.training.assets.ledger import (
    FURNITURE,
    LICENCE_URLS,
    UNUSED,
    Entry,
    read_compact,
    taught_nouns,
)
from psdstudio.training.assets.splits import heldout_models
from psdstudio.training.assets.vocabulary import vocabulary

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def committed() -> list[Entry]:
    return read_compact(notice.LEDGER, taught_nouns())


def test_notice_and_attribution_agree_with_the_ledger(committed: list[Entry]) -> None:
    """When this fails after a change of `nouns.json`: python -m psdstudio.training.assets.notice."""
    text = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert notice.replaced(text, committed) == text
    assert notice.ATTRIBUTION.read_text(encoding="utf-8") == notice.attribution_text(committed)


def test_every_creator_of_a_model_in_use_is_named_with_all_models(committed: list[Entry]) -> None:
    text = " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())
    for entry in committed:
        if entry["used_by"] != UNUSED and entry["package"] == FURNITURE:
            assert f"{entry['creator']}: " in text
            assert " ".join(entry["name"].split()) in text
    for licence in {e["licence"] for e in committed if e["used_by"] != UNUSED}:
        assert licence in ("MIT", "Apache-2.0", "CC-BY-4.0") or LICENCE_URLS[licence] in text


def test_the_ledger_is_of_the_committed_vocabulary(committed: list[Entry]) -> None:
    assert notice.LEDGER.stat().st_size < 400_000
    nouns = {item.noun: item for item in vocabulary()}
    assert {e["noun"] for e in committed} <= nouns.keys()
    for entry in committed:
        if entry["package"] == FURNITURE:
            assert entry["drawing"] in nouns[entry["noun"]].drawings.models
            assert (entry["used_by"] == "heldout") == (entry["drawing"] in heldout_models())
    taught = taught_nouns()
    trained = {e["noun"] for e in committed if e["used_by"] == "train"}
    assert taught - trained <= {item.noun for item in nouns.values() if item.drawings.procedural}


def test_a_changed_file_is_found_and_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "NOTICE"
    good = (ROOT / "NOTICE").read_text(encoding="utf-8")
    mine.write_text(good.replace("Microsoft Corporation", "Nobody"), encoding="utf-8")
    assert notice.main(["--notice", str(mine), "--check"]) == 1
    assert "differs" in capsys.readouterr().out
    assert "Nobody" in mine.read_text(encoding="utf-8")
    assert notice.main(["--notice", str(mine)]) == 0
    assert mine.read_text(encoding="utf-8") == good
    mine.write_text("nothing generated here", encoding="utf-8")
    assert notice.main(["--notice", str(mine)]) == 1
    assert "Drawings" in capsys.readouterr().err


def test_a_notice_without_the_section_is_refused(committed: list[Entry]) -> None:
    with pytest.raises(FileCorrupt, match="Drawings"):
        notice.replaced("PSDStudio\n", committed)
