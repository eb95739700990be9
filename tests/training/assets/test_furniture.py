"""The furniture package is read as it says: sizes, creators, licences; what must not be used is named with its rule."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from psdstudio.errors import FileCorrupt, FileError
from psdstudio.training.assets.furniture import FurnitureModel, read_furniture, unpack, usable

CC0_TEXT = (
    'downloading "Old Chair" by sizzler\nReleased under\nCreative Commons Zero (Public Domain)\nDownloaded'
)
BY_HTML = "<article>Sofa<p>Released under Creative Commons Attribution 3.0</p>You may</article>"
SHARE_ALIKE = "Released under\nCreative Commons Attribution-ShareAlike 3.0\n"


def entry(number: int, name: str, **fields: str) -> str:
    """One model of a catalogue in the package's own notation."""
    values = {
        "id": f"Shop#{name.lower().replace(' ', '_')}",
        "name": name,
        "tags": "",
        "category": "Kitchen",
        "model": f"/shop/m{number}/m{number}.obj",
        "width": "40",
        "depth": "30",
        "height": "20.5",
        "doorOrWindow": "false",
        "creator": "Ann",
        **fields,
    }
    return "\n".join(f"{key}#{number}={value}" for key, value in values.items())


def package(folder: Path, catalogue: str, entries: list[str], files: dict[str, str]) -> Path:
    """A folder with one .sh3f of these entries and files."""
    text = "# PluginFurnitureCatalog\nid=Shop\n\n" + "\n\n".join(entries)
    with zipfile.ZipFile(folder / f"{catalogue}.sh3f", "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", text.encode("latin-1"))
        for name, content in files.items():
            archive.writestr(name, content)
    return folder


def by_name(models: tuple[FurnitureModel, ...]) -> dict[str, FurnitureModel]:
    return {model.name: model for model in models}


def test_size_turn_and_place_come_from_the_catalogue(tmp_path: Path) -> None:
    turned = "0 0 -1 0 1 0 1 0 0"
    read = by_name(
        read_furniture(
            package(
                tmp_path,
                "Scopia",
                [entry(1, "Old_mug"), entry(2, "Shelf", modelRotation=turned, elevation="42.5")],
                {},
            )
        )
    )
    assert read["Old_mug"].slug == "Scopia_old-mug"
    assert read["Old_mug"].size_cm == (40.0, 30.0, 20.5)
    assert read["Old_mug"].turned == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert read["Shelf"].turned == (0, 0, -1, 0, 1, 0, 1, 0, 0)
    assert (read["Old_mug"].hangs_cm, read["Shelf"].hangs_cm) == (0.0, 42.5)


def test_a_models_own_licence_file_counts_more_than_its_catalogue(tmp_path: Path) -> None:
    read = by_name(
        read_furniture(
            package(
                tmp_path,
                "BlendSwap-CC-0",
                [
                    entry(1, "Chair", creator="Blend Swap"),
                    entry(2, "Sofa"),
                    entry(3, "Bench"),
                    entry(4, "Cup"),
                ],
                {
                    "shop/m1/BLENDSWAP_LICENSE.txt": CC0_TEXT,
                    "shop/m2/89509 - LICENSE.html": BY_HTML,
                    "shop/m3/LICENSE.txt": SHARE_ALIKE,
                },
            )
        )
    )
    assert (read["Chair"].licence, read["Chair"].creator) == ("CC0-1.0", "sizzler")
    assert (read["Sofa"].licence, read["Sofa"].left_out) == ("CC-BY-3.0", "")
    assert "terms that are not allowed" in read["Bench"].left_out
    assert (read["Cup"].licence, read["Cup"].left_out) == ("CC0-1.0", ""), (
        "its catalogue's, lacking an own file"
    )


def test_nobody_to_credit_leaves_a_model_out_where_credit_is_due(tmp_path: Path) -> None:
    package(tmp_path, "BlendSwap-CC-BY", [entry(1, "Lamp", creator="Blend Swap")], {})
    package(tmp_path, "BlendSwap-CC-0", [entry(1, "Vase", creator="Blend Swap")], {})
    read = by_name(read_furniture(tmp_path))
    assert "credited" in read["Lamp"].left_out
    assert not read["Vase"].left_out


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"name": "Seat Leon"}, "brand"),
        ({"name": "Truck", "id": "Shop#dafTruck"}, "brand"),
        ({"name": "Chair", "id": "Shop#seat_leonardo"}, ""),
        ({"name": "Smart car"}, "brand"),
        ({"name": "Daffodil"}, ""),
        ({"name": "Male", "category": "Characters", "tags": "Human, People"}, "person"),
        ({"name": "Dog", "category": "Characters", "tags": "Animal"}, ""),
        ({"name": "Window", "doorOrWindow": "true"}, "building"),
        ({"name": "Escalator", "category": "Staircases"}, "building"),
        ({"name": "Double", "tags": "Electricity, Socket, Outlet"}, "fixture"),
        ({"name": "Parking slot 45°"}, "fixture"),
        ({"name": "Electric guitar", "tags": "Music"}, ""),
        ({"name": "Socket", "tags": "Clothes"}, ""),
    ],
)
def test_what_must_not_be_used_is_left_out_by_a_named_rule(
    tmp_path: Path, fields: dict[str, str], rule: str
) -> None:
    models = read_furniture(package(tmp_path, "Scopia", [entry(1, **{"name": "Thing", **fields})], {}))
    assert rule in models[0].left_out
    assert bool(usable(models)) == (rule == "")


def test_a_model_is_unpacked_with_its_own_files_only(tmp_path: Path) -> None:
    files = {"shop/m1/m1.obj": "v 0 0 0", "shop/m1/m1.mtl": "newmtl a", "shop/m2/m2.obj": "v 1 1 1"}
    model = read_furniture(package(tmp_path, "Scopia", [entry(1, "Mug")], files))[0]
    out = tmp_path / "out"
    out.mkdir()
    assert unpack(model, out).read_text(encoding="utf-8") == "v 0 0 0"
    assert {path.name for path in out.iterdir()} == {"m1.obj", "m1.mtl"}


def test_a_folder_without_the_package_and_a_damaged_one_are_said(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no furniture models"):
        read_furniture(tmp_path)
    (tmp_path / "Scopia.sh3f").write_bytes(b"not a zip")
    with pytest.raises(FileCorrupt, match="cannot be read"):
        read_furniture(tmp_path)
