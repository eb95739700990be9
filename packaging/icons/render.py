"""Draws the PNG sizes and the Windows icon from resources/icons/psdstudio.svg."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent / "resources" / "icons" / "psdstudio.svg"
SIZES = (16, 24, 32, 48, 64, 128, 256, 512)


def draw(svg: Path, size_px: int) -> QImage:
    """The icon at size_px squared, ARGB32 premultiplied."""
    image = QImage(size_px, size_px, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    QSvgRenderer(str(svg)).render(painter)
    painter.end()
    return image


def main() -> None:
    """Write psdstudio-<size>.png for every size, and the Windows icon."""
    app = QGuiApplication.instance() or QGuiApplication([])
    for size in SIZES:
        target = HERE / f"psdstudio-{size}.png"
        if not draw(SOURCE, size).save(str(target)):
            raise SystemExit(f"could not write {target}")
    icon_sizes = [(size, size) for size in SIZES if size <= 256]  # the format ends at 256
    with Image.open(HERE / "psdstudio-256.png") as largest:
        largest.save(HERE / "psdstudio.ico", sizes=icon_sizes)
    del app


if __name__ == "__main__":
    main()
