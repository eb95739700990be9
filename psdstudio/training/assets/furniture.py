"""Reads the furniture package: which models it holds, by whom, under which terms, and which of them are usable.

Source: Debian's `sweethome3d-furniture` 1.8-1, whose `.sh3f` files are zip archives of OBJ models beside a catalogue
(Java properties, latin-1). Nothing is downloaded here: `apt-get download sweethome3d-furniture`, then
`dpkg-deb -x FILE.deb FOLDER`; the models lie in `FOLDER/usr/share/sweethome3d/furniture`.
"""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from psdstudio.errors import FileCorrupt, FileError

CATALOGUE: Final = "PluginFurnitureCatalog.properties"
CATALOGUES: Final[Mapping[str, str]] = {
    "BlendSwap-CC-0": "CC0-1.0",
    "BlendSwap-CC-BY": "CC-BY-3.0",
    "KatorLegaz": "CC-BY-3.0-US",
    "Reallusion": "CC-BY-3.0-US",
    "Scopia": "CC-BY-3.0",
}
"""Catalogues of the package and the licence of what they hold (their LICENSE.TXT)."""
NOT_THINGS: Final = frozenset({"Doors and windows", "Staircases"})
BRANDS: Final = re.compile(
    r"\b(apple i\w+|iphone|vw|volkswagen|peugeot|renault|seat leon|yamaha|chevrolet|smart car|playstation|nikon|"
    r"daf|peterbilt|kitchenaid|rubik's|thonet)\b",
    re.IGNORECASE,
)
FIXTURES: Final = re.compile(
    r"\b(radiators?|switch|plug|bill \d+.*|parking slot.*|arrow (turn|straight).*|pedestrian crossing|"
    r"rail crossing|rails|smoke detector|intercom.*)\b",
    re.IGNORECASE,
)
WIRED: Final = frozenset({"Electricity", "Outlet"})
"""Tags of sockets and switches."""
_LINE = re.compile(r"(\w+)#(\d+)=(.*)")
_AUTHOR = re.compile(r'downloading "[^"]*" by ([^\n]+)')
_RELEASED = re.compile(
    r"released under\s+(Creative Commons [A-Za-z]+(?:[ -][A-Za-z]+)*(?: \d\.\d)?)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class FurnitureModel:
    """One model as the package describes it.

    Attributes:
        slug: CATALOGUE_NAME; file names of everything rendered from it begin so.
        id: The catalogue's own identifier.
        licence: SPDX identifier: of the model's own licence file, or else of its catalogue.
        size_cm: Width, depth, height.
        hangs_cm: How high above the floor it belongs; 0 for what stands there.
        turned: 3 x 3 rows that turn the OBJ's axes (y up, front towards +z) before it is used.
        archive, member: The .sh3f file and the OBJ in it.
        left_out: Why it must not be used; empty when it may.
    """

    slug: str
    id: str
    name: str
    tags: str
    category: str
    catalogue: str
    creator: str
    licence: str
    size_cm: tuple[float, float, float]
    hangs_cm: float
    turned: tuple[float, ...]
    archive: Path
    member: str
    left_out: str


def read_furniture(folder: Path) -> tuple[FurnitureModel, ...]:
    """Return every model of a folder of .sh3f files, usable ones and others, in the package's order.

    Raises:
        FileError: The folder holds no catalogue of the package.
        FileCorrupt: A catalogue cannot be read.
    """
    found: list[FurnitureModel] = []
    for catalogue in CATALOGUES:
        archive = folder / f"{catalogue}.sh3f"
        if archive.is_file():
            found += _read_catalogue(archive, catalogue)
    if not found:
        raise FileError(
            "There are no furniture models in this folder.",
            f"{folder} should hold files such as Scopia.sh3f from the package sweethome3d-furniture.",
        )
    return tuple(found)


def usable(models: tuple[FurnitureModel, ...]) -> tuple[FurnitureModel, ...]:
    """Return the models that nothing speaks against."""
    return tuple(model for model in models if not model.left_out)


def unpack(model: FurnitureModel, folder: Path) -> Path:
    """Write the model's own files (OBJ, materials, textures) into `folder`; returns the path of the OBJ."""
    inside = PurePosixPath(model.member).parent
    with zipfile.ZipFile(model.archive) as archive:
        for name in archive.namelist():
            if PurePosixPath(name).parent == inside and not name.endswith("/"):
                (folder / PurePosixPath(name).name).write_bytes(archive.read(name))
    return folder / PurePosixPath(model.member).name


def _read_catalogue(archive: Path, catalogue: str) -> list[FurnitureModel]:
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _entries(opened.read(CATALOGUE).decode("latin-1"))
            licences = _licence_files(opened)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise FileCorrupt("A furniture catalogue cannot be read.", f"{archive}: {error}") from error
    return [_model(archive, catalogue, entry, licences) for entry in entries]


def _entries(text: str) -> list[dict[str, str]]:
    entries: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        if match := _LINE.fullmatch(line.strip()):
            entries.setdefault(int(match[2]), {})[match[1]] = match[3]
    return [entry for _, entry in sorted(entries.items())]


def _licence_files(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the text of each model folder's own licence file by folder."""
    found: dict[str, str] = {}
    for name in archive.namelist():
        path = PurePosixPath(name)
        if len(path.parts) > 2 and "licen" in path.name.lower():
            text = re.sub(r"<[^>]*>", "\n", archive.read(name).decode("utf-8", "replace"))
            found[str(path.parent)] = re.sub(r"[\r\n]+\s*", "\n", html.unescape(text))
    return found


def _model(
    archive: Path, catalogue: str, entry: Mapping[str, str], licences: Mapping[str, str]
) -> FurnitureModel:
    member = entry["model"].lstrip("/")
    own = licences.get(str(PurePosixPath(member).parent), "")
    stated = _RELEASED.search(own)
    licence = _stated_licence(stated[1]) if stated else CATALOGUES[catalogue]
    creator = entry["creator"]
    if creator == "Blend Swap":  # the site is nobody's name
        author = _AUTHOR.search(own)
        creator = author[1].strip() if author else ""
    turned = tuple(float(n) for n in entry.get("modelRotation", "1 0 0 0 1 0 0 0 1").split())
    return FurnitureModel(
        slug=f"{catalogue}_{re.sub(r'[^A-Za-z0-9]+', '-', entry['id'].split('#')[1])}",
        id=entry["id"],
        name=entry["name"],
        tags=entry["tags"],
        category=entry["category"],
        catalogue=catalogue,
        creator=creator,
        licence=licence,
        size_cm=(float(entry["width"]), float(entry["depth"]), float(entry["height"])),
        hangs_cm=float(entry.get("elevation", "0")),
        turned=turned,
        archive=archive,
        member=member,
        left_out=_left_out(entry, licence, creator),
    )


def _stated_licence(words: str) -> str:
    """Return the SPDX identifier of the words of a licence file; empty when they are none of the allowed terms."""
    if words.startswith("Creative Commons Zero"):
        return "CC0-1.0"
    return "CC-BY-3.0" if words == "Creative Commons Attribution 3.0" else ""


def _left_out(entry: Mapping[str, str], licence: str, creator: str) -> str:
    """Name the rule that speaks against a model; empty when none does."""
    tags = {tag.strip() for tag in entry["tags"].split(",")}
    own_id = re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]", " ", entry["id"].split("#")[1])
    if not licence:
        return "its own licence file names terms that are not allowed"
    if licence != "CC0-1.0" and not creator:
        return "nobody is named who would have to be credited"
    if BRANDS.search(entry["name"]) or BRANDS.search(own_id):
        return "it shows a brand"
    if entry["category"] in NOT_THINGS or entry["doorOrWindow"] == "true":
        return "it is a part of a building"
    if entry["category"] == "Characters" and "Animal" not in tags:
        return "it shows a person"
    if tags & WIRED or FIXTURES.search(entry["name"]):
        return "it is a fixture, a road marking or a banknote"
    return ""
