"""The verbs of the product, and what an engine must be able to do for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class Verb(Enum):
    """What the user asks for."""

    GENERATE_SCENE = "generate scene"
    REGENERATE_FREE = "regenerate what is not kept"
    NEW_LOOK = "new look in the same place"
    REGENERATE_LAYER = "regenerate this layer"
    INSERT = "insert"
    REFRESH_CONTACTS = "refresh contacts"
    SAME_OUTLINE = "new look, same outline"
    NEW_PLACE = "new place, same look"
    FILL_BEHIND = "fill behind"
    FILL_HIDDEN = "fill the hidden part"
    SPLIT = "split into layers"


class Capability(Enum):
    """What not every engine can do; the value completes “This engine cannot …”."""

    SAME_OUTLINE = "keep the outline of an object and change its look"
    NEW_PLACE = "find another place for an object that is painted"
    FILL = "fill a part of a layer"
    SPLIT = "split a picture into layers"
    CONTACTS = "paint shadow and reflection of an object that is kept"
    ANY_WORDS = "paint things that its word list does not hold"
    NEGATIVE_WORDS = "be told what not to paint"
    LORAS = "use LoRAs"


EMBEDDED_CAPABILITIES = frozenset(
    {
        Capability.SAME_OUTLINE,
        Capability.NEW_PLACE,
        Capability.FILL,
        Capability.SPLIT,
        Capability.CONTACTS,
    }
)
"""What the engine that ships can do."""

NEEDED: Mapping[Verb, Capability] = MappingProxyType(
    {
        Verb.SAME_OUTLINE: Capability.SAME_OUTLINE,
        Verb.NEW_PLACE: Capability.NEW_PLACE,
        Verb.FILL_BEHIND: Capability.FILL,
        Verb.FILL_HIDDEN: Capability.FILL,
        Verb.SPLIT: Capability.SPLIT,
        Verb.REFRESH_CONTACTS: Capability.CONTACTS,
    }
)
"""Verbs that are not here are what every engine can do."""
