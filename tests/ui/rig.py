"""A real window on a real runner with the scripted engine, for tests and for the screenshot tool."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.scene import Scene
from psdstudio.core.session import Session
from psdstudio.gen.catalogue import engine_card
from psdstudio.gen.engine_words import known_words
from psdstudio.gen.fake import FakeScript
from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.model_files import EngineSetup
from psdstudio.gen.planner import plan_scene
from psdstudio.io.recovery import RecoveryStore
from psdstudio.jobs.inline import InlineWorker
from psdstudio.jobs.process import ProcessWorker
from psdstudio.jobs.runner import JobRunner
from psdstudio.jobs.wire import WorkerConfig
from psdstudio.settings import Folders, Settings, SettingsFile
from psdstudio.ui.engines import EngineRoom, Engines
from psdstudio.ui.generate.run_store import RunStore
from psdstudio.ui.main_window import MainWindow
from psdstudio.ui.model_list import ModelList, Models
from psdstudio.ui.services import Services

SENTENCE = "a swan and a flamingo on calm water at sunset"
VOCABULARY = Path(__file__).parents[1] / "gen" / "planner_vocabulary.json"


@dataclass
class Rig:
    """The window and what a test may want to reach beside it."""

    window: MainWindow
    folder: Path

    @property
    def document(self) -> Document:
        """The open document."""
        return self.window.bridge.session.document

    def kill_engine(self) -> None:
        """End the worker process as a crash would."""
        for child in multiprocessing.active_children():
            child.kill()


@contextmanager
def make_rig(
    folder: Path,
    *,
    step_delay_s: float = 0.0,
    inline: bool = False,
    size: Size = Size(640, 480),
    steps: int | None = 8,
    scene: Scene = Scene(),
    script: FakeScript = FakeScript(),
    models: Models = (),
    engine: str = "fake",
    plays: bool = True,
) -> Iterator[Rig]:
    """Build the window; on leaving, everything is shut down without a question.

    `engine` is played by the scripted one under its name and with its abilities, unless `plays` is off.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = Document(size=size, scene=scene)
    recovery = RecoveryStore(folder / "recovery")
    store = RunStore(document, recovery)
    config = WorkerConfig(engine="fake", fake=replace(script, step_delay_s=step_delay_s))

    def config_of(settings: Settings, models: Models) -> WorkerConfig:
        """Another key is another script: the capabilities of the engine that it stands for."""
        setup = EngineSetup(models=models, photoreal=settings.photoreal)
        if not plays:
            return WorkerConfig(engine=settings.engine, threads=1, nice=0, setup=setup)
        card = engine_card(settings.engine)
        if card is None:
            return config
        fake = replace(script, step_delay_s=step_delay_s, title=card.title)
        fake = replace(fake, capabilities=card.capabilities, only_splits=card.only_splits)
        return replace(config, fake=fake, setup=setup)

    settings = SettingsFile(folder / "settings.toml", Settings(engine=engine, steps=steps))
    made_of = config_of(settings.now, models)
    runner = JobRunner(InlineWorker if inline else ProcessWorker, made_of, persist=store.persist)
    lexicon = Lexicon.load(VOCABULARY)
    listed = ModelList(Folders(config=folder, state=folder, logs=folder), models)
    room = EngineRoom(use=runner.use, config_of=config_of, models=listed)
    services = Services(
        session=Session(document),
        runner=runner,
        store=store,
        recovery=recovery,
        plan=lambda sentence: plan_scene(sentence, lexicon),
        engine_words=known_words(lexicon),
        engines=Engines(settings, room),
    )
    window = MainWindow(services)
    try:
        yield Rig(window, folder)
    finally:
        window.hide()
        window.shut_down()
        window.deleteLater()
