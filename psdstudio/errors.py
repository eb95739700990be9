"""The error taxonomy: every failure a user may meet carries a showable sentence and a hint.

Exceptions never cross a process boundary; `psdstudio.gen` turns them into reports there. Programming errors
stay `AssertionError` / `TypeError` and reach the one exception hook of the application.
"""

from __future__ import annotations


class StudioError(Exception):
    """Base of all expected failures.

    Args:
        user_message: One sentence that may always be shown to the user.
        hint: What the user can do about it; empty when there is nothing to do.
    """

    def __init__(self, user_message: str, hint: str = "") -> None:
        super().__init__(user_message)
        self.user_message = user_message
        self.hint = hint

    def __reduce__(self) -> tuple[type[StudioError], tuple[str, str]]:
        # Exception pickles its args only, which would lose the hint.
        return type(self), (self.user_message, self.hint)


class CommandError(StudioError):
    """A command does not apply to the document; the document is unchanged."""


class PromptError(CommandError):
    """A sentence cannot be turned into a scene: empty, too long, or too many objects."""


class FileError(StudioError):
    """A file could not be read or written."""


class FileUnsupported(FileError):
    """The file is of a kind or uses a feature that is not supported."""


class FileCorrupt(FileError):
    """The file breaks its own format."""


class FileTooLarge(FileError):
    """The file is beyond a stated limit."""


class FileWriteFailed(FileError):
    """Writing failed; the old file is untouched."""


class ModelError(StudioError):
    """A model or a resource that belongs to one cannot be used."""


class ModelNotFound(ModelError):
    """A file of the model is missing."""


class ModelIncompatible(ModelError):
    """The model cannot do what the request asks."""


class ModelLoadFailed(ModelError):
    """The model's files exist but are damaged or of another layout."""


class EngineError(StudioError):
    """Generation failed."""


class EngineOutOfMemory(EngineError):
    """The device has too little memory for the request."""


class EngineCrashed(EngineError):
    """The worker process died."""


class EngineProtocolError(EngineError):
    """The engine broke its contract: wrong message, wrong shape, or a kept layer in a result."""


class EngineFailed(EngineError):
    """The engine reported a failure of its own."""


class PluginError(StudioError):
    """An engine plug-in could not be loaded or misbehaved."""


class SettingsError(StudioError):
    """The settings file is damaged or holds a value out of range."""


class Cancelled(BaseException):
    """The user cancelled. A `BaseException` so that no broad `except Exception` swallows it."""


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether memory ran out: Python's error, torch's by name (it is not imported here), or a plain message."""
    if isinstance(exc, MemoryError | EngineOutOfMemory) or type(exc).__name__ == "OutOfMemoryError":
        return True
    text = str(exc).lower()
    # torch's CPU allocator raises a plain RuntimeError: "DefaultCPUAllocator: can't allocate memory".
    return isinstance(exc, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
