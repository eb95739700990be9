"""Reads tensors from the user's safetensors files: never a pickle, never a number that is not finite.

What goes wrong is said in sentences that name the file and, where one is to blame, the tensor.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from psdstudio.errors import ModelLoadFailed, ModelNotFound
from psdstudio.gen.model_files import ModelFile

AGAIN = "Get the file again from where it came from, and add it anew."
_NAMED = 3
_MAX_JSON_BYTES = 1_000_000


def check_unchanged(model: ModelFile) -> Path:
    """Return the path of a model that is one file, after a look at its size (`models verify` reads all of it).

    Raises:
        ModelNotFound: The file is gone.
        ModelLoadFailed: Its size is not the one that was recorded.
    """
    path = Path(model.path)
    if not path.is_file():
        raise ModelNotFound(f"The file of “{model.title}” is missing: {path}", "Put it back, or add it anew.")
    if path.stat().st_size != model.size_bytes:
        raise ModelLoadFailed(f"The file of “{model.title}” has changed since it was added: {path}", AGAIN)
    return path


def read_tensors(
    path: Path, *, dtype: torch.dtype | None = None, wanted: Callable[[str], bool] = lambda name: True
) -> dict[str, Tensor]:
    """Return the tensors of a file by name, on the CPU.

    Args:
        path: The file.
        dtype: What floating numbers are turned into; None leaves them as they are stored. Tensors that need no turning
            stay backed by the file, so that they cost memory only as they are used.
        wanted: Which names are read.

    Raises:
        ModelNotFound: The file is gone.
        ModelLoadFailed: It is not a complete safetensors file, or a tensor holds NaN or infinity (in `dtype`).
    """
    tensors: dict[str, Tensor] = {}
    with _opened(path) as file:
        for name in file.keys():  # noqa: SIM118  # not a dict
            if not wanted(name):
                continue
            tensor = file.get_tensor(name)
            if dtype is not None and tensor.is_floating_point():
                tensor = tensor.to(dtype)
            if not is_finite(tensor):
                raise ModelLoadFailed(
                    f"“{name}” in {path.name} holds numbers that are not finite (NaN or infinity).", AGAIN
                )
            tensors[name] = tensor
    return tensors


def weight_files(folder: Path, stem: str) -> list[Path]:
    """Return the safetensors files of one network's folder: one, or the pieces that its index names.

    Raises:
        ModelNotFound: There are none.
        ModelLoadFailed: The index cannot be read, or names files that lie elsewhere.
    """
    for variant in ("", ".fp16"):
        if (whole := folder / f"{stem}{variant}.safetensors").is_file():
            return [whole]
        for name in (f"{stem}{variant}.safetensors.index.json", f"{stem}.safetensors.index{variant}.json"):
            if (folder / name).is_file():
                return _pieces(folder / name)
    raise ModelNotFound(
        f"The model's folder has no {folder.name}/{stem}.safetensors: {folder.parent}",
        "Get the complete folder, with files that end in .safetensors.",
    )


def _pieces(index: Path) -> list[Path]:
    names = read_json(index).get("weight_map")
    files = sorted({str(name) for name in names.values()}) if isinstance(names, dict) else []
    if not files or any(Path(name).name != name for name in files):
        raise ModelLoadFailed(f"The list of a model's files cannot be read: {index}", AGAIN)
    return [index.parent / name for name in files]


def read_names(path: Path) -> tuple[str, ...]:
    """Return the names of the tensors of a file. Raises as `read_tensors`."""
    with _opened(path) as file:
        return tuple(file.keys())


def read_metadata(path: Path) -> Mapping[str, str]:
    """Return what the header of a file says besides its tensors. Raises as `read_tensors`."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a small JSON file, such as a part's configuration.

    Raises:
        ModelNotFound: There is no such file.
        ModelLoadFailed: It is larger than a megabyte, not JSON, or not an object.
    """
    if not path.is_file():
        raise ModelNotFound(f"The model lacks a file: {path}", AGAIN)
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ValueError("too large")
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise TypeError("not an object")
    except (OSError, ValueError, TypeError, RecursionError) as exc:
        raise ModelLoadFailed(f"A file of the model cannot be read: {path}", AGAIN) from exc
    return value


def is_finite(tensor: Tensor) -> bool:
    """Say if no number of it is NaN or infinite. One pass without a copy, because a UNet holds 2.6 thousand million."""
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return True
    if tensor.element_size() == 1:
        tensor = tensor.to(torch.float16)  # the 8-bit floats have no minimum
    low, high = torch.aminmax(tensor)  # NaN goes through both
    return math.isfinite(low) and math.isfinite(high)


def fill(
    module: nn.Module, state: Mapping[str, Tensor], *, source: str, rename: Callable[[str], str] = str
) -> None:
    """Make `state` the parameters of a module, strictly: every name once, no other name, every shape as it is there.

    Args:
        module: May lie on the meta device; its parameters are replaced, not copied into.
        state: By name, as `rename` calls the names of the module.
        source: What the tensors were read from, for sentences.
        rename: Name of the module's own -> name in `state`.

    Raises:
        ModelLoadFailed: A name is missing, unknown, or of another shape; the sentence names it.
    """
    own = {rename(name): (name, tensor) for name, tensor in module.state_dict().items()}
    _refuse("lacks", [name for name in own if name not in state], source)
    _refuse("holds unknown", [name for name in state if name not in own], source)
    wrong = [
        f"{name} ({shape_text(tensor)} where {shape_text(own[name][1])} is expected)"
        for name, tensor in state.items()
        if tensor.shape != own[name][1].shape
    ]
    _refuse("holds of another shape", wrong, source)
    module.load_state_dict({own[name][0]: tensor for name, tensor in state.items()}, strict=True, assign=True)
    module.eval().requires_grad_(requires_grad=False)


def shape_text(tensor: Tensor) -> str:
    """Return "320x4x3x3"."""
    return "x".join(map(str, tensor.shape)) or "one number"


def listed(names: list[str]) -> str:
    """Return the first names of a list and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _refuse(what: str, names: list[str], source: str) -> None:
    if names:
        raise ModelLoadFailed(f"{source} {what} tensors: {listed(names)}.", AGAIN)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise ModelNotFound(f"A file of the model is missing: {path}", "Put it back, or add it anew.")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as exc:
        raise ModelLoadFailed(f"The file cannot be read; it is damaged or cut off: {path}", AGAIN) from exc
