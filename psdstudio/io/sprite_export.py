"""Sprites to disk: one packed sheet with its JSON, or a folder with a PNG for every layer and the same JSON.

Everything is written completely beside its place before anything there changes. Files that a former export did not
write are never touched: where one is in the way, nothing is written.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point
from psdstudio.core.tiles import U8Array
from psdstudio.errors import FileUnsupported, FileWriteFailed
from psdstudio.io.credits import library_credits
from psdstudio.io.files import SAFE, atomic_write, refuse_read_only, write_error
from psdstudio.io.images import write_png
from psdstudio.io.packing import Sheet, pack
from psdstudio.io.sprites import MANIFEST, Sprite, SpriteOptions, frame_json, meta_json, sprites_of, stems_of
from psdstudio.io.xmp import xmp_packet

MAX_SHEET_PX = 16_384
PADDING_PX = 2
_MAX_MANIFEST_BYTES = 64 * 2**20


def export_sprite_sheet(
    document: Document, path: Path, options: SpriteOptions = SpriteOptions(), *, strip_prompts: bool = False
) -> tuple[str, ...]:
    """Write all sprites into one PNG and their places into a JSON of the same name; returns sentences on losses.

    Raises:
        FileUnsupported: Nothing is visible, or the sprites do not fit one sheet.
        FileWriteFailed: One of the two cannot be written, or a foreign JSON is in the way; nothing is changed.
    """
    sprites, losses = sprites_of(document, options)
    sheet = pack([sprite.rect.size for sprite in sprites], max_side=MAX_SHEET_PX, padding=PADDING_PX)
    if sheet is None:
        raise FileUnsupported(
            f"The layers do not fit one sheet of {MAX_SHEET_PX:,} × {MAX_SHEET_PX:,} px.",
            f"{SAFE} Export them as a folder of pictures instead.",
        )
    described = path.with_suffix(".json")
    _refuse_foreign(described)
    size = {"w": sheet.size.width, "h": sheet.size.height}
    frames = [
        frame_json(sprite, stem, at, order=order, document=document)
        for order, (sprite, stem, at) in enumerate(zip(sprites, stems_of(sprites), sheet.places, strict=True))
    ]
    data = _json({"frames": frames, "meta": meta_json(document, image=path.name, size=size)})
    xmp = xmp_packet(document, strip_prompts=strip_prompts, credits_lines=library_credits(document))
    write_png(
        path,
        _painted(sprites, sheet),
        resolution_dpi=document.resolution_dpi,
        xmp=xmp,
        profile=document.profile,
    )
    atomic_write(described, lambda out: out.write(data))
    return losses


def export_layers(
    document: Document,
    folder: Path,
    options: SpriteOptions = SpriteOptions(),
    *,
    strip_prompts: bool = False,
) -> tuple[str, ...]:
    """Write a PNG for every sprite and `layers.json` into a folder, which is made; returns sentences on losses.

    Everything is written into a folder beside it first. Pictures of a former export are replaced; any other file of a
    name that is needed stops the export before it begins, and all further files stay as they are.

    Raises:
        FileUnsupported: Nothing is visible.
        FileWriteFailed: The folder cannot be written, or a foreign file is in the way; nothing is changed.
    """
    sprites, losses = sprites_of(document, options)
    names = [f"{stem}.png" for stem in stems_of(sprites)]
    if folder.exists() and not folder.is_dir():
        raise FileWriteFailed(
            f"“{folder.name}” is a file, not a folder.", f"{SAFE} Choose another name for the folder."
        )
    _refuse_occupied(folder, names)
    frames = [
        frame_json(sprite, name, Point(0, 0), order=order, document=document)
        for order, (sprite, name) in enumerate(zip(sprites, names, strict=True))
    ]
    former = sorted(name for name in _listed(folder / MANIFEST) - set(names) if (folder / name).is_file())
    if former:
        losses = (*losses, f"Pictures of a former export are still in the folder: {', '.join(former)}.")
    data = _json({"frames": frames, "meta": meta_json(document, former=former)})
    xmp = xmp_packet(document, strip_prompts=strip_prompts, credits_lines=library_credits(document))
    staged = folder.absolute().with_name(f".{folder.name[:80]}.{uuid.uuid4().hex[:12]}.part")
    try:
        refuse_read_only(staged)
        staged.mkdir()
        for sprite, name in zip(sprites, names, strict=True):
            write_png(
                staged / name,
                sprite.rgba,
                resolution_dpi=document.resolution_dpi,
                xmp=xmp,
                profile=document.profile,
            )
        atomic_write(staged / MANIFEST, lambda out: out.write(data))
        _move_in(staged, folder, [*names, MANIFEST])
    except OSError as exc:
        raise write_error(folder, exc) from exc
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(staged, ignore_errors=True)
    return losses


def _move_in(staged: Path, folder: Path, names: Iterable[str]) -> None:
    """Give the staged folder its name, or its files their places in a folder that is there; the list comes last."""
    if not folder.exists():
        os.rename(staged, folder)
        return
    for name in names:
        os.replace(staged / name, folder / name)


def occupied(folder: Path, names: Iterable[str]) -> list[str]:
    """Return which of these names in a folder belong to files that no former export wrote."""
    ours = _listed(folder / MANIFEST)
    return [name for name in names if name not in ours and (folder / name).exists()]


def _refuse_occupied(folder: Path, names: list[str]) -> None:
    taken = occupied(folder, names)
    _refuse_foreign(folder / MANIFEST)
    if taken:
        raise FileWriteFailed(
            f"“{taken[0]}” is in the folder already, and no former export wrote it.",
            f"{SAFE} Choose an empty folder, or move that file away.",
        )


def _refuse_foreign(path: Path) -> None:
    if path.exists() and not _described(path):
        raise FileWriteFailed(
            f"“{path.name}” is there already, and no former export wrote it.",
            f"{SAFE} Choose another name, or move that file away.",
        )


def _listed(manifest: Path) -> set[str]:
    """Return the names of all pictures that exports into this folder wrote: the last one, and those before it."""
    found = _described(manifest)
    names = [frame.get("filename") for frame in found.get("frames", ())]
    names += found.get("meta", {}).get("former", ())
    return {name for name in names if isinstance(name, str) and Path(name).name == name}


def _described(path: Path) -> dict[str, Any]:
    """Return the JSON of a former export; {} when there is none or it is not ours."""
    try:
        if not path.is_file() or path.stat().st_size > _MAX_MANIFEST_BYTES:
            return {}
        found = json.loads(path.read_text("utf-8"))
        frames, former = found["frames"], found["meta"].get("former", [])
        is_ours = found["meta"]["app"] == "PSDStudio" and isinstance(former, list)
        is_ours = is_ours and all(isinstance(frame, dict) for frame in frames)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    return found if is_ours else {}


def _painted(sprites: tuple[Sprite, ...], sheet: Sheet) -> U8Array:
    out = np.zeros((sheet.size.height, sheet.size.width, 4), np.uint8)
    for sprite, at in zip(sprites, sheet.places, strict=True):
        out[at.y : at.y + sprite.rect.height, at.x : at.x + sprite.rect.width] = sprite.rgba
    return out


def _json(value: dict[str, Any]) -> bytes:
    # Lone surrogates cannot be written as UTF-8; escaped they can.
    return json.dumps(value, ensure_ascii=True, indent=1).encode("ascii")
