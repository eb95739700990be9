"""The committed vocabulary is valid and holds the words everything else relies on."""

from __future__ import annotations

import json
import re

import pytest

from psdstudio.training.assets import soft
from psdstudio.training.assets.vocabulary import parse, vocabulary


def _text(**changes: object) -> str:
    entry: dict[str, object] = {
        "noun": "cup", "plural": "cups", "synonyms": ["mug"], "group": "drink", "height_cm": 9,
        "size_class": "tabletop", "pose": "stand", "recolourable": True, "places": [], "soft": False,
        "drawings": {"emoji": ["2615"], "models": [], "procedural": False, "train_sources": ["fluent3d"]},
    }  # fmt: skip
    return json.dumps({"nouns": [entry | changes]})


def test_the_promised_nouns_are_there() -> None:
    nouns = {item.noun for item in vocabulary()}
    assert {"swan", "flamingo", "fox", "lantern", "cat", "dog", "duck", "rabbit", "teapot", "cup"} <= nouns
    assert len(nouns) >= 1000
    assert {"rain", "glow", "fog", "sheer curtain", "toaster", "volcano", "office chair"} <= nouns


def test_every_procedural_noun_has_a_painter_and_the_other_way_round() -> None:
    assert {item.noun for item in vocabulary() if item.drawings.procedural} == set(soft.PAINTERS)


def test_size_classes_follow_the_height_for_things_that_are_not_long() -> None:
    for item in vocabulary():
        if item.size_class == "tabletop":
            assert item.height_cm < 60, item.noun
        if item.height_cm > 250:
            assert item.size_class == "large", item.noun


def test_floating_things_know_the_water() -> None:
    for item in vocabulary():
        assert item.pose != "float" or "water" in item.places, item.noun


def test_a_model_shows_one_noun_only() -> None:
    slugs = [slug for item in vocabulary() for slug in item.drawings.models]
    codes = [code for item in vocabulary() for code in item.drawings.emoji]
    assert len(slugs) == len(set(slugs))
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    "changes",
    [
        {"group": "thing"},
        {"pose": "lie"},
        {"places": ["moon"]},
        {"height_cm": 0},
        {"noun": " cup"},
        {"synonyms": "mug"},
        {"soft": 1},
        {"drawings": {"emoji": [], "models": [], "procedural": False, "train_sources": []}},
    ],
)
def test_broken_entries_are_refused(changes: dict[str, object]) -> None:
    assert parse(_text())[0].noun == "cup"
    with pytest.raises(ValueError):
        parse(_text(**changes))


def test_a_word_may_not_name_two_nouns() -> None:
    first, second = json.loads(_text()), json.loads(_text(noun="beaker", plural="beakers"))
    with pytest.raises(ValueError, match="mug"):
        parse(json.dumps({"nouns": first["nouns"] + second["nouns"]}))


def test_models_are_named_by_a_catalogue_of_the_package_and_brands_are_not_among_them() -> None:
    slugs = [slug for item in vocabulary() for slug in item.drawings.models]
    catalogues = ("BlendSwap-CC-0_", "BlendSwap-CC-BY_", "KatorLegaz_", "Reallusion_", "Scopia_")
    assert all(slug.startswith(catalogues) for slug in slugs)
    brands = re.compile(
        r"apple-|iphone|imac|VW|peugeot|renault|seat-leon|yamaha|chevrolet|smart-car|ps4|fordFocus"
    )
    assert [slug for slug in slugs if brands.search(slug)] == []


def test_plurals_and_synonyms_are_other_words_than_the_noun() -> None:
    for item in vocabulary():
        assert item.noun not in item.synonyms, item.noun
        assert len(item.synonyms) == len(set(item.synonyms)), item.noun
        assert item.noun == item.noun.lower(), item.noun
