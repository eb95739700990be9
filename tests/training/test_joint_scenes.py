"""Layered documents and rendered scenes as training rows: the stack is exact, and nothing hidden is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect, Size
from psdstudio.core.layers import GroupLayer, LayerProps, PixelLayer
from psdstudio.errors import FileError, FileUnsupported
from psdstudio.io.formats import ExportFormat, export_file
from psdstudio.io.project import save_project
from psdstudio.render.compositor import Compositor
from psdstudio.training.joint_folder import FolderScenes, scene_of
from psdstudio.training.joint_jitter import jittered
from psdstudio.training.joint_rendered import RenderedScenes
from psdstudio.training.joint_scenes import JointScene, NoScene, resized, stacked, training_size
from psdstudio.training.layouts import draw_layout
from psdstudio.training.scene_truth import render_scenes
from psdstudio.training.sprites import SpriteLibrary
from tests.strategies import scene_document, solid, solid_layer

pytestmark = pytest.mark.torch
CANVAS = Size(256, 256)
TWO = (("a duck", Rect(30, 40, 80, 90)), ("a boat", Rect(120, 100, 90, 80)))


def read(document: Document, px: int = 256, max_objects: int = 4) -> JointScene:
    return scene_of(document, "test.psd", px=px, max_objects=max_objects)


def test_a_generated_document_gives_its_background_objects_and_words() -> None:
    scene = read(scene_document(*TWO, size=CANVAS))
    assert scene.background_words == "calm water"
    assert [item.words for item in scene.objects] == ["a duck", "a boat"]
    assert scene.background.shape == (256, 256, 3)
    assert scene.background[0, 0].tolist() == [40, 90, 160]
    duck = scene.objects[0].rgba
    assert duck[80, 60].tolist() == [200, 60, 20, 255]
    assert 0 < duck[140, 60, 3] < 255, "the shadow lies in the object's row"


def test_the_composite_is_what_the_document_shows() -> None:
    document = scene_document(*TWO, size=CANVAS)
    shown = Compositor(threads=1).render(document)[..., :3].astype(int)
    assert np.abs(read(document).composite().astype(int) - shown).max() <= 1


def test_our_own_psd_reads_as_the_project_it_was_written_from(tmp_path: Path) -> None:
    document = scene_document(*TWO, size=CANVAS)
    export_file(document, tmp_path / "b.psd", ExportFormat.PSD)
    save_project(document, tmp_path / "a.psdstudio")
    folder = FolderScenes(tmp_path, px=256, max_objects=4)
    assert [folder.name(at) for at in range(len(folder))] == ["a.psdstudio", "b.psd"]
    project, psd = folder.scene(0), folder.scene(1)
    assert [item.words for item in psd.objects] == [item.words for item in project.objects]
    for one, other in zip(project.objects, psd.objects, strict=True):
        assert np.array_equal(one.rgba, other.rgba)
        assert np.array_equal(one.kept, other.kept)
    assert np.array_equal(project.background, psd.background)


def test_a_foreign_document_is_read_by_its_groups_and_names() -> None:
    ground = solid_layer("Sunset over hills", Rect(0, 0, 256, 256), (90, 60, 30, 255))
    base = solid_layer("a kite", Rect(10, 10, 60, 60))
    clipped = solid_layer("pattern", Rect(0, 0, 256, 30), (0, 250, 0, 255)).with_props(clipping=True)
    tree = GroupLayer(
        props=LayerProps(name="a tree"),
        children=(
            solid_layer("trunk", Rect(120, 100, 20, 60)),
            solid_layer("crown", Rect(100, 60, 60, 50), (20, 160, 30, 255)),
        ),
    )
    folder = GroupLayer(props=LayerProps(name="things", opacity=128), children=(tree,))
    hidden = solid_layer("a note", Rect(0, 0, 50, 50)).with_props(visible=False)
    unnamed = solid_layer("Layer 3", Rect(200, 200, 30, 30))
    scene = read(Document(size=CANVAS, layers=(ground, base, clipped, folder, hidden, unnamed)))
    assert scene.background_words == "Sunset over hills"
    assert [item.words for item in scene.objects] == ["a kite", "a tree", ""]
    kite = scene.objects[0].rgba
    assert kite[15, 15].tolist() == [0, 250, 0, 255] and kite[100, 100, 3] == 0
    assert kite[15, 200, 3] == 0, "what is clipped shows on its base alone"
    assert scene.objects[1].rgba[70, 120].tolist() == [20, 160, 30, 128], "the folder's opacity counts"


def test_of_many_objects_the_largest_are_taken_in_their_order() -> None:
    sizes = [(f"thing {side}", Rect(5, 5, side, side)) for side in (40, 90, 20, 60)]
    scene = read(scene_document(*sizes, size=CANVAS), max_objects=2)
    assert [item.words for item in scene.objects] == ["thing 90", "thing 60"]


def test_a_kept_object_is_seen_without_its_effects() -> None:
    """They are cut by what stands behind: the hole would show the old outline of what is made anew."""
    near, far = ("front", Rect(100, 60, 60, 80)), ("behind", Rect(110, 120, 60, 60))
    for item in read(scene_document(far, near, size=CANVAS)).objects:
        assert (item.rgba[..., 3] > 0).sum() > (item.kept[..., 3] > 0).sum()
        assert set(np.unique(item.kept[..., 3])) == {0, 255}
        assert np.array_equal(item.kept[item.kept[..., 3] > 0], item.rgba[item.kept[..., 3] > 0])


def test_old_pixels_of_the_target_reach_no_visible_row() -> None:
    """The objects' pixels are swapped between two scenes: what is seen of the others stays the same to the byte."""

    def with_target(colour: tuple[int, int, int, int]) -> JointScene:
        document = scene_document(
            ("cup", Rect(100, 100, 70, 70)), ("cat", Rect(140, 60, 80, 90)), size=CANVAS
        )
        group = document.layers[1]
        assert isinstance(group, GroupLayer)
        look = group.children[-1]
        assert isinstance(look, PixelLayer)
        painted = replace(look, pixels=solid(colour, Rect(0, 0, 70, 70)))
        changed = replace(group, children=(*group.children[:-1], painted))
        return read(replace(document, layers=(document.layers[0], changed, document.layers[2])))

    red, blue = with_target((250, 0, 0, 255)), with_target((0, 0, 250, 255))
    assert not np.array_equal(red.objects[0].rgba, blue.objects[0].rgba)
    assert not np.array_equal(red.composite(), blue.composite()), "the composite shows the new target"
    assert np.array_equal(red.objects[1].kept, blue.objects[1].kept)
    assert np.array_equal(red.background, blue.background)


@pytest.mark.parametrize("seed", range(4))
def test_rendered_rows_stack_to_the_renderers_own_composite(
    pack: Path, library: SpriteLibrary, seed: int
) -> None:
    scenes = RenderedScenes(pack, 8, px=128, max_objects=3, seed=seed)
    scene = scenes.scene(seed)
    rng = np.random.default_rng([seed, seed])
    layout = draw_layout(library, rng, int(rng.integers(1, 4)), 1.0)
    truth = render_scenes(library, [layout], canvas=(128, 128), look_px=128)
    expected = truth.composite[0].permute(1, 2, 0).numpy() * 255
    # Every one of up to three objects is rounded to 8 bits once, and so is the sum.
    assert np.abs(scene.composite() - expected).max() <= 2.0
    assert [item.words for item in scene.objects] == [item.words for item in layout.objects]


def test_rendered_scenes_depend_on_their_number_alone(pack: Path) -> None:
    scenes = RenderedScenes(pack, 5, px=64, max_objects=2, seed=3)
    first, again = scenes.scene(4), scenes.scene(4)
    assert np.array_equal(first.composite(), again.composite())
    assert not np.array_equal(first.composite(), scenes.scene(3).composite())
    assert len({scenes.stamp(at) for at in range(5)}) == 5


def test_resizing_covers_keeps_the_aspect_and_bleeds_no_hidden_colour() -> None:
    size = training_size(Size(1920, 1080), 1024)
    assert size.width % 64 == size.height % 64 == 0
    assert 0.9 < size.width * size.height / 1024**2 < 1.1
    assert abs(size.width / size.height / (16 / 9) - 1) < 0.05
    picture = np.zeros((100, 300, 4), np.uint8)
    picture[...] = (255, 0, 255, 0)
    picture[20:80, 120:180] = (10, 200, 30, 255)
    small = resized(picture, Size(64, 64))
    assert small.shape == (64, 64, 4)
    seen = small[small[..., 3] > 20]
    assert np.abs(seen[:, :3:2].astype(int) - (10, 30)).max() < 6, "no magenta"
    assert resized(picture, Size(300, 100)) is picture


def test_what_holds_no_scene_is_said(tmp_path: Path) -> None:
    flat = Document(size=CANVAS, layers=(solid_layer("photo", Rect(0, 0, 256, 256)),))
    with pytest.raises(NoScene, match="no layers that could be objects"):
        read(flat)
    clear = Document(
        size=CANVAS, layers=tuple(solid_layer(name, Rect(9, 9, 50, 50)) for name in ("one", "two"))
    )
    with pytest.raises(NoScene, match="no background"):
        read(clear)
    with pytest.raises(FileUnsupported, match="no layered document"):
        FolderScenes(tmp_path, px=64, max_objects=4)
    with pytest.raises(FileError, match="no folder"):
        FolderScenes(tmp_path / "none", px=64, max_objects=4)
    with pytest.raises(FileError, match="no packed drawings"):
        RenderedScenes(tmp_path, 4, px=64, max_objects=2, seed=1)


def test_jitter_moves_colours_a_little_and_outlines_by_two_pixels_at_most() -> None:
    rng = np.random.default_rng(5)
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[..., :3] = np.linspace(60, 200, 64, dtype=np.uint8)[None, :, None]
    picture[20:40, 24:44, 3] = 255
    for _ in range(6):
        made = jittered(picture, rng)
        assert made.shape == picture.shape and made.dtype == np.uint8
        assert not np.array_equal(made[..., :3], picture[..., :3])
        assert np.abs(made[..., :3].astype(int) - picture[..., :3]).mean() < 25
        rows, columns = np.nonzero(made[..., 3])
        assert abs(rows.min() - 20) <= 2 and abs(columns.max() - 43) <= 2
        assert set(np.unique(made[..., 3])) == {0, 255}


def test_stacking_has_the_compositors_rounding() -> None:
    ground = np.full((8, 8, 3), 100, np.uint8)
    half = np.zeros((8, 8, 4), np.uint8)
    half[...] = (201, 100, 0, 128)
    over = 100 + (np.array([201, 100, 0]) - 100) * 128 / 255
    assert np.abs(stacked(ground, [half])[3, 3] - over).max() <= 0.5 + 1e-6
