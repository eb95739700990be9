"""Laws of the lexicon: every noun of the vocabulary is found by each of its forms; stored vectors change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from psdstudio.errors import ModelLoadFailed, ModelNotFound
from psdstudio.gen import ground_words, words
from psdstudio.gen.lexicon import Lexicon, NounKind, key, plural_of, singular_of
from psdstudio.gen.planner import plan_scene
from psdstudio.gen.text_encoder import TextEncoder
from psdstudio.resources_path import resource_dir

VOCABULARY = Path(__file__).parent / "planner_vocabulary.json"
ENTRIES = json.loads(VOCABULARY.read_text("utf-8"))
ALSO_PLACES = {"swimming pool"}  # in the vocabulary, but a ground in a sentence


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(ENTRIES)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.load(resource_dir("text_encoder"))


def test_every_noun_is_found_by_its_forms(lexicon: Lexicon) -> None:
    for entry in ENTRIES:
        if entry["noun"] in ALSO_PLACES:
            continue
        one = lexicon.find(key(entry["noun"]).split(" "))
        many = lexicon.find(key(entry["plural"]).split(" "), several=True)
        assert one is not None
        assert many is not None
        assert one.canonical == many.canonical == key(entry["noun"])
        assert one.kind in (NounKind.OBJECT, NounKind.EITHER)


def test_every_noun_can_be_planned_alone_and_counted(lexicon: Lexicon) -> None:
    for entry in ENTRIES:
        if entry["noun"] in ALSO_PLACES:
            continue
        one = plan_scene(f"a {entry['noun']}", lexicon)
        three = plan_scene(f"three {entry['plural']} on a beach", lexicon)
        assert [thing.noun for thing in one.objects] == [key(entry["noun"])]
        assert [thing.noun for thing in three.objects] == [key(entry["noun"])] * 3
        assert three.background.words == "beach"


def test_the_same_word_is_place_thing_or_light_by_its_context(lexicon: Lexicon) -> None:
    glasses = lexicon.find(["glasses"])
    assert glasses is not None
    assert not glasses.plural
    rocks, three_rocks = lexicon.find(["rocks"]), lexicon.find(["rocks"], several=True)
    assert rocks is not None
    assert three_rocks is not None
    assert (rocks.kind, three_rocks.kind) == (NounKind.PLACE, NounKind.OBJECT)
    sun, in_the_sun = lexicon.find(["sun"]), lexicon.find(["sun"], after=True)
    assert sun is not None
    assert in_the_sun is not None
    assert (sun.kind, in_the_sun.kind) == (NounKind.OBJECT, NounKind.LIGHT)


def test_plural_and_singular_are_inverse() -> None:
    for noun in (
        "duck",
        "cherry",
        "box",
        "mouse",
        "loaf",
        "tomato",
        "bench",
        "bus",
        "toy",
        "goose",
        "glass vase",
    ):
        if not noun.endswith(("bus", "tomato")):
            assert singular_of(plural_of(noun)) == noun
    assert plural_of("tomato") == "tomatoes"
    assert plural_of("bus") == "buses"
    assert singular_of("glass") is None


def test_the_tables_do_not_contradict_one_another() -> None:
    places = [place for row in ground_words.PLACES.values() for place in row]
    assert len(places) == len(set(places))
    assert not set(places) & ground_words.EITHER
    assert not ground_words.LIGHTS & set(places)
    assert not set(words.RELATIONS) & words.JOINS
    assert not set(words.RELATIONS) & words.ATTRIBUTES


def test_stored_vectors_change_nothing(encoder: TextEncoder, tmp_path: Path) -> None:
    few = [*ENTRIES[:20], {"noun": "tiger"}, {"noun": "violin"}]
    fresh = Lexicon(few, encoder)
    path = tmp_path / "vectors.npz"
    assert fresh.store_vectors(path) > 20
    vocabulary = tmp_path / "vocabulary.json"
    # One noun more than is stored: it is computed, the others are read.
    vocabulary.write_text(json.dumps({"nouns": [*few, {"noun": "trumpet"}]}), "utf-8")
    stored = Lexicon.load(vocabulary, encoder, path)
    words_ = ["leopard", "cello", "blorb"]
    for a, b in zip(fresh.nearest(words_), stored.nearest(words_), strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert a.noun == b.noun
            assert a.similarity == pytest.approx(b.similarity, abs=0.01)
    trombone = stored.nearest(["trombone"])[0]
    assert trombone is not None
    assert trombone.noun == "trumpet"


def test_shipped_vectors_belong_to_the_shipped_encoder(encoder: TextEncoder) -> None:
    from psdstudio.gen.lexicon import StoredVectors

    stored = StoredVectors.load(resource_dir("noun_vectors.npz"))
    assert stored.encoder == encoder.fingerprint
    assert len(stored.phrases) > 400


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"none\.json"):
        Lexicon.load(tmp_path / "none.json")
    for text in ("{", "[1]", "{}", '[{"plural": "x"}]', '"words"'):
        (tmp_path / "bad.json").write_text(text, "utf-8")
        with pytest.raises(ModelLoadFailed, match="damaged"):
            Lexicon.load(tmp_path / "bad.json")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(ModelLoadFailed, match="damaged"):
        Lexicon.load(VOCABULARY, None, tmp_path / "bad.npz")
