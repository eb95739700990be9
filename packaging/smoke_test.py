"""Tries a built bundle as a user would: version, window, one generated scene. Standard library only.

    python packaging/smoke_test.py [dist/psdstudio]

Exit code 0 when every step worked; the first one that fails is named, with the program's own output.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROMPT = "a swan on calm water at sunset"
WINDOW_S = 8.0
STRANGERS = ("/pytest", "/diffusers", "/transformers", "psdstudio/training", "torch/test")


class SmokeFailure(Exception):
    """A step did not do what it should; the text says what was seen."""


def main() -> int:
    """Run every step against the bundle; returns the exit code."""
    parser = argparse.ArgumentParser(description="Tries a built bundle.")
    parser.add_argument("bundle", nargs="?", type=Path, default=ROOT / "dist" / "psdstudio")
    bundle: Path = parser.parse_args().bundle.resolve()
    program = bundle / ("psdstudio.exe" if os.name == "nt" else "psdstudio")
    steps: tuple[Callable[[Path, Path], str], ...] = (
        check_version,
        check_contents,
        check_window,
        check_scene,
    )
    with tempfile.TemporaryDirectory(prefix="psdstudio-smoke-") as folder:
        for step in steps:
            started = time.monotonic()
            try:
                seen = step(program, Path(folder))
            except (SmokeFailure, OSError, subprocess.TimeoutExpired) as exc:
                print(f"FAILED {step.__name__}: {exc}")
                return 1
            print(f"ok {step.__name__} ({time.monotonic() - started:.1f} s): {seen}")
    return 0


def check_version(program: Path, folder: Path) -> str:
    """`--version` answers with the version of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    answer = call(program, "--version", folder=folder, limit_s=60)
    if project["version"] not in answer.split():
        raise SmokeFailure(f"expected {project['version']}, got {answer!r}")
    return answer.strip()


def check_contents(program: Path, folder: Path) -> str:
    """Resources are inside; tests and training are not."""
    # PyInstaller links libraries that two folders ask for: they are on the disk once.
    inside = [p for p in program.parent.rglob("*") if p.is_file() and not p.is_symlink()]
    names = {p.relative_to(program.parent).as_posix() for p in inside}
    if not any("psdstudio/_resources/" in name for name in names):
        raise SmokeFailure("no psdstudio/_resources in the bundle")
    if not any(name.endswith("psdstudio/_resources/model/CARD.md") for name in names):
        raise SmokeFailure("the model card is not in the bundle")
    if strangers := sorted(n for n in names if any(f"{part}/" in n for part in STRANGERS)):
        raise SmokeFailure(f"not meant to be shipped: {strangers[:5]}")
    return f"{len(inside)} files, {sum(p.stat().st_size for p in inside) / 1e6:.0f} MB"


def check_window(program: Path, folder: Path) -> str:
    """The window opens offscreen, stays up without complaint, and ends when it is told to."""
    log = folder / "window.txt"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [program], env=environment(folder), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            code = process.wait(WINDOW_S)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    said = log.read_text(encoding="utf-8", errors="replace")
    if code is not None:
        raise SmokeFailure(f"the editor ended by itself with code {code}:\n{said}")
    if "Traceback" in said or "Fatal" in said:
        raise SmokeFailure(f"the editor complained:\n{said}")
    return f"up for {WINDOW_S:.0f} s"


def check_scene(program: Path, folder: Path) -> str:
    """A scene is generated in the worker process and reads back as layers: spawn, weights, PSD writer."""
    target = folder / "scene.psd"
    call(
        program,
        "generate",
        PROMPT,
        "--seed",
        "7",
        "--size",
        "256x256",
        "-o",
        str(target),
        folder=folder,
        limit_s=300,
    )
    info = json.loads(call(program, "info", str(target), "--json", folder=folder, limit_s=60))
    layers = [layer["name"] for layer in info["layers"]]
    if len(layers) < 2:
        raise SmokeFailure(f"expected a background and an object, got {layers}")
    return f"{target.stat().st_size / 1e3:.0f} kB, layers {layers}"


def environment(folder: Path) -> dict[str, str]:
    """A fresh home, no display, no network: what the bundle needs must be inside it."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
    homes = dict.fromkeys(
        ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "TMPDIR"), str(folder)
    )
    return (
        kept | homes | {"QT_QPA_PLATFORM": "offscreen", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    )


def call(program: Path, *arguments: str, folder: Path, limit_s: float) -> str:
    """The standard output of a run that must succeed."""
    done = subprocess.run(
        [program, *arguments],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    if done.returncode != 0:
        raise SmokeFailure(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
