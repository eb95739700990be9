"""Sets up .venv with everything PSDStudio needs. Standard library only; safe to run again at any time.

    python3 scripts/bootstrap.py          to start the editor
    python3 scripts/bootstrap.py --dev    to run the tests as well

PSDSTUDIO_TORCH        auto (default: CUDA where an NVIDIA driver is found, else CPU) | cpu | cuda | none
PSDSTUDIO_TORCH_INDEX  the package index that has the wanted torch build, when you know it better
"""

from __future__ import annotations  # so that an old Python reaches the sentence in check_python

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "psdstudio-bootstrap.json"
CONSTRAINTS = ROOT / "requirements-dev.txt"
NODE_TOOLS = ROOT / "tests" / "tools"
INPUTS = ("pyproject.toml", "setup.py", "requirements-dev.txt")
TORCH_CHOICES = ("auto", "cpu", "cuda", "none")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"

# Found by adding one at a time to a bare Debian 12; the last four are for a real window only.
APT_PACKAGES = (
    *("libgl1", "libegl1", "libglib2.0-0", "libfontconfig1", "libdbus-1-3", "libgssapi-krb5-2"),
    *("libxkbcommon0", "libxkbcommon-x11-0", "fonts-dejavu-core"),
    *("libxcb-cursor0", "libxcb-icccm4", "libxcb-keysyms1", "libxcb-shape0"),
)

# Runs inside the new environment. Loading the platform plugin by hand is the only way to learn which library
# is missing: Qt itself aborts the process with a list of plugins that says nothing.
QT_PROBE = """
import ctypes, pathlib, sys
import PySide6.QtWidgets, PySide6.QtSvg, PySide6.QtNetwork
plugins = pathlib.Path(PySide6.__file__).parent / "Qt" / "plugins" / "platforms"
for name in sys.argv[1:]:
    ctypes.CDLL(str(plugins / name))
"""


class BootstrapError(Exception):
    """A sentence for the person at the terminal; printed without a traceback."""


def say(text: str) -> None:
    """Print one line of progress at once, in order with pip's own output."""
    print(f"psdstudio: {text}", flush=True)


def check_python() -> None:
    """Stop with a clear sentence on an interpreter that the dependencies do not support."""
    if not (3, 11) <= sys.version_info[:2] < (3, 15):
        raise BootstrapError(
            f"Python 3.11 to 3.14 is needed, this is {platform.python_version()} ({sys.executable}).\n"
            "Install a newer one and name it, for example: make run PYTHON=python3.12"
        )


def venv_python() -> Path:
    """The interpreter inside .venv on this system."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def torch_choice() -> str:
    """What PSDSTUDIO_TORCH asks for, with `auto` resolved to cpu or cuda."""
    choice = os.environ.get("PSDSTUDIO_TORCH", "auto").strip().lower() or "auto"
    if choice not in TORCH_CHOICES:
        raise BootstrapError(f"PSDSTUDIO_TORCH={choice} is not one of {', '.join(TORCH_CHOICES)}.")
    if choice != "auto":
        return choice
    return "cuda" if shutil.which("nvidia-smi") else "cpu"


def inputs_hash() -> str:
    """Changes whenever the environment has to be brought up to date."""
    digest = hashlib.sha256(sys.version.encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def is_up_to_date(dev: bool, torch: str) -> bool:
    """True when .venv was completed from the same inputs; a --dev environment serves `run` as well."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    same = stamp.get("inputs") == inputs_hash() and stamp.get("torch") == torch
    return bool(same and (stamp.get("dev") or not dev) and venv_python().exists())


def create_venv() -> None:
    """Create .venv unless a working one is there."""
    if venv_python().exists():
        return
    say("creating .venv")
    try:
        venv.create(VENV, with_pip=True)
    except (subprocess.CalledProcessError, OSError) as exc:
        shutil.rmtree(VENV, ignore_errors=True)
        raise BootstrapError(
            f"A virtual environment could not be made ({exc}).\n"
            "On Debian and Ubuntu its module is a package of its own: sudo apt-get install -y python3-venv"
        ) from exc


def index_answers(url: str) -> bool:
    """True when the package index can be reached within four seconds."""
    try:
        with urllib.request.urlopen(f"{url}/torch/", timeout=4):
            return True
    except (urllib.error.URLError, OSError, ValueError):
        return False


def torch_arguments(torch: str) -> list[str]:
    """The pip arguments that lead to the wanted torch build.

    On macOS and Windows the ordinary index has the CPU build, on Linux the CUDA one (about 3 GB with its
    libraries), so PyTorch's CPU index is added there: `+cpu` sorts above the plain version.
    """
    if torch == "none":
        return []
    if index := os.environ.get("PSDSTUDIO_TORCH_INDEX"):
        return ["--extra-index-url", index]
    if torch == "cuda":
        if os.name == "nt":
            raise BootstrapError(
                "On Windows the CUDA build of torch comes from PyTorch's own index. Find it on pytorch.org, "
                "set PSDSTUDIO_TORCH_INDEX to its address, or choose PSDSTUDIO_TORCH=cpu."
            )
        return []
    if platform.system() != "Linux" or os.environ.get("CI"):
        return []  # CI brings its own index settings
    if index_answers(CPU_INDEX):
        return ["--extra-index-url", CPU_INDEX]
    say("PyTorch's CPU index does not answer; without it pip may fetch the CUDA build (about 3 GB)")
    return []


def announce(torch: str, dev: bool) -> None:
    """Say what is about to be downloaded."""
    sizes = {"cpu": "about 190 MB for torch (CPU)", "cuda": "about 3 GB for torch (CUDA)", "none": "no torch"}
    extra = ", about 30 MB of test tools" if dev else ""
    say(f"installing into .venv; the first time it downloads {sizes[torch]}, about 155 MB of others{extra}")
    if torch == "none":
        say("PSDSTUDIO_TORCH=none: the editor starts, but it cannot generate anything")


def install(dev: bool, torch: str) -> None:
    """Install the project in editable mode with its dependencies, pinned for --dev and for the CPU build."""
    announce(torch, dev)
    pip = [str(venv_python()), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    if dev or torch == "cpu":
        pip += ["-c", str(CONSTRAINTS)]
    pip += torch_arguments(torch)
    target = f"{ROOT}[test]" if dev else str(ROOT)
    if torch == "none":
        run([*pip, *dependencies(dev)], "pip could not install the dependencies")
        run([*pip, "--no-deps", "-e", target], "pip could not install PSDStudio")
    else:
        run([*pip, "-e", target], "pip could not install the dependencies")


def dependencies(dev: bool) -> list[str]:
    """The requirements of pyproject.toml without torch, which an ordinary `pip install` cannot leave out."""
    import tomllib  # not at the top: an old Python must reach check_python

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: list[str] = list(project["dependencies"])
    if dev:
        found += project["optional-dependencies"]["test"]
    return [line for line in found if not line.startswith("torch")]


def run(command: list[str], failure: str) -> None:
    """Run a command whose output the user sees; stop with a sentence when it fails."""
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        raise BootstrapError(f"{failure} (exit code {done.returncode}); the reason stands above.")


def run_quietly(command: list[str], failure: str) -> None:
    """Run a talkative command; its last lines are shown only when it fails."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        last = "\n  ".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise BootstrapError(f"{failure} (exit code {done.returncode}):\n  {last}")


def probe_qt(plugins: tuple[str, ...]) -> str | None:
    """The loader's complaint when Qt or one of its platform plugins cannot be loaded, else None."""
    done = subprocess.run(
        [str(venv_python()), "-c", QT_PROBE, *plugins], check=False, capture_output=True, text=True
    )
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["unknown reason"])[-1]


def ensure_qt_libraries(dev: bool) -> None:
    """Make sure that Qt finds its system libraries: install them as root, otherwise name them and stop.

    Tests draw offscreen and do without the libraries of a real window.
    """
    if platform.system() != "Linux":
        return
    plugins = ("libqoffscreen.so",) if dev else ("libqoffscreen.so", "libqxcb.so")
    complaint = probe_qt(plugins)
    if complaint is None:
        return
    line = f"apt-get install -y --no-install-recommends {' '.join(APT_PACKAGES)}"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"Qt needs system libraries ({complaint}); installing them with apt-get (about 70 MB)")
        run_quietly(["apt-get", "update"], "apt-get could not update its lists")
        # What is there already stays at its version: that is the owner's business.
        run_quietly([*line.split(), "--no-upgrade"], "apt-get could not install the libraries that Qt needs")
        complaint = probe_qt(plugins)
        if complaint is None:
            return
    raise BootstrapError(
        f"Qt cannot start, a system library is missing:\n  {complaint}\n"
        f"On Debian and Ubuntu this installs all that it needs:\n  sudo {line}\n"
        "Elsewhere install the library named above with your system's package tool, then repeat the command."
    )


def install_node_tools() -> None:
    """Install the independent PSD reader that the export tests compare with; optional outside CI."""
    package = NODE_TOOLS / "package.json"
    npm = shutil.which("npm")
    if not package.exists():
        return
    wanted = json.loads(package.read_text(encoding="utf-8"))["dependencies"]
    if all(installed_node_version(name) == version for name, version in wanted.items()):
        return
    problem = "npm was not found"
    if npm:
        say("installing the PSD reader for the export tests (about 2 MB)")
        command = [
            npm,
            "install",
            "--prefix",
            str(NODE_TOOLS),
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
        ]
        if subprocess.run([*command, "--loglevel=error"], check=False).returncode == 0:
            return
        problem = "npm install failed"
    if os.environ.get("CI"):
        raise BootstrapError(f"{problem}; in CI the export tests need Node's ag-psd.")
    say(f"{problem}: the export tests that read PSD files with ag-psd will be skipped")


def installed_node_version(name: str) -> str | None:
    """The version of an installed node package, None without one."""
    try:
        text = (NODE_TOOLS / "node_modules" / name / "package.json").read_text(encoding="utf-8")
    except OSError:
        return None
    return str(json.loads(text)["version"])


def main() -> int:
    """Bring .venv up to date; returns the exit code."""
    parser = argparse.ArgumentParser(description="Sets up the environment that PSDStudio runs in.")
    parser.add_argument(
        "--dev", action="store_true", help="also install what the tests need, at pinned versions"
    )
    dev: bool = parser.parse_args().dev
    try:
        check_python()
        torch = torch_choice()
        if not is_up_to_date(dev, torch):
            create_venv()
            STAMP.unlink(missing_ok=True)
            install(dev, torch)
            stamp = {"inputs": inputs_hash(), "torch": torch, "dev": dev}
            STAMP.write_text(json.dumps(stamp), encoding="utf-8")
        ensure_qt_libraries(dev)
        if dev:
            install_node_tools()
    except BootstrapError as exc:
        print(f"psdstudio: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
