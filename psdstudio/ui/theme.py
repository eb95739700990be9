"""Colours, sizes and the style sheet: one dark theme, one accent hue for Keep and the primary action alone."""

from __future__ import annotations

from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

CANVAS = "#2b2b2b"
PANEL = "#323232"
PANEL_DEEP = "#292929"
PANEL_HIGH = "#3c3c3c"
FIELD = "#262626"
LINE = "#222222"
LINE_LIGHT = "#474747"
TEXT = "#e6e6e6"
TEXT_DIM = "#b4b4b4"
TEXT_FAINT = "#858585"
ROW_SELECTED = "#4b4b4b"
ROW_HOVER = "#3a3a3a"
ACCENT = "#2f6feb"
ACCENT_HIGH = "#4380f2"
ACCENT_DEEP = "#2358c4"
ACCENT_TEXT = "#7fadff"
AMBER = "#f0b34a"
RED = "#ff7b72"
CHECKER_A = "#8a8a8a"
CHECKER_B = "#767676"

FONT_PX = 12
ROW_PX = 40
EFFECT_ROW_PX = 28
MIN_WIDTH, MIN_HEIGHT = 900, 540
"""A screen of 1920 x 1080 has 960 x 540 of these pixels at 200 %."""


def apply(app: QApplication) -> None:
    """Dress the whole application; call once before the first widget."""
    app.setStyle("Fusion")
    font = QFont(app.font())
    font.setPixelSize(FONT_PX)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    app.setFont(font)
    app.setPalette(palette())
    app.setStyleSheet(STYLE)


def palette() -> QPalette:
    """Return the palette behind the style sheet (dialogs of the platform and item views read it)."""
    role = QPalette.ColorRole
    out = QPalette()
    for key, colour in (
        (role.Window, PANEL),
        (role.WindowText, TEXT),
        (role.Base, FIELD),
        (role.AlternateBase, PANEL_DEEP),
        (role.Text, TEXT),
        (role.Button, PANEL_HIGH),
        (role.ButtonText, TEXT),
        (role.ToolTipBase, PANEL_DEEP),
        (role.ToolTipText, TEXT),
        (role.Highlight, ROW_SELECTED),
        (role.HighlightedText, TEXT),
        (role.PlaceholderText, TEXT_FAINT),
        (role.Link, ACCENT_TEXT),
        (role.Mid, LINE_LIGHT),
        (role.Dark, LINE),
        (role.Shadow, "#000000"),
        (role.Light, LINE_LIGHT),
    ):
        out.setColor(key, QColor(colour))
    for key in (role.WindowText, role.Text, role.ButtonText):
        out.setColor(QPalette.ColorGroup.Disabled, key, QColor(TEXT_FAINT))
    return out


STYLE = f"""
* {{ outline: none; }}
QMainWindow, QDialog {{ background: {PANEL}; }}
QMainWindow::separator {{ background: {LINE}; width: 1px; height: 1px; }}
QToolTip {{ background: {PANEL_DEEP}; color: {TEXT}; border: 1px solid {LINE_LIGHT}; padding: 4px 6px; }}
QMenuBar {{ background: {PANEL}; color: {TEXT}; padding: 2px 4px; border-bottom: 1px solid {LINE}; }}
QMenuBar::item {{ padding: 4px 9px; border-radius: 4px; background: transparent; }}
QMenuBar::item:selected, QMenuBar::item:pressed {{ background: {ROW_SELECTED}; }}
QMenu {{ background: {PANEL_DEEP}; color: {TEXT}; border: 1px solid {LINE_LIGHT}; padding: 4px; }}
QMenu::item {{ padding: 5px 28px 5px 12px; border-radius: 4px; }}
QMenu::item:selected {{ background: {ROW_SELECTED}; }}
QMenu::item:disabled {{ color: {TEXT_FAINT}; }}
QMenu::separator {{ height: 1px; background: {LINE_LIGHT}; margin: 4px 8px; }}
QMenu::icon {{ left: 6px; }}
QToolBar {{ background: {PANEL}; border: none; spacing: 4px; padding: 0 8px; }}
QToolBar#tools {{ border-right: 1px solid {LINE}; padding: 6px; spacing: 2px; }}
QToolBar#options {{ border-bottom: 1px solid {LINE}; }}
QToolBar::separator {{ background: {LINE_LIGHT}; width: 1px; margin: 6px 6px; }}
QToolButton {{ background: transparent; border: 2px solid transparent; border-radius: 5px; padding: 3px;
  color: {TEXT}; }}
QToolButton:hover {{ background: {ROW_SELECTED}; }}
QToolButton:pressed {{ background: {LINE}; }}
QToolButton:checked {{ background: {PANEL_DEEP}; border-color: {LINE_LIGHT}; }}
QToolButton:focus {{ border-color: {ACCENT_TEXT}; }}
QToolButton:disabled {{ color: {TEXT_FAINT}; }}
QToolButton::menu-indicator {{ image: none; }}
QStatusBar {{ background: {PANEL}; color: {TEXT_DIM}; border-top: 1px solid {LINE};
  min-height: 24px; max-height: 24px; }}
QStatusBar::item {{ border: none; }}
QStatusBar QLabel {{ color: {TEXT_DIM}; padding: 0 8px; }}
QLineEdit, QPlainTextEdit, QSpinBox, QDoubleSpinBox, QComboBox, QListWidget {{
  background: {FIELD}; color: {TEXT}; border: 1px solid {LINE_LIGHT}; border-radius: 4px;
  selection-background-color: {ACCENT_DEEP}; selection-color: white; }}
QLineEdit, QPlainTextEdit, QComboBox {{ padding: 2px 6px; min-height: 20px; }}
QSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::up-button, QDoubleSpinBox::down-button {{
  width: 0; border: none; }}
QLineEdit:focus, QPlainTextEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus,
QListWidget:focus {{
  border: 1px solid {ACCENT_TEXT}; }}
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled, QPlainTextEdit:disabled {{
  color: {TEXT_FAINT}; border-color: #3d3d3d; }}
QComboBox {{ selection-background-color: {ROW_SELECTED}; selection-color: {TEXT}; }}
QComboBox::drop-down {{ border: none; width: 20px; }}
QComboBox QAbstractItemView {{ background: {PANEL_DEEP}; border: 1px solid {LINE_LIGHT}; padding: 4px;
  selection-background-color: {ROW_SELECTED}; }}
QPushButton {{ background: {PANEL_HIGH}; color: {TEXT}; border: 1px solid #525252; border-radius: 5px;
  padding: 5px 14px; min-height: 18px; }}
QPushButton:hover {{ background: {ROW_SELECTED}; }}
QPushButton:pressed {{ background: {LINE}; }}
QPushButton:focus {{ border: 2px solid {ACCENT_TEXT}; padding: 4px 13px; }}
QPushButton:disabled {{ color: {TEXT_FAINT}; border-color: #424242; }}
QPushButton[primary="true"] {{ background: {ACCENT}; color: white; border: 1px solid {ACCENT}; }}
QPushButton[primary="true"]:hover {{ background: {ACCENT_HIGH}; }}
QPushButton[primary="true"]:focus {{ border: 2px solid #c4d9ff; }}
QPushButton[primary="true"]:disabled {{ background: #3d4655; border-color: #3d4655; color: #a4acb9; }}
QPushButton[quiet="true"] {{ background: transparent; border: 1px solid transparent; color: {TEXT_DIM};
  padding: 5px 8px; }}
QPushButton[quiet="true"]:hover {{ color: {TEXT}; background: rgba(255, 255, 255, 20); }}
QPushButton[quiet="true"]:focus {{ border: 2px solid {ACCENT_TEXT}; padding: 4px 7px; }}
QRadioButton {{ spacing: 8px; color: {TEXT}; min-height: 22px; }}
QRadioButton::indicator {{ width: 13px; height: 13px; border: 1px solid #777777; border-radius: 7px;
  background: {FIELD}; }}
QRadioButton::indicator:checked {{ background: qradialgradient(cx: 0.5, cy: 0.5, radius: 0.5, fx: 0.5, fy: 0.5,
  stop: 0 white, stop: 0.5 white, stop: 0.58 #5a5a5a, stop: 1 #5a5a5a); }}
QRadioButton::indicator:focus {{ border: 1px solid {ACCENT_TEXT}; }}
QTreeView, QListView {{ background: {PANEL}; color: {TEXT}; border: none; show-decoration-selected: 1; }}
QListWidget {{ background: {FIELD}; border: 1px solid {LINE_LIGHT}; padding: 3px; }}
QListWidget::item {{ padding: 5px 8px; border-radius: 4px; }}
QListWidget::item:selected {{ background: {ROW_SELECTED}; color: {TEXT}; }}
QListWidget::item:hover:!selected {{ background: {ROW_HOVER}; }}
QSlider {{ min-height: 20px; }}
QSlider::groove:horizontal {{ height: 3px; background: {FIELD}; border: 1px solid {LINE_LIGHT}; border-radius: 2px; }}
QSlider::handle:horizontal {{ width: 11px; height: 11px; margin: -5px 0; border-radius: 6px; background: {TEXT_DIM};
  border: 1px solid {LINE}; }}
QSlider::handle:horizontal:hover {{ background: white; }}
QSlider::handle:horizontal:focus {{ background: {ACCENT_TEXT}; }}
QSlider::handle:horizontal:disabled {{ background: #5f5f5f; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar::handle:vertical {{ background: #565656; border-radius: 4px; min-height: 28px; margin: 1px; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle:horizontal {{ background: #565656; border-radius: 4px; min-width: 28px; margin: 1px; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{
  background: none; border: none; height: 0; width: 0; }}
QSplitter::handle {{ background: {LINE}; }}
QLabel#heading {{ color: {TEXT}; font-weight: 600; }}
QLabel#dim, QLabel#hint {{ color: {TEXT_DIM}; }}
QLabel#problem {{ color: {RED}; }}
QFrame#line {{ background: {LINE}; max-height: 1px; min-height: 1px; border: none; }}
QWidget#panel {{ background: {PANEL}; }}
QWidget#panelHeader {{ background: {PANEL_DEEP}; border-bottom: 1px solid {LINE}; }}
QWidget#column {{ background: {PANEL}; }}
"""
