"""The engines that ship, as they are offered before any of them is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from psdstudio.gen.engine import EngineInfo
from psdstudio.gen.models import EMBEDDED_KEY, PHOTOREAL_KEY, QWEN_KEY
from psdstudio.gen.verbs import EMBEDDED_CAPABILITIES, Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCard:
    """What can be said of an engine that is not loaded: `sentence` for a user who chooses, `capabilities` as far as
    they do not depend on the user's model files."""

    key: str
    title: str
    sentence: str
    capabilities: frozenset[Capability] = frozenset()
    only_splits: bool = False


ENGINES = (
    EngineCard(
        key=EMBEDDED_KEY,
        title="Embedded (illustration)",
        sentence="Ships with PSDStudio and runs on any processor. Small: it paints the things of its word list, "
        "in an illustration style.",
        capabilities=EMBEDDED_CAPABILITIES,
    ),
    EngineCard(
        key=PHOTOREAL_KEY,
        title="Photoreal (SDXL)",
        sentence="Paints whatever you write, as photographs or in the style of your LoRAs, with SDXL and "
        "LayerDiffuse weights of your own. A graphics card makes it fast.",
        capabilities=frozenset(
            {
                Capability.ANY_WORDS,
                Capability.NEGATIVE_WORDS,
                Capability.LORAS,
                Capability.SAME_OUTLINE,
                Capability.FILL,
            }
        ),
    ),
    EngineCard(
        key=QWEN_KEY,
        title="Qwen layered (split only)",
        sentence="Splits flat pictures into layers, with Qwen-Image-Layered weights of your own. "
        "It paints no scene from words.",
        capabilities=frozenset({Capability.SPLIT, Capability.ANY_WORDS}),
        only_splits=True,
    ),
)


def engine_card(key: str) -> EngineCard | None:
    """Return the card of an engine; None for one that another package brings."""
    return next((card for card in ENGINES if card.key == key), None)


def capabilities_of(key: str, info: EngineInfo | None) -> frozenset[Capability]:
    """Return what an engine can do: as it says itself, or before it is loaded what its card says."""
    if info is not None:
        return info.capabilities
    card = engine_card(key)
    return frozenset() if card is None else card.capabilities
