"""What an installation needs: entry points that resolve, packages that are found, menu files that agree."""

from __future__ import annotations

import configparser
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray
from PySide6.QtGui import QImage
from PySide6.QtSvg import QSvgRenderer

from psdstudio.resources_path import resource_dir

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENGINES = PROJECT["entry-points"]["psdstudio.engines"]
MIME_TYPE = "application/x-psdstudio"


@pytest.mark.parametrize(
    "target", [*PROJECT["scripts"].values(), *PROJECT["gui-scripts"].values(), *ENGINES.values()]
)
def test_entry_point_leads_to_a_callable(target: str) -> None:
    module, _, name = target.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_the_installed_project_is_this_one() -> None:
    """A worker process finds the engine through installed metadata; without it nothing could be generated."""
    assert version("psdstudio") == PROJECT["version"]
    installed = {point.name: point.value for point in entry_points(group="psdstudio.engines")}
    assert installed.items() >= ENGINES.items()


def test_every_source_folder_is_a_package() -> None:
    """setup.py collects packages by their __init__.py; the wheel would lack a folder without."""
    folders = {path.parent for path in (ROOT / "psdstudio").rglob("*.py")}
    assert [str(f.relative_to(ROOT)) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


def test_constraints_lie_within_the_bounds() -> None:
    """Every pinned version satisfies what pyproject.toml promises; every dependency is pinned."""
    from packaging.requirements import Requirement

    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    pins = {name.lower(): number for name, number in pins.items()}
    wanted = [Requirement(r) for r in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]]
    assert [str(r) for r in wanted if pins.get(r.name.lower(), "0") not in r.specifier] == []


def test_menu_entry_names_our_program_and_file_type() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "packaging" / "linux" / "psdstudio.desktop", encoding="utf-8")
    entry = parser["Desktop Entry"]
    assert entry["exec"].split()[0] in PROJECT["gui-scripts"]
    assert entry["exec"].split()[1:] == ["%f"]  # the window takes one file: with several, each gets its own
    assert MIME_TYPE in entry["mimetype"].split(";")
    mime = ElementTree.parse(ROOT / "packaging" / "linux" / "psdstudio-mime.xml").getroot()
    space = {"m": "http://www.freedesktop.org/standards/shared-mime-info"}
    assert [t.get("type") for t in mime.findall("m:mime-type", space)] == [MIME_TYPE]
    assert [g.get("pattern") for g in mime.findall(".//m:glob", space)] == ["*.psdstudio"]


@pytest.mark.skipif(shutil.which("desktop-file-validate") is None, reason="needs desktop-file-utils")
def test_menu_entry_is_valid() -> None:
    entry = ROOT / "packaging" / "linux" / "psdstudio.desktop"
    run = subprocess.run(["desktop-file-validate", entry], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_icon_draws_and_its_sizes_are_there() -> None:
    svg = resource_dir("icons/psdstudio.svg")
    assert QSvgRenderer(QByteArray(svg.read_bytes())).isValid()
    sizes = {}
    for path in (ROOT / "packaging" / "icons").glob("psdstudio-*.png"):
        match = re.search(r"-(\d+)\.png$", path.name)
        assert match is not None
        image = QImage(str(path))
        sizes[int(match[1])] = (image.width(), image.height())
    assert sizes == {size: (size, size) for size in (16, 24, 32, 48, 64, 128, 256, 512)}


def test_the_module_answers_like_the_program() -> None:
    command = [sys.executable, "-m", "psdstudio", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert PROJECT["version"] in done.stdout.split()
