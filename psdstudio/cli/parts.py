"""Parts of a scene by the names that a command line gives them, and what is said of single parts there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId, LoraUse
from psdstudio.core.prompt_commands import SetLoras, SetNegative
from psdstudio.errors import CommandError
from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.gen.scene_parts import read_scene

BACKGROUND = "background"
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPrompts:
    """What a command line says of parts besides their words, by the names of the parts (`ALL`: every one).

    `negatives` are (name, words), `loras` (name, LoRA); several of one part add up.
    """

    negatives: tuple[tuple[str, str], ...] = ()
    loras: tuple[tuple[str, LoraUse], ...] = ()


def with_prompts(document: Document, prompts: PartPrompts, models: Iterable[ModelFile]) -> Document:
    """Return the document with negative words and LoRAs of its parts as said, in the place of those they had.

    Raises:
        CommandError: There is no such part or LoRA, or a LoRA's weight is out of 0..2.
    """
    negatives: dict[LayerId, list[str]] = {}
    for name, words in prompts.negatives:
        for layer_id in _prompted_ids(document, name):
            negatives.setdefault(layer_id, []).append(words)
    loras: dict[LayerId, list[LoraUse]] = {}
    titles = [model.title for model in models if model.kind is ModelKind.LORA]
    for name, use in prompts.loras:
        known = _known_lora(use, titles)
        for layer_id in _prompted_ids(document, name):
            loras.setdefault(layer_id, []).append(known)
    for layer_id, words_of in negatives.items():
        document = SetNegative(layer_id=layer_id, negative=", ".join(words_of)).apply(document)
    for layer_id, uses in loras.items():
        document = SetLoras(layer_id=layer_id, loras=tuple(uses)).apply(document)
    return document


def _prompted_ids(document: Document, name: str) -> tuple[LayerId, ...]:
    """Return the parts with this name; for `ALL` every part that is painted from words."""
    if name.casefold() != ALL:
        return part_ids(document, (name,))
    view = read_scene(document)
    own = [part.id for part in view.objects if not part.foreign]
    ground = view.background
    return (*([] if ground is None or ground.foreign else [ground.layer.id]), *own)


def _known_lora(use: LoraUse, titles: list[str]) -> LoraUse:
    """Return the LoRA under its title as the list of models has it (any case)."""
    title = next((title for title in titles if title.casefold() == use.title.casefold()), None)
    if title is None:
        there = ", ".join(titles) or "no LoRA"
        raise CommandError(
            f"There is no LoRA “{use.title}” in the list of models.",
            f"It holds: {there}. Add one with “psdstudio models add FILE”.",
        )
    return LoraUse(title=title, weight=use.weight)


def part_ids(document: Document, names: tuple[str, ...]) -> tuple[LayerId, ...]:
    """Return the parts of the scene with these names (any case); "background" is the background, however named.

    Words out of a name will do ("fox" for "red fox") where they fit one part only.

    Raises:
        CommandError: There is no such part, or there are several; the message lists those that are there.
    """
    view = read_scene(document)
    known: list[tuple[str, LayerId]] = [(part.name, part.id) for part in view.objects]
    if view.background is not None:
        known += [(BACKGROUND, view.background.layer.id)]
        known += [(view.background.layer.props.name, view.background.layer.id)]
    return tuple(dict.fromkeys(layer_id for name in names for layer_id in named(name, known)))


def named(name: str, known: list[tuple[str, LayerId]]) -> list[LayerId]:
    """Return the one of these parts that is meant, as `part_ids` tells it; raises CommandError."""
    ids = [layer_id for title, layer_id in known if title.casefold() == name.strip().casefold()]
    if not ids:
        ids = _parts_containing(name, known)
    if not ids:
        there = ", ".join({title.casefold(): title for title, _ in known}.values()) or "nothing generated"
        raise CommandError(f"There is no part “{name}” in the scene.", f"It holds: {there}.")
    return ids


def _parts_containing(name: str, known: list[tuple[str, LayerId]]) -> list[LayerId]:
    """Return the one part whose name has all these words; several are an error: keeping one by guess could lose it."""
    wanted = set(name.casefold().split())
    fitting = {layer_id: title for title, layer_id in known if wanted <= set(title.casefold().split())}
    if not wanted or not fitting:
        return []
    if len(fitting) > 1:
        raise CommandError(
            f"“{name}” fits several parts: {', '.join(fitting.values())}.",
            "Write the whole name of each you mean.",
        )
    return list(fitting)
