"""Bad words, files, folders and disks: one sentence, what to do, an exit code, and nothing lost."""

from __future__ import annotations

import errno
import signal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from psdstudio.cli import running, scene
from psdstudio.cli.main import main
from psdstudio.cli.progress import ProgressBar
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.scene import Scene
from psdstudio.gen.engine import Stage
from psdstudio.io import psd_export, staging
from psdstudio.io.project import save_project
from psdstudio.io.recovery import RecoveryStore
from psdstudio.jobs.wire import WorkerConfig
from psdstudio.resources_path import resource_dir
from tests.cli.commands import SENTENCE, generate, printed_json


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
    assert generate(*words, size=size) == 1
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


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("nothere.psdstudio", "There is no file “nothere.psdstudio”."),
        ("photos/swan", "There is no file “photos/swan”."),
        ("pictures", "“pictures” is a folder."),
    ],
)
def test_a_file_that_cannot_be_opened_is_named_in_a_sentence(
    capsys: pytest.CaptureFixture[str], word: str, message: str
) -> None:
    Path("pictures").mkdir()
    assert main([word]) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert len(shown.splitlines()) == 2
    assert "usage:" not in shown


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
    error = printed_json(capsys)["error"]
    assert error["kind"] == "FileError"
    assert error["exit_code"] == 1
    assert "There is no file" in error["message"]
    assert error["hint"]


def test_a_missing_resource_is_exit_code_3(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene, "load_lexicon", lambda: resource_dir("weights/that/are/not/there"))
    assert generate(SENTENCE) == 3
    shown = capsys.readouterr().err
    assert "A part of PSDStudio is missing" in shown
    assert "Install PSDStudio again" in shown


@pytest.mark.expects_logs
def test_an_unknown_engine_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", SENTENCE, "--engine", "nobody", "-o", "a.psd"]) == 3
    assert "no engine named “nobody”" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_found_before_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the engine ran for nothing")

    monkeypatch.setattr(staging, "open", refuse, raising=False)
    monkeypatch.setattr(scene, "run_generation", never)
    assert generate(SENTENCE, output="a.psd") == 1
    assert "may not be written to" in capsys.readouterr().err
    assert generate(SENTENCE, output="no/such/folder/a.psd") == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_full_disk_after_the_run_keeps_the_result_for_recovery(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    Path("scene.psd").write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(psd_export, "write_psd", full)
    assert generate(SENTENCE, output="scene.psd") == 1
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
    assert generate(SENTENCE) == 0
    assert list((home / "state" / "recovery").iterdir()) == []


@pytest.mark.expects_logs
def test_a_state_folder_that_cannot_be_used_is_no_obstacle(home: Path) -> None:
    home.mkdir()
    (home / "state").write_bytes(b"a file where the folder should be")
    assert generate(SENTENCE) == 0
    assert Path("scene.psdstudio").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_engine_and_writes_nothing(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    number: signal.Signals,
) -> None:
    from psdstudio.gen.fake import FakeScript

    def slow(**fields: Any) -> WorkerConfig:
        return WorkerConfig(**fields, fake=FakeScript(step_delay_s=0.2))

    def interrupt(_: object, stage: Stage, fraction: float, eta_s: float | None) -> None:
        if stage is Stage.DENOISE:
            signal.raise_signal(number)

    monkeypatch.setattr(running, "WorkerConfig", slow)
    monkeypatch.setattr(ProgressBar, "show", interrupt)
    assert generate(SENTENCE, output="a.psd") == 130
    assert "stopped" in capsys.readouterr().err
    assert not Path("a.psd").exists()
    assert list((home / "state" / "recovery").iterdir()) == []
