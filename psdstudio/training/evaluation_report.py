"""The report of an evaluation: JSON for machines, a markdown table and picture sheets for people."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from psdstudio.training.evaluation_measures import U8Array
from psdstudio.training.evaluation_scenes import MeasuredScene

Figures = Mapping[str, Mapping[str, float]]

TILE, LABEL, COLUMNS, SCENES_A_SHEET = 112, 13, 6, 20
MATTE = (191, 204, 217)
RIGHT_INK, WRONG_INK = (20, 110, 40), (180, 30, 30)


def scene_record(scene: MeasuredScene) -> dict[str, Any]:
    """Return everything measured of a scene but its pictures."""
    return {
        "number": scene.prompt.number,
        "sentence": scene.prompt.sentence,
        "seed": scene.prompt.seed,
        "composite_psnr": round(scene.composite_psnr, 2),
        "seconds": round(scene.seconds, 2),
        "kept_same": scene.kept_same,
        "shadow_against_kept_deg": [round(angle, 1) for angle in scene.light.against_kept],
        "objects": [
            {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(o).items()}
            for o in scene.objects
        ],
    }


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report, readable; beside the old one, then in its place."""
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(beside, path)


def markdown(title: str, columns: Mapping[str, Figures], notes: Sequence[str]) -> str:
    """Return a table with one row per figure and one column per run: value [low, high]."""
    names = list(dict.fromkeys(name for figures in columns.values() for name in figures))
    lines = [f"# {title}", "", *(f"- {note}" for note in notes), ""]
    if not names:
        return "\n".join(lines)
    lines.append("| figure | " + " | ".join(columns) + " |")
    lines.append("|---|" + "---|" * len(columns))
    for name in names:
        cells = [_cell(figures.get(name)) for figures in columns.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(figure: Mapping[str, float] | None) -> str:
    if figure is None or figure["n"] == 0:
        return "-"
    return f"{figure['value']:.4g} [{figure['low']:.4g}, {figure['high']:.4g}] (n = {figure['n']:.0f})"


def write_sheets(folder: Path, name: str, scenes: Sequence[MeasuredScene]) -> list[Path]:
    """Write NAME-1.png, NAME-2.png ...: each row the predicted composite, the real one, the background, the looks."""
    paths = []
    for start in range(0, len(scenes), SCENES_A_SHEET):
        rows = scenes[start : start + SCENES_A_SHEET]
        sheet = Image.new("RGB", (COLUMNS * TILE, len(rows) * (TILE + 2 * LABEL)), "white")
        for i, scene in enumerate(rows):
            _draw_scene(sheet, scene, i * (TILE + 2 * LABEL))
        path = folder / f"{name}-{start // SCENES_A_SHEET + 1}.png"
        sheet.save(path)
        paths.append(path)
    return paths


def _draw_scene(sheet: Image.Image, scene: MeasuredScene, top: int) -> None:
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    pen.text((2, top), f"{scene.prompt.number}: {scene.prompt.sentence}", fill="black", font=font)
    tiles = [_opaque(scene.predicted), _opaque(scene.over), _opaque(scene.background)]
    tiles += [_matted(look) for look in scene.looks]
    labels = [
        ("predicted", "black"),
        (f"layers {scene.composite_psnr:.1f} dB", "black"),
        ("background", "black"),
    ]
    for tile, at in zip(tiles, range(COLUMNS), strict=False):
        picture = Image.fromarray(tile).resize((TILE - 4, TILE - 4), Image.Resampling.BICUBIC)
        sheet.paste(picture, (at * TILE + 2, top + LABEL))
    for at, (text, black) in enumerate(labels):
        pen.text((at * TILE + 2, top + LABEL + TILE - 3), text, fill=black, font=font)
    for at, made in enumerate(scene.objects[: COLUMNS - 3], start=3):
        said = made.noun if made.right else f"{made.noun}: {made.named}"
        ink = RIGHT_INK if made.right else WRONG_INK
        pen.text((at * TILE + 2, top + LABEL + TILE - 3), said[:22], fill=ink, font=font)


def _opaque(picture: Tensor) -> U8Array:
    out: U8Array = (picture.clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).numpy()
    return out


def _matted(look: Tensor) -> U8Array:
    rgb, alpha = look[:3].numpy(), look[3:].numpy()
    matte = np.array(MATTE, np.float32).reshape(3, 1, 1) / 255
    flat = rgb * alpha + matte * (1 - alpha)
    out: U8Array = (flat * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(out)
