"""The reading process: the same documents as in this one, and nothing but a sentence when it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import Layer, LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported
from psdstudio.io.layer_info import read_info
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_import import import_psd
from psdstudio.io.psd_reader import PsdReader, ReadingBounds, describe_psd, read_psd
from tests.io.documents import scene_document
from tests.io.psd_bytes import File, Record, rgba_channels, written

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and setrlimit are POSIX")


@pytest.fixture(name="psd")
def _psd(tmp_path: Path) -> Path:
    path = tmp_path / "scene.psd"
    export_psd(scene_document(), path)
    return path


def _without_ids(document: Document) -> tuple[object, ...]:
    def plain(layer: Layer) -> Layer:
        children = (
            {"children": tuple(plain(child) for child in layer.children)}
            if hasattr(layer, "children")
            else {}
        )
        return replace(layer, id="", **children)  # type: ignore[arg-type]  # checked by the dataclass

    return (replace(document, layers=()), tuple(plain(layer) for layer in document.layers))


def _temporary_files() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("psdstudio-*.pixels"))


def test_it_reads_what_this_process_reads_file_after_file(psd: Path, tmp_path: Path) -> None:
    before = _temporary_files()
    other = tmp_path / "other.psd"
    other.write_bytes(
        written(File(records=[Record(box=(0, 0, 3, 4), channels=rgba_channels(4, 3, (1, 2, 3, 4)))]))
    )
    with PsdReader() as reader:
        for path in (psd, other, psd):
            document, report = reader.read(path)
            wanted, wanted_report = import_psd(path)
            assert _without_ids(document) == _without_ids(wanted)
            assert report == wanted_report
            assert reader.usage.seconds > 0
        assert reader.describe(psd) == read_info(psd)
    assert _temporary_files() <= before
    assert describe_psd(psd) == read_info(psd)


def test_errors_come_back_as_they_are(psd: Path, tmp_path: Path) -> None:
    damaged, other = tmp_path / "damaged.psd", tmp_path / "other.txt"
    damaged.write_bytes(psd.read_bytes()[:400])
    other.write_bytes(b"no PSD at all")
    with PsdReader() as reader:
        for path, kind in (
            (damaged, FileCorrupt),
            (other, FileUnsupported),
            (tmp_path / "gone.psd", FileError),
        ):
            with pytest.raises(kind) as here:
                import_psd(path)
            with pytest.raises(kind) as there:
                reader.read(path)
            assert (there.value.user_message, there.value.hint) == (here.value.user_message, here.value.hint)
        assert reader.read(psd)[1].layers == 7


@POSIX
def test_a_hang_ends_in_a_sentence_and_the_next_file_is_read(psd: Path) -> None:
    with PsdReader() as reader:
        reader.read(psd)
        reader._bounds = ReadingBounds(base_s=0.5)
        process = reader._process
        assert process is not None and process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(
            FileTooLarge, match=r"“scene\.psd” was not opened because reading it took longer than"
        ):
            reader.read(psd)
        reader._bounds = ReadingBounds()
        assert reader.read(psd)[1].layers == 7


def _killed_while_reading(reader: PsdReader, path: Path, number: int) -> FileError:
    """Read a file with a process that a signal ends; returns the error."""
    process = reader._process
    assert process is not None and process.pid is not None
    pid = process.pid
    os.kill(pid, signal.SIGSTOP)

    def end() -> None:
        time.sleep(0.2)
        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(FileError) as caught:
        reader.read(path)
    thread.join()
    return caught.value


@POSIX
@pytest.mark.expects_logs
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGSEGV, "the process that reads it failed"),
        (signal.SIGKILL, "more memory than"),
        (24, "longer than"),
    ],
)
def test_a_crash_ends_in_a_sentence_and_the_next_file_is_read(psd: Path, number: int, words: str) -> None:
    with PsdReader() as reader:
        reader.read(psd)
        error = _killed_while_reading(reader, psd, number)
        assert words in error.user_message
        assert error.hint
        assert reader.read(psd)[1].layers == 7


@pytest.mark.skipif(sys.platform != "linux", reason="address space is bounded on Linux")
def test_too_little_memory_ends_in_a_sentence(tmp_path: Path) -> None:
    rows = np.repeat(np.arange(1024, dtype=np.uint32), 1024).reshape(1024, 1024)
    pixels = (rows | np.uint32(0xFF000000)).view(np.uint8).reshape(1024, 1024, 4)
    layer = PixelLayer(props=LayerProps(name="ramp"), pixels=TileGrid.from_array(pixels))
    path = tmp_path / "large.psd"
    export_psd(Document(size=Size(64, 64), layers=(layer,)), path)
    tight = ReadingBounds(base_memory_bytes=100 * 2**20, memory_per_file_byte=0)
    with PsdReader(tight) as reader:
        with pytest.raises(FileTooLarge, match="memory"):
            reader.read(path)
        reader._bounds = ReadingBounds()
        assert reader.read(path)[1].layers == 1


def test_bounds_follow_the_file_up_to_a_cap() -> None:
    bounds = ReadingBounds()
    assert (bounds.seconds(0), bounds.seconds(80 * 2**20)) == (10.0, 20.0)
    assert bounds.memory_bytes(4096) < 1.001 * 2**30
    assert bounds.memory_bytes(200 * 2**20) == 2**30 + 1600 * 2**20
    assert bounds.memory_bytes(4 * 2**30) == 16 * 2**30


def test_no_room_for_pixels_is_not_called_damage(psd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(psd.parent / "nowhere"))
    with pytest.raises(FileError, match="No temporary file"):
        read_psd(psd)


@POSIX
def test_the_child_loads_neither_qt_nor_torch_and_ends_with_its_program(psd: Path) -> None:
    """A program that is killed leaves no reading process behind."""
    code = f"""
import sys, time
from pathlib import Path
from psdstudio.io.psd_reader import PsdReader
reader = PsdReader()
reader.read(Path({str(psd)!r}))
print(reader._process.pid, flush=True)
time.sleep(60)
"""
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    child = int(program.stdout.readline())
    loaded = Path(f"/proc/{child}/maps").read_text() if Path("/proc/self/maps").exists() else ""
    assert "PySide6" not in loaded
    assert "libtorch" not in loaded
    program.kill()
    program.communicate()
    deadline = time.monotonic() + 10
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_alive(child)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
