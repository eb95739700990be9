"""The table of actions: id, text, keys, icon, what it does and when it can. Menus and buttons are built from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from psdstudio.core.layers import BlendMode
from psdstudio.ui.icons import icon

MODE_LETTERS = {
    "N": BlendMode.NORMAL,
    "I": BlendMode.DISSOLVE,
    "K": BlendMode.DARKEN,
    "M": BlendMode.MULTIPLY,
    "B": BlendMode.COLOR_BURN,
    "A": BlendMode.LINEAR_BURN,
    "G": BlendMode.LIGHTEN,
    "S": BlendMode.SCREEN,
    "D": BlendMode.COLOR_DODGE,
    "W": BlendMode.LINEAR_DODGE,
    "O": BlendMode.OVERLAY,
    "F": BlendMode.SOFT_LIGHT,
    "H": BlendMode.HARD_LIGHT,
    "V": BlendMode.VIVID_LIGHT,
    "J": BlendMode.LINEAR_LIGHT,
    "Z": BlendMode.PIN_LIGHT,
    "L": BlendMode.HARD_MIX,
    "E": BlendMode.DIFFERENCE,
    "X": BlendMode.EXCLUSION,
    "U": BlendMode.HUE,
    "T": BlendMode.SATURATION,
    "C": BlendMode.COLOR,
    "Y": BlendMode.LUMINOSITY,
}
"""Shift+Alt+letter, as Photoshop has them."""


@dataclass(frozen=True, slots=True)
class Need:
    """When an action can be done, and what to do first when it cannot."""

    is_met: Callable[[], bool]
    advice: str
    others: tuple[Need, ...] = ()

    def __call__(self) -> bool:
        """Whether it and all others are met now."""
        return self.why() == ""

    def why(self) -> str:
        """Return the advice of the first need that is not met; "" when all are."""
        if not self.is_met():
            return self.advice
        return next((why for other in self.others if (why := other.why())), "")

    def __and__(self, other: Need) -> Need:
        """Return both as one."""
        return Need(self.is_met, self.advice, (*self.others, other))


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSpec:
    """One action. `keys` are portable key texts; the first is shown in the menu.

    `says` is a text for this very document; it is asked when a menu opens, so it may take some milliseconds.
    """

    id: str
    text: str
    run: Callable[[], object]
    keys: tuple[str, ...] = ()
    icon: str = ""
    can: Need | None = None
    checked: Callable[[], bool] | None = None
    tip: str = ""
    says: Callable[[], str] | None = None


class Actions:
    """The live QActions of a table. GUI thread."""

    def __init__(self, specs: Iterable[ActionSpec], window: QWidget) -> None:
        self._specs = {spec.id: spec for spec in specs}
        self._actions = {spec.id: _action(spec, window) for spec in self._specs.values()}
        for action in self._actions.values():
            window.addAction(action)
        self.refresh()

    def __getitem__(self, action_id: str) -> QAction:
        return self._actions[action_id]

    @property
    def keys(self) -> dict[str, tuple[str, ...]]:
        """Keys by action id."""
        return {spec.id: spec.keys for spec in self._specs.values()}

    def refresh(self) -> None:
        """Enable and check what can be done now."""
        for spec in self._specs.values():
            action = self._actions[spec.id]
            if spec.can is not None:
                why = spec.can.why()
                action.setEnabled(not why)
                action.setToolTip(f"{_tip(spec)}\n{why}" if why else _tip(spec))
            if spec.checked is not None:
                action.setChecked(spec.checked())

    def refresh_menu(self) -> None:
        """Refresh, and let the actions say what they would do now: a menu is about to open."""
        self.refresh()
        for spec in self._specs.values():
            if spec.says is not None:
                self._actions[spec.id].setText(spec.says())

    def fill(self, menu: QMenu, ids: str) -> None:
        """Add actions to a menu; `ids` are parted by spaces, "-" is a separator."""
        for action_id in ids.split():
            if action_id == "-":
                menu.addSeparator()
            else:
                menu.addAction(self._actions[action_id])


def _action(spec: ActionSpec, window: QWidget) -> QAction:
    action = QAction(spec.text, window)
    action.setObjectName(spec.id)
    action.setShortcuts([QKeySequence(key, QKeySequence.SequenceFormat.PortableText) for key in spec.keys])
    if spec.icon:
        action.setIcon(icon(spec.icon))
        action.setIconVisibleInMenu(False)
    action.setToolTip(_tip(spec))
    action.setCheckable(spec.checked is not None)
    action.triggered.connect(lambda _=False: spec.run())
    return action


def _tip(spec: ActionSpec) -> str:
    words = spec.tip or spec.text.replace("…", "")
    if not spec.keys:
        return words
    return f"{words} ({QKeySequence(spec.keys[0]).toString(QKeySequence.SequenceFormat.NativeText)})"
