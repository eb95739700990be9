"""The controls of an adjustment layer, built from its settings and their ranges. GUI thread."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from psdstudio.core.adjustments import (
    Adjustment,
    BrightnessContrast,
    ChannelMixer,
    Curve,
    Curves,
    Exposure,
    HueSaturation,
    Invert,
    Levels,
    LevelsChannel,
    Range,
    Settings,
    ranges_of,
)
from psdstudio.core.layers import AdjustmentLayer, Lock
from psdstudio.ui import theme
from psdstudio.ui.panels.curve_editor import CurveEditor
from psdstudio.ui.panels.dials import Dial
from psdstudio.ui.widgets import CheckBox, ChoiceBox, number_box

_NAMES = {
    "black_in": "Shadows",
    "white_in": "Highlights",
    "black_out": "Output black",
    "white_out": "Output white",
    "level": "Level",
}
_LEVELS_ORDER = ("black_in", "gamma", "white_in", "black_out", "white_out")
_SUFFIXES = {"saturation": " %", "lightness": " %", "hue": "°", "constant": " %"}
_CHANNELS = (("RGB", "master"), ("Red", "red"), ("Green", "green"), ("Blue", "blue"))
_COLOURS = {"master": theme.TEXT, "red": "#ff8078", "green": "#74d07c", "blue": "#7fadff"}
_TOGGLES: dict[type[Adjustment], tuple[str, str, str]] = {
    BrightnessContrast: (
        "legacy",
        "Use legacy",
        "The arithmetic of before Photoshop CS3, which cuts off light and dark",
    ),
    HueSaturation: ("colorize", "Colorize", "Give everything one hue"),
    ChannelMixer: ("monochrome", "Monochrome", "Make one grey of the three channels"),
}


class AdjustmentControls(QWidget):
    """Shows one adjustment and says what the user makes of it."""

    changed = Signal(object, str)
    """The new adjustment, and which control was turned."""
    clip_asked = Signal(bool)
    """Whether it shall work on the layer below alone."""

    def __init__(self) -> None:
        super().__init__()
        self._adjustment: Adjustment = Invert()
        self._shape: tuple[object, ...] = ()
        self.channel = ChoiceBox()
        self.dials: dict[str, Dial] = {}
        self.toggle: CheckBox | None = None
        self.curve: CurveEditor | None = None
        self._spots: tuple[QSpinBox, QSpinBox] | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self._body = QWidget()
        self._column.addWidget(self._body)
        self._column.addLayout(self._last_row())

    def show_layer(self, layer: AdjustmentLayer) -> None:
        """Show the settings of a layer; off while it is fully locked."""
        self.setEnabled(Lock.ALL not in layer.props.locks)
        blocker = QSignalBlocker(self.clip)
        self.clip.setChecked(layer.props.clipping)
        del blocker
        self.show_adjustment(layer.adjustment)

    def show_adjustment(self, adjustment: Adjustment) -> None:
        """Show the settings; controls are only made anew for another kind, so that a drag goes on."""
        shape = _shape_of(adjustment)
        self._adjustment = adjustment
        if shape != self._shape:
            self._shape = shape
            self._build()
        self._show_values()

    # ---- construction

    def _build(self) -> None:
        old, self._body = self._body, QWidget()
        self._column.replaceWidget(old, self._body)
        old.hide()  # it is gone only when the event loop comes round
        old.deleteLater()
        rows = QVBoxLayout(self._body)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(6)
        self.dials, self.toggle, self.curve, self._spots = {}, None, None, None
        self._add_channels(rows)
        if isinstance(self._adjustment, Curves):
            self._add_curve(rows)
        elif isinstance(self._adjustment, Invert):
            note = QLabel("Every colour becomes its opposite. There is nothing to set.")
            note.setObjectName("dim")
            note.setWordWrap(True)
            rows.addWidget(note)
        else:
            self._add_dials(rows)
        self._add_toggle(rows)
        self.reset.setVisible(not isinstance(self._adjustment, Invert))

    def _add_channels(self, rows: QVBoxLayout) -> None:
        channels = _channels_of(self._adjustment)
        if not channels:
            return
        self.channel = ChoiceBox()
        self.channel.setAccessibleName("Channel")
        for name, key in channels:
            self.channel.addItem(name, key)
        self.channel.currentIndexChanged.connect(lambda _: self._show_values())
        rows.addWidget(self.channel)

    def _add_curve(self, rows: QVBoxLayout) -> None:
        self.curve = CurveEditor()
        self.curve.changed.connect(self._on_curve)
        self.curve.picked.connect(self._show_spot)
        rows.addWidget(self.curve)
        spots = QHBoxLayout()
        spots.setSpacing(6)
        fields = []
        for name in ("Input", "Output"):
            caption = QLabel(name)
            caption.setObjectName("dim")
            field = number_box(f"{name} of the selected point", 0, 255, suffix="", width=52)
            field.valueChanged.connect(lambda _: self._on_spot())
            fields.append(field)
            spots.addWidget(caption)
            spots.addWidget(field)
        spots.addStretch(1)
        rows.addLayout(spots)
        self._spots = fields[0], fields[1]

    def _add_dials(self, rows: QVBoxLayout) -> None:
        part = self._part()
        allowed = ranges_of(part)
        names = _LEVELS_ORDER if isinstance(part, LevelsChannel) else tuple(allowed)
        for name in names:
            dial = _dial(part, name, allowed[name])
            dial.changed.connect(partial(self._on_dial, name))
            self.dials[name] = dial
            rows.addWidget(dial)

    def _add_toggle(self, rows: QVBoxLayout) -> None:
        toggle = _TOGGLES.get(type(self._adjustment))
        if toggle is None:
            return
        name, text, tip = toggle
        self.toggle = CheckBox(text)
        self.toggle.setToolTip(tip)
        self.toggle.toggled.connect(lambda on: self._on_toggle(name, on=on))
        rows.addWidget(self.toggle)

    def _last_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(0, 2, 0, 0)
        self.clip = CheckBox("Only the layer below")
        self.clip.setToolTip("Clip the adjustment to the layer below (Ctrl+Alt+G)")
        self.clip.toggled.connect(self.clip_asked)
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Set everything back to where a new adjustment of this kind begins")
        self.reset.clicked.connect(self._on_reset)
        row.addWidget(self.clip)
        row.addStretch(1)
        row.addWidget(self.reset)
        return row

    # ---- showing

    def _key(self) -> str:
        """Which channel is shown; "" for an adjustment without channels."""
        return str(self.channel.currentData() or "") if _channels_of(self._adjustment) else ""

    def _part(self) -> Settings:
        """The settings that the dials set: the adjustment itself, or the shown channel's."""
        if isinstance(self._adjustment, ChannelMixer) and self._adjustment.monochrome:
            return self._adjustment.red
        if isinstance(self._adjustment, Levels | ChannelMixer):
            part = getattr(self._adjustment, self._key() or "red")
            assert not isinstance(part, bool)
            return part  # type: ignore[no-any-return]  # a field of the two types above
        return self._adjustment

    def _show_values(self) -> None:
        adjustment = self._adjustment
        if self.toggle is not None:
            blocker = QSignalBlocker(self.toggle)
            self.toggle.setChecked(bool(getattr(adjustment, _TOGGLES[type(adjustment)][0])))
            del blocker
        if self.curve is not None:
            self.curve.show_curve(getattr(adjustment, self._key()), _COLOURS[self._key()])
            self._show_spot()
        part = self._part()
        for name, dial in self.dials.items():
            dial.show_value(getattr(part, name) / _unit(part, name))

    def _show_spot(self) -> None:
        if self.curve is None or self._spots is None:
            return
        for field, value in zip(self._spots, self.curve.curve.points[self.curve.chosen], strict=True):
            blocker = QSignalBlocker(field)
            field.setValue(value)
            del blocker

    # ---- acting

    def _on_dial(self, name: str, shown: float) -> None:
        part = self._part()
        value: float = round(shown * _unit(part, name), 4)
        if ranges_of(part)[name].decimals == 0:
            value = round(value)
        if isinstance(part, LevelsChannel):
            # White stays at least two steps above black, whichever of them is moved.
            value = min(value, part.white_in - 2) if name == "black_in" else value
            value = max(value, part.black_in + 2) if name == "white_in" else value
        self._set_part(replace(part, **{name: value}), name)  # type: ignore[arg-type]  # a number of its own

    def _set_part(self, part: Settings, name: str) -> None:
        if part is not self._part() and isinstance(self._adjustment, Levels | ChannelMixer):
            key = self._key() or "red"
            self.changed.emit(replace(self._adjustment, **{key: part}), f"{key} {name}")  # type: ignore[arg-type]
        else:
            self.changed.emit(part, name)

    def _on_curve(self, curve: Curve, grip: int) -> None:
        assert isinstance(self._adjustment, Curves)
        self.changed.emit(replace(self._adjustment, **{self._key(): curve}), f"{self._key()} {grip}")
        self._show_spot()

    def _on_spot(self) -> None:
        if self.curve is not None and self._spots is not None:
            self.curve.place_chosen(self._spots[0].value(), self._spots[1].value())

    def _on_toggle(self, name: str, *, on: bool) -> None:
        match self._adjustment:
            case HueSaturation():
                # As Photoshop: colorizing starts at red and a quarter of the saturation.
                self.changed.emit(HueSaturation(colorize=True, saturation=25) if on else HueSaturation(), "")
            case BrightnessContrast() as old:
                wanted = replace(old, legacy=on)
                fitted = {
                    field: int(max(allowed.low, min(allowed.high, getattr(old, field))))
                    for field, allowed in ranges_of(wanted).items()
                }
                self.changed.emit(replace(wanted, **fitted), "")  # type: ignore[arg-type]  # two whole numbers
            case ChannelMixer() as old:
                self.changed.emit(replace(old, monochrome=on), "")

    def _on_reset(self) -> None:
        plain = type(self._adjustment)()
        for name in ("legacy", "monochrome"):
            if hasattr(plain, name):
                plain = replace(plain, **{name: getattr(self._adjustment, name)})
        self.changed.emit(plain, "")


def _shape_of(adjustment: Adjustment) -> tuple[object, ...]:
    """What decides which controls there are."""
    toggle = _TOGGLES.get(type(adjustment))
    return (type(adjustment), toggle and getattr(adjustment, toggle[0]))


def _channels_of(adjustment: Adjustment) -> tuple[tuple[str, str], ...]:
    if isinstance(adjustment, Levels | Curves):
        return _CHANNELS
    if isinstance(adjustment, ChannelMixer) and not adjustment.monochrome:
        return tuple((f"Output: {name}", key) for name, key in _CHANNELS[1:])
    return ()


def _unit(part: Settings, name: str) -> float:
    """How many stored units one shown unit is: the gamma of levels is stored in hundredths."""
    return 100 if isinstance(part, LevelsChannel) and name == "gamma" else 1


def _dial(part: Settings, name: str, allowed: Range) -> Dial:
    text = _NAMES.get(name, name.capitalize())
    if isinstance(part, LevelsChannel) and name == "gamma":
        return Dial("Midtones", Range(allowed.low / 100, allowed.high / 100, 2), is_log=True)
    if isinstance(part, Exposure) and name == "gamma":
        return Dial("Gamma", allowed, is_log=True)
    is_share = name in ("red", "green", "blue") or (name.endswith("s") and name != "levels")
    suffix = " %" if is_share and name != "brightness" else _SUFFIXES.get(name, "")
    return Dial(text, allowed, suffix=suffix)
