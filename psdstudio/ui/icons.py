"""Icons drawn from vector outlines at the size and scale they are shown at, so that they are sharp on any screen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from PySide6.QtCore import QByteArray, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from psdstudio.ui import theme

VIEW = 20
"""Edge of the drawing grid of every outline."""

_S = '<path d="{}"/>'
_F = '<path d="{}" fill="currentColor" stroke="none"/>'

OUTLINES: dict[str, str] = {
    "move": _S.format(
        "M10 2.5v15M2.5 10h15M7.8 4.7 10 2.5l2.2 2.2M7.8 15.3l2.2 2.2 2.2-2.2"
        "M4.7 7.8 2.5 10l2.2 2.2M15.3 7.8l2.2 2.2-2.2 2.2"
    ),
    "box": _S.format("M5 3.5h10M5 16.5h10M3.5 5v10M16.5 5v10")
    + "".join(
        f'<rect x="{x}" y="{y}" width="3" height="3" fill="currentColor" stroke="none"/>'
        for x, y in ((2, 2), (15, 2), (2, 15), (15, 15))
    ),
    "hand": _S.format(
        "M6.4 11V5.4a1.2 1.2 0 0 1 2.4 0V9.5M8.8 9.5V3.9a1.2 1.2 0 0 1 2.4 0v5.6M11.2 9.5V4.9a1.2 1.2 0 0 1 2.4 0"
        "v5.4M13.6 8.6a1.2 1.2 0 0 1 2.4 0v4.2c0 3-1.9 4.9-4.9 4.9-2.3 0-3.6-.9-4.8-2.7L3.9 11.9c-.9-1.4.9-2.6 1.9"
        "-1.4l.6.8"
    ),
    "zoom": '<circle cx="8.6" cy="8.6" r="5.4"/>' + _S.format("M12.6 12.6 17.2 17.2M8.6 6.4v4.4M6.4 8.6h4.4"),
    "eye": _S.format(
        "M1.9 10C3.7 6.5 6.6 4.8 10 4.8s6.3 1.7 8.1 5.2c-1.8 3.5-4.7 5.2-8.1 5.2S3.7 13.5 1.9 10z"
    )
    + '<circle cx="10" cy="10" r="2.5"/>',
    "eye-off": '<circle cx="10" cy="10" r="1" fill="currentColor" stroke="none"/>',
    "pin": _S.format("M7.3 2.8h5.4M8.1 2.8l-.5 5.1-2.3 2.4v1.6h9.4v-1.6l-2.3-2.4-.5-5.1M10 11.9v5.3"),
    "pin-filled": _F.format(
        "M7.2 2.1h5.6a.7.7 0 0 1 0 1.4h-.1l.4 4.1 2.3 2.3v2.7H4.6V9.9l2.3-2.3.4-4.1h-.1a.7.7 0 0 1 0-1.4z"
    )
    + _S.format("M10 12.5v4.9"),
    "lock": '<rect x="4.6" y="9" width="10.8" height="7.8" rx="1.4"/>'
    + _S.format("M7 9V6.4a3 3 0 0 1 6 0V9"),
    "lock-alpha": '<rect x="3" y="3" width="14" height="14" rx="1"/>'
    + _F.format(
        "M3 3h4.67v4.67H3zM12.33 3H17v4.67h-4.67zM7.67 7.67h4.66v4.66H7.67zM3 12.33h4.67V17H3zM12.33 12.33H17V17h-4.67z"
    ),
    "lock-pixels": _S.format(
        "M16.8 3.2c-3.6 1.8-6.6 4.6-8.7 7.8l1.9 1.9c3.2-2.1 6-5.1 7.8-8.7.2-.7-.4-1.2-1-1z"
        "M7.3 11.9c-1.5-.2-2.7.7-2.9 2.2-.1 1-.6 1.7-1.6 2.2 2.8 1 5.6.4 6.2-2 .2-.8-.1-1.5-.5-1.9"
    ),
    "lock-position": _S.format("M10 3v14M3 10h14M8 5l2-2 2 2M8 15l2 2 2-2M5 8l-2 2 2 2M15 8l2 2-2 2"),
    "new-layer": '<rect x="3.2" y="3.2" width="13.6" height="13.6" rx="2"/>'
    + _S.format("M10 6.8v6.4M6.8 10h6.4"),
    "folder": _S.format(
        "M2.8 15.2V5.6a1 1 0 0 1 1-1h3.8l1.8 2h6.8a1 1 0 0 1 1 1v7.6a1 1 0 0 1-1 1H3.8a1 1 0 0 1-1-1z"
    ),
    "mask": '<rect x="2.8" y="4" width="14.4" height="12" rx="1.6"/>'
    + '<circle cx="10" cy="10" r="3.2" fill="currentColor" stroke="none"/>',
    "adjust": '<circle cx="10" cy="10" r="6.8"/>' + _F.format("M10 3.2a6.8 6.8 0 0 1 0 13.6z"),
    "adjust-brightnesscontrast": '<circle cx="10" cy="10" r="3.2"/>'
    + _F.format("M10 6.8a3.2 3.2 0 0 1 0 6.4z")
    + _S.format(
        "M10 2.6v1.6M10 15.8v1.6M2.6 10h1.6M15.8 10h1.6M4.8 4.8 5.9 5.9M14.1 14.1l1.1 1.1"
        "M4.8 15.2l1.1-1.1M14.1 5.9l1.1-1.1"
    ),
    "adjust-levels": _F.format("M3 16.2v-2l2-1.4 1.6-4.2 1.6 2.2L10 4l2 7 1.8-2.6 1.6 4 1.6 1.8v2z"),
    "adjust-curves": '<rect x="3" y="3" width="14" height="14" rx="1"/>'
    + _S.format("M3.6 16.4C9 15.6 10.4 4.6 16.4 3.6"),
    "adjust-exposure": '<rect x="3" y="3" width="14" height="14" rx="1"/>'
    + _S.format("M3.4 16.6 16.6 3.4M5.4 7.2h3.6M7.2 5.4V9M11.2 13h3.6"),
    "adjust-huesaturation": '<rect x="3" y="3" width="14" height="3.4" rx=".6"/>'
    + '<rect x="3" y="8.3" width="14" height="3.4" rx=".6" fill="currentColor" fill-opacity=".45"/>'
    + '<rect x="3" y="13.6" width="14" height="3.4" rx=".6" fill="currentColor"/>',
    "adjust-blackandwhite": '<rect x="3" y="3" width="14" height="14" rx="1"/>' + _F.format("M10 3h7v14h-7z"),
    "adjust-channelmixer": '<circle cx="10" cy="7.4" r="3.9"/><circle cx="7.4" cy="12.2" r="3.9"/>'
    + '<circle cx="12.6" cy="12.2" r="3.9"/>',
    "adjust-invert": '<rect x="3" y="3" width="14" height="14" rx="1"/>'
    + '<circle cx="10" cy="10" r="3.8" fill="currentColor" stroke="none"/>',
    "adjust-posterize": _S.format("M3 16.6h3.6v-4.2h3.6V8.2h3.6V4H17"),
    "adjust-threshold": '<rect x="3" y="3" width="14" height="14" rx="1"/>' + _F.format("M17 3v14H3z"),
    "duplicate": '<rect x="7" y="7" width="9.8" height="9.8" rx="1.6"/>'
    + _S.format("M13 4.6v-.4a1 1 0 0 0-1-1H4.2a1 1 0 0 0-1 1V12a1 1 0 0 0 1 1h.4"),
    "bin": _S.format(
        "M3.4 5.4h13.2M7.6 5.2V3.4h4.8v1.8M5 5.6l.8 10.2a1.2 1.2 0 0 0 1.2 1h6a1.2 1.2 0 0 0 1.2-1L15 5.6"
        "M8.4 8.6v5M11.6 8.6v5"
    ),
    "spark": _F.format("M8.2 3.4 9.9 8 14.6 9.8 9.9 11.6 8.2 16.2 6.5 11.6 1.8 9.8 6.5 8z")
    + _F.format("M15 2.2l.8 2.1 2.1.8-2.1.8-.8 2.1-.8-2.1-2.1-.8 2.1-.8z"),
    "stop": '<rect x="5" y="5" width="10" height="10" rx="1.6" fill="currentColor" stroke="none"/>',
    "chevron-down": _S.format("M5.5 8 10 12.5 14.5 8"),
    "chevron-right": _S.format("M8 5.5 12.5 10 8 14.5"),
    "close": _S.format("M5.5 5.5l9 9M14.5 5.5l-9 9"),
    "plus": _S.format("M10 4.5v11M4.5 10h11"),
    "refresh": _S.format("M16.2 8.2A6.5 6.5 0 1 0 16.4 12M16.6 4.4v4h-4"),
    "wave": _S.format(
        "M2.5 8c1.9-2 3.1-2 5 0s3.1 2 5 0 3.1-2 5 0M2.5 13c1.9-2 3.1-2 5 0s3.1 2 5 0 3.1-2 5 0"
    ),
    "warning": _S.format("M10 3.2 17.6 16.4H2.4zM10 8v4")
    + '<circle cx="10" cy="14.2" r=".6" fill="currentColor"/>',
    "info": '<circle cx="10" cy="10" r="7"/>'
    + _S.format("M10 9.2v4.4")
    + '<circle cx="10" cy="6.6" r=".6" fill="currentColor"/>',
    "chain": '<rect x="6.6" y="1.8" width="6.8" height="9" rx="3.4"/>'
    + '<rect x="6.6" y="9.2" width="6.8" height="9" rx="3.4"/>',
    "clip": _S.format("M15 5H9.5a2.5 2.5 0 0 0-2.5 2.5V15M3.6 11.8 7 15.2l3.4-3.4"),
    "check": _S.format("M4 10.6l4 4 8-9"),
    "tick": '<path d="M3.5 10.5l4.5 4.5 8.5-10" stroke-width="2.6"/>',
    "image": '<rect x="2.8" y="3.8" width="14.4" height="12.4" rx="1.6"/>'
    + '<circle cx="7" cy="7.8" r="1.3"/>'
    + _S.format("M3 14.2l4-3.8 3.2 3 2.6-2.4 4.2 4"),
    "mountain": _S.format("M2.4 15.6 7.4 7l3.2 5 1.8-2.4 5.2 6z") + '<circle cx="13.6" cy="5.6" r="1.5"/>',
    "shadow": '<circle cx="9" cy="7.4" r="4.4"/>'
    + '<ellipse cx="11.4" cy="15.6" rx="6" ry="1.6" fill="currentColor" stroke="none"/>',
    "reflection": _S.format("M2.5 10h15") + _F.format("M10 3.2 14 8H6z") + _S.format("M10 16.8 6 12h8z"),
    "person-box": '<rect x="3.5" y="3.5" width="13" height="13" rx="1.4"/>',
    "more": "".join(
        f'<circle cx="{x}" cy="10" r="1.2" fill="currentColor" stroke="none"/>' for x in (5, 10, 15)
    ),
    "new-look": _S.format(
        "M4.4 16.4 12.6 8.2M11 9.8l-1.4-1.4M14.4 2.8v3.4M12.7 4.5h3.4M16.4 8.6v2.6M15.1 9.9h2.6M8.2 3v2.6M6.9 4.3h2.6"
    ),
    "insert": _S.format("M3 5h14M3 15h14M10 7.4v5.2M7.4 10h5.2"),
    "sliders": _S.format("M3 6h7.2M14 6h3M3 14h3M9.8 14H17")
    + '<circle cx="12.1" cy="6" r="1.9"/><circle cx="7.9" cy="14" r="1.9"/>',
    "open": _S.format(
        "M3 15.4V5.6a1 1 0 0 1 1-1h3.4l1.8 2h5.6a1 1 0 0 1 1 1v1.2M3 15.4l2-6.4h13l-2.2 6a1 1 0 0 1-.9.6H3.4"
    ),
}


def svg(name: str, colour: str, *, stroke: float = 1.4) -> bytes:
    """Return a complete SVG document of the outline `name` in one colour."""
    body = OUTLINES[name].replace("currentColor", colour)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {VIEW} {VIEW}"><g fill="none" stroke="{colour}" '
        f'stroke-width="{stroke}" stroke-linecap="round" stroke-linejoin="round">{body}</g></svg>'
    ).encode()


@lru_cache(maxsize=256)
def _renderer(name: str, colour: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(svg(name, colour)))


def paint_icon(painter: QPainter, name: str, rect: QRectF, colour: str) -> None:
    """Draw the outline `name` into `rect` (logical units); nothing is cached as pixels. GUI thread."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    _renderer(name, colour).render(painter, rect)


@dataclass(frozen=True, slots=True)
class IconColours:
    """Colours of one icon's states."""

    normal: str = theme.TEXT
    disabled: str = theme.TEXT_FAINT
    checked: str = theme.TEXT


class _OutlineEngine(QIconEngine):
    """Renders an outline at whatever pixel size Qt asks for."""

    def __init__(self, name: str, colours: IconColours) -> None:
        super().__init__()
        self._name = name
        self._colours = colours

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        """Draw into `rect`."""
        paint_icon(painter, self._name, QRectF(rect), self._colour(mode, state))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        """Return the icon as pixels of exactly `size`."""
        out = QPixmap(size)
        if out.isNull():  # a button that has no room yet is painted all the same
            return out
        out.fill(Qt.GlobalColor.transparent)
        painter = QPainter(out)
        self.paint(painter, QRect(0, 0, size.width(), size.height()), mode, state)
        painter.end()
        return out

    def clone(self) -> QIconEngine:
        """Copy, when Qt detaches a shared icon."""
        return _OutlineEngine(self._name, self._colours)

    def _colour(self, mode: QIcon.Mode, state: QIcon.State) -> str:
        if mode is QIcon.Mode.Disabled:
            return self._colours.disabled
        return self._colours.checked if state is QIcon.State.On else self._colours.normal


_ENGINES: list[
    _OutlineEngine
] = []  # PySide gives the engine to the QIcon but lets Python collect its other half


@lru_cache(maxsize=256)
def icon(name: str, colours: IconColours = IconColours()) -> QIcon:
    """Return the icon `name`; needs a QGuiApplication."""
    engine = _OutlineEngine(name, colours)
    _ENGINES.append(engine)
    return QIcon(engine)
