"""Model files that are not safetensors, told by their first bytes: why each is refused and what to do instead."""

from __future__ import annotations

from pathlib import Path

from psdstudio.errors import ModelLoadFailed

BYTES_LOOKED_AT = 4096
_ZIP, _PICKLE, _GGUF = b"PK\x03\x04", b"\x80", b"GGUF"
_LFS = b"version https://git-lfs"
_LAST_PROTOCOL = 5
_AS_SAFETENSORS = (
    "Nothing of it was read. Get the “.safetensors” edition of the same model; most pages offer one."
)
_AGAIN = "Download it again, or use another copy."


def refusal_of_foreign(path: Path, start: bytes) -> ModelLoadFailed:
    """Return why a file that is no safetensors file is not loaded.

    Args:
        path: Named in the sentence.
        start: The first `BYTES_LOOKED_AT` bytes of the file, fewer when it has fewer.
    """
    name = f"“{path.name}”"
    if _is_pickle(start):
        return ModelLoadFailed(
            f"{name} is a pickle checkpoint: such a file can run any program while it is opened,"
            " so PSDStudio never opens one.",
            _AS_SAFETENSORS,
        )
    if start.startswith(_ZIP):
        return ModelLoadFailed(
            f"{name} is an archive (ZIP), not a model.", "Unpack it and add what is inside."
        )
    if start.startswith(_GGUF):
        return ModelLoadFailed(
            f"{name} is a GGUF file; PSDStudio loads safetensors files only.", _AS_SAFETENSORS
        )
    if start.startswith(_LFS):
        return ModelLoadFailed(
            f"{name} is only a pointer to the weights (Git LFS); the weights themselves were not downloaded.",
            "Fetch them with “git lfs pull”, or download the file by itself.",
        )
    if start.lstrip()[:1] == b"<":
        return ModelLoadFailed(
            f"{name} is a web page, not a model; a download that needs a login often ends so.", _AGAIN
        )
    if not start:
        return ModelLoadFailed(f"{name} is empty.", _AGAIN)
    return ModelLoadFailed(
        f"{name} is not a safetensors file.", "Choose a model that ends in “.safetensors”."
    )


def _is_pickle(start: bytes) -> bool:
    """Tell pickles as torch.save writes them: a ZIP whose first member is data.pkl, or (before 2020) bare."""
    if start.startswith(_ZIP):
        return b"data.pkl" in start or b"/version" in start[:256]
    return start[:1] == _PICKLE and len(start) > 1 and 1 <= start[1] <= _LAST_PROTOCOL
