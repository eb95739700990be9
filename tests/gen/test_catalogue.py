"""The cards of the engines that ship say what the engines themselves will say."""

from __future__ import annotations

import pytest

from psdstudio.core.layers import Role
from psdstudio.gen.catalogue import ENGINES, capabilities_of, engine_card
from psdstudio.gen.engine import EngineInfo
from psdstudio.gen.engine_words import as_written, words_for
from psdstudio.gen.models import EMBEDDED_KEY, PHOTOREAL_KEY, QWEN_KEY
from psdstudio.gen.verbs import EMBEDDED_CAPABILITIES, Capability


@pytest.mark.torch
def test_the_engines_can_what_their_cards_say() -> None:
    from psdstudio.engine.embedded import EmbeddedEngine
    from psdstudio.engine.sdxl.engine import CAPABILITIES

    shipped = EmbeddedEngine(threads=1)
    for _ in shipped.load():
        pass
    for key, can in ((EMBEDDED_KEY, shipped.info.capabilities), (PHOTOREAL_KEY, CAPABILITIES)):
        card = engine_card(key)
        assert card is not None
        assert card.capabilities == can


def test_every_engine_that_ships_has_one_card() -> None:
    assert [card.key for card in ENGINES] == [EMBEDDED_KEY, PHOTOREAL_KEY, QWEN_KEY]
    assert all(card.title and card.sentence.endswith(".") for card in ENGINES)
    assert engine_card("of another package") is None
    assert capabilities_of("of another package", None) == frozenset()


def test_what_a_loaded_engine_says_counts_more_than_its_card() -> None:
    info = EngineInfo(
        key=PHOTOREAL_KEY,
        title="t",
        weights_sha256="",
        max_objects=3,
        native_note="",
        capabilities=frozenset(),
    )
    assert Capability.LORAS in capabilities_of(PHOTOREAL_KEY, None)
    assert capabilities_of(PHOTOREAL_KEY, info) == frozenset()


def test_words_are_the_users_own_for_engines_that_paint_any() -> None:
    def known(words: str, role: Role) -> str:
        return f"known {words} {role.value}"

    assert words_for(frozenset({Capability.ANY_WORDS}), known) is as_written
    assert words_for(EMBEDDED_CAPABILITIES, known)("x", Role.OBJECT) == "known x object"
