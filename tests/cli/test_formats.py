"""`export` into every format, and every format back in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from psdstudio.cli.main import main
from psdstudio.io.colour import display_p3
from psdstudio.io.formats import OUTPUT_SUFFIXES, ExportFormat, format_of, open_file, save_by_name
from psdstudio.io.images import read_image
from psdstudio.io.project import save_project
from psdstudio.render.compositor import Compositor
from tests.cli.commands import printed_json
from tests.io.documents import scene_document


@pytest.fixture
def project() -> Path:
    path = Path("scene.psdstudio")
    save_project(scene_document(), path)
    return path


@pytest.mark.parametrize("suffix", OUTPUT_SUFFIXES)
def test_every_ending_is_written_and_opens_again(project: Path, suffix: str) -> None:
    target = project.with_name(f"out{suffix}")
    assert main(["export", str(project), "-o", str(target)]) == 0
    opened = open_file(target)
    assert opened.is_project == (suffix == ".psdstudio")
    wanted = Compositor().render(scene_document()).astype(int)
    found = Compositor().render(opened.document)
    assert np.abs(found[..., :3] - wanted[..., :3]).mean() < (2 if "jp" in suffix else 0.01)


def test_the_table_knows_every_ending() -> None:
    kinds = {format_of(Path(f"a{suffix.upper()}")) for suffix in OUTPUT_SUFFIXES}
    assert kinds == {None, *ExportFormat} - {ExportFormat.SPRITES, ExportFormat.LAYERS}
    assert format_of(Path("a.gif")) is None


def test_layers_and_sprites(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(project), "--layers", "parts", "--merge-objects", "--json"]) == 0
    assert printed_json(capsys)["bytes"] > 1000
    names = {path.name for path in Path("parts").iterdir()}
    assert names == {"calm water at sunset.png", "swan 🦢.png", "Flamingo rosé.png", "layers.json"}
    assert main(["export", str(project), "--sprites", "sheet.png"]) == 0
    assert len(json.loads(Path("sheet.json").read_text("utf-8"))["frames"]) == 5


def test_quality_and_matte(project: Path) -> None:
    sizes = []
    for quality in ("95", "20"):
        assert main(["export", str(project), "-o", "a.webp", "--quality", quality]) == 0
        sizes.append(Path("a.webp").stat().st_size)
    assert sizes[1] < sizes[0]
    bare = scene_document()
    save_project(bare.with_layers(bare.layers[1:]), project)
    assert main(["export", str(project), "-o", "a.jpg", "--matte", "#00ff00"]) == 0
    assert read_image(Path("a.jpg")).rgba[0, 0, :3].tolist() == pytest.approx([0, 255, 0], abs=3)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-o", "a.gif"],
        ["-o", "a.png", "--layers", "parts"],
        ["--sprites", "sheet.webp"],
        ["-o", "a.jpg", "--quality", "101"],
        ["-o", "a.jpg", "--matte", "red"],
    ],
)
def test_wrong_use_ends_with_two(project: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["export", str(project), *words])
    assert caught.value.code == 2


def test_a_wide_document_stays_wide_through_every_format() -> None:
    document = replace(scene_document(), profile=display_p3())
    for suffix in (".ora", ".png", ".webp", ".tiff", ".jpg"):
        save_by_name(document, Path(f"wide{suffix}"))
        assert open_file(Path(f"wide{suffix}")).document.profile == display_p3(), suffix


def test_info_lists_the_layers_of_an_openraster_file(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(project), "-o", "a.ora"]) == 0
    capsys.readouterr()
    assert main(["info", "a.ora", "--json"]) == 0
    found = printed_json(capsys)
    assert found["kind"] == "OpenRaster"
    assert len(found["layers"]) == 7


def test_nothing_is_made_anew_from_pictures(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(project), "-o", "a.ora"]) == 0
    assert main(["regenerate", "a.ora", "--engine", "fake", "-o", "b.psdstudio"]) == 1
    assert "“a.ora” is no project" in capsys.readouterr().err
