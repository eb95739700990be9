"""Fetches the drawing packages with their ordinary clients and rasters emoji drawings.

Every package is named with its version; nothing is looked up. Rendered furniture models come as a folder.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, cast

from PIL import Image

from psdstudio.errors import FileError
from psdstudio.training.assets.crops import Picture, from_image

RASTER: Final = 256
VARIATION: Final = "-fe0f"


@dataclass(frozen=True)
class Package:
    """One npm package of drawings.

    Attributes:
        source: Short name used in the pack.
        licence: SPDX identifier of the drawings.
    """

    source: str
    name: str
    version: str
    licence: str
    creator: str

    @property
    def archive(self) -> str:
        """File name that `npm pack` gives the tarball."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


PACKAGES: Final = (
    Package("fluent3d", "@lobehub/fluent-emoji-3d", "1.1.0", "MIT", "Microsoft (Fluent Emoji)"),
    Package("fluent_colour", "@iconify-json/fluent-emoji", "1.2.7", "MIT", "Microsoft (Fluent Emoji)"),
    Package("fluent_flat", "@iconify-json/fluent-emoji-flat", "1.2.6", "MIT", "Microsoft (Fluent Emoji)"),
    Package("noto", "@iconify-json/noto", "1.2.9", "Apache-2.0", "Google (Noto Emoji)"),
    Package("twemoji", "@iconify-json/twemoji", "1.2.5", "CC-BY-4.0", "Twitter (Twemoji)"),
)
OWN_LICENCES: Final[Mapping[str, str]] = {"BlendSwap-CC-0_winchesterArmchair": "CC-BY-3.0"}
"""Models whose own licence file says something else than the catalogue that they came in; the file counts."""
BY_SOURCE: Final[Mapping[str, Package]] = {package.source: package for package in PACKAGES}


@dataclass(frozen=True)
class Model:
    """One rendered furniture-catalogue model."""

    slug: str
    name: str
    creator: str
    licence: str
    ground_y_px: float
    shadow: Path
    colour: Path


class PackageMissing(FileError):
    """A package could not be fetched."""


def fetch(folder: Path) -> None:
    """Downloads the packages that are not there yet into `folder`, by name and version.

    Raises:
        PackageMissing: The client is absent or the registry refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [f"{p.name}@{p.version}" for p in PACKAGES if not (folder / p.archive).is_file()]
    if not wanted:
        return
    try:
        subprocess.run(["npm", "pack", "--silent", *wanted], cwd=folder, check=True, timeout=900)
    except (OSError, subprocess.SubprocessError) as error:
        raise PackageMissing(
            "The drawing packages could not be fetched.", f"npm pack {' '.join(wanted)}: {error}"
        ) from error


class RasterPackage:
    """Fluent 3D: one 256 x 256 WebP per code point."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive

    @cached_property
    def _files(self) -> dict[str, bytes]:
        with tarfile.open(self._archive) as tar:
            members = [m for m in tar.getmembers() if m.name.endswith(".webp")]
            # Later skin-tone or selector variants never share the bare code point, so no clash arises.
            return {_code(Path(m.name).stem): _read(tar, m) for m in members}

    def draw(self, code: str) -> Picture | None:
        """Float RGBA of a code point, None when the set lacks it."""
        data = self._files.get(code)
        return None if data is None else from_image(Image.open(io.BytesIO(data)))

    def name(self, code: str) -> str:
        """Drawing id inside the package."""
        return f"{code}.webp"


class VectorPackage:
    """An iconify JSON set, rastered with resvg."""

    def __init__(self, archive: Path, names: Path | None = None) -> None:
        # One set's own table of code points is empty; its icon names are those of its flat sister.
        self._archive, self._names = archive, names or archive

    @cached_property
    def _contents(self) -> tuple[dict[str, str], dict[str, object]]:
        with tarfile.open(self._archive) as tar:
            icons = json.loads(_read(tar, tar.getmember("package/icons.json")))
        with tarfile.open(self._names) as tar:
            chars = json.loads(_read(tar, tar.getmember("package/chars.json")))
        return {_code(code): name for code, name in chars.items()}, cast(dict[str, object], icons)

    def name(self, code: str) -> str:
        """Icon name of a code point."""
        return self._contents[0][code]

    def draw(self, code: str) -> Picture | None:
        """Float RGBA (RASTER high) of a code point, None when the set lacks it."""
        name = self._contents[0].get(code)
        icons = cast(dict[str, dict[str, object]], self._contents[1]["icons"])
        return None if name is None or name not in icons else from_image(self._raster(icons[name]))

    def _raster(self, icon: dict[str, object]) -> Image.Image:
        import resvg_py  # only needed by the build, from the extra "assets"

        width = icon.get("width", self._contents[1].get("width", 16))
        height = icon.get("height", self._contents[1].get("height", 16))
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">{icon["body"]}</svg>'
        )
        data = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, height=RASTER)
        return Image.open(io.BytesIO(bytes(data)))


def open_packages(folder: Path) -> dict[str, RasterPackage | VectorPackage]:
    """Opens the fetched archives by source name; they are read lazily."""
    opened: dict[str, RasterPackage | VectorPackage] = {}
    for package in PACKAGES:
        archive = folder / package.archive
        if package.source == "fluent3d":
            opened[package.source] = RasterPackage(archive)
        elif package.source == "fluent_colour":
            opened[package.source] = VectorPackage(archive, folder / BY_SOURCE["fluent_flat"].archive)
        else:
            opened[package.source] = VectorPackage(archive)
    return opened


def read_models(folder: Path) -> dict[str, Model]:
    """The rendered models of a sprite folder by slug.

    Raises:
        FileError: The folder has no catalogue.
    """
    try:
        entries = json.loads((folder / "catalogue.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError("The folder of rendered models has no catalogue.json.", str(folder)) from error
    return {
        entry["slug"]: Model(
            slug=entry["slug"],
            name=entry["name"],
            creator=entry["creator"],
            licence=OWN_LICENCES.get(entry["slug"], entry["licence"]),
            ground_y_px=float(entry["ground_y_px"]),
            shadow=folder / f"{entry['slug']}.shadow.webp",
            colour=folder / f"{entry['slug']}.colour.webp",
        )
        for entry in entries
    }


def _code(text: str) -> str:
    return text.lower().replace(VARIATION, "")


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    handle = tar.extractfile(member)
    if handle is None:
        raise PackageMissing("A drawing package is damaged.", member.name)
    return handle.read()
