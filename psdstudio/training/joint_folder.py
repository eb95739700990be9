"""Reads layered documents (PSD, OpenRaster, projects) as scenes for the joint adapter.

A document that an engine made says which layer is what. In any other the lowest layer that covers the canvas is the
background, and above it every layer, and every group that holds no further groups, is one object named by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from psdstudio.core.document import Document
from psdstudio.core.layers import AdjustmentLayer, BlendMode, GroupLayer, Layer, PixelLayer, Role
from psdstudio.errors import FileError, FileUnsupported
from psdstudio.io.formats import DOCUMENT_SUFFIXES, open_file
from psdstudio.render.compositor import Compositor
from psdstudio.training.joint_scenes import (
    JointScene,
    NoScene,
    SceneObject,
    resized,
    training_size,
)

MAX_FILES = 100_000
OPAQUE, COVERED = 250, 0.995
"""A background covers the canvas: this share of its pixels has at least this alpha."""
MIN_VISIBLE_PX = 16
_EFFECT_NAME = re.compile(r"\b(shadow|reflection|mirror image)s?\b", re.IGNORECASE)
_NO_WORDS = re.compile(r"(layer|group|background|ebene|calque|capa)( \d+)?( copy( \d+)?)?", re.IGNORECASE)
_ROLES_OF_EFFECTS = (Role.SHADOW, Role.REFLECTION)


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is one row: layers (a clipping base and what is clipped to it), each inside the groups around it."""

    layers: tuple[Layer, ...]
    words: str
    role: Role | None


class FolderScenes:
    """The documents of a folder and its sub-folders, by name; each is read when it is asked for.

    Args:
        folder: Where they lie.
        px: Edge of a square training picture; see `training_size`.
        max_objects: Objects of a scene; in a document with more, those that cover most are taken.

    Raises:
        FileError: There is no such folder.
        FileUnsupported: It holds no layered document.
    """

    def __init__(self, folder: Path, *, px: int, max_objects: int) -> None:
        if not folder.is_dir():
            raise FileError(f"There is no folder “{folder}”.", "Give --data a folder of layered documents.")
        found = (path for path in folder.rglob("*") if path.suffix.lower() in DOCUMENT_SUFFIXES)
        self._files = sorted(path for path in found if path.is_file())[:MAX_FILES]
        if not self._files:
            raise FileUnsupported(
                f"“{folder}” holds no layered document ({', '.join(DOCUMENT_SUFFIXES)}).",
                "Export some scenes as PSD into it, or give another folder.",
            )
        self._px, self._max_objects = px, max_objects

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self._files)

    def name(self, at: int) -> str:
        """Return the file's name."""
        return self._files[at].name

    def stamp(self, at: int) -> str:
        """Return the file's path, size and time, and how it is read."""
        facts = self._files[at].stat()
        read_as = f"{self._px} {self._max_objects}"
        return f"{self._files[at].resolve()} {facts.st_size} {facts.st_mtime_ns} {read_as}"

    def scene(self, at: int) -> JointScene:
        """Read file `at`; see `SceneSource.scene`."""
        path = self._files[at]
        opened = open_file(path)
        return scene_of(opened.document, path.name, px=self._px, max_objects=self._max_objects)


def scene_of(document: Document, name: str, *, px: int, max_objects: int) -> JointScene:
    """Return the scene that a document shows, at its training size.

    Raises:
        NoScene: It has no layers besides a background, or no opaque background.
    """
    units = list(_units(document.layers, ()))
    if len(units) < 2:
        raise _no_objects(name)
    pictures = Compositor(threads=1, budget_bytes=1 << 20)
    ground = next((unit for unit in units if unit.role is Role.BACKGROUND), units[0])
    plate = pictures.render_layers(ground.layers, document.canvas)
    if float((plate[..., 3] >= OPAQUE).mean()) < COVERED:
        raise NoScene(
            f"“{name}” has no background that covers its canvas.", "Put an opaque layer below all others."
        )
    size = training_size(document.size, px)
    objects: list[SceneObject] = []
    for unit in units[units.index(ground) + 1 :]:
        whole = resized(pictures.render_layers(unit.layers, document.canvas), size)
        if int((whole[..., 3] > 0).sum()) < MIN_VISIBLE_PX:
            continue
        look = resized(pictures.render_layers(_without_effects(unit.layers), document.canvas), size)
        objects.append(SceneObject(words=unit.words, rgba=whole, kept=look))
    if not objects:
        raise _no_objects(name)
    return JointScene(
        name=name,
        background=np.ascontiguousarray(resized(plate, size)[..., :3]),
        background_words=ground.words,
        objects=_largest(objects, max_objects),
    )


def _no_objects(name: str) -> NoScene:
    return NoScene(
        f"“{name}” has no layers that could be objects of a scene.",
        "Only documents with a background and at least one layer above it can be trained on.",
    )


def _largest(objects: list[SceneObject], count: int) -> tuple[SceneObject, ...]:
    """Return the `count` objects that cover most, in their order."""
    area = [float(item.rgba[..., 3].astype(np.float64).sum()) for item in objects]
    chosen = sorted(range(len(objects)), key=lambda at: -area[at])[:count]
    return tuple(objects[at] for at in sorted(chosen))


def _units(layers: tuple[Layer, ...], around: tuple[GroupLayer, ...]) -> Iterator[_Unit]:
    """Yield what is one row each, bottom to top; what is hidden and what only adjusts colours is none."""
    held: list[Layer] = []
    for layer in layers:
        if layer.props.clipping and held:
            held.append(layer)
            continue
        if held:
            yield _unit(held, around)
            held = []
        if not layer.props.visible or isinstance(layer, AdjustmentLayer):
            continue
        if isinstance(layer, GroupLayer) and not _is_object(layer):
            yield from _units(layer.children, (*around, layer))
        else:
            held = [layer]
    if held:
        yield _unit(held, around)


def _is_object(group: GroupLayer) -> bool:
    if group.part is not None:
        return group.part.role is Role.OBJECT_GROUP
    return not any(isinstance(child, GroupLayer) for child in group.children)


def _unit(held: list[Layer], around: tuple[GroupLayer, ...]) -> _Unit:
    """The layers inside copies of the groups around them that hold nothing else: their opacity and masks count."""
    base, layers = held[0], tuple(held)
    for group in reversed(around):
        layers = (replace(group, children=layers),)
    said = base.part.words.strip() if base.part is not None else ""
    name = base.props.name.strip()
    words = said or ("" if _NO_WORDS.fullmatch(name) else name)
    return _Unit(layers=layers, words=words, role=base.part.role if base.part is not None else None)


def _without_effects(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Return the layers without shadows and reflections: by what an engine said they are, else by mode and name."""
    out: list[Layer] = []
    for layer in layers:
        if isinstance(layer, GroupLayer):
            inside = _without_effects(layer.children)
            # A group of nothing but shadows is an object of its own: some shadow that somebody painted.
            out.append(replace(layer, children=inside) if inside else layer)
        elif not (isinstance(layer, PixelLayer) and _is_effect(layer)):
            out.append(layer)
    return tuple(out) or layers


def _is_effect(layer: PixelLayer) -> bool:
    if layer.part is not None and layer.part.role in _ROLES_OF_EFFECTS:
        return True
    return layer.props.blend_mode is BlendMode.MULTIPLY or bool(_EFFECT_NAME.search(layer.props.name))
