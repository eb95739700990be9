"""The composition root of the window: builds everything once, runs the event loop, shuts down in order."""

from __future__ import annotations

import faulthandler
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QSettings, QSize, QSocketNotifier, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QColorSpace, QIcon, QSurfaceFormat
from PySide6.QtWidgets import QApplication

from psdstudio import logs
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.scene import Scene
from psdstudio.core.session import Session
from psdstudio.errors import FileError, ModelNotFound, SettingsError, StudioError
from psdstudio.gen.model_files import EngineSetup
from psdstudio.gen.models import EMBEDDED_KEY
from psdstudio.io.recovery import RecoveryStore
from psdstudio.jobs.runner import process_runner
from psdstudio.jobs.wire import WorkerConfig
from psdstudio.models.store import load_models
from psdstudio.resources_path import resource_dir
from psdstudio.settings import Folders, Settings, SettingsFile, load_settings
from psdstudio.ui import theme
from psdstudio.ui.engines import EngineRoom, Engines
from psdstudio.ui.generate.run_store import RunStore
from psdstudio.ui.language import Language
from psdstudio.ui.main_window import MainWindow
from psdstudio.ui.model_list import ModelList, Models
from psdstudio.ui.panels.error_bar import Notice
from psdstudio.ui.services import Services

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Open the window, with the file named in `argv` if there is one; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    folders = Folders.of_user()
    settings, settings_fault = _settings(folders)
    session = logs.start_logging(
        folders.logs,
        process="window",
        level=_log_level(settings),
        to_stderr=True,
    )
    _tag_windows()
    application = QApplication.instance() or QApplication([sys.argv[0]])
    assert isinstance(application, QApplication)
    application.setApplicationName("PSDStudio")
    application.setOrganizationName("psdstudio")
    application.setDesktopFileName("psdstudio")
    qInstallMessageHandler(_on_qt_message)
    theme.apply(application)
    _set_icon(application)
    recovery = _recovery(folders)
    file = SettingsFile(folders.settings_file, settings)
    window = build_window(file, folders, recovery)
    sys.excepthook = _exception_hook(window)
    forget_signals = _end_on_signals(application, window, recovery)
    _restore(window, folders)
    _follow_recent(window, file)
    window.show()
    if settings_fault is not None:
        window.notices.show_notice(Notice(message=settings_fault.user_message, hint=settings_fault.hint))
    if words:
        window.files.open_path(Path(words[0]))
    try:
        return application.exec()
    finally:
        forget_signals()
        sys.excepthook = sys.__excepthook__
        qInstallMessageHandler(None)
        session.close()


def _tag_windows() -> None:
    """Say that windows hold sRGB: the macOS window server then converts them to each screen's own profile."""
    if sys.platform == "darwin":  # elsewhere nobody converts, and OpenGL could take it for another thing
        surface = QSurfaceFormat.defaultFormat()
        surface.setColorSpace(QColorSpace(QColorSpace.NamedColorSpace.SRgb))
        QSurfaceFormat.setDefaultFormat(surface)


def build_window(file: SettingsFile, folders: Folders, recovery: RecoveryStore | None) -> MainWindow:
    """Build the window and everything it needs; the engine is not started yet."""
    settings = file.now
    document = Document(
        size=Size(settings.canvas_width, settings.canvas_height),
        scene=Scene(use_library=settings.use_library),
    )
    store = RunStore(document, recovery)

    def config_of(settings: Settings, models: Models) -> WorkerConfig:
        return worker_config(settings, models, folders)

    models, fault = _models(folders)
    runner = process_runner(config_of(settings, models), persist=store.persist)
    room = EngineRoom(use=runner.use, config_of=config_of, models=ModelList(folders, models))
    language = Language()
    services = Services(
        session=Session(document),
        runner=runner,
        store=store,
        recovery=recovery,
        plan=language.plan,
        engine_words=language.words,
        engines=Engines(file, room),
        examples=_examples(),
    )
    window = MainWindow(services)
    if fault is not None:
        window.notices.show_notice(Notice(message=fault.user_message, hint=fault.hint))
    return window


def _models(folders: Folders) -> tuple[Models, SettingsError | None]:
    """Return the user's models; without a readable list there are none, and the window says why."""
    try:
        return load_models(folders), None
    except SettingsError as error:
        return (), error


def worker_config(settings: Settings, models: Models, folders: Folders) -> WorkerConfig:
    """Return what a worker is made of; an engine that needs no models of the user is not told of any."""
    needs_models = settings.engine != EMBEDDED_KEY
    setup = EngineSetup(models=models, photoreal=settings.photoreal) if needs_models else EngineSetup()
    return WorkerConfig(
        engine=settings.engine,
        threads=settings.threads,
        log_folder=str(folders.logs),
        log_level=_log_level(settings),
        setup=setup,
    )


def _log_level(settings: Settings) -> int:
    return logging.getLevelNamesMapping()[settings.log_level]


def _settings(folders: Folders) -> tuple[Settings, SettingsError | None]:
    try:
        return load_settings(folders.settings_file), None
    except SettingsError as error:
        return Settings(), error


def _recovery(folders: Folders) -> RecoveryStore | None:
    """Return the recovery store; without a writable state folder work goes on, and the log says so."""
    try:
        return RecoveryStore(folders.state / "recovery")
    except FileError as error:
        _log.error("no recovery: %s %s", error.user_message, error.hint)
        return None


def _examples() -> Path | None:
    try:
        return resource_dir("examples")
    except ModelNotFound:
        return None


def _set_icon(application: QApplication) -> None:
    try:
        application.setWindowIcon(QIcon(str(resource_dir("icons/psdstudio.svg"))))
    except ModelNotFound as error:
        _log.warning("no window icon: %s", error.user_message)


def _restore(window: MainWindow, folders: Folders) -> None:
    """Bring back where the window was. QSettings holds geometry alone."""
    store = QSettings(str(folders.config / "window.ini"), QSettings.Format.IniFormat)
    geometry = store.value("geometry")
    if geometry is not None:
        window.restoreGeometry(geometry)
    else:
        window.resize(first_size(window.size(), window.screen().availableSize()))
    application = QApplication.instance()
    assert application is not None
    application.aboutToQuit.connect(lambda: store.setValue("geometry", window.saveGeometry()))


def first_size(wanted: QSize, screen: QSize) -> QSize:
    """Return the window's size at the very first start: a title bar must still fit on a small screen."""
    return QSize(min(wanted.width(), screen.width() - 16), min(wanted.height(), screen.height() - 48))


def _follow_recent(window: MainWindow, file: SettingsFile) -> None:
    """Keep the list of recent files in the menu and in the settings file."""

    def remember(path: Path) -> None:
        recent = file.now.with_recent(path.absolute()).recent_files
        window.show_recent([Path(name) for name in recent])
        try:
            file.change(recent_files=recent)
        except (FileError, SettingsError) as error:
            _log.warning("settings not saved: %s %s", error.user_message, error.hint)

    window.files.opened.connect(remember)
    window.show_recent([Path(name) for name in file.now.recent_files])


def _end_on_signals(
    application: QApplication, window: MainWindow, recovery: RecoveryStore | None
) -> Callable[[], None]:
    """Leave in order when the terminal or the system asks for it: Ctrl+C, SIGTERM, a closed terminal.

    Nobody is there to be asked what shall become of unsaved work: it is stored, and the next start offers it.
    Qt's loop runs no Python, so a handler alone would wait for the next mouse move; the interpreter's wakeup
    socket is what the loop can hear. Returns what ends the watch.
    """
    hearing, calling = socket.socketpair()
    hearing.setblocking(False)
    calling.setblocking(False)
    notifier = QSocketNotifier(hearing.fileno(), QSocketNotifier.Type.Read, application)

    def leave() -> None:
        number = hearing.recv(1)[0]
        notifier.setEnabled(False)
        _log.info("ended by %s", signal.Signals(number).name)
        _keep_unsaved(window, recovery)
        window.shut_down()
        application.exit(128 + number)

    notifier.activated.connect(leave)
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup, or a job in the background of a script
            signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(calling.fileno(), warn_on_full_buffer=False)

    def forget() -> None:
        notifier.setEnabled(False)
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        hearing.close()
        calling.close()

    return forget


def _keep_unsaved(window: MainWindow, recovery: RecoveryStore | None) -> None:
    """Store unsaved work and leave it behind for the next start."""
    if recovery is None or not window.bridge.session.is_dirty:
        return
    try:
        recovery.autosave(
            window.bridge.session.document, title=window.files.title, project_path=window.files.path
        )
    except FileError as error:  # what was stored before is still there
        _log.error("not stored: %s %s", error.user_message, error.hint)
    recovery.abandon()


def _exception_hook(
    window: MainWindow,
) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """Return the last resort: log, store the work, say so in the window."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        _log.critical("unexpected error", exc_info=(kind, error, trace))
        window.files.autosave_now()
        if isinstance(error, StudioError):
            window.notices.show_notice(Notice(message=error.user_message, hint=error.hint))
            return
        window.notices.show_notice(
            Notice(
                message="Something went wrong that PSDStudio did not expect. Your layers are safe.",
                hint="The work was stored for recovery; the details are in the log.",
                details=f"{kind.__name__}: {error}",
            )
        )

    return hook


def _on_qt_message(kind: QtMsgType, _: object, text: str) -> None:
    level = {
        QtMsgType.QtDebugMsg: logging.DEBUG,
        QtMsgType.QtInfoMsg: logging.INFO,
        QtMsgType.QtWarningMsg: logging.WARNING,
    }.get(kind, logging.ERROR)
    _log.log(level, "Qt: %s", text)


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main())
