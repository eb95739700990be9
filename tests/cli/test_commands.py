"""The commands from words to files, through a real worker process with the scripted engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import numpy as np
import psd_tools
import pytest
from PIL import Image

import psdstudio
from psdstudio.__main__ import main as start_program
from psdstudio.cli.main import main
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.scene import Scene
from psdstudio.io.project import load_project, save_project
from psdstudio.render.compositor import Compositor
from tests.cli.commands import SENTENCE, generate, printed_json


def test_a_sentence_becomes_a_layered_psd(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(SENTENCE, "--seed", "7", "--json", output="scene.psd") == 0
    outcome = printed_json(capsys)
    assert (outcome["seed"], outcome["width"], outcome["height"]) == (7, 120, 90)
    assert outcome["bytes"] == Path("scene.psd").stat().st_size
    psd = psd_tools.PSDImage.open("scene.psd")
    assert psd.size == (120, 90)
    assert [layer.name for layer in psd] == ["Background", "swan", "flamingo"]
    text = psd.image_resources.get_data(1060).decode("utf-8")
    assert SENTENCE in text


def test_the_same_seed_makes_the_same_picture_and_another_seed_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hashes = []
    for seed in ("7", "7", "8"):
        assert generate(SENTENCE, "--seed", seed, "--json") == 0
        hashes.append([layer["pixels_sha256"] for layer in printed_json(capsys)["layers"]])
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


def test_layers_can_be_named_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--background", "a meadow", "--object", "red fox", "--object", "lantern", "--object", "lantern"]
    assert generate(*words, "--no-library", "--json") == 0
    groups = [layer["name"] for layer in printed_json(capsys)["layers"] if layer["role"] == "object group"]
    assert groups == ["red fox", "lantern 1", "lantern 2"]
    document = load_project(Path("scene.psdstudio"))
    assert document.scene.use_library is False
    assert document.layers[0].part is not None
    assert document.layers[0].part.words == "a meadow"


def test_a_background_alone_is_a_scene() -> None:
    assert generate("--background", "calm water") == 0
    assert len(load_project(Path("scene.psdstudio")).layers) == 1


def test_one_pixel_is_a_canvas() -> None:
    assert generate(SENTENCE, size="1x1", output="dot.psd") == 0
    assert psd_tools.PSDImage.open("dot.psd").size == (1, 1)


def test_regenerating_keeps_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(SENTENCE, "--seed", "7", "--json") == 0
    before = {"/".join(layer["path"]): layer for layer in printed_json(capsys)["layers"]}
    words = ["regenerate", "scene.psdstudio", "--keep", "Swan", "--keep", "background", "--seed", "8"]
    assert main([*words, "-o", "v2.psdstudio", "--engine", "fake", "--json"]) == 0
    after = {"/".join(layer["path"]): layer for layer in printed_json(capsys)["layers"]}
    for name in ("Background", "swan/swan", "swan/Shadow"):
        assert after[name]["pixels_sha256"] == before[name]["pixels_sha256"]
        assert after[name]["box"] == before[name]["box"]
    assert after["flamingo/flamingo"]["pixels_sha256"] != before["flamingo/flamingo"]["pixels_sha256"]
    assert after["Background"]["keep"] is True
    old, new = load_project(Path("scene.psdstudio")), load_project(Path("v2.psdstudio"))
    assert new.scene.prompt == old.scene.prompt == SENTENCE


def test_regenerating_without_a_seed_makes_another_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(SENTENCE, "--seed", "7") == 0
    capsys.readouterr()
    assert main(["regenerate", "scene.psdstudio", "-o", "v2.psdstudio", "--engine", "fake", "--json"]) == 0
    assert printed_json(capsys)["seed"] == 8


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (["heron"], "There is no part “heron”"),
        (["swan", "flamingo", "background"], "Everything is kept"),
    ],
)
def test_keeping_what_cannot_be_kept(
    capsys: pytest.CaptureFixture[str], keep: list[str], message: str
) -> None:
    assert generate(SENTENCE) == 0
    words = [word for name in keep for word in ("--keep", name)]
    assert main(["regenerate", "scene.psdstudio", *words, "-o", "v2.psdstudio", "--engine", "fake"]) == 1
    assert message in capsys.readouterr().err
    assert not Path("v2.psdstudio").exists()


def test_a_word_of_a_name_is_enough_where_it_fits_one_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate("a red swan, a white swan and a lantern on calm water") == 0
    again = ["regenerate", "scene.psdstudio", "-o", "v2.psdstudio", "--engine", "fake", "--keep"]
    assert main([*again, "swan"]) == 1
    said = capsys.readouterr().err
    assert "“swan” fits several parts: " in said
    assert "red swan" in said
    assert main([*again, "white"]) == 0
    kept = [
        layer.props.name
        for layer in load_project(Path("v2.psdstudio")).layers
        if layer.part and layer.part.keep
    ]
    assert kept == ["white swan"]


def test_export_and_info_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(SENTENCE) == 0
    assert main(["export", "scene.psdstudio", "-o", "scene.psd"]) == 0
    assert main(["export", "scene.psdstudio", "-o", "scene.png"]) == 0
    capsys.readouterr()
    assert main(["info", "scene.psdstudio", "--json"]) == 0
    project = printed_json(capsys)
    assert main(["info", "scene.psd", "--json"]) == 0
    psd = printed_json(capsys)
    assert [layer["role"] for layer in project["layers"]] == [layer["role"] for layer in psd["layers"]]
    for ours, theirs in zip(project["layers"], psd["layers"], strict=True):
        for key in ("name", "box", "pixels_sha256", "blend_mode", "opacity", "visible"):
            assert ours[key] == theirs[key]
    document = load_project(Path("scene.psdstudio"))
    with Image.open("scene.png") as image:
        written = np.asarray(image.convert("RGBA"))
    assert np.array_equal(written, Compositor().render(document, document.canvas))


def test_a_psd_becomes_a_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(SENTENCE, output="scene.psd") == 0
    assert main(["export", "scene.psd", "-o", "again.psdstudio", "--json"]) == 0
    names = [layer.props.name for layer in load_project(Path("again.psdstudio")).layers]
    assert names == ["Background", "swan", "flamingo"]
    assert main(["regenerate", "again.psdstudio", "-o", "v2.psd", "--engine", "fake"]) == 1
    assert capsys.readouterr().err.startswith("psdstudio: ")  # pictures alone are nothing to make anew
    assert main(["regenerate", "scene.psd", "--keep", "swan", "-o", "v2.psd", "--engine", "fake"]) == 1
    assert "that it was exported from" in capsys.readouterr().err
    assert not Path("v2.psd").exists()


def test_info_as_text_shows_the_panel_from_the_top(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(SENTENCE) == 0
    capsys.readouterr()
    assert main(["info", "scene.psdstudio"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("project, 120 × 90 px")
    names = [line.split("  (")[0].strip() for line in lines[1:]]
    assert names[:3] == ["flamingo", "flamingo", "Shadow"]
    assert names[-1] == "Background"


def test_prompts_can_be_left_out_of_exports() -> None:
    assert generate(SENTENCE) == 0
    assert main(["export", "scene.psdstudio", "-o", "a.psd", "--strip-prompts"]) == 0
    assert SENTENCE.encode() not in Path("a.psd").read_bytes()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.strip() == f"PSDStudio {psdstudio.__version__}"


def test_the_version_is_the_packages() -> None:
    import tomllib

    pyproject = Path(psdstudio.__file__).parent.parent / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text("utf-8"))["project"]["version"] == psdstudio.__version__


def test_without_a_command_or_with_a_file_the_window_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def start(words: list[str]) -> int:
        calls.append(words)
        return 0

    monkeypatch.setitem(sys.modules, "psdstudio.app", cast("ModuleType", SimpleNamespace(main=start)))
    Path("a.psdstudio").write_bytes(b"x")
    assert main([]) == 0
    assert main(["a.psdstudio"]) == 0
    assert calls == [[], ["a.psdstudio"]]


def test_the_command_line_loads_neither_torch_nor_qt() -> None:
    code = "import psdstudio.cli.main, sys; print(sorted({'torch', 'PySide6'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "[]"


def test_as_a_program() -> None:
    save_project(Document(size=Size(4, 4), scene=Scene(prompt="x")), Path("a.psdstudio"))
    command = [sys.executable, "-m", "psdstudio", "info", "a.psdstudio", "--json"]
    root = Path(psdstudio.__file__).parent.parent
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PYTHONPATH": str(root), "HOME": "."},
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["layers"] == []


def _program(*words: str, out: int | None = None) -> subprocess.Popen[str]:
    """The command line as a process of its own, with its answer into `out` or a pipe."""
    root = Path(psdstudio.__file__).parent.parent
    return subprocess.Popen(
        [sys.executable, "-m", "psdstudio", *words],
        stdout=subprocess.PIPE if out is None else out,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(root), "HOME": "."},
    )


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    """`psdstudio info FILE --json | head -1`: no traceback, exit code 0."""
    save_project(Document(size=Size(4, 4), scene=Scene(prompt="x")), Path("a.psdstudio"))
    reader, writer = os.pipe()
    os.close(reader)
    process = _program("info", "a.psdstudio", "--json", out=writer)
    os.close(writer)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_an_answer_that_cannot_be_printed_is_said() -> None:
    save_project(Document(size=Size(4, 4), scene=Scene(prompt="x")), Path("a.psdstudio"))
    full = os.open("/dev/full", os.O_WRONLY)
    process = _program("info", "a.psdstudio", out=full)
    os.close(full)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith("psdstudio: The answer could not be printed (No space left on device).")
    assert "Traceback" not in said


def test_ctrl_c_while_the_program_is_being_loaded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "psdstudio.cli.main", Interrupted("psdstudio.cli.main"))
    assert start_program() == 130
    assert capsys.readouterr().err == "psdstudio: stopped; nothing was written\n"
