"""Which engines there are and how one is found: by entry point, never by import from above.

An engine's module is imported in the worker process only.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import cast

from psdstudio.errors import PluginError
from psdstudio.gen.engine import Engine
from psdstudio.gen.fake import FAKE_KEY, FakeEngine, FakeScript
from psdstudio.gen.model_files import EngineSetup
from psdstudio.gen.request import Sampling

ENGINE_GROUP = "psdstudio.engines"
EMBEDDED_KEY, PHOTOREAL_KEY, QWEN_KEY = "embedded", "sdxl", "qwen-layered"
# In a checkout that was never installed there is no metadata; the engines that ship are found all the same.
_CHECKOUT_ENGINES = {
    EMBEDDED_KEY: "psdstudio.engine.plugin:embedded",
    PHOTOREAL_KEY: "psdstudio.engine.plugin:photoreal",
    QWEN_KEY: "psdstudio.engine.plugin:qwen_layered",
}
_SAMPLING = {
    PHOTOREAL_KEY: Sampling(steps=28, text_guidance=6.0, layout_guidance=1.0),
    QWEN_KEY: Sampling(steps=50, text_guidance=4.0),
}


def default_sampling(key: str) -> Sampling:
    """Return the steps and scales that an engine runs with unless the user says otherwise."""
    return _SAMPLING.get(key, Sampling())


def engine_target(key: str) -> str:
    """Return "module:function" of an engine.

    Raises:
        PluginError: No engine has this key, or several packages claim it.
    """
    points = [point for point in metadata.entry_points(group=ENGINE_GROUP) if point.name == key]
    targets = sorted({point.value for point in points})
    if len(targets) > 1:
        raise PluginError(
            f"Two packages offer an engine named “{key}”: {' and '.join(targets)}.", "Uninstall one of them."
        )
    if targets:
        return targets[0]
    if key in _CHECKOUT_ENGINES:
        return _CHECKOUT_ENGINES[key]
    raise PluginError(f"There is no engine named “{key}”.", "Choose another engine, or install its package.")


def make_engine(key: str, *, setup: EngineSetup | None = None, fake: FakeScript | None = None) -> Engine:
    """Import an engine's module and return the engine, not yet loaded. Worker process only.

    Args:
        key: Entry point name; "fake" gives the scripted engine of the tests.
        setup: The user's model files and choices; each engine takes from it what it needs.
        fake: Behaviour of the scripted engine.

    Raises:
        PluginError: There is no such engine, or its module cannot be imported.
    """
    if key == FAKE_KEY:
        return FakeEngine(script=fake or FakeScript())
    target = engine_target(key)
    module_name, _, attribute = target.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as exc:
        raise PluginError(
            f"The engine “{key}” cannot be loaded: {exc}",
            "Install PSDStudio again, or choose another engine.",
        ) from exc
    return cast(Engine, factory(setup or EngineSetup()))
