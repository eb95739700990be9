"""Which engine paints, and with which of the user's models: what the window asks and the Models dialog sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from psdstudio.errors import FileError, SettingsError
from psdstudio.gen.catalogue import EngineCard, engine_card
from psdstudio.gen.model_files import ModelKind, PhotorealOptions
from psdstudio.gen.planning import chosen_sampling
from psdstudio.gen.request import Sampling
from psdstudio.jobs.wire import WorkerConfig
from psdstudio.models.engine_needs import missing_for
from psdstudio.settings import Settings, SettingsFile, photoreal_fields
from psdstudio.ui.model_list import ModelList, Models


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRoom:
    """What changing the engine takes: who changes it (`JobRunner.use`), and what a worker is made of."""

    use: Callable[[WorkerConfig], None]
    config_of: Callable[[Settings, Models], WorkerConfig]
    models: ModelList


class Engines(QObject):
    """The engine that is chosen. It is the one that new runs go to, whether it is loaded yet or not. GUI thread."""

    changed = Signal()
    """Another engine, another option, or another list of models."""
    replaced = Signal()
    """The engine that runs is ended for another one, which loads; `changed` follows."""

    def __init__(self, settings: SettingsFile, room: EngineRoom, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings, self._room = settings, room
        room.models.changed.connect(self.changed)
        self._running = self._config

    @property
    def key(self) -> str:
        """The engine's key; goes into requests."""
        return self._settings.now.engine

    @property
    def card(self) -> EngineCard | None:
        """What is known of it before it is loaded; None for one that another package brings."""
        return engine_card(self.key)

    @property
    def options(self) -> PhotorealOptions:
        """What is chosen about the photoreal engine."""
        return self._settings.now.photoreal

    @property
    def model_list(self) -> ModelList:
        """The user's models, to be added to."""
        return self._room.models

    @property
    def models(self) -> Models:
        """The user's models."""
        return self._room.models.models

    @property
    def loras(self) -> Models:
        """Those that can be given to a layer."""
        return tuple(model for model in self.models if model.kind is ModelKind.LORA)

    @property
    def sampling(self) -> Sampling:
        """Steps and scales of a run."""
        return chosen_sampling(self.key, steps=self._settings.now.steps)

    @property
    def _config(self) -> WorkerConfig:
        return self._room.config_of(self._settings.now, self.models)

    def would_reload(self, key: str, options: PhotorealOptions) -> bool:
        """Whether `choose` would end the engine that runs and start another."""
        fields = {"engine": key, **photoreal_fields(options)}
        settings = self._settings.now.model_copy(update=fields)
        return self._room.config_of(settings, self.models) != self._running

    def choose(self, key: str, options: PhotorealOptions) -> SettingsError | FileError | None:
        """Let this engine paint from now on, started anew where anything about it is different.

        A run that goes on is finished first, on the engine it was started with. Returns why the choice could not be
        written down: then it holds until the program ends.
        """
        problem: SettingsError | FileError | None = None
        try:
            self._settings.change(engine=key, **photoreal_fields(options))
        except (SettingsError, FileError) as error:
            problem = error
        self.catch_up()
        self.changed.emit()
        return problem

    def catch_up(self) -> None:
        """Start the engine anew where anything is different from what it was started with: choice or models."""
        if (config := self._config) != self._running:
            self._running = config
            self._room.use(config)
            self.replaced.emit()

    def missing(self, key: str) -> tuple[str, ...]:
        """Return what must be added before this engine can run, in sentences."""
        return missing_for(key, self.models)

    def close(self) -> None:
        """End the thread that reads models."""
        self._room.models.close()
