"""`psdstudio`: the window without a command, otherwise one command from start to exit code."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from psdstudio import logs
from psdstudio.cli import scene
from psdstudio.cli.arguments import VERBS, parser
from psdstudio.cli.documents import describe, info_json, open_document, save_document
from psdstudio.cli.models import models_text, run_models_command
from psdstudio.cli.prompt_options import prompts_of, sampling_of
from psdstudio.cli.psd_options import psd_options
from psdstudio.cli.running import chosen_engine
from psdstudio.core.document import Document
from psdstudio.errors import (
    Cancelled,
    EngineError,
    FileUnsupported,
    ModelError,
    ModelIncompatible,
    PluginError,
    StudioError,
)
from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.plan import Plan
from psdstudio.io.files import probe_target
from psdstudio.io.formats import ExportFormat, WriteOptions, export_file, open_file
from psdstudio.io.layer_info import document_info
from psdstudio.io.psd_read import is_psd
from psdstudio.settings import Folders

EXIT_OK, EXIT_USER, EXIT_USAGE, EXIT_ENGINE, EXIT_CANCELLED = 0, 1, 2, 3, 130
_DEFAULT_SEED = 1
Outcome = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; `argv` without the program's name."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and (fault := _fault_of_file(words[0])):
        print(f"psdstudio: {fault}\n  Nothing was opened. Check the name and the folder.", file=sys.stderr)
        return EXIT_USER
    if not words or _is_file_to_open(words[0]):
        from psdstudio.app import main as open_window  # not above: a command must start without Qt

        return open_window(words)
    arguments = parser().parse_args(words)
    if arguments.command is None:
        parser().error("a command or a file is needed")
    _check_use(arguments)
    _unbreakable_output()
    session = logs.start_logging(Folders.of_user().logs, process="command-line", to_stderr=False)
    try:
        with _ended_like_ctrl_c():
            return _run(arguments, session.path)
    finally:
        session.close()


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """SIGTERM and a closed terminal stop a command as Ctrl+C does: engine ended, no half-written file left."""
    names = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {
        number: handler for number in numbers if (handler := signal.getsignal(number)) is signal.SIG_DFL
    }
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_file_to_open(word: str) -> bool:
    return not word.startswith("-") and word not in _COMMANDS and Path(word).is_file()


def _fault_of_file(word: str) -> str:
    """Say why a word that can only be meant as a file, by its ending or its folder, cannot be opened; or ""."""
    path = Path(word)
    if word.startswith("-") or word in _COMMANDS or path.is_file():
        return ""
    if path.is_dir():
        return f"“{word}” is a folder."
    is_meant = len(path.parts) > 1 or (path.suffix != "" and " " not in path.suffix)
    return f"There is no file “{word}”." if is_meant else ""


def _check_use(arguments: argparse.Namespace) -> None:
    """Refuse what the grammar alone cannot, as argparse does: exit code 2."""
    command = arguments.command
    if command not in ("generate", "split"):
        return
    named = arguments.background is not None or arguments.object
    if arguments.sentence is None and not named:
        parser().error(f"{command}: give a sentence, or --background and --object")
    if arguments.sentence is not None and named:
        parser().error(f"{command}: give either a sentence or --background and --object")


def _run(arguments: argparse.Namespace, log: Path | None) -> int:
    started = time.perf_counter()
    try:
        outcome = _COMMANDS[arguments.command](arguments)
    except StudioError as exc:
        code = _exit_code(exc)
        _report_error(arguments, exc, code, log)
        return code
    except (Cancelled, KeyboardInterrupt):
        print("psdstudio: stopped; nothing was written", file=sys.stderr)
        return EXIT_CANCELLED
    outcome["seconds"] = round(time.perf_counter() - started, 2)
    for note in outcome.get("notes", ()):
        print(f"note: {note}", file=sys.stderr)
    text = json.dumps(outcome, ensure_ascii=False, indent=1) if arguments.json else _text(arguments, outcome)
    return EXIT_OK if _print_answer(text) else EXIT_USER


def _exit_code(exc: StudioError) -> int:
    if isinstance(exc, ModelIncompatible):
        return EXIT_USER  # the request asks too much, the engine is sound
    return EXIT_ENGINE if isinstance(exc, EngineError | ModelError | PluginError) else EXIT_USER


def _report_error(arguments: argparse.Namespace, exc: StudioError, code: int, log: Path | None) -> None:
    print(f"psdstudio: {exc.user_message}", file=sys.stderr)
    if exc.hint:
        print(f"  {exc.hint}", file=sys.stderr)
    if code == EXIT_ENGINE and log is not None:
        print(f"  The log is {log}", file=sys.stderr)
    if arguments.json:
        error = {"kind": type(exc).__name__, "message": exc.user_message, "hint": exc.hint, "exit_code": code}
        _print_answer(json.dumps({"error": error}, ensure_ascii=False, indent=1))


def _print_answer(text: str) -> bool:
    """Print the answer; False when it could not be delivered, which is said.

    A reader that has seen enough (`psdstudio info FILE --json | head -1`) is no failure: the work is done.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _forget_output()
    except OSError as exc:
        _forget_output()
        reason = exc.strerror or type(exc).__name__
        print(f"psdstudio: The answer could not be printed ({reason}).", file=sys.stderr)
        print("  The command itself is done: files that it wrote are complete.", file=sys.stderr)
        return False
    return True


def _forget_output() -> None:
    """Lead what is left in the buffer to nowhere: Python would try it again at exit and complain."""
    with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _generate(arguments: argparse.Namespace) -> Outcome:
    seed = _DEFAULT_SEED if arguments.seed is None else arguments.seed
    document = scene.new_document(arguments.size, seed=seed, use_library=arguments.library)
    lexicon = scene.load_lexicon()
    plan = _plan(arguments, lexicon)
    return _run_outcome(scene.generate_scene(document, plan, lexicon, _run_options(arguments, seed)), seed)


def _plan(arguments: argparse.Namespace, lexicon: Lexicon) -> Plan:
    if arguments.sentence is not None:
        return scene.plan_of_sentence(arguments.sentence, lexicon)
    return scene.plan_of_parts(arguments.background or "", tuple(arguments.object))


def _regenerate(arguments: argparse.Namespace) -> Outcome:
    document, seed = _project(arguments)
    options = _run_options(arguments, seed)
    outcome = scene.regenerate_scene(document, tuple(arguments.keep), scene.load_lexicon(), options)
    return _run_outcome(outcome, seed)


def _change(arguments: argparse.Namespace) -> Outcome:
    document, seed = _project(arguments)
    verb, names, options = VERBS[arguments.verb], tuple(arguments.layer), _run_options(arguments, seed)
    return _run_outcome(scene.change_parts(document, verb, names, scene.load_lexicon(), options), seed)


def _split(arguments: argparse.Namespace) -> Outcome:
    seed = _DEFAULT_SEED if arguments.seed is None else arguments.seed
    document, losses = open_document(arguments.file)
    lexicon = scene.load_lexicon()
    plan, options = _plan(arguments, lexicon), _run_options(arguments, seed)
    outcome = _run_outcome(scene.split_picture(document, plan, dict(arguments.box), lexicon, options), seed)
    return {**outcome, "notes": [*losses, *outcome["notes"]]}


def _project(arguments: argparse.Namespace) -> tuple[Document, int]:
    """Return the project that a run starts from, and the run's seed."""
    opened = open_file(arguments.file)
    if not opened.is_project:
        kind = "a PSD" if is_psd(arguments.file) else "no project"
        raise FileUnsupported(
            f"“{arguments.file.name}” is {kind}: its layers are pictures that nothing can be made anew from.",
            "Nothing was changed. Give the project (.psdstudio) that it was exported from.",
        )
    document = opened.document
    # The next seed, not the same one: who regenerates wants another picture.
    return document, document.scene.seed + 1 if arguments.seed is None else arguments.seed


def _export(arguments: argparse.Namespace) -> Outcome:
    document, losses = open_document(arguments.file)
    options = WriteOptions(
        strip_prompts=arguments.strip_prompts,
        quality=arguments.quality,
        matte=arguments.matte,
        merges_objects=arguments.merge_objects,
        with_hidden=arguments.hidden,
        psd=psd_options(arguments, document),
    )
    if arguments.layers is not None:
        written = export_file(document, arguments.layers, ExportFormat.LAYERS, options)
    elif arguments.sprites is not None:
        probe_target(arguments.sprites)
        written = export_file(document, arguments.sprites, ExportFormat.SPRITES, options)
    else:
        probe_target(arguments.output)
        written = save_document(document, arguments.output, options)
    return {"output": str(written.path), "bytes": written.size_bytes, "notes": [*losses, *written.losses]}


def _info(arguments: argparse.Namespace) -> Outcome:
    return info_json(describe(arguments.file))


_COMMANDS: dict[str, Callable[[argparse.Namespace], Outcome]] = {
    "generate": _generate,
    "regenerate": _regenerate,
    "change": _change,
    "split": _split,
    "export": _export,
    "info": _info,
    "models": run_models_command,
}


def _run_options(arguments: argparse.Namespace, seed: int) -> scene.RunOptions:
    engine = chosen_engine(arguments.engine, arguments.threads)
    return scene.RunOptions(
        output=arguments.output,
        seed=seed,
        engine=engine,
        sampling=sampling_of(arguments),
        prompts=prompts_of(arguments, engine),
        strip_prompts=arguments.strip_prompts,
        references=dict(getattr(arguments, "reference", ())),
    )


def _run_outcome(outcome: scene.RunOutcome, seed: int) -> Outcome:
    described = info_json(document_info(outcome.document))
    saved = outcome.saved
    return {
        "output": str(saved.path),
        "bytes": saved.size_bytes,
        "seed": seed,
        "width": described["width"],
        "height": described["height"],
        "layers": described["layers"],
        "notes": list(outcome.notes),
    }


def _text(arguments: argparse.Namespace, outcome: Outcome) -> str:
    if arguments.command == "info":
        return _table(outcome)
    if arguments.command == "models":
        return models_text(outcome)
    count = f", {_layers(outcome)}" if "layers" in outcome else ""
    return f"{outcome['output']}: {_bytes(outcome['bytes'])}{count}, {outcome['seconds']:.1f} s"


def _layers(outcome: Outcome) -> str:
    count = len(outcome["layers"])
    return "1 layer" if count == 1 else f"{count} layers"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _table(outcome: Outcome) -> str:
    """Return the layers as text, the topmost first, as a layer panel shows them."""
    lines = [f"{outcome['kind']}, {outcome['width']} × {outcome['height']} px, {_layers(outcome)}"]
    for layer in _panel_order(outcome["layers"]):
        x, y, width, height = layer["box"]
        indent = "  " * len(layer["path"])
        facts = [layer["role"] or layer["kind"], f"{width}×{height} at {x},{y}", layer["blend_mode"]]
        facts += [f"{layer['opacity'] / 2.55:.0f} %"] if layer["opacity"] != 255 else []
        facts += ["hidden"] if not layer["visible"] else []
        facts += ["kept"] if layer["keep"] else []
        facts += [layer["pixels_sha256"][:12]] if layer["pixels_sha256"] else []
        lines.append(f"{indent}{layer['name']}  ({', '.join(facts)})")
    return "\n".join(lines)


def _panel_order(layers: list[dict[str, Any]], depth: int = 1) -> list[dict[str, Any]]:
    """Return flat bottom-to-top rows (group first) with the topmost first, a group still before its children."""
    blocks: list[list[dict[str, Any]]] = []
    for layer in layers:
        if len(layer["path"]) == depth:
            blocks.append([layer])
        elif blocks:
            blocks[-1].append(layer)
    ordered: list[dict[str, Any]] = []
    for head, *inside in reversed(blocks):
        ordered += [head, *_panel_order(inside, depth + 1)]
    return ordered


def _unbreakable_output() -> None:
    """A terminal that cannot show a name must not end the command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
