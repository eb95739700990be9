"""Adding models to the list: a file, a folder that is one, or a folder in which models lie."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from psdstudio.errors import ModelError, ModelIncompatible, ModelNotFound
from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.gen.weights.folders import INDEX, is_model_folder
from psdstudio.gen.weights.recognised import Recognised
from psdstudio.gen.weights.recognition import recognise
from psdstudio.models.reading import Progress, hash_of

MAX_DEPTH = 5
"""Folders below the one that is searched."""
MAX_LOOKED_AT = 5000
"""Files and folders that a search looks at."""
_WEIGHTS = ".safetensors"
_PICKLES = (".ckpt", ".pt", ".pth", ".bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something in a searched folder that is none of the models we use, and why."""

    path: Path
    error: ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a search found: models, and what looked like models and was refused."""

    models: tuple[ModelFile, ...]
    refusals: tuple[Refusal, ...] = ()


def add_models(
    path: Path, *, kind: ModelKind | None = None, progress: Progress | None = None
) -> tuple[ModelFile, ...]:
    """Return the models at `path`, recognised and read whole. Nothing is copied, moved or stored; see `merged`.

    Args:
        path: A file, a folder that is a model, or a folder that is searched for models.
        kind: What the user says it is; for a file or a folder that is one model.
        progress: Told (bytes read, bytes in all); may raise `Cancelled` to stop.

    Raises:
        ModelNotFound: It is not there, or a file of it is missing.
        ModelLoadFailed: It is cut off, damaged, a pickle, or its numbers are not finite.
        ModelIncompatible: It is of another family, incomplete or unknown, or there is nothing in the folder.
    """
    found = find_models(path, kind=kind, progress=progress)
    if not found.models:
        raise nothing_found(path, found)
    return found.models


def nothing_found(path: Path, found: Findings) -> ModelError:
    """Return what to say of a folder in which there is no model that we can use."""
    if len(found.refusals) == 1:
        return found.refusals[0].error
    why = f" The first of {len(found.refusals)} files: {found.refusals[0].error}" if found.refusals else ""
    return ModelIncompatible(
        f"There is no model in the folder “{path.name}” that PSDStudio can use.{why}",
        "Choose the folder of an SDXL model, or one with LayerDiffuse's files.",
    )


def find_models(path: Path, *, kind: ModelKind | None = None, progress: Progress | None = None) -> Findings:
    """Return what is at `path`, as `add_models`; a searched folder may also hold what is refused, or nothing at all.

    Raises:
        As `add_models`, except for what lies in a searched folder.
    """
    path = Path(os.path.abspath(path))
    if not _is_place(path):
        whole = [recognise(path, kind=kind), *(_beside(path) if kind is None else ())]
        models, refusals = _all_read(whole, progress)
        if refusals and refusals[0].path == path:
            raise refusals[0].error
        return Findings(models=_with_own_titles((), models), refusals=tuple(refusals))
    if kind is not None:
        raise ModelIncompatible(
            f"“{path.name}” is a folder in which models lie; what they are is told by themselves.",
            "Nothing was changed. Say the kind for a single file.",
        )
    recognised, refusals = _searched(path)
    models, damaged = _all_read(recognised, progress)
    return Findings(models=_with_own_titles((), models), refusals=(*refusals, *damaged))


def merged(models: Iterable[ModelFile], added: Iterable[ModelFile]) -> tuple[ModelFile, ...]:
    """Return the list with more models at its end; one that was added before is replaced in its place.

    Titles stay their own: a second model of a name gets a number, as layers are given LoRAs by title.
    """
    new = {model.path: model for model in added}
    kept = []
    for old in models:
        again = new.pop(old.path, None)
        kept.append(old if again is None else replace(again, title=old.title))
    return _with_own_titles(kept, new.values())


def _with_own_titles(models: Iterable[ModelFile], added: Iterable[ModelFile]) -> tuple[ModelFile, ...]:
    whole = list(models)
    taken = {model.title for model in whole}
    for model in added:
        title, count = model.title, 1
        while title in taken:
            count += 1
            title = f"{model.title} ({count})"
        taken.add(title)
        whole.append(replace(model, title=title))
    return tuple(whole)


def _read(found: Recognised, progress: Progress | None) -> ModelFile:
    try:
        str(found.path).encode()
    except UnicodeEncodeError as exc:  # possible on Linux; no list of models could hold it
        raise ModelIncompatible(
            f"The name of {str(found.path)!a} is not text.",
            "Nothing was changed. Rename it, then add it again.",
        ) from exc
    return ModelFile(
        kind=found.kind,
        path=str(found.path),
        sha256=hash_of(found, progress),
        title=found.path.name if found.path.is_dir() else found.path.name.removesuffix(_WEIGHTS),
        size_bytes=found.size_bytes,
        facts=found.facts,
    )


def _all_read(
    recognised: list[Recognised], progress: Progress | None
) -> tuple[list[ModelFile], list[Refusal]]:
    """Read models one after another; those that are damaged are refused, the others stay."""
    total = sum(found.size_bytes for found in recognised)
    models: list[ModelFile] = []
    refusals: list[Refusal] = []
    done = 0
    for found in recognised:
        try:
            models.append(_read(found, _shifted(progress, done, total)))
        except ModelError as exc:
            refusals.append(Refusal(path=found.path, error=exc))
        done += found.size_bytes
    return models, refusals


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Return a callback for one model of several."""
    return None if progress is None else lambda done, _: progress(before + done, total)


def _searched(folder: Path) -> tuple[list[Recognised], list[Refusal]]:
    found: list[Recognised] = []
    refusals: list[Refusal] = []
    for path in _candidates(folder):
        try:
            found += [recognise(path), *_beside(path)]
        except ModelError as exc:
            refusals.append(Refusal(path=path, error=exc))
    return found, refusals


def _beside(folder: Path) -> list[Recognised]:
    """Return what was put beside the parts of a base: LayerDiffuse's files, LoRAs; never the base again in one file."""
    found: list[Recognised] = []
    for path in _listed(folder, is_first=False) if (folder / INDEX).is_file() else ():
        if path.suffix.lower() == _WEIGHTS and path.is_file():
            with contextlib.suppress(ModelError):  # published folders hold all kinds of files
                found.append(recognise(path))
    return [one for one in found if one.kind is not ModelKind.SDXL_CHECKPOINT]


def _candidates(folder: Path) -> Iterator[Path]:
    """Yield the model folders and weight files below a folder, in order of their names; links are not walked twice.

    Raises:
        ModelNotFound: The folder may not be read, or holds too much to be searched.
    """
    waiting, seen, count = [(folder, 0)], set[Path](), 0
    while waiting:
        place, depth = waiting.pop(0)
        real = place.resolve()
        if real in seen:
            continue
        seen.add(real)
        for path in _listed(place, is_first=depth == 0):
            count += 1
            if count > MAX_LOOKED_AT:
                raise ModelNotFound(
                    f"The folder “{folder.name}” holds more than {MAX_LOOKED_AT:,} files.",
                    "Nothing was changed. Choose the folder in which the models lie.",
                )
            if _is_model(path):
                yield path
            elif depth < MAX_DEPTH and not path.name.startswith(".") and _is_place(path):
                waiting.append((path, depth + 1))


def _is_model(path: Path) -> bool:
    """Return whether a path looks like one model: a folder that says so, or a file by its ending."""
    try:
        if path.is_dir():
            return is_model_folder(path)
        return path.suffix.lower() in (_WEIGHTS, *_PICKLES) and path.is_file()
    except OSError:  # a folder that the user may not enter: passed by
        return False


def _is_place(path: Path) -> bool:
    """Return whether a path is a folder in which models may lie."""
    try:
        return path.is_dir() and not is_model_folder(path)
    except OSError:
        return False


def _listed(folder: Path, *, is_first: bool) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as exc:
        if not is_first:
            return []
        reason = exc.strerror or type(exc).__name__
        raise ModelNotFound(
            f"The folder “{folder.name}” could not be read ({reason}).",
            "Nothing was changed. Choose another one.",
        ) from exc
