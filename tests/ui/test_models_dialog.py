"""The Models dialog: real files are added, what is missing is said, and the engine that is chosen takes over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QPushButton
from pytestqt.qtbot import QtBot

from psdstudio.errors import FileWriteFailed
from psdstudio.gen.catalogue import engine_card
from psdstudio.gen.models import EMBEDDED_KEY, PHOTOREAL_KEY, QWEN_KEY, default_sampling
from psdstudio.models.store import load_models
from psdstudio.settings import Folders, load_settings
from psdstudio.ui import model_list
from psdstudio.ui.dialogs.model_shelf import READY
from psdstudio.ui.dialogs.models import ModelsDialog
from psdstudio.ui.engines import Engines
from tests.gen.weights import samples
from tests.ui.hands import RUN_MS, generate, type_sentence
from tests.ui.model_files import MORE, NEEDED, listed
from tests.ui.rig import Rig, make_rig

LORA, ACCELERATION = "Watercolour sketch", "Hyper-SDXL-8steps-CFG-lora"


@pytest.fixture
def bare(qtbot: QtBot, tmp_path: Path) -> Iterator[Rig]:
    """A window on the embedded engine (as the script plays it); the user has no models."""
    with make_rig(tmp_path / "user", inline=True, engine=EMBEDDED_KEY, steps=None) as rig:
        rig.window.show()
        qtbot.waitUntil(lambda: rig.window.generation.engine is not None)
        yield rig


@pytest.fixture
def equipped(qtbot: QtBot, tmp_path: Path) -> Iterator[Rig]:
    """A window on the embedded engine; the user has all that photoreal layers need, and more."""
    models = listed(tmp_path / "files", *NEEDED, *MORE)
    with make_rig(tmp_path / "user", inline=True, engine=EMBEDDED_KEY, steps=None, models=models) as rig:
        rig.window.show()
        qtbot.waitUntil(lambda: rig.window.generation.engine is not None)
        yield rig


def opened(rig: Rig) -> ModelsDialog:
    """Open the dialog by its action."""
    rig.window.actions_table["models"].trigger()
    (dialog,) = [found for found in rig.window.findChildren(ModelsDialog) if found.isVisible()]
    return dialog


def engines_of(rig: Rig) -> Engines:
    return rig.window.engine_view.engines


def press(button: QPushButton) -> None:
    assert button.isEnabled()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def folders(rig: Rig) -> Folders:
    return Folders(config=rig.folder, state=rig.folder, logs=rig.folder)


def choosing(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let the file dialogs answer with this path."""
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(path))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))


def done(qtbot: QtBot, dialog: ModelsDialog, act: Callable[[], object]) -> str:
    """Do something with the list, wait for its end, return what the dialog says."""
    with qtbot.waitSignal(dialog.shelf._models.ended, timeout=RUN_MS):
        act()
    return dialog.shelf.message.text()


def titles(dialog: ModelsDialog) -> list[str]:
    """The rows of models as shown."""
    items = dialog.shelf.tree.findItems("*", Qt.MatchFlag.MatchWildcard | Qt.MatchFlag.MatchRecursive)
    return [item.text(0) for item in items if item.parent() is not None]


def select(dialog: ModelsDialog, title: str) -> None:
    (item,) = dialog.shelf.tree.findItems(title, Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive)
    dialog.shelf.tree.setCurrentItem(item)


def test_without_models_only_the_embedded_engine_can_be_chosen_and_the_dialog_says_why(bare: Rig) -> None:
    dialog = opened(bare)
    rows = dialog.choice.rows
    assert [key for key, row in rows.items() if row.button.isEnabled()] == [EMBEDDED_KEY]
    assert dialog.choice.key == EMBEDDED_KEY
    assert not dialog.use.isEnabled()
    for word in ("An SDXL model is missing", "transparent decoder is missing", "transparent layers"):
        assert word in dialog.shelf.needs.text()
        assert word in rows[PHOTOREAL_KEY].toolTip()
    assert rows[QWEN_KEY].why.text() == "Not yet. The folder of Qwen-Image-Layered is missing."
    assert dialog.shelf.empty.isVisibleTo(dialog)
    assert not dialog.shelf.remove.isEnabled()
    assert not dialog.choice.controls.isVisibleTo(dialog)


def test_a_folder_with_models_makes_the_photoreal_engine_possible(
    qtbot: QtBot, bare: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples.write_folder(tmp_path / "m" / "base")
    samples.write(tmp_path / "m" / "vae_transparent_decoder.safetensors", samples.transparent_decoder())
    samples.write(tmp_path / "m" / "layer_xl_transparent_attn.safetensors", samples.forge_lora())
    samples.write(tmp_path / "m" / "old" / "sd15.safetensors", samples.sd15_checkpoint())
    choosing(monkeypatch, tmp_path / "m")
    dialog = opened(bare)
    said = done(qtbot, dialog, lambda: press(dialog.shelf.add_folder))
    assert said == "3 models added. 1 file there cannot be used."
    assert "sd15.safetensors: " in dialog.shelf.message.toolTip()
    assert sorted(titles(dialog)) == ["base", "layer_xl_transparent_attn", "vae_transparent_decoder"]
    assert READY in dialog.shelf.needs.text()
    assert load_models(folders(bare)) == engines_of(bare).models
    assert "complete" in bare.window.empty.engine.text()
    QTest.mouseClick(dialog.choice.rows[PHOTOREAL_KEY].button, Qt.MouseButton.LeftButton)
    press(dialog.use)
    assert not dialog.isVisible()
    qtbot.waitUntil(lambda: bare.window.generation.engine is not None)
    card = engine_card(PHOTOREAL_KEY)
    assert card is not None
    assert bare.window.status.engine.text() == f"{card.title}: ready"
    assert load_settings(folders(bare).settings_file, {}).engine == PHOTOREAL_KEY
    type_sentence(qtbot, bare)
    bare.window.generation.start()
    run = bare.window.generation.run
    assert run is not None
    assert (run.request.engine, run.request.sampling) == (PHOTOREAL_KEY, default_sampling(PHOTOREAL_KEY))
    qtbot.waitUntil(lambda: bare.window.generation.run is None, timeout=RUN_MS)


def test_what_cannot_be_used_is_said_with_advice_and_the_list_stays(
    qtbot: QtBot, bare: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickle = tmp_path / "model.ckpt"
    pickle.write_bytes(b"\x80\x02}q\x00.")
    dialog = opened(bare)
    for path, words in ((pickle, "pickle"), (tmp_path / "nothing", "There is no file"), (tmp_path, "")):
        choosing(monkeypatch, path)
        said = done(qtbot, dialog, lambda: press(dialog.shelf.add_file))
        assert words in said
        assert said.count(".") >= 2  # what happened, and what to do
    assert engines_of(bare).models == ()
    assert titles(dialog) == []


def test_reading_can_be_stopped_and_closing_the_dialog_stops_it(
    qtbot: QtBot, bare: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Event()

    def endless(path: Path, *, progress: Callable[[int, int], None]) -> None:
        for done_so_far in range(10**9):
            progress(done_so_far, 10**9)
            reads.set()

    monkeypatch.setattr(model_list, "find_models", endless)
    choosing(monkeypatch, tmp_path)
    dialog = opened(bare)
    press(dialog.shelf.add_folder)
    assert reads.wait(10)
    assert dialog.shelf.work.isVisibleTo(dialog)
    assert not dialog.shelf.add_file.isEnabled()
    assert done(qtbot, dialog, lambda: press(dialog.shelf.stop)) == "Stopped; nothing was changed."
    assert not dialog.shelf.work.isVisibleTo(dialog)
    reads.clear()
    press(dialog.shelf.add_folder)
    assert reads.wait(10)
    with qtbot.waitSignal(engines_of(bare).model_list.ended):
        dialog.reject()
    assert engines_of(bare).models == ()


def test_models_are_removed_preferred_and_verified(qtbot: QtBot, equipped: Rig) -> None:
    dialog = opened(equipped)
    shelf = dialog.shelf
    select(dialog, "juggernaut_xl_ragnarok")
    assert not shelf.prefer.isVisibleTo(dialog)  # the first of the list is the one in use
    select(dialog, "stable-diffusion-xl-base-1.0")  # a folder would do as well as a file
    done(qtbot, dialog, lambda: press(shelf.prefer))
    assert engines_of(equipped).models[0].title == "stable-diffusion-xl-base-1.0"
    select(dialog, LORA)
    assert not shelf.prefer.isVisibleTo(dialog)
    path = Path(next(model.path for model in engines_of(equipped).models if model.title == LORA))
    said = done(qtbot, dialog, lambda: press(shelf.remove))
    assert said == f"“{LORA}” is off the list; its files are untouched."
    assert path.exists()
    assert LORA not in titles(dialog)
    assert load_models(folders(equipped)) == engines_of(equipped).models
    said = done(qtbot, dialog, lambda: press(shelf.verify))  # none of these files is what it was said to be
    assert said
    assert len(shelf.message.toolTip().splitlines()) == len(engines_of(equipped).models)
    (item,) = shelf.tree.findItems(ACCELERATION, Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive)
    assert item.text(1) == "changed or damaged"


def test_models_that_are_as_they_were_are_verified(
    qtbot: QtBot, bare: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choosing(monkeypatch, samples.write(tmp_path / "ink.safetensors", samples.kohya_lora()))
    dialog = opened(bare)
    done(qtbot, dialog, lambda: press(dialog.shelf.add_file))
    assert done(qtbot, dialog, lambda: press(dialog.shelf.verify)) == "1 model verified: nothing has changed."
    Path(engines_of(bare).models[0].path).unlink()
    done(qtbot, dialog, lambda: press(dialog.shelf.verify))
    (item,) = dialog.shelf.tree.findItems("ink", Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive)
    assert item.text(1) == "not there any more"


def test_a_list_that_cannot_be_written_stays_as_it_is(
    qtbot: QtBot, equipped: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise FileWriteFailed("The disk is full.", "Make room.")

    monkeypatch.setattr(model_list, "save_models", fail)
    before = engines_of(equipped).models
    dialog = opened(equipped)
    select(dialog, LORA)
    assert done(qtbot, dialog, lambda: press(dialog.shelf.remove)) == "The disk is full. Make room."
    assert engines_of(equipped).models == before
    assert LORA in titles(dialog)


def test_options_are_saved_and_start_the_engine_anew_only_when_they_differ(
    qtbot: QtBot, equipped: Rig
) -> None:
    dialog = opened(equipped)
    dialog.choice.rows[PHOTOREAL_KEY].button.click()
    controls = dialog.choice.controls
    assert controls.acceleration.currentText() == "Off"
    press(dialog.use)
    qtbot.waitUntil(lambda: equipped.window.generation.engine is not None)
    dialog = opened(equipped)
    assert not dialog.use.isEnabled()  # it runs just so
    controls = dialog.choice.controls
    controls.acceleration.setCurrentIndex(controls.acceleration.findText(ACCELERATION))
    controls.acceleration.activated.emit(1)
    controls.memory.setValue(7.5)
    QTest.mouseClick(controls.upscale, Qt.MouseButton.LeftButton)
    QTest.mouseClick(controls.wide_joint, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(engines_of(equipped).replaced):
        press(dialog.use)
    chosen = load_settings(folders(equipped).settings_file, {}).photoreal
    assert (chosen.acceleration, chosen.memory_cap_gb, chosen.upscale) == (ACCELERATION, 7.5, False)
    assert (chosen.wide_joint, chosen.compile) == (True, False)
    assert engines_of(equipped).options == chosen


def test_a_model_that_was_added_reaches_the_engine_that_runs(qtbot: QtBot, equipped: Rig) -> None:
    engines = engines_of(equipped)
    assert engines.choose(PHOTOREAL_KEY, engines.options) is None
    dialog = opened(equipped)
    select(dialog, LORA)
    done(qtbot, dialog, lambda: press(dialog.shelf.remove))
    with qtbot.waitSignal(engines.replaced):
        dialog.reject()
    with qtbot.assertNotEmitted(engines.replaced):
        opened(equipped).reject()


def test_a_choice_that_cannot_be_saved_holds_and_says_so(qtbot: QtBot, equipped: Rig) -> None:
    path = folders(equipped).settings_file
    path.write_text("steps = ", encoding="utf-8")
    dialog = opened(equipped)
    dialog.choice.rows[PHOTOREAL_KEY].button.click()
    press(dialog.use)
    assert dialog.isVisible()
    assert "only until the program ends" in dialog.problem.text()
    assert str(path) in dialog.problem.text()
    assert engines_of(equipped).key == PHOTOREAL_KEY
    assert path.read_text(encoding="utf-8") == "steps = "


def test_a_run_that_goes_on_is_finished_on_its_own_engine(qtbot: QtBot, tmp_path: Path) -> None:
    models = listed(tmp_path / "files", *NEEDED)
    with make_rig(
        tmp_path / "user", inline=True, step_delay_s=0.05, engine=EMBEDDED_KEY, models=models
    ) as rig:
        rig.window.show()
        type_sentence(qtbot, rig)
        rig.window.generation.start()
        qtbot.waitUntil(
            lambda: rig.window.generation.run is not None and rig.window.generation.run.fraction > 0
        )
        engines_of(rig).choose(PHOTOREAL_KEY, engines_of(rig).options)
        with qtbot.waitSignal(rig.window.generation.accepted, timeout=RUN_MS):
            pass
        assert rig.document.layers[0].part is not None
        recipe = rig.document.layers[0].part.recipe
        assert recipe is not None
        assert recipe.engine == EMBEDDED_KEY
        qtbot.waitUntil(lambda: rig.window.generation.engine is not None, timeout=RUN_MS)
        generate(qtbot, rig)
        assert rig.document.layers[0].part.recipe is not None
        recipe = rig.document.layers[0].part.recipe
        assert recipe is not None
        assert recipe.engine == PHOTOREAL_KEY


def test_the_empty_window_leads_to_the_models(
    qtbot: QtBot, bare: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples.write(tmp_path / "m" / "ink.safetensors", samples.kohya_lora())
    choosing(monkeypatch, tmp_path / "m")
    empty = bare.window.empty
    assert empty.engine.text() == (
        "Embedded model ready (small, illustration style). For photoreal layers add SDXL weights"
    )
    assert empty.models_button.text() == "Choose folder…"
    with qtbot.waitSignal(engines_of(bare).model_list.ended, timeout=RUN_MS):
        press(empty.models_button)
    assert [model.title for model in engines_of(bare).models] == ["ink"]
    assert empty.models_button.text() == "See models…"
