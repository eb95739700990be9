"""Whether the user's models are still what they were when they were added."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from psdstudio.errors import ModelError, ModelIncompatible, ModelLoadFailed
from psdstudio.gen.model_files import ModelFile
from psdstudio.gen.weights.recognition import recognise
from psdstudio.models.reading import Progress, hash_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One model and what is wrong with it; `error` is None when nothing is."""

    model: ModelFile
    error: ModelError | None


def verify_model(model: ModelFile, progress: Progress | None = None) -> Verdict:
    """Read a model whole again and compare it with what was recorded. `progress` as for `adding.add_models`."""
    try:
        _compare(model, progress)
    except ModelError as exc:
        return Verdict(model=model, error=exc)
    return Verdict(model=model, error=None)


def _compare(model: ModelFile, progress: Progress | None) -> None:
    try:
        found = recognise(Path(model.path), kind=model.kind)
    except ModelIncompatible as exc:
        raise _changed(model) from exc
    if found.size_bytes != model.size_bytes or hash_of(found, progress) != model.sha256:
        raise _changed(model)


def _changed(model: ModelFile) -> ModelLoadFailed:
    return ModelLoadFailed(
        f"The model “{model.title}” has changed since it was added.",
        "If you replaced it yourself, add it again; otherwise download it again.",
    )
