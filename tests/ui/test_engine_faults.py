"""An engine that cannot work: the bar says what happened, what is safe and what to do, and the words stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from psdstudio.gen.fake import FakeScript, Fault
from tests.ui.hands import RUN_MS, type_sentence
from tests.ui.rig import SENTENCE, make_rig


@pytest.mark.expects_logs
@pytest.mark.parametrize(
    ("script", "happened", "advice"),
    [
        (
            FakeScript(load_fault=Fault.LOAD_MISSING),
            "A file of the model is missing",
            "Install PSDStudio again",
        ),
        (FakeScript(faults=(("*", Fault.OUT_OF_MEMORY),)), "too little memory", "smaller canvas"),
        (FakeScript(faults=(("*", Fault.RAISE),)), "could not finish this run", "another seed"),
    ],
)
def test_the_bar_says_what_is_safe_and_what_to_do(
    qtbot: QtBot, tmp_path: Path, script: FakeScript, happened: str, advice: str
) -> None:
    with make_rig(tmp_path, inline=True, script=script) as rig:
        window = rig.window
        window.show()
        type_sentence(qtbot, rig)
        window.generation.start()
        qtbot.waitUntil(lambda: window.notices.isVisible() and window.generation.run is None, timeout=RUN_MS)
        said = f"{window.notices.message.text()} {window.notices.hint.text()}"
        assert happened in said
        assert said.count("Your layers are safe.") == 1
        assert advice in said
        assert window.notices.button.text()
        assert window.prompt.text.text() == SENTENCE
        assert window.prompt.button.isEnabled()
        window.generation.start()
        assert window.notices.isHidden()  # what it said is out of date
        qtbot.waitUntil(lambda: window.generation.run is None, timeout=RUN_MS)
