"""What every canvas tool is: a state machine that turns input into effects and touches nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Protocol

from psdstudio.core.commands import Command
from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId


class Kind(Enum):
    """What the pointer did; HOVER is a move with no button down."""

    PRESS = "press"
    DRAG = "drag"
    RELEASE = "release"
    HOVER = "hover"


class Button(Enum):
    """The button pressed or held."""

    NONE = "none"
    LEFT = "left"
    MIDDLE = "middle"
    RIGHT = "right"


class Key(Enum):
    """Keys that tools understand; all others belong to the window's actions."""

    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"
    ESCAPE = "escape"


class Cursor(Enum):
    """Pointer shapes; the window maps them to its own."""

    ARROW = "arrow"
    MOVE = "move"
    MOVE_COPY = "move copy"
    SIZE_HORIZONTAL = "size horizontal"
    SIZE_VERTICAL = "size vertical"
    SIZE_FALLING = "size falling"  # from top left to bottom right
    SIZE_RISING = "size rising"


@dataclass(frozen=True, slots=True, kw_only=True)
class Modifiers:
    """Modifier keys; `ctrl` is Cmd and `alt` Option on macOS."""

    shift: bool = False
    ctrl: bool = False
    alt: bool = False


NO_MODIFIERS = Modifiers()


@dataclass(frozen=True, slots=True, kw_only=True)
class PointerEvent:
    """The pointer at (x, y) in canvas pixels, fractions included."""

    kind: Kind
    x: float
    y: float
    button: Button = Button.LEFT
    modifiers: Modifiers = NO_MODIFIERS


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEvent:
    """A key went down."""

    key: Key
    modifiers: Modifiers = NO_MODIFIERS


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a tool may look at: the document and selection now, screen pixels per canvas pixel, options."""

    document: Document
    selection: tuple[LayerId, ...] = ()
    zoom: float = 1.0
    auto_select: bool = True
    snap: bool = True

    def screen_px(self, length: float) -> float:
        """Return a length on the screen (logical pixels) in canvas pixels."""
        return length / self.zoom


@dataclass(frozen=True, slots=True)
class Guide:
    """A snapping line to draw: vertical at x = `position`, or horizontal at y = `position`, canvas pixels."""

    is_vertical: bool
    position: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEffect:
    """What a tool wants done, in this order: select, begin, update, commit or abort, apply.

    `begin` is the label of a new transaction; `update` its command, always counted from the transaction's
    start. `guides` None leaves the overlay as it is, an empty tuple clears it. `message` is a sentence for
    the status bar.
    """

    NONE: ClassVar[ToolEffect]

    select: tuple[LayerId, ...] | None = None
    begin: str | None = None
    update: Command | None = None
    commit: bool = False
    abort: bool = False
    apply: Command | None = None
    cursor: Cursor | None = None
    guides: tuple[Guide, ...] | None = None
    message: str | None = None


ToolEffect.NONE = ToolEffect()


class Tool(Protocol):
    """A canvas tool. Main thread only; between two presses it is in its resting state."""

    @property
    def cursor(self) -> Cursor:
        """The shape at rest."""

    def on_pointer(self, event: PointerEvent, ctx: ToolContext) -> ToolEffect:
        """Answer the pointer."""

    def on_key(self, event: KeyEvent, ctx: ToolContext) -> ToolEffect:
        """Answer a key."""

    def cancel(self) -> ToolEffect:
        """Give up what is going on (Escape, tool change, a refused edit) and rest."""
