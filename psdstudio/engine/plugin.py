"""Entry points of the group `psdstudio.engines`. Nothing heavy is imported before an engine is asked for."""

from __future__ import annotations

from psdstudio.gen.engine import Engine


def embedded() -> Engine:
    """Return the embedded engine, not yet loaded (the worker process calls this)."""
    from psdstudio.engine.embedded import EmbeddedEngine  # torch is imported here, not before

    return EmbeddedEngine()
