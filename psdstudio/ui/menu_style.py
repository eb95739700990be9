"""Menus with tick marks drawn as vectors: the platform's are pictures of one size, which blur at 150 and 200 %."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QEvent, QObject, QRectF
from PySide6.QtGui import QHelpEvent, QPainter
from PySide6.QtWidgets import QMenu, QProxyStyle, QStyle, QStyleOption, QToolTip, QWidget

from psdstudio.ui import theme
from psdstudio.ui.icons import paint_icon

_TICK = 12


class MenuStyle(QProxyStyle):
    """Fusion with another tick. Only menus wear it: every drawing step of a widget that does goes through Python."""

    def drawPrimitive(
        self,
        element: QStyle.PrimitiveElement,
        option: QStyleOption,
        painter: QPainter,
        widget: QWidget | None = None,
    ) -> None:
        if element is not QStyle.PrimitiveElement.PE_IndicatorMenuCheckMark:
            super().drawPrimitive(element, option, painter, widget)
            return
        state: QStyle.StateFlag = option.state
        if state & QStyle.StateFlag.State_On:
            middle = QRectF(option.rect).center()
            edge = QRectF(middle.x() - _TICK / 2, middle.y() - _TICK / 2, _TICK, _TICK)
            is_off = not state & QStyle.StateFlag.State_Enabled
            paint_icon(painter, "tick", edge, theme.TEXT_FAINT if is_off else theme.TEXT)


@lru_cache(maxsize=1)
def _style() -> MenuStyle:
    return MenuStyle("Fusion")


class _Reasons(QObject):
    """Shows the tip of an item that cannot be chosen; what can be needs none, its words are in the menu."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if (
            isinstance(watched, QMenu)
            and isinstance(event, QHelpEvent)
            and event.type() == QEvent.Type.ToolTip
        ):
            action = watched.actionAt(event.pos())
            text = "" if action is None or action.isEnabled() else action.toolTip()  # type: ignore[redundant-expr]  # None beside the items
            QToolTip.showText(event.globalPos(), text, watched)
            return True
        return super().eventFilter(watched, event)


def dress(menu: QMenu) -> QMenu:
    """Give a menu the sharp tick and the reasons of what cannot be chosen; returns it."""
    menu.setStyle(_style())
    menu.installEventFilter(_Reasons(menu))
    return menu
