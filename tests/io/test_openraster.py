"""OpenRaster: our own round trip, the picture it keeps, files of others, and files that want to do harm."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerProps, Lock, Mask, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.core.tree import walk
from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported
from psdstudio.io.colour import adobe_rgb, display_p3
from psdstudio.io.images import encode_png, read_image
from psdstudio.io.openraster_read import OraLimits, import_openraster, is_openraster
from psdstudio.io.openraster_write import export_openraster
from psdstudio.render.compositor import Compositor
from tests.io.documents import DOCUMENTS, noise, scene_document

PIXEL_MODES = [mode for mode in BlendMode if mode is not BlendMode.PASS_THROUGH]


KRITAS_OWN = {
    BlendMode.DISSOLVE, BlendMode.LINEAR_BURN, BlendMode.DARKER_COLOR, BlendMode.LIGHTER_COLOR, BlendMode.VIVID_LIGHT,
    BlendMode.LINEAR_LIGHT, BlendMode.PIN_LIGHT, BlendMode.HARD_MIX, BlendMode.EXCLUSION, BlendMode.SUBTRACT,
    BlendMode.DIVIDE,
}  # fmt: skip


def layer(
    name: str, seed: int, *, at: Point = Point(0, 0), mask: Mask | None = None, **props: object
) -> PixelLayer:
    pixels = TileGrid.from_array(noise(seed, 40, 30))
    made = PixelLayer(props=LayerProps(name=name), pixels=pixels, offset=at, mask=mask)
    return made.with_props(**props)


def document_of(*layers: Layer) -> Document:
    ground = TileGrid.from_array(np.dstack([noise(1, 60, 50, 3), np.full((50, 60), 255, np.uint8)]))
    return Document(
        size=Size(60, 50), layers=(PixelLayer(props=LayerProps(name="ground"), pixels=ground), *layers)
    )


def round_trip(document: Document, folder: Path) -> tuple[Document, tuple[str, ...], tuple[str, ...]]:
    path = folder / "a.ora"
    losses = export_openraster(document, path)
    return *import_openraster(path), losses


def picture(document: Document) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The picture premultiplied: colour counts by its alpha."""
    rgba = Compositor().render(document).astype(np.int64)
    return np.dstack([rgba[..., :3] * rgba[..., 3:] // 255, rgba[..., 3]])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DOCUMENTS)
def test_any_document_is_written_and_opens_again(tmp_path: Path, document: Document) -> None:
    path = tmp_path / "a.ora"
    export_openraster(document, path)
    again, _ = import_openraster(path)
    assert again.size == document.size
    assert not again.validate()
    assert np.array_equal(read_image(_merged(path)).rgba, Compositor().render(document))


def _merged(path: Path) -> Path:
    out = path.with_suffix(".png")
    with zipfile.ZipFile(path) as archive:
        out.write_bytes(archive.read("mergedimage.png"))
    return out


@pytest.mark.parametrize("mode", PIXEL_MODES)
def test_every_blend_mode_comes_back_and_the_picture_with_it(tmp_path: Path, mode: BlendMode) -> None:
    document = document_of(layer("top", 7, at=Point(5, 9), blend_mode=mode, opacity=170))
    again, notes, losses = round_trip(document, tmp_path)
    assert notes == ()
    assert [loss.split("“")[0] for loss in losses] == ["Programs other than Krita may show "] * (
        mode in KRITAS_OWN
    )
    assert again.layers[1].props == document.layers[1].props
    assert np.array_equal(picture(again), picture(document))


@pytest.mark.parametrize("profile", [None, display_p3(), adobe_rgb()])
def test_names_places_pixels_and_profile_come_back(tmp_path: Path, profile: object) -> None:
    names = ["swan 🦢", 'a "b" <c> & d', "日本の白鳥", "x" * 255, "tab\there"]
    layers = [layer(name, i, at=Point(i * 7 - 20, -i)) for i, name in enumerate(names)]
    layers[1] = layers[1].with_props(visible=False, locks=frozenset({Lock.ALL}))
    document = replace(document_of(*layers), profile=profile, resolution_dpi=300.0)  # type: ignore[arg-type]
    again, notes, losses = round_trip(document, tmp_path)
    assert (notes, losses) == ((), ())
    assert (again.profile, again.resolution_dpi) == (profile, 300.0)
    assert [x.props.name for x in again.layers] == ["ground", *names[:4], "tab here"]
    for old, new in zip(document.layers, again.layers, strict=True):
        assert isinstance(old, PixelLayer)
        assert isinstance(new, PixelLayer)
        box = old.pixels.bounds().shifted(*old.offset)
        assert new.pixels.bounds().shifted(*new.offset) == box
        ours = old.pixels.read(box.shifted(-old.offset.x, -old.offset.y))
        assert np.array_equal(new.pixels.read(box.shifted(-new.offset.x, -new.offset.y)), ours)
        assert (new.props.visible, new.props.locks) == (old.props.visible, old.props.locks)


@pytest.mark.parametrize("mode", [BlendMode.PASS_THROUGH, BlendMode.NORMAL, BlendMode.SCREEN])
@pytest.mark.parametrize("opacity", [255, 120])
def test_groups_keep_their_picture(tmp_path: Path, mode: BlendMode, opacity: int) -> None:
    children = (layer("one", 3), layer("two", 4, at=Point(9, 9), opacity=99))
    inner = GroupLayer(props=LayerProps(name="inner", blend_mode=BlendMode.PASS_THROUGH), children=children)
    group = GroupLayer(
        props=LayerProps(name="outer", blend_mode=mode, opacity=opacity),
        children=(inner, layer("three", 5)),
    )
    document = document_of(group)
    again, notes, losses = round_trip(document, tmp_path)
    assert (notes, losses) == ((), ())
    assert [x.props.name for x in again.walk()] == [x.props.name for x in document.walk()]
    assert np.abs(picture(again) - picture(document)).max() <= 1


def test_a_see_through_group_with_modes_and_opacity_is_told(tmp_path: Path) -> None:
    inside = layer("one", 3, blend_mode=BlendMode.MULTIPLY)
    props = LayerProps(name="glow", blend_mode=BlendMode.PASS_THROUGH, opacity=90)
    _, _, losses = round_trip(document_of(GroupLayer(props=props, children=(inside,))), tmp_path)
    assert losses == ("The see-through group “glow” no longer blends with what is below it.",)


def test_normal_clipped_layers_stay_layers(tmp_path: Path) -> None:
    document = document_of(
        layer("base", 3, opacity=200, blend_mode=BlendMode.MULTIPLY),
        layer("clip", 4, at=Point(4, 4), clipping=True, opacity=150),
        layer("clip 2", 5, at=Point(-4, 4), clipping=True, visible=False),
    )
    again, notes, losses = round_trip(document, tmp_path)
    assert (notes, losses) == ((), ())
    assert [x.props for x in again.layers] == [x.props for x in document.layers]
    assert np.abs(picture(again) - picture(document)).max() <= 1


def test_other_clipped_layers_are_merged_and_told(tmp_path: Path) -> None:
    document = document_of(
        layer("base", 3, opacity=200),
        layer("clip", 4, at=Point(4, 4), clipping=True, blend_mode=BlendMode.MULTIPLY),
    )
    again, _, losses = round_trip(document, tmp_path)
    assert [x.props.name for x in again.layers] == ["ground", "base"]
    assert "merged" in losses[0]
    assert np.abs(picture(again) - picture(document)).max() <= 1


def test_a_hidden_clipped_layer_stays_and_its_mode_is_told(tmp_path: Path) -> None:
    hidden = layer("clip", 4, clipping=True, visible=False, blend_mode=BlendMode.MULTIPLY)
    again, _, losses = round_trip(document_of(layer("base", 3), hidden), tmp_path)
    assert [x.props.name for x in again.layers] == ["ground", "base", "clip"]
    assert losses == ("The hidden layer “clip” became Normal, which alone can be clipped.",)


def test_masks_go_into_the_alpha_and_are_told(tmp_path: Path) -> None:
    mask = Mask(pixels=TileGrid.from_array(noise(8, 30, 20, 1)), offset=Point(3, 2))
    group = GroupLayer(props=LayerProps(name="group"), children=(layer("in", 6),), mask=mask)
    document = document_of(layer("masked", 3, mask=mask), group)
    again, _, losses = round_trip(document, tmp_path)
    assert all(x.mask is None for x in again.walk())
    assert len(losses) == 2
    assert np.abs(picture(again) - picture(document)).max() <= 1


def test_the_file_is_laid_out_as_the_specification_says(tmp_path: Path) -> None:
    path = tmp_path / "scene.ora"
    export_openraster(scene_document(), path)
    assert is_openraster(path)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        assert (entries[0].filename, entries[0].compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"image/openraster"
        with Image.open(io.BytesIO(archive.read("Thumbnails/thumbnail.png"))) as image:
            assert image.format == "PNG"
            assert max(image.size) == 256
        with Image.open(io.BytesIO(archive.read("mergedimage.png"))) as image:
            assert "rithmicMedia" in image.info["XML:com.adobe.xmp"]
        assert archive.read("stack.xml").count(b'selected="true"') == 1


# ---- files of others


def ora(stack: str | bytes, pictures: dict[str, U8Array] | None = None, *, w: int = 8, h: int = 6) -> bytes:
    """Return a file with this stack (a string is put into an image element) and these pictures."""
    out = io.BytesIO()
    xml = f'<image w="{w}" h="{h}">{stack}</image>'.encode() if isinstance(stack, str) else stack
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "image/openraster")
        archive.writestr("stack.xml", xml, zipfile.ZIP_DEFLATED)
        for name, rgba in (pictures or {}).items():
            png = io.BytesIO()
            encode_png(png, rgba)
            archive.writestr(name, png.getvalue())
    return out.getvalue()


def opened(folder: Path, data: bytes, limits: OraLimits = OraLimits()) -> tuple[Document, tuple[str, ...]]:
    path = folder / "foreign.ora"
    path.write_bytes(data)
    return import_openraster(path, limits)


def test_kritas_way_of_writing_is_read(tmp_path: Path) -> None:
    stack = """
      <stack composite-op="svg:src-over" isolation="isolate" name="root">
       <layer name="top" src="data/1.png" x="-2" y="3" opacity="0.501961" composite-op="krita:linear light"/>
       <stack name="through" isolation="auto" opacity="1" composite-op="svg:src-over">
        <layer name="locked" src="data/1.png" edit-locked="true" visibility="hidden"/>
       </stack>
       <layer name="odd" src="data/0.png" composite-op="krita:gamma_dark"/>
       <filter name="blur" type="applications:krita:blur"/>
       <layer name="gone" src="data/none.png"/>
      </stack>"""
    document, notes = opened(
        tmp_path, ora(stack, {"data/0.png": noise(1, 8, 6), "data/1.png": noise(2, 3, 3)})
    )
    assert [x.props.name for x in document.walk()] == ["odd", "through", "locked", "top"]
    odd, through, top = document.layers
    assert isinstance(top, PixelLayer)
    assert (top.offset, top.props.opacity, top.props.blend_mode) == (
        Point(-2, 3),
        128,
        BlendMode.LINEAR_LIGHT,
    )
    assert through.props.blend_mode is BlendMode.PASS_THROUGH
    assert odd.props.blend_mode is BlendMode.NORMAL
    locked = next(x for x in walk(document.layers) if x.props.name == "locked")
    assert not locked.props.visible
    assert locked.props.locks == {Lock.ALL}
    assert [note.split("”")[0] for note in notes] == ["“gone", "“blur", "The blend mode of “odd"]


def test_one_picture_used_twice_is_held_once(tmp_path: Path) -> None:
    stack = "<stack>" + '<layer src="a.png"/>' * 50 + "</stack>"
    document, _ = opened(tmp_path, ora(stack, {"a.png": noise(1, 8, 6)}))
    assert len({id(x.pixels) for x in document.layers if isinstance(x, PixelLayer)}) == 1


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\3\4 nothing", FileUnsupported),
        (b"plain text", FileUnsupported),
        (ora(b""), FileCorrupt),
        (ora(b"<image"), FileCorrupt),
        (ora(b'<image w="8" h="6"/>'), FileCorrupt),
        (ora("<stack/>", w=0), FileCorrupt),
        (ora("<stack/>", w=10**9), FileCorrupt),
        (ora('<stack><layer src="a.png" x="1e99"/></stack>', {"a.png": noise(1, 2, 2)}), FileCorrupt),
        (
            ora(b'<!DOCTYPE image [<!ENTITY a "aaaa">]><image w="8" h="6"><stack name="&a;"/></image>'),
            FileCorrupt,
        ),
        (ora('<!DOCTYPE image><image w="8" h="6"><stack/></image>'.encode("utf-16")), FileCorrupt),
        (ora("<stack>" * 500 + "</stack>" * 500), FileTooLarge),
        (ora("<stack>" + "<stack/>" * 40_000 + "</stack>"), FileTooLarge),
        (ora("<stack>" + "<stack/>" * 9_000 + "</stack>"), FileTooLarge),
    ],
)
def test_what_is_no_sound_file_ends_in_a_sentence(tmp_path: Path, data: bytes, kind: type[FileError]) -> None:
    with pytest.raises(kind) as caught:
        opened(tmp_path, data)
    assert "foreign.ora" in caught.value.user_message
    assert caught.value.hint


def test_bombs_are_not_unpacked(tmp_path: Path) -> None:
    data = ora(b"<image>" + b" " * 20_000_000 + b"</image>")
    assert len(data) < 100_000
    with pytest.raises(FileTooLarge):
        opened(tmp_path, data)
    two = {"a.png": noise(1, 30, 30), "b.png": noise(2, 30, 30)}
    stack = '<stack><layer src="a.png"/><layer src="b.png"/></stack>'
    with pytest.raises(FileTooLarge):
        opened(tmp_path, ora(stack, two), OraLimits(max_pixels=1000))
    with pytest.raises(FileTooLarge):
        opened(tmp_path, ora(stack, two), OraLimits(max_picture_bytes=100))
    with pytest.raises(FileTooLarge):
        opened(tmp_path, ora(stack, two), OraLimits(max_entries=3))


def test_paths_inside_the_zip_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    names = ["../secret.png", str(tmp_path / "secret.png"), "data/../../x.png"]
    stack = "<stack>" + "".join(f'<layer src="{name}"/>' for name in names) + "</stack>"
    folder = tmp_path / "in"
    folder.mkdir()
    document, notes = opened(folder, ora(stack, {names[2]: noise(1, 4, 4)}))
    assert len(document.layers) == 1
    assert len(notes) == 1
    assert sorted(x.name for x in tmp_path.rglob("*")) == ["foreign.ora", "in", "secret.png"]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_never_escape_as_another_error(tmp_path: Path, data: st.DataObject) -> None:
    good = bytearray(_scene_bytes(tmp_path))
    for _ in range(data.draw(st.integers(1, 5))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(good)), st.integers(0, len(good))))
    try:
        document, _ = opened(tmp_path, bytes(good[:cut]))
    except FileError:
        return
    assert not document.validate()


_SCENE: list[bytes] = []


def _scene_bytes(folder: Path) -> bytes:
    if not _SCENE:
        export_openraster(scene_document(), folder / "scene.ora")
        _SCENE.append((folder / "scene.ora").read_bytes())
    return _SCENE[0]
