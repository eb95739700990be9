"""From the words of one layer to what the network reads: known nouns in the place of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from psdstudio.core.layers import Role
from psdstudio.errors import PromptError
from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.planner import PLAIN_BACKGROUND, plan_scene
from psdstudio.gen.verbs import Capability

WordsFilter: TypeAlias = Callable[[str, Role], str]
"""Turns the words of a layer (of role BACKGROUND or OBJECT) into what the network reads."""


def as_written(words: str, role: Role) -> str:
    """Return the user's words; a background without any is a plain one."""
    clean = " ".join(words.split())
    return clean or (PLAIN_BACKGROUND if role is Role.BACKGROUND else "")


def words_for(capabilities: frozenset[Capability], known: WordsFilter) -> WordsFilter:
    """Return the filter for an engine: `known` unless it paints whatever is written."""
    return as_written if Capability.ANY_WORDS in capabilities else known


def known_words(lexicon: Lexicon) -> WordsFilter:
    """Return the filter that the window and the command line use.

    A layer's words are parsed like a sentence. Words that are not one thing (or, for the background, not just a
    place) go to the network as written.
    """

    def known(words: str, role: Role) -> str:
        written = as_written(words, role)
        try:
            plan = plan_scene(written, lexicon)
        except PromptError:
            return written
        if role is Role.BACKGROUND:
            return plan.background.engine_words if not plan.objects else written
        return plan.objects[0].engine_words if len(plan.objects) == 1 else written

    return known
