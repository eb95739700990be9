"""The list of the user's models: one JSON file in the folder of settings, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from psdstudio.errors import SettingsError
from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.io.files import atomic_write, write_error

SCHEMA_VERSION = 1
FILE_NAME = "models.json"
MAX_FILE_BYTES = 4 * 2**20
MAX_MODELS = 2000
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class HasConfigFolder(Protocol):
    """`settings.Folders`, as far as it is needed here."""

    @property
    def config(self) -> Path:
        """The folder of the user's settings."""


class _Record(BaseModel):
    """As `ModelFile`; kinds by name, because the value is what the window shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    path: Annotated[str, Field(min_length=1, max_length=8192)]
    sha256: _Sha256
    title: Annotated[str, Field(min_length=1, max_length=512)]
    size_bytes: Annotated[int, Field(ge=0)]
    facts: tuple[tuple[str, str], ...] = ()


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int
    models: Annotated[tuple[_Record, ...], Field(max_length=MAX_MODELS)]


def models_file(folders: HasConfigFolder) -> Path:
    """Return where the list is kept."""
    return folders.config / FILE_NAME


def load_models(folders: HasConfigFolder) -> tuple[ModelFile, ...]:
    """Read the list; no file means that there are none. The models' own files are not looked at.

    Raises:
        SettingsError: The list cannot be read, is damaged, or was written by a newer version. It is left as it is.
    """
    path = models_file(folders)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return ()
    except OSError as exc:
        raise _unreadable(path, exc.strerror or type(exc).__name__) from exc
    if len(text) > MAX_FILE_BYTES:
        raise _unreadable(path, "it is far too large")
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise _unreadable(path, "it is no JSON") from exc
    version = table.get("schema_version") if isinstance(table, dict) else None
    if type(version) is not int or version < 1:  # `type`: True counts as 1 otherwise
        raise _unreadable(path, "it states no usable version")
    if version > SCHEMA_VERSION:
        raise SettingsError(
            f"The list of models {path} was written by a newer PSDStudio (version {version}).", _hint(path)
        )
    try:
        records = _Table.model_validate(table).models
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _unreadable(path, f"“{where}”: {first['msg']}") from exc
    return tuple(_model(path, record) for record in records)


def save_models(folders: HasConfigFolder, models: Iterable[ModelFile]) -> None:
    """Write the list, whole or not at all.

    Raises:
        FileWriteFailed: The folder cannot be written; the old list is untouched.
    """
    records = tuple(
        _Record(
            kind=model.kind.name,
            path=model.path,
            sha256=model.sha256,
            title=model.title,
            size_bytes=model.size_bytes,
            facts=model.facts,
        )
        for model in models
    )
    path = models_file(folders)
    text = _Table(schema_version=SCHEMA_VERSION, models=records).model_dump_json(indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise write_error(path, exc) from exc
    atomic_write(path, lambda out: out.write(text.encode("utf-8")))


def _model(path: Path, record: _Record) -> ModelFile:
    kind = ModelKind.__members__.get(record.kind)
    if kind is None:
        raise _unreadable(path, f"there is no kind “{record.kind[:60]}”")
    return ModelFile(
        kind=kind,
        path=record.path,
        sha256=record.sha256,
        title=record.title,
        size_bytes=record.size_bytes,
        facts=record.facts,
    )


def _unreadable(path: Path, why: str) -> SettingsError:
    return SettingsError(f"The list of models {path} cannot be read: {why}.", _hint(path))


def _hint(path: Path) -> str:
    return f"The models themselves are untouched. Correct {path}, or delete it and add the models again."
