"""Entry points of the group `psdstudio.engines`. Nothing heavy is imported before an engine is asked for."""

from __future__ import annotations

from psdstudio.gen.engine import Engine
from psdstudio.gen.model_files import EngineSetup


def embedded(setup: EngineSetup) -> Engine:
    """Return the embedded engine, not yet loaded (the worker process calls this); it needs no file of the user."""
    from psdstudio.engine.embedded import EmbeddedEngine  # torch is imported here, not before

    del setup
    return EmbeddedEngine()


def photoreal(setup: EngineSetup) -> Engine:
    """Return the photoreal engine on the user's own SDXL and LayerDiffuse files, not yet loaded."""
    from psdstudio.engine.sdxl.engine import PhotorealEngine  # diffusers and transformers are imported here

    return PhotorealEngine(setup)


def qwen_layered(setup: EngineSetup) -> Engine:
    """Return the engine that splits pictures with Qwen-Image-Layered of the user's own, not yet loaded."""
    from psdstudio.engine.qwen.engine import QwenLayeredEngine

    return QwenLayeredEngine(setup)
