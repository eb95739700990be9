"""The shipped vocabulary: trained nouns only, those that failed left out, readable by the planner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from psdstudio.gen.lexicon import Lexicon
from psdstudio.resources_path import resource_dir
from psdstudio.training.sprites import NOUNS_FILE
from psdstudio.training.vocabulary import main, read_accuracy, shipped_entries

ENTRIES = [
    {"noun": noun, "plural": f"{noun}s", "synonyms": [f"small {noun}"], "group": "thing"}
    for noun in ("apple", "boat", "cat", "door")
]


def test_core_nouns_must_pass_and_the_others_must_not_fail() -> None:
    judged = {"apple": 0.75, "boat": 0.25, "door": 0.0}
    shipped = shipped_entries(ENTRIES, ["apple", "boat"], ["cat", "door"], ["cat", "door"], judged, 0.5)
    assert shipped == [
        {"noun": "apple", "plural": "apples", "synonyms": ["small apple"], "with_reference": False},
        {"noun": "cat", "plural": "cats", "synonyms": ["small cat"], "with_reference": True},
    ]
    assert [entry["noun"] for entry in shipped_entries(ENTRIES, ["boat", "apple"], [], [])] == [
        "apple",
        "boat",
    ]
    without_picture = shipped_entries(ENTRIES, ["apple"], ["cat", "door"], ["cat"])
    assert [entry["noun"] for entry in without_picture] == ["apple", "cat"]
    judged = {"apple": 1.0, "door": 1.0}
    assert [entry["noun"] for entry in shipped_entries(ENTRIES, ["apple"], ["door"], [], judged)] == [
        "apple",
        "door",
    ]


def test_a_noun_without_an_entry_or_without_a_verdict_is_refused() -> None:
    with pytest.raises(ValueError, match="zebra"):
        shipped_entries(ENTRIES, ["zebra"], [], [])
    with pytest.raises(ValueError, match="boat"):
        shipped_entries(ENTRIES, ["apple", "boat"], [], [], {"apple": 1.0}, 0.5)


def test_an_evaluation_or_a_plain_table_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "accuracy.json"
    file.write_text(json.dumps({"per noun": {"cat": {"right": 0.5, "seen": ["cat", "dog"]}}, "minutes": 3}))
    assert read_accuracy(file) == {"cat": 0.5}
    file.write_text(json.dumps({"cat": 1}))
    assert read_accuracy(file) == {"cat": 1.0}
    for nothing in ({}, {"minutes": 3, "nouns": {"count": 4}}):
        file.write_text(json.dumps(nothing))
        with pytest.raises(ValueError, match="per-noun"):
            read_accuracy(file)


def test_the_command_writes_what_the_planner_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = json.loads(NOUNS_FILE.read_text(encoding="utf-8"))
    accuracy = tmp_path / "accuracy.json"
    accuracy.write_text(json.dumps(dict.fromkeys(lists["core"], 1.0) | {lists["core"][0]: 0.1}))
    to = tmp_path / "vocabulary.json"
    assert main(["--to", str(to), "--accuracy", str(accuracy), "--threshold", "0.5"]) == 0
    said = capsys.readouterr().out
    assert f"{len(json.loads(to.read_text())['nouns'])} of" in said
    lexicon = Lexicon.load(to)
    assert lexicon.is_drawable(lists["core"][1])
    assert not lexicon.is_drawable(lists["core"][0])


def test_the_shipped_vocabulary_holds_trained_nouns_only() -> None:
    lists = json.loads(NOUNS_FILE.read_text(encoding="utf-8"))
    shipped = json.loads((resource_dir("vocabulary.json")).read_text(encoding="utf-8"))["nouns"]
    assert {entry["noun"] for entry in shipped} <= {*lists["core"], *lists["with_reference"]}
    library = json.loads((resource_dir("library") / "library.json").read_text(encoding="utf-8"))
    pictures = {item["noun"] for item in library["items"]}
    lost = [entry["noun"] for entry in shipped if entry["with_reference"] and entry["noun"] not in pictures]
    assert lost == [], "a noun that needs a picture has none in the library"
