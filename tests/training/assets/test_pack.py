"""Splits, ledger, library and the built pack, on a small vocabulary of real painters and rendered models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from psdstudio.errors import FileCorrupt, FileTooLarge
from psdstudio.training.assets import ledger, library, pack, splits
from psdstudio.training.assets.crops import Crop
from psdstudio.training.assets.sources import BY_SOURCE, Model, RasterPackage, VectorPackage, read_models
from psdstudio.training.assets.vocabulary import Drawings, Noun, vocabulary


def _noun(word: str) -> Noun:
    return next(item for item in vocabulary() if item.noun == word)


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """A folder of two tiny rendered chairs and one bench, as the furniture renderer leaves them."""
    folder = tmp_path / "sprites"
    folder.mkdir()
    entries = []
    for slug, colour in (("X_a", (200, 30, 30)), ("X_b", (30, 160, 60)), ("X_c", (40, 80, 210))):
        picture = np.zeros((96, 96, 4), dtype=np.uint8)
        picture[20:80, 30:70] = (*colour, 255)
        Image.fromarray(picture).save(folder / f"{slug}.colour.webp", lossless=True, exact=True)
        shade = np.zeros((96, 96), dtype=np.uint8)
        shade[70:85, 40:90] = 128
        Image.fromarray(shade).save(folder / f"{slug}.shadow.webp", lossless=True)
        licence = "CC-BY-3.0" if slug == "X_a" else "CC0-1.0"
        entries.append(
            {"slug": slug, "name": f"Chair {slug}", "creator": "Ann", "licence": licence, "ground_y_px": 75}
        )
    (folder / "catalogue.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder


def _small() -> tuple[Noun, ...]:
    chair = replace(_noun("chair"), drawings=Drawings((), ("X_a", "X_b", "X_c"), False, ()))
    return (chair, _noun("soap bubble"))


def _build(rendered: Path, out: Path) -> tuple[list[pack.Sprite], dict[str, Model]]:
    models = read_models(rendered)
    return pack.build(_small(), {}, models, out), models


def test_rows_of_the_pack_belong_to_their_entries(rendered: Path, tmp_path: Path) -> None:
    sprites, _ = _build(rendered, tmp_path / "out")
    tensors = load_file(tmp_path / "out" / "sprites.safetensors")
    assert tensors["rgba"].shape == (len(sprites), 128, 128, 4)
    assert tensors["shadow"].shape == (len(sprites), 128, 128)
    assert pack.read(tmp_path / "out") == sprites
    assert [sprite.index for sprite in sprites] == list(range(len(sprites)))
    green = next(sprite for sprite in sprites if sprite.drawing == "X_b")
    assert green.colours == ("green",)
    assert np.abs(tensors["rgba"][green.index, 64, 64].astype(int) - (30, 160, 60, 255)).max() <= 2
    assert green.has_shadow
    assert green.ground_centre_frac < green.ground_frac
    # The shadow lies right of the object, in the frame of the crop.
    assert tensors["shadow"][green.index, 110, 120] > 100
    assert tensors["shadow"][green.index, 20, 20] == 0


def test_the_classifier_never_shares_a_drawing_with_the_generator(rendered: Path, tmp_path: Path) -> None:
    sprites, _ = _build(rendered, tmp_path / "out")
    for noun in ("chair", "soap bubble"):
        train = {s.drawing for s in sprites if s.noun == noun and s.split == "train"}
        other = {s.drawing for s in sprites if s.noun == noun and s.split == "classifier"}
        assert train
        assert other
        assert not train & other


def test_the_build_is_deterministic(rendered: Path, tmp_path: Path) -> None:
    _build(rendered, tmp_path / "one")
    _build(rendered, tmp_path / "two")
    for name in ("sprites.safetensors", "sprites.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_noun_without_its_picture_is_left_out_and_named(
    rendered: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = read_models(rendered)
    absent = replace(_noun("table"), drawings=Drawings((), ("X_gone",), False, ()))
    partly = replace(_noun("chair"), drawings=Drawings((), ("X_a", "X_gone", "X_b"), False, ()))
    sprites = pack.build((absent, partly), {}, models, tmp_path)
    assert {(s.noun, s.drawing, s.split) for s in sprites} == {
        ("chair", "X_a", "train"), ("chair", "X_b", "classifier"),
    }  # fmt: skip
    assert "table is left out: not rendered yet: X_gone" in caplog.text
    assert "chair is left out" not in caplog.text


def test_a_noun_without_anything_to_train_on_is_an_error(rendered: Path, tmp_path: Path) -> None:
    models = read_models(rendered)
    nothing = replace(_noun("chair"), drawings=Drawings((), (), False, ()))
    with pytest.raises(ValueError, match="train"):
        pack.build((nothing,), {}, models, tmp_path)


@pytest.mark.parametrize(
    ("count", "others", "held"),
    [(1, False, 0), (2, False, 1), (2, True, 0), (3, True, 1), (4, False, 1), (9, True, 2)],
)
def test_a_quarter_of_the_models_is_held_out(count: int, others: bool, held: int) -> None:
    slugs = tuple(f"m{index}" for index in range(count))
    chosen = splits.judged_models(slugs, others=others)
    assert len(chosen) == held
    assert chosen <= set(slugs)


def test_a_held_out_model_is_shown_to_nobody_and_counts_for_nobody() -> None:
    slugs = ("m0", "m1", "m2", "m3")
    got = splits.model_splits(slugs, others=False, heldout=frozenset(["m0", "m3", "elsewhere"]))
    assert got == {"m0": "heldout", "m1": "train", "m2": "classifier", "m3": "heldout"}


def test_sixty_models_are_held_out_and_every_noun_keeps_something_to_learn_from() -> None:
    held = splits.heldout_models()
    assert len(held) >= 60
    owners = {slug: item for item in vocabulary() for slug in item.drawings.models}
    assert held <= owners.keys()
    for item in {owners[slug].noun: owners[slug] for slug in held}.values():
        drawn = item.drawings
        got = splits.model_splits(drawn.models, others=bool(drawn.emoji), heldout=held)
        assert drawn.procedural or (drawn.train_sources and drawn.emoji) or "train" in got.values(), item.noun
    assert held.isdisjoint(
        json.loads((Path(__file__).parent / "models_trained_before.json").read_text(encoding="utf-8"))
    ), "weights trained before the list was made have seen it"


def test_emoji_splits() -> None:
    swan, boat = _noun("swan"), _noun("sailboat")
    plain = Crop(np.full((128, 128, 4), 255, dtype=np.uint8), (0, 0, 1, 1), 1.0, 0.9)
    dark = Crop(np.zeros((128, 128, 4), dtype=np.uint8), (0, 0, 1, 1), 1.0, 0.9)
    dark.rgba[..., 3] = 255
    assert splits.emoji_split(swan, "fluent3d", None, plain) == "train"
    assert splits.emoji_split(swan, "noto", plain, plain) == "classifier"
    assert splits.emoji_split(swan, "twemoji", plain, plain) == "heldout"
    assert splits.emoji_split(swan, "fluent_colour", plain, plain) == "classifier"
    assert splits.emoji_split(swan, "fluent_colour", plain, dark) == "train"
    # The water under the Fluent boats is painted in, so another set teaches them.
    assert splits.emoji_split(boat, "noto", plain, plain) == "train"
    assert splits.emoji_split(boat, "fluent3d", plain, plain) == "classifier"


def test_the_ledger_names_every_foreign_drawing(rendered: Path, tmp_path: Path) -> None:
    sprites, models = _build(rendered, tmp_path / "out")
    listed = ledger.entries(sprites, models, {"chair"})
    assert {(e["drawing"], e["creator"], e["used_by"]) for e in listed} == {
        ("X_a", "Ann", "train"), ("X_b", "Ann", "train"), ("X_c", "Ann", "classifier"),
    }  # fmt: skip
    ledger.write(listed, tmp_path / "ledger.json")
    assert json.loads((tmp_path / "ledger.json").read_text(encoding="utf-8")) == listed
    waiting = ledger.entries(sprites, models, set())
    assert [e["used_by"] for e in waiting] == ["unused", "unused", "unused"]


def test_the_compact_ledger_says_the_same(rendered: Path, tmp_path: Path) -> None:
    sprites, models = _build(rendered, tmp_path / "out")
    bee = replace(sprites[0], noun="bee", source="noto", drawing="honey/bee", licence="Apache-2.0")
    bee = replace(bee, creator=BY_SOURCE["noto"].creator, split="heldout")
    ledger.write_compact([*sprites, bee], models, tmp_path / "compact.json")
    read = ledger.read_compact(tmp_path / "compact.json", {"chair"})
    assert read == ledger.entries([*sprites, bee], models, {"chair"})
    for text in ("{", "[]", '{"bee": {}}', '{"bee": {"emoji": {"train": ["noto"]}, "models": []}}'):
        (tmp_path / "bad.json").write_text(text, encoding="utf-8")
        with pytest.raises(FileCorrupt, match=r"bad\.json"):
            ledger.read_compact(tmp_path / "bad.json", set())


def test_an_unknown_licence_stops_the_ledger(rendered: Path, tmp_path: Path) -> None:
    sprites, models = _build(rendered, tmp_path / "out")
    with pytest.raises(ValueError, match="GPL"):
        ledger.entries([replace(sprites[0], licence="GPL-2.0")], models, set())


def test_the_library_ships_no_attribution_licence_and_keeps_colour_and_alpha(
    rendered: Path, tmp_path: Path
) -> None:
    sprites, _ = _build(rendered, tmp_path / "out")
    library.write(tmp_path / "out", tmp_path / "library")
    listed = json.loads((tmp_path / "library" / "library.json").read_text(encoding="utf-8"))
    assert [item["noun"] for item in listed["items"]] == ["chair", "soap bubble"]
    assert all(item["licence"] in library.SHIPPABLE for item in listed["items"])
    assert listed["items"][0]["drawing"] == "X_b"
    with Image.open(tmp_path / "library" / "library.webp") as image:
        tiles = np.asarray(image.convert("RGBA"))
    chosen = next(sprite for sprite in sprites if sprite.drawing == "X_b")
    packed = load_file(tmp_path / "out" / "sprites.safetensors")["rgba"][chosen.index]
    assert np.array_equal(tiles[:128, :128, 3], packed[..., 3])
    assert np.abs(tiles[:128, :128, :3].astype(int) - packed[..., :3]).mean() < 6


def test_the_library_shows_taught_nouns_only_and_keeps_the_old_one_when_it_grows_too_large(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sprites, _ = _build(rendered, tmp_path / "out")
    assert [s.noun for s in library.choose(sprites, {"chair"})] == ["chair"]
    library.write(tmp_path / "out", tmp_path / "library")
    before = {path.name: path.read_bytes() for path in (tmp_path / "library").iterdir()}
    assert before.keys() == {"library.webp", "library.json"}
    monkeypatch.setattr(library, "MAX_BYTES", 100)
    with pytest.raises(FileTooLarge, match="at most"):
        library.write(tmp_path / "out", tmp_path / "library")
    assert {path.name: path.read_bytes() for path in (tmp_path / "library").iterdir()} == before


def test_vector_packages_read_iconify_archives(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    import io
    import tarfile

    archive = tmp_path / BY_SOURCE["noto"].archive
    icon = {
        "icons": {"dot": {"body": '<circle cx="8" cy="8" r="6" fill="#00f" fill-opacity=".5"/>'}},
        "width": 16,
    }
    contents = {"package/chars.json": {"1f535-fe0f": "dot"}, "package/icons.json": icon | {"height": 16}}
    with tarfile.open(archive, "w:gz") as tar:
        for name, value in contents.items():
            data = json.dumps(value).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    package = VectorPackage(archive)
    picture = package.draw("1f535")
    assert picture is not None
    assert picture.shape == (256, 256, 4)
    assert np.abs(picture[128, 128] - (0, 0, 1, 0.5)).max() < 0.01
    assert package.draw("1f536") is None


def test_raster_packages_ignore_the_variation_selector(tmp_path: Path) -> None:
    import io
    import tarfile

    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4, 4), 200, dtype=np.uint8)).save(buffer, "WEBP", lossless=True, exact=True)
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("package/assets/2602-fe0f.webp")
        info.size = len(buffer.getvalue())
        tar.addfile(info, io.BytesIO(buffer.getvalue()))
    picture = RasterPackage(tmp_path / "a.tgz").draw("2602")
    assert picture is not None
    assert picture[0, 0, 3] == pytest.approx(200 / 255)
