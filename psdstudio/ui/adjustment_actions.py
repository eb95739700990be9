"""The actions that make adjustment layers."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from psdstudio.core.adjustments import TITLES, Adjustment
from psdstudio.ui.actions import ActionSpec
from psdstudio.ui.window_api import Window

_TIP = "{} over everything below; with Alt over the selected layer alone"


def adjustment_id(kind: type[Adjustment]) -> str:
    """Return the id of the action that makes such a layer."""
    return f"adjust_{kind.__name__.lower()}"


ADJUSTMENT_MENU = " ".join(map(adjustment_id, TITLES))
"""Ids of all of them, in the order of Photoshop's menu."""


def adjustment_actions(window: Window) -> list[ActionSpec]:
    """Return them; `window` is only called when one is triggered."""
    return [
        ActionSpec(
            id=adjustment_id(kind),
            text=title.replace("&", "&&"),
            run=partial(_add, window, kind),
            tip=_TIP.format(title),
        )
        for kind, title in TITLES.items()
    ]


def _add(window: Window, kind: type[Adjustment]) -> None:
    has_alt = bool(QGuiApplication.keyboardModifiers() & Qt.KeyboardModifier.AltModifier)
    window.edits.add_adjustment(kind(), clipped=has_alt)
