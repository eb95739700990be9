"""How the main window is put together: the right column, the middle, menu bar and the buttons below the layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QMenu, QMenuBar, QSplitter, QToolButton, QVBoxLayout, QWidget

from psdstudio.ui.actions import Actions
from psdstudio.ui.adjustment_actions import ADJUSTMENT_MENU
from psdstudio.ui.icons import icon
from psdstudio.ui.menu_style import dress
from psdstudio.ui.scene_actions import MORE_VERBS

_FOOTER = ("new_layer", "group", "mask", "duplicate", "delete")
_ADJUSTMENT_AFTER = "mask"
_COLUMN_MIN, _COLUMN_MAX, _COLUMN = 280, 480, 320


def arrange_column(column: QSplitter, layers: QWidget, properties: QWidget) -> None:
    """Put the layer panel over the properties; the layers take what is left."""
    column.setObjectName("column")
    column.setHandleWidth(1)
    column.addWidget(layers)
    column.addWidget(properties)
    column.setSizes([560, 280])
    column.setStretchFactor(0, 1)
    column.setChildrenCollapsible(False)
    column.setMinimumWidth(_COLUMN_MIN)
    column.setMaximumWidth(_COLUMN_MAX)
    properties.setMinimumHeight(140)


def body_of(area: QWidget, column: QWidget) -> QWidget:
    """Return the canvas beside the right column."""
    split = QSplitter(Qt.Orientation.Horizontal)
    split.setHandleWidth(1)
    split.addWidget(area)
    split.addWidget(column)
    split.setStretchFactor(0, 1)
    split.setCollapsible(0, False)
    split.setCollapsible(1, False)
    split.setSizes([1100, _COLUMN])
    body = QWidget()
    inner = QVBoxLayout(body)
    inner.setContentsMargins(0, 0, 0, 0)
    inner.addWidget(split)
    return body


def fill_menus(
    bar: QMenuBar,
    footer: QHBoxLayout,
    more: QToolButton,
    actions: Actions,
    menus: tuple[tuple[str, str], ...],
) -> None:
    """Build the menus, the buttons below the layers, and the menu of the properties."""
    _fill_menu_bar(bar, actions, menus)
    _fill_footer(footer, actions)
    _fill_more(more, actions)


def _fill_menu_bar(bar: QMenuBar, actions: Actions, menus: tuple[tuple[str, str], ...]) -> None:
    """Build the menus; what can be done is asked whenever one opens."""
    for title, ids in menus:
        menu = dress(bar.addMenu(title))
        actions.fill(menu, ids)
        if title == "Layer":
            _add_adjustment_menu(menu, actions)
        menu.aboutToShow.connect(actions.refresh_menu)


def fill_recent(menu: QMenu, paths: Sequence[Path], opened: Callable[[Path], None]) -> None:
    """List files that were open lately, the newest first; those that are gone are left out."""
    menu.clear()
    for path in paths:
        if path.exists():
            action = menu.addAction(path.name)
            action.setToolTip(str(path))
            action.triggered.connect(lambda _=False, path=path: opened(path))
    menu.setEnabled(not menu.isEmpty())


def _fill_footer(footer: QHBoxLayout, actions: Actions) -> None:
    """Put the buttons below the layers."""
    footer.addStretch(1)
    for action_id in _FOOTER:
        button = QToolButton()
        button.setDefaultAction(actions[action_id])
        button.setIconSize(QSize(18, 18))
        button.setFixedSize(30, 28)
        button.setAccessibleName(actions[action_id].text())
        footer.addWidget(button)
        if action_id == _ADJUSTMENT_AFTER:
            footer.addWidget(_adjustment_button(actions))


def _adjustment_button(actions: Actions) -> QToolButton:
    """The half-filled circle, which opens the list of adjustments."""
    button = QToolButton()
    button.setIcon(icon("adjust"))
    button.setIconSize(QSize(18, 18))
    button.setFixedSize(30, 28)
    button.setToolTip("New adjustment layer")
    button.setAccessibleName("New adjustment layer")
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    menu = dress(QMenu(button))
    actions.fill(menu, ADJUSTMENT_MENU)
    button.setMenu(menu)
    return button


def _add_adjustment_menu(menu: QMenu, actions: Actions) -> None:
    """Put the list of adjustments into the Layer menu, below New layer."""
    inner = dress(QMenu("New adjustment layer", menu))
    actions.fill(inner, ADJUSTMENT_MENU)
    menu.insertMenu(actions["duplicate"], inner)


def _fill_more(button: QToolButton, actions: Actions) -> None:
    """Put the verbs that have no button of their own into the menu of `button`."""
    menu = dress(QMenu(button))
    actions.fill(menu, MORE_VERBS)
    menu.aboutToShow.connect(actions.refresh_menu)
    button.setMenu(menu)
