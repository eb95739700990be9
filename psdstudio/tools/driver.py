"""ToolDriver: carries the effects of the active tool out on the session.

The canvas feeds it and shows its answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from psdstudio.core.session import Session, Transaction
from psdstudio.errors import CommandError
from psdstudio.tools.base import Cursor, Guide, KeyEvent, PointerEvent, Tool, ToolContext, ToolEffect


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """The options bar of the tools."""

    auto_select: bool = True
    snap: bool = True


class ToolDriver:
    """Owns the active tool and its open transaction. Main thread only.

    After every call `cursor`, `guides` and `message` say what the canvas should show; `message` is set only
    by the call that caused it.
    """

    def __init__(self, session: Session, tool: Tool) -> None:
        self._session = session
        self._tool = tool
        self._transaction: Transaction | None = None
        self.options = ToolOptions()
        self.cursor: Cursor = tool.cursor
        self.guides: tuple[Guide, ...] = ()
        self.message: str | None = None

    @property
    def tool(self) -> Tool:
        """The active tool."""
        return self._tool

    @property
    def is_dragging(self) -> bool:
        """Whether a transaction of the tool is open."""
        return self._transaction is not None

    def set_tool(self, tool: Tool) -> None:
        """Give up what the old tool is doing and make `tool` active."""
        self.cancel()
        self._tool = tool
        self.cursor = tool.cursor

    def pointer(self, event: PointerEvent, *, zoom: float = 1.0) -> None:
        """Let the tool answer the pointer; `zoom` is screen pixels per canvas pixel."""
        self._drop_ended()
        self._run(self._tool.on_pointer(event, self._context(zoom)))

    def key(self, event: KeyEvent, *, zoom: float = 1.0) -> bool:
        """Let the tool answer a key; True when it did something with it."""
        self._drop_ended()
        effect = self._tool.on_key(event, self._context(zoom))
        self._run(effect)
        return effect != ToolEffect.NONE

    def cancel(self) -> None:
        """Give up what the tool is doing; the document is as it was before."""
        self._drop_ended()
        self._run(self._tool.cancel())

    def _context(self, zoom: float) -> ToolContext:
        return ToolContext(
            document=self._session.document,
            selection=self._session.selection,
            zoom=zoom,
            auto_select=self.options.auto_select,
            snap=self.options.snap,
        )

    def _drop_ended(self) -> None:
        """End the tool's drag when its transaction has ended elsewhere (undo, another document)."""
        if self._transaction is not None and not self._transaction.is_open:
            self._transaction = None
            self._tool.cancel()
            self.guides = ()

    def _run(self, effect: ToolEffect) -> None:
        self.message = effect.message
        if effect.cursor is not None:
            self.cursor = effect.cursor
        if effect.guides is not None:
            self.guides = effect.guides
        try:
            self._carry_out(effect)
        except CommandError as error:
            # The tool must not go on with a drag that the document refuses.
            if self._transaction is not None and self._transaction.is_open:
                self._transaction.abort()
            self._transaction = None
            self._tool.cancel()
            self.guides = ()
            self.message = f"{error.user_message} {error.hint}".strip()

    def _carry_out(self, effect: ToolEffect) -> None:
        if effect.select is not None:
            self._session.select(effect.select)
        if effect.begin is not None:
            self._transaction = self._session.begin(effect.begin)
        transaction = self._transaction
        if transaction is not None:
            if effect.update is not None:
                transaction.update(effect.update)
            if effect.commit or effect.abort:
                self._transaction = None
                if effect.commit:
                    transaction.commit()
                else:
                    transaction.abort()
        if effect.apply is not None:
            self._session.apply(effect.apply)
