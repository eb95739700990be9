"""The commands from words to files and exit codes, through a real worker process with the scripted engine."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psd_tools
import pytest
from PIL import Image
from psd_tools.psd.document import PSD

import psdstudio
from psdstudio.cli import running, scene
from psdstudio.cli.main import main
from psdstudio.cli.progress import ProgressBar
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.scene import Scene
from psdstudio.gen.engine import Stage
from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.text_encoder import TextEncoder
from psdstudio.io import files
from psdstudio.io.project import load_project, save_project
from psdstudio.io.recovery import RecoveryStore
from psdstudio.jobs.wire import WorkerConfig
from psdstudio.render.compositor import Compositor
from psdstudio.resources_path import resource_dir

SENTENCE = "a swan and a flamingo on calm water at sunset"
NOUNS = Path(__file__).parent.parent / "gen" / "planner_vocabulary.json"


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    encoder = TextEncoder.load(resource_dir("text_encoder"))
    return Lexicon.load(NOUNS, encoder, resource_dir() / "noun_vectors.npz")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lexicon: Lexicon) -> Iterator[Path]:
    """A user's folder of its own, and the planner's nouns whatever the engine that ships knows."""
    monkeypatch.setenv("PSDSTUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(scene, "load_lexicon", lambda: lexicon)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield tmp_path / "home"
    assert [path.name for path in work.iterdir() if path.name.endswith(".part")] == []


def _generate(*words: str, output: str = "scene.psdstudio", size: str = "120x90") -> int:
    return main(["generate", *words, "--size", size, "--engine", "fake", "--threads", "1", "-o", output])


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return parsed


def test_a_sentence_becomes_a_layered_psd(capsys: pytest.CaptureFixture[str]) -> None:
    assert _generate(SENTENCE, "--seed", "7", "--json", output="scene.psd") == 0
    outcome = _json(capsys)
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
        assert _generate(SENTENCE, "--seed", seed, "--json") == 0
        hashes.append([layer["pixels_sha256"] for layer in _json(capsys)["layers"]])
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


def test_layers_can_be_named_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--background", "a meadow", "--object", "red fox", "--object", "lantern", "--object", "lantern"]
    assert _generate(*words, "--no-library", "--json") == 0
    groups = [layer["name"] for layer in _json(capsys)["layers"] if layer["role"] == "object group"]
    assert groups == ["red fox", "lantern", "lantern 2"]
    document = load_project(Path("scene.psdstudio"))
    assert document.scene.use_library is False
    assert document.layers[0].part is not None
    assert document.layers[0].part.words == "a meadow"


def test_a_background_alone_is_a_scene() -> None:
    assert _generate("--background", "calm water") == 0
    assert len(load_project(Path("scene.psdstudio")).layers) == 1


def test_one_pixel_is_a_canvas() -> None:
    assert _generate(SENTENCE, size="1x1", output="dot.psd") == 0
    assert psd_tools.PSDImage.open("dot.psd").size == (1, 1)


def test_regenerating_keeps_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert _generate(SENTENCE, "--seed", "7", "--json") == 0
    before = {"/".join(layer["path"]): layer for layer in _json(capsys)["layers"]}
    words = ["regenerate", "scene.psdstudio", "--keep", "Swan", "--keep", "background", "--seed", "8"]
    assert main([*words, "-o", "v2.psdstudio", "--engine", "fake", "--json"]) == 0
    after = {"/".join(layer["path"]): layer for layer in _json(capsys)["layers"]}
    for name in ("Background", "swan/swan", "swan/Shadow"):
        assert after[name]["pixels_sha256"] == before[name]["pixels_sha256"]
        assert after[name]["box"] == before[name]["box"]
    assert after["flamingo/flamingo"]["pixels_sha256"] != before["flamingo/flamingo"]["pixels_sha256"]
    assert after["Background"]["keep"] is True
    old, new = load_project(Path("scene.psdstudio")), load_project(Path("v2.psdstudio"))
    assert new.scene.prompt == old.scene.prompt == SENTENCE


def test_regenerating_without_a_seed_makes_another_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert _generate(SENTENCE, "--seed", "7") == 0
    capsys.readouterr()
    assert main(["regenerate", "scene.psdstudio", "-o", "v2.psdstudio", "--engine", "fake", "--json"]) == 0
    assert _json(capsys)["seed"] == 8


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
    assert _generate(SENTENCE) == 0
    words = [word for name in keep for word in ("--keep", name)]
    assert main(["regenerate", "scene.psdstudio", *words, "-o", "v2.psdstudio", "--engine", "fake"]) == 1
    assert message in capsys.readouterr().err
    assert not Path("v2.psdstudio").exists()


def test_export_and_info_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert _generate(SENTENCE) == 0
    assert main(["export", "scene.psdstudio", "-o", "scene.psd"]) == 0
    assert main(["export", "scene.psdstudio", "-o", "scene.png"]) == 0
    capsys.readouterr()
    assert main(["info", "scene.psdstudio", "--json"]) == 0
    project = _json(capsys)
    assert main(["info", "scene.psd", "--json"]) == 0
    psd = _json(capsys)
    assert [layer["role"] for layer in project["layers"]] == [layer["role"] for layer in psd["layers"]]
    for ours, theirs in zip(project["layers"], psd["layers"], strict=True):
        for key in ("name", "box", "pixels_sha256", "blend_mode", "opacity", "visible"):
            assert ours[key] == theirs[key]
    document = load_project(Path("scene.psdstudio"))
    with Image.open("scene.png") as image:
        written = np.asarray(image.convert("RGBA"))
    assert np.array_equal(written, Compositor().render(document, document.canvas))


def test_info_as_text_shows_the_panel_from_the_top(capsys: pytest.CaptureFixture[str]) -> None:
    assert _generate(SENTENCE) == 0
    capsys.readouterr()
    assert main(["info", "scene.psdstudio"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("project, 120 × 90 px")
    names = [line.split("  (")[0].strip() for line in lines[1:]]
    assert names[:3] == ["flamingo", "flamingo", "Shadow"]
    assert names[-1] == "Background"


def test_prompts_can_be_left_out_of_exports() -> None:
    assert _generate(SENTENCE) == 0
    assert main(["export", "scene.psdstudio", "-o", "a.psd", "--strip-prompts"]) == 0
    assert SENTENCE.encode() not in Path("a.psd").read_bytes()


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "size", "message"),
    [
        ([""], "120x90", "The prompt is empty"),
        (["   "], "120x90", "The prompt is empty"),
        (["a swan " * 1500], "120x90", "characters; at most"),
        (["of the and"], "120x90", "names nothing"),
        (["--object", ""], "120x90", "words of an object are empty"),
        (["--object", "x" * 10_000], "120x90", "characters; at most"),
        ([w for n in range(40) for w in ("--object", f"thing {n}")], "120x90", "40 objects"),
        ([w for n in range(4000) for w in ("--object", f"thing {n}")], "120x90", "too many"),
        ([SENTENCE], "20000x20000", "too large"),
        ([SENTENCE], "0x90", "not possible"),
        ([SENTENCE], "30001x1", "not possible"),
    ],
)
def test_bad_words_and_sizes(
    capsys: pytest.CaptureFixture[str], words: list[str], size: str, message: str
) -> None:
    assert _generate(*words, size=size) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert len(shown.splitlines()) == 2  # what happened, and what to do
    assert not Path("scene.psdstudio").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["generate", "-o", "a.psd"],
        ["generate", SENTENCE, "--object", "x", "-o", "a.psd"],
        ["generate", SENTENCE],
        ["generate", SENTENCE, "-o", "a.gif"],
        ["generate", SENTENCE, "-o", "a.psd", "--size", "wide"],
        ["generate", SENTENCE, "-o", "a.psd", "--size", "-4x4"],
        ["generate", SENTENCE, "-o", "a.psd", "--seed", "-1"],
        ["generate", SENTENCE, "-o", "a.psd", "--seed", str(2**63)],
        ["regenerate", "-o", "a.psd"],
        ["paint", "a swan"],
        ["--unknown"],
    ],
)
def test_wrong_use_is_exit_code_2(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: psdstudio" in capsys.readouterr().err


def _broken(kind: str) -> str:
    path = Path("broken.psdstudio")
    if kind == "missing":
        return "nowhere.psdstudio"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "image":
        Image.new("RGB", (4, 4)).save(path, "PNG")
    else:
        save_project(Document(size=Size(4, 4), scene=Scene(prompt="x" * 9000)), path)
        path.write_bytes(path.read_bytes()[:9000])
    return str(path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "There is no file"),
        ("folder", "not a file"),
        ("empty", "is empty"),
        ("image", "not a PSDStudio project"),
        ("truncated", "damaged or incomplete"),
    ],
)
def test_broken_files(capsys: pytest.CaptureFixture[str], kind: str, message: str) -> None:
    file = _broken(kind)
    for words in (["info", file], ["export", file, "-o", "o.psd"], ["regenerate", file, "-o", "o.psd"]):
        assert main(words) == 1
        shown = capsys.readouterr().err
        assert message in shown
        assert len(shown.splitlines()) == 2
    assert not Path("o.psd").exists()


def test_errors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "nowhere.psd", "--json"]) == 1
    error = _json(capsys)["error"]
    assert error["kind"] == "FileError"
    assert error["exit_code"] == 1
    assert "There is no file" in error["message"]
    assert error["hint"]


def test_a_missing_resource_is_exit_code_3(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene, "load_lexicon", lambda: resource_dir("weights/that/are/not/there"))
    assert _generate(SENTENCE) == 3
    shown = capsys.readouterr().err
    assert "A part of PSDStudio is missing" in shown
    assert "Install PSDStudio again" in shown


@pytest.mark.expects_logs
def test_an_unknown_engine_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", SENTENCE, "--engine", "nobody", "-o", "a.psd"]) == 3
    assert "no engine named 'nobody'" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_found_before_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the engine ran for nothing")

    monkeypatch.setattr(files, "open", refuse, raising=False)
    monkeypatch.setattr(scene, "run_generation", never)
    assert _generate(SENTENCE, output="a.psd") == 1
    assert "may not be written to" in capsys.readouterr().err
    assert _generate(SENTENCE, output="no/such/folder/a.psd") == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_full_disk_after_the_run_keeps_the_result_for_recovery(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    Path("scene.psd").write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PSD, "write", full)
    assert _generate(SENTENCE, output="scene.psd") == 1
    shown = capsys.readouterr().err
    assert "disk is full" in shown
    assert "recover" in shown
    assert Path("scene.psd").read_bytes() == b"old"
    store = RecoveryStore(home / "state" / "recovery")
    (work,) = store.list_unfinished()
    assert work.title == "scene.psd"
    assert [layer.props.name for layer in store.load(work).layers] == ["Background", "swan", "flamingo"]
    store.close()


def test_a_finished_command_leaves_nothing_to_recover(home: Path) -> None:
    assert _generate(SENTENCE) == 0
    assert list((home / "state" / "recovery").iterdir()) == []


@pytest.mark.expects_logs
def test_a_state_folder_that_cannot_be_used_is_no_obstacle(home: Path) -> None:
    home.mkdir()
    (home / "state").write_bytes(b"a file where the folder should be")
    assert _generate(SENTENCE) == 0
    assert Path("scene.psdstudio").exists()


def test_ctrl_c_stops_the_engine_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    from psdstudio.gen.fake import FakeScript

    def slow(**fields: Any) -> WorkerConfig:
        return WorkerConfig(**fields, fake=FakeScript(step_delay_s=0.2))

    def interrupt(_: object, stage: Stage, fraction: float, eta_s: float | None) -> None:
        if stage is Stage.DENOISE:
            raise KeyboardInterrupt

    monkeypatch.setattr(running, "WorkerConfig", slow)
    monkeypatch.setattr(ProgressBar, "show", interrupt)
    assert _generate(SENTENCE, output="a.psd") == 130
    assert "stopped" in capsys.readouterr().err
    assert not Path("a.psd").exists()
    assert list((home / "state" / "recovery").iterdir()) == []


# --- the program -------------------------------------------------------------------------------------------------


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

    monkeypatch.setattr(psdstudio, "app", SimpleNamespace(main=start), raising=False)
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
