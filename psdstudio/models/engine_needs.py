"""Whether an engine can run with the user's models: asked before minutes are spent, by its key."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.gen.models import PHOTOREAL_KEY, QWEN_KEY
from psdstudio.models.readiness import BASE_KINDS, missing_for_photoreal, missing_for_qwen

_ALL_AT_HAND = frozenset({ModelKind.LORA, ModelKind.ACCELERATION})
_ONE_OF = (
    frozenset(BASE_KINDS),
    frozenset({ModelKind.TRANSPARENT_LORA, ModelKind.TRANSPARENT_OFFSET}),
)
_MISSING = {PHOTOREAL_KEY: missing_for_photoreal, QWEN_KEY: missing_for_qwen}


def missing_for(key: str, models: Iterable[ModelFile]) -> tuple[str, ...]:
    """Return what must be there before an engine can run, in sentences; empty when nothing is missing.

    A model whose file or folder is gone counts as missing. Engines that need none of the user's models miss nothing.
    """
    ask = _MISSING.get(key)
    if ask is None:
        return ()
    listed = tuple(models)
    there = tuple(model for model in listed if is_there(model))
    gone = tuple(
        f"“{model.title}” is not at {model.path} any more." for model in listed if model not in there
    )
    missing = ask(there)
    return (*missing, *gone) if missing else ()


def rivals(kind: ModelKind) -> frozenset[ModelKind]:
    """Return the kinds of which an engine takes one model, the first of the list; none where it takes all."""
    if kind in _ALL_AT_HAND:
        return frozenset()
    return next((kinds for kinds in _ONE_OF if kind in kinds), frozenset({kind}))


def is_there(model: ModelFile) -> bool:
    """Whether the model's file or folder is where it was when it was added."""
    return Path(model.path).exists()
