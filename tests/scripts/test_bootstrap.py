"""The set-up script decides rightly and says clearly what is missing; nothing is installed here."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def _load(name: str) -> ModuleType:
    """Import a file of scripts/, which is no package, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bootstrap = _load("bootstrap")


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment folder that looks installed, away from the real one."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp.json")
    python: Path = bootstrap.venv_python()
    python.parent.mkdir(parents=True)
    python.touch()
    return tmp_path


def _stamp(folder: Path, **changes: object) -> None:
    content = {"inputs": bootstrap.inputs_hash(), "torch": "cpu", "dev": True} | changes
    (folder / "stamp.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_complete_environment_is_left_alone(fresh: Path) -> None:
    _stamp(fresh)
    assert bootstrap.is_up_to_date(dev=True, torch="cpu")
    assert bootstrap.is_up_to_date(dev=False, torch="cpu"), "the test environment serves `make run` as well"


@pytest.mark.parametrize("change", [{"inputs": "older"}, {"torch": "cuda"}, {"dev": False}])
def test_any_difference_installs_again(fresh: Path, change: dict[str, object]) -> None:
    _stamp(fresh, **change)
    assert not bootstrap.is_up_to_date(dev=True, torch="cpu")


def test_a_broken_stamp_installs_again(fresh: Path) -> None:
    assert not bootstrap.is_up_to_date(dev=False, torch="cpu")
    (fresh / "stamp.json").write_text("{", encoding="utf-8")
    assert not bootstrap.is_up_to_date(dev=False, torch="cpu")


@pytest.mark.parametrize(("driver", "expected"), [("/usr/bin/nvidia-smi", "cuda"), (None, "cpu")])
def test_auto_follows_the_driver(driver: str | None, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PSDSTUDIO_TORCH", raising=False)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: driver)
    assert bootstrap.torch_choice() == expected


def test_an_unknown_torch_choice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSDSTUDIO_TORCH", "tpu")
    with pytest.raises(bootstrap.BootstrapError, match=r"tpu is not one of auto, cpu, cuda, none"):
        bootstrap.torch_choice()


def test_none_leaves_out_torch_alone() -> None:
    kept = bootstrap.dependencies(dev=True)
    assert not any(line.startswith("torch") for line in kept)
    assert any(line.startswith("PySide6-Essentials") for line in kept)
    assert any(line.startswith("pytest") for line in kept)


def test_an_old_python_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 10, 12))
    with pytest.raises(bootstrap.BootstrapError, match=r"Python 3\.11 to 3\.14 is needed"):
        bootstrap.check_python()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux leaves Qt's libraries to the system"
)
def test_without_rights_the_missing_library_and_the_line_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "probe_qt", lambda plugins: "OSError: libxcb-icccm.so.4: cannot open")
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    with pytest.raises(bootstrap.BootstrapError) as caught:
        bootstrap.ensure_qt_libraries(dev=False)
    assert "libxcb-icccm.so.4" in str(caught.value)
    assert "sudo apt-get install -y" in str(caught.value)
    assert "libxcb-icccm4" in str(caught.value)


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_missing_psd_reader_stops_ci_alone(
    ci: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package.json").write_text('{"dependencies": {"ag-psd": "31.0.2"}}', encoding="utf-8")
    monkeypatch.setattr(bootstrap, "NODE_TOOLS", tmp_path)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    monkeypatch.setenv("CI", ci)
    if ci:
        with pytest.raises(bootstrap.BootstrapError, match="npm was not found"):
            bootstrap.install_node_tools()
    else:
        bootstrap.install_node_tools()


def test_lengths_are_measured(tmp_path: Path) -> None:
    lengths = _load("check_lengths")
    body = "\n".join(f"    x{i} = {i}" for i in range(60))
    (tmp_path / "long.py").write_text(f"def f() -> None:\n{body}\n" + "\n" * 400, encoding="utf-8")
    (tmp_path / "fine.py").write_text("def f() -> None:\n    pass\n", encoding="utf-8")
    module, function = lengths.too_long(tmp_path / "long.py")
    assert "461 lines" in module
    assert "f has 61 lines" in function
    assert list(lengths.too_long(tmp_path / "fine.py")) == []
