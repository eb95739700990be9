"""`change` and `split` from words to files, through a real worker process with the scripted engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from psdstudio.cli.main import main
from psdstudio.core.document import Document
from psdstudio.io.project import load_project
from psdstudio.render.compositor import Compositor
from tests.cli.commands import SENTENCE, generate, printed_json


def change(verb: str, *layers: str, output: str = "v2.psdstudio", json: bool = True) -> int:
    """Run `change` on the scene."""
    named = [word for layer in layers for word in ("--layer", layer)]
    words = ["change", "scene.psdstudio", "--verb", verb, *named, "-o", output, "--engine", "fake"]
    return main([*words, "--threads", "1", *(["--json"] if json else [])])


def by_path(outcome: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The layers of an outcome."""
    return {"/".join(layer["path"]): layer for layer in outcome["layers"]}


@pytest.fixture
def before(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """A generated scene, as the command described it."""
    assert generate(SENTENCE, "--seed", "7", "--json") == 0
    return by_path(printed_json(capsys))


def test_same_outline_changes_one_look(
    before: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert change("same-outline", "swan") == 0
    outcome = printed_json(capsys)
    after = by_path(outcome)
    changed = {path for path in before if before[path]["pixels_sha256"] != after[path]["pixels_sha256"]}
    assert changed == {"swan/swan"}
    assert after["swan/swan"]["box"] == before["swan/swan"]["box"]
    assert outcome["seed"] == 8


def test_new_place_moves_one_object(
    before: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert change("new-place", "flamingo") == 0
    after = by_path(printed_json(capsys))
    assert after["flamingo/flamingo"]["box"] != before["flamingo/flamingo"]["box"]
    assert {path: after[path] for path in ("Background", "swan/swan")} == {
        path: {**before[path]} for path in ("Background", "swan/swan")
    }


def test_filling_behind_an_object_changes_the_background_alone(
    before: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert change("fill-behind", "swan") == 0
    after = by_path(printed_json(capsys))
    changed = {path for path in before if before[path]["pixels_sha256"] != after[path]["pixels_sha256"]}
    assert changed == {"Background"}


def test_what_cannot_be_is_said_and_nothing_is_written(
    before: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert change("fill-behind", json=False) == 1
    assert "no transparent place to fill" in capsys.readouterr().err
    assert change("new-place", "heron", json=False) == 1
    assert "There is no part “heron”" in capsys.readouterr().err
    assert change("new-place", json=False) == 1
    assert "No object of the scene is selected" in capsys.readouterr().err
    assert not Path("v2.psdstudio").exists()
    with pytest.raises(SystemExit):
        change("repaint")


def photo() -> np.ndarray:
    """A picture on disk, and its pixels."""
    rgb = np.empty((90, 120, 3), np.uint8)
    rgb[..., 0] = np.linspace(0, 255, 120).astype(np.uint8)
    rgb[..., 1] = np.linspace(255, 0, 90).astype(np.uint8)[:, None]
    rgb[..., 2] = 90
    Image.fromarray(rgb, "RGB").save("photo.png")
    return rgb


def split(*words: str, output: str = "scene.psdstudio") -> int:
    """Run `split` on the picture."""
    return main(["split", "photo.png", *words, "-o", output, "--engine", "fake", "--threads", "1", "--json"])


def seen(document: Document) -> np.ndarray:
    """What a document shows."""
    return Compositor(threads=1).render(document)


def test_a_picture_becomes_layers_that_give_it_back(capsys: pytest.CaptureFixture[str]) -> None:
    rgb = photo()
    assert split("a swan and a flamingo on calm water", "--box", "swan=0.1,0.3,0.2,0.4") == 0
    rows = [layer for layer in printed_json(capsys)["layers"] if len(layer["path"]) == 1]
    assert [row["name"] for row in rows] == ["Background", "swan", "flamingo", "Original"]
    assert [row["visible"] for row in rows] == [True, True, True, False]
    document = load_project(Path("scene.psdstudio"))
    assert np.abs(seen(document)[..., :3].astype(int) - rgb).max() <= 1
    swan = next(layer for layer in by_path({"layers": rows}).values() if layer["name"] == "swan")
    assert swan["role"] == "object group"
    part = document.layers[1].part
    assert part is not None
    assert part.box is not None
    assert (part.box.x, part.box.y) == (0.1, 0.3)


def test_the_things_can_be_named_one_by_one_and_a_psd_comes_out() -> None:
    photo()
    words = ("--background", "snow", "--object", "red fox", "--object", "lantern", "--box", "fox=0,0,0.5,1")
    assert split(*words, output="scene.psd") == 0
    assert Path("scene.psd").stat().st_size > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--background", "snow"), "No thing in the picture is named"),
        (("a swan on water", "--box", "heron=0,0,1,1"), "There is no part “heron”"),
        (tuple(w for n in range(7) for w in ("--object", f"thing {n}")), "7 things are named"),
    ],
)
def test_a_split_that_cannot_be_is_refused(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    photo()
    assert split(*words) == 1
    assert message in capsys.readouterr().err
    assert not Path("scene.psdstudio").exists()


@pytest.mark.parametrize(
    "box", ["fox", "fox=1,2,3", "fox=0,0,2,1", "fox=0,0,0,1", "=0,0,1,1", "fox=a,b,c,d", "fox=nan,0,1,1"]
)
def test_a_box_that_is_none_is_wrong_use(box: str, capsys: pytest.CaptureFixture[str]) -> None:
    photo()
    with pytest.raises(SystemExit) as stop:
        split("a fox", "--box", box)
    assert stop.value.code == 2
    assert "box" in capsys.readouterr().err
