"""Engines are found by key; nothing takes the place of a missing one."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

from psdstudio.errors import PluginError
from psdstudio.gen.fake import FakeEngine
from psdstudio.gen.models import (
    EMBEDDED_KEY,
    ENGINE_GROUP,
    PHOTOREAL_KEY,
    QWEN_KEY,
    engine_target,
    make_engine,
)


def entry(key: str, target: str) -> metadata.EntryPoint:
    return metadata.EntryPoint(name=key, value=target, group=ENGINE_GROUP)


def with_entries(patch: pytest.MonkeyPatch, *entries: metadata.EntryPoint) -> None:
    patch.setattr(metadata, "entry_points", lambda group: metadata.EntryPoints(entries))


def test_an_uninstalled_checkout_has_the_engine_that_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    with_entries(monkeypatch)
    assert engine_target(EMBEDDED_KEY) == "psdstudio.engine.plugin:embedded"
    with pytest.raises(PluginError, match="no engine named “large”"):
        engine_target("large")


def test_two_packages_with_one_key_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with_entries(monkeypatch, entry("large", "a:make"), entry("large", "b:make"))
    with pytest.raises(PluginError, match="a:make and b:make"):
        engine_target("large")


def test_the_same_entry_twice_is_one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    # An editable install beside its own egg-info lists every entry point twice.
    with_entries(monkeypatch, entry("large", "a:make"), entry("large", "a:make"))
    assert engine_target("large") == "a:make"


@pytest.mark.parametrize("target", ["psdstudio.no_such_module:make", "psdstudio.errors:no_such_function"])
def test_a_broken_plug_in_is_an_error(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    with_entries(monkeypatch, entry("large", target))
    with pytest.raises(PluginError, match="“large” cannot be loaded"):
        make_engine("large")


def test_the_scripted_engine_answers_to_its_own_key_alone() -> None:
    assert isinstance(make_engine("fake"), FakeEngine)
    with pytest.raises(PluginError):
        make_engine("")


@pytest.mark.parametrize("key", [PHOTOREAL_KEY, QWEN_KEY])
def test_an_edition_without_the_libraries_says_so(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("psdstudio.engine.sdxl", "psdstudio.engine.qwen"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "diffusers", None)  # what Python does for a module that is not there
    with pytest.raises(PluginError, match="no engine for models of your own") as caught:
        make_engine(key)
    assert "pip" in caught.value.hint
