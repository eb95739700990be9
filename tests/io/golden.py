"""The document of the golden project files in `tests/data/projects`: every field in use, nothing random.

`python -m tests.io.golden VERSION` writes the file of the present version; files of older versions are never made
again, as only the program of their time could.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from psdstudio.core.adjustments import BrightnessContrast
from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.foreign import Foreign, ForeignBlock
from psdstudio.core.geometry import BoxF, Point, Size
from psdstudio.core.guides import Guide
from psdstudio.core.layers import (
    AdjustmentLayer,
    BlendMode,
    GroupLayer,
    Label,
    LayerId,
    LayerProps,
    Lock,
    LoraUse,
    Mask,
    Part,
    PixelLayer,
    Recipe,
    Role,
)
from psdstudio.core.scene import Light, Scene
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.io.project import save_project

FOLDER = Path(__file__).parents[1] / "data" / "projects"


def ramp(width: int, height: int, channels: int = 4) -> U8Array:
    """Return (height, width, channels) of slanted stripes; their edge pixels are transparent or 0."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    pixels: U8Array = ((x * 7 + y * 3 + c * 50) % 256).astype(np.uint8)
    pixels[:2], pixels[:, :3] = 0, 0
    return pixels


def document_of_version_1() -> Document:
    """Return what a document could be when version 1 was written: layers, groups, masks, parts, a scene."""
    recipe = Recipe(
        engine="embedded", weights_sha256="cd" * 32, seed=2**40, steps=16, guidance=2.5, words="a white swan",
        run_id="run-1", library_item="swan",
    )  # fmt: skip
    background = PixelLayer(
        id=LayerId("background"),
        props=LayerProps(name="Calm water 🌅", locks=frozenset({Lock.POSITION, Lock.TRANSPARENCY})),
        pixels=TileGrid.from_array(np.full((60, 300, 4), (90, 120, 200, 255), np.uint8)),
        part=Part(
            role=Role.BACKGROUND, words="calm water", keep=True, recipe=replace(recipe, library_item=None)
        ),
    )
    look = PixelLayer(
        id=LayerId("look"),
        props=LayerProps(
            name="Ombre é 日本",
            opacity=128,
            fill=77,
            blend_mode=BlendMode.LINEAR_LIGHT,
            label=Label.VIOLET,
            clipping=True,
        ),
        pixels=TileGrid.from_array(ramp(40, 30), Point(-20, 240)),
        offset=Point(13, -7),
        mask=Mask(
            pixels=TileGrid.from_array(ramp(20, 300, 1), Point(5, 6), fill=255),
            offset=Point(-3, 4),
            linked=False,
        ),
        part=Part(
            role=Role.OBJECT, words="a white swan", native_size=Size(64, 64), recipe=recipe, is_new=True
        ),
    )
    group = GroupLayer(
        id=LayerId("swan"),
        props=LayerProps(name="swan", visible=False, blend_mode=BlendMode.PASS_THROUGH, expanded=False),
        children=(GroupLayer(id=LayerId("inner"), props=LayerProps(name="empty")), look),
        mask=Mask(pixels=TileGrid(channels=1), enabled=False),
        part=Part(
            role=Role.OBJECT_GROUP, words="a swan", box=BoxF(0.1, 0.2, 0.25, 0.5), box_is_users=True,
            stale_contacts=True,
        ),
    )  # fmt: skip
    light = Light(azimuth_deg=200.5, elevation_deg=35.0, softness=0.25, horizon=0.5)
    scene = Scene(prompt="a swan on calm water", seed=7, use_library=False, light=light)
    return Document(size=Size(300, 60), layers=(background, group), scene=scene, resolution_dpi=300.0)


def document_of_version_2() -> Document:
    """Return what a document could be when version 2 was written: a profile, guides, adjustments and foreign pieces."""
    old = document_of_version_1()
    rng = np.random.default_rng(5)
    noise = PixelLayer(
        id=LayerId("noise"),
        props=LayerProps(name="noise"),
        pixels=TileGrid.from_array(rng.integers(0, 256, (256, 256, 4), np.uint8)),
        foreign=Foreign(
            source="psd", blocks=(ForeignBlock(key="TySh", data=b"text" * 50),), state=b"\x00\x01\xff"
        ),
    )
    darker = AdjustmentLayer(
        id=LayerId("darker"),
        props=LayerProps(name="darker"),
        adjustment=BrightnessContrast(brightness=-30, contrast=12),
        mask=Mask(pixels=TileGrid.from_array(ramp(40, 20, 1), Point(2, 3))),
        foreign=Foreign(source="psd", blocks=(ForeignBlock(key="lclr", data=bytes(8)),)),
    )
    blocks = (ForeignBlock(key="1036", data=bytes(range(256))), ForeignBlock(key="empty", data=b""))
    return replace(
        old,
        layers=(*old.layers, noise, darker),
        profile=ColourProfile(name="Display P3", icc=b"not a real profile " * 30),
        guides=(Guide(position=12.5, vertical=True), Guide(position=-3.0, vertical=False)),
        foreign=Foreign(source="psd", blocks=blocks),
    )


def document_of_version_3() -> Document:
    """Return what a document could be when version 3 was written: parts with negative words and LoRAs."""
    old = document_of_version_2()
    old = old.with_layers(
        tuple(layer for layer in old.layers if layer.id != "noise")
    )  # the largest part of the file
    ground, group = old.layer(LayerId("background")), old.layer(LayerId("swan"))
    assert ground.part is not None
    assert group.part is not None
    loras = (LoraUse(title="Watercolour é", weight=0.75), LoraUse(title="Soft light"))
    ground = replace(ground, part=replace(ground.part, negative="people, text"))
    group = replace(group, part=replace(group.part, negative="a second beak", loras=loras))
    return old.with_layer(ground).with_layer(group)


if __name__ == "__main__":
    save_project(document_of_version_3(), FOLDER / f"version-{sys.argv[1]}.psdstudio")
