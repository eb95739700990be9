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
from psdstudio.gen.model_files import PhotorealOptions
from psdstudio.io.files import atomic_write, write_error

SCHEMA_VERSION = 2
ENV_PREFIX = "PSDSTUDIO_"
_RECENT = 12
_OLD_STEPS = 16


def _without_old_steps(table: dict[str, Any]) -> dict[str, Any]:
    """Version 1 wrote the steps of the embedded engine down even where nobody had chosen them."""
    return {name: value for name, value in table.items() if (name, value) != ("steps", _OLD_STEPS)}


# One pure function per step: MIGRATIONS[n] turns the table of version n into that of n + 1.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _without_old_steps}


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
    steps: Annotated[
        int | None,
        Field(ge=1, le=200, description="Denoising steps of a run; the engine's own when not set."),
    ] = None
    use_library: Annotated[
        bool, Field(description="Let the engine draw from the pictures of its library.")
    ] = True
    canvas_width: Annotated[
        int, Field(ge=1, le=MAX_SIDE_PX, description="Width of a new document in pixels.")
    ] = 1024
    canvas_height: Annotated[
        int, Field(ge=1, le=MAX_SIDE_PX, description="Height of a new document in pixels.")
    ] = 768
    photoreal_acceleration: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Title of the LoRA that makes photoreal runs take fewer steps; off when not set.",
        ),
    ] = None
    photoreal_upscale: Annotated[
        bool, Field(description="Second, tiled pass for canvases larger than the photoreal model's own size.")
    ] = True
    photoreal_wide_joint: Annotated[
        bool,
        Field(description="Let photoreal layers see one another in finer detail too: slower, more memory."),
    ] = False
    photoreal_compile: Annotated[
        bool, Field(description="Compile the photoreal network: minutes at first, faster afterwards.")
    ] = False
    photoreal_memory_cap_gb: Annotated[
        float | None,
        Field(ge=1, le=1024, description="Memory of the device to use; what is free when not set."),
    ] = None
    photoreal_side_px: Annotated[
        int,
        Field(
            ge=128,
            le=2048,
            multiple_of=64,
            description="Side of the square whose area the photoreal engine paints.",
        ),
    ] = 1024
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    recent_files: Annotated[tuple[str, ...], Field(max_length=_RECENT)] = ()

    @property
    def photoreal(self) -> PhotorealOptions:
        """What is chosen about the photoreal engine."""
        return PhotorealOptions(
            acceleration=self.photoreal_acceleration,
            upscale=self.photoreal_upscale,
            wide_joint=self.photoreal_wide_joint,
            compile=self.photoreal_compile,
            memory_cap_gb=self.photoreal_memory_cap_gb,
            side_px=self.photoreal_side_px,
        )

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
    return _checked(table, path)


class SettingsFile:
    """The settings that hold now, and the file that they are written to. One thread."""

    def __init__(self, path: Path, now: Settings) -> None:
        """Hold `now`, as `load_settings` returned it; nothing is read or written yet."""
        self.path, self.now = path, now

    def change(self, **fields: object) -> None:
        """Let these fields hold now and write them; others stay in the file as they are.

        What the environment says is not written.

        Raises:
            SettingsError: A value is out of range (nothing changed), or the file is damaged.
            FileWriteFailed: The file cannot be written. In both last cases the fields hold for now all the same.
        """
        self.now = _checked({**self.now.model_dump(), **fields}, self.path)
        stored = load_settings(self.path, {})
        save_settings(self.path, _checked({**stored.model_dump(), **fields}, self.path))


def photoreal_fields(options: PhotorealOptions) -> dict[str, object]:
    """Return options as fields of `Settings`."""
    names = ("acceleration", "upscale", "wide_joint", "compile", "memory_cap_gb", "side_px")
    return {f"photoreal_{name}": getattr(options, name) for name in names}


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


def _checked(table: dict[str, Any], path: Path) -> Settings:
    try:
        return Settings.model_validate(table)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"The setting '{where}' is not usable: {first['msg']}.", _hint(path)) from exc


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
