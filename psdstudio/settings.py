"""Settings: one frozen value from a TOML file, overridden by PSDSTUDIO_* variables. Nothing is read at
import.

Order of precedence: command line (the caller's `model_copy`), environment, file, defaults.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import platformdirs
import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from psdstudio.core.document import MAX_SIDE_PX
from psdstudio.errors import SettingsError
from psdstudio.io.files import atomic_write, write_error

SCHEMA_VERSION = 1
ENV_PREFIX = "PSDSTUDIO_"
_RECENT = 12
# One pure function per step: MIGRATIONS[n] turns the table of version n into that of n + 1.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where this user's files are. ``PSDSTUDIO_HOME`` puts all of them under one folder."""

    config: Path
    state: Path
    logs: Path

    @classmethod
    def of_user(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the folders of this system; none of them is created."""
        if home := environ.get("PSDSTUDIO_HOME"):
            root = Path(home).expanduser()
            return cls(config=root / "config", state=root / "state", logs=root / "logs")
        name = "psdstudio"
        return cls(
            config=platformdirs.user_config_path(name, appauthor=False),
            state=platformdirs.user_state_path(name, appauthor=False),
            logs=platformdirs.user_log_path(name, appauthor=False),
        )

    @property
    def settings_file(self) -> Path:
        """The TOML file."""
        return self.config / "settings.toml"


class Settings(BaseModel):
    """What the user may choose. Each field that is not a list has a variable: ``steps`` is ``PSDSTUDIO_STEPS``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    engine: Annotated[str, Field(min_length=1, description="Key of the engine that generates.")] = "embedded"
    threads: Annotated[
        int | None, Field(ge=1, le=256, description="Compute threads; one per core when not set.")
    ] = None
    steps: Annotated[int, Field(ge=1, le=200, description="Denoising steps of a run.")] = 16
    use_library: Annotated[
        bool, Field(description="Let the engine draw from the pictures of its library.")
    ] = True
    canvas_width: Annotated[
        int, Field(ge=1, le=MAX_SIDE_PX, description="Width of a new document in pixels.")
    ] = 1024
    canvas_height: Annotated[
        int, Field(ge=1, le=MAX_SIDE_PX, description="Height of a new document in pixels.")
    ] = 768
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    recent_files: Annotated[tuple[str, ...], Field(max_length=_RECENT)] = ()

    def with_recent(self, path: Path) -> Settings:
        """Return settings with the file on top of the list of recent ones."""
        name = str(path)
        recent = (name, *(x for x in self.recent_files if x != name))[:_RECENT]
        return self.model_copy(update={"recent_files": recent})


def load_settings(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file (a missing one means defaults) and the environment.

    Raises:
        SettingsError: The file cannot be read, is damaged or of a newer version, or a value is out of range.
            The file is left as it is.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        table = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise SettingsError(f"The settings file {path} cannot be read: {exc}", _hint(path)) from exc
    table = _migrated(table, path)
    for name in Settings.model_fields.keys() - {"schema_version", "recent_files"}:
        if (value := environ.get(ENV_PREFIX + name.upper())) is not None:
            table[name] = value
    try:
        return Settings.model_validate(table)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"The setting '{where}' is not usable: {first['msg']}.", _hint(path)) from exc


def save_settings(path: Path, settings: Settings) -> None:
    """Write the file, whole or not at all.

    Raises:
        FileWriteFailed: The folder cannot be written; the old file is untouched.
    """
    text = tomli_w.dumps(settings.model_dump(exclude_none=True, mode="json"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise write_error(path, exc) from exc
    atomic_write(path, lambda out: out.write(text.encode("utf-8")))


def _migrated(table: dict[str, Any], path: Path) -> dict[str, Any]:
    version = table.get("schema_version", SCHEMA_VERSION)
    if not isinstance(version, int) or version < 1:
        raise SettingsError(f"The settings file {path} states no usable version ({version!r}).", _hint(path))
    if version > SCHEMA_VERSION:
        raise SettingsError(
            f"The settings file {path} was written by a newer PSDStudio (version {version}).", _hint(path)
        )
    while version < SCHEMA_VERSION:
        table = MIGRATIONS[version](table)
        version += 1
    return {**table, "schema_version": SCHEMA_VERSION}


def _hint(path: Path) -> str:
    return f"Correct the file, or delete {path} to go back to the defaults."
