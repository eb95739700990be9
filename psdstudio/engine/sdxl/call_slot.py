"""Where modules deep inside the UNet find what they must know of the evaluation under way.

diffusers hands keyword arguments to attention processors alone, and none to linear layers; and gradient checkpointing
runs parts of an evaluation again, long after it. So what is known of an evaluation is one value that its owner puts
into a slot for as long as it runs, and puts back when a part of it is run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class CallSlot(Generic[T]):
    """Holds one value while an evaluation runs; owned by the thread that runs it, read by autograd's threads."""

    def __init__(self) -> None:
        self.value: T | None = None

    @property
    def now(self) -> T:
        """The value; RuntimeError when nothing is being evaluated, as nothing sensible can be computed then."""
        if self.value is None:
            raise RuntimeError("a network with rows was evaluated by itself and not through its RowNetwork")
        return self.value

    @contextmanager
    def entered(self, value: T | None) -> Iterator[None]:
        """Hold `value` inside the block and what was held before after it."""
        before, self.value = self.value, value
        try:
            yield
        finally:
            self.value = before
