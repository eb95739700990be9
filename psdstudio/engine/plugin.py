"""Entry points of the group `psdstudio.engines`. Nothing heavy is imported before an engine is asked for."""

from __future__ import annotations

from psdstudio.errors import PluginError
from psdstudio.gen.engine import Engine
from psdstudio.gen.model_files import EngineSetup


def embedded(setup: EngineSetup) -> Engine:
    """Return the embedded engine, not yet loaded (the worker process calls this); it needs no file of the user."""
    from psdstudio.engine.embedded import EmbeddedEngine  # torch is imported here, not before

    del setup
    return EmbeddedEngine()


def photoreal(setup: EngineSetup) -> Engine:
    """Return the photoreal engine on the user's own SDXL and LayerDiffuse files, not yet loaded."""
    try:
        from psdstudio.engine.sdxl.engine import (
            PhotorealEngine,  # diffusers and transformers are imported here
        )
    except ImportError as exc:
        raise _left_out(exc) from exc
    return PhotorealEngine(setup)


def qwen_layered(setup: EngineSetup) -> Engine:
    """Return the engine that splits pictures with Qwen-Image-Layered of the user's own, not yet loaded."""
    try:
        from psdstudio.engine.qwen.engine import QwenLayeredEngine
    except ImportError as exc:
        raise _left_out(exc) from exc
    return QwenLayeredEngine(setup)


def _left_out(exc: ImportError) -> PluginError:
    """The bundles leave the libraries out: they carry torch for processors, on which these engines take hours."""
    return PluginError(
        f"This edition of PSDStudio has no engine for models of your own ({exc}).",
        "Install PSDStudio with pip, as its README says; your projects open in both.",
    )
