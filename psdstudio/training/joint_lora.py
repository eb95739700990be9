"""Train the joint adapter: `python -m psdstudio.training.joint_lora --base SDXL --layerdiffuse FOLDER --data PSDS`.

Several processes by accelerate's own launcher: `accelerate launch --multi_gpu --num_processes 2 -m
psdstudio.training.joint_lora ...`, on processors the same with `--cpu` among the trainer's own words. (Its own `--cpu`
starts one process without a word, whatever `--num_processes` says, unless there is MPI.) Stopped at any point, by its
budget, a signal or a fault, the same command goes on.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # the wait policy must be set before torch starts its threads

import psdstudio.engine.sdxl.libraries  # keeps the libraries offline and quiet; before accelerate  # noqa: F401

# isort: split
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from psdstudio.engine.sdxl.joint_attention import MEETING
from psdstudio.errors import SettingsError, StudioError
from psdstudio.training.joint_base import BaseCoder, find_base
from psdstudio.training.joint_encode import SceneCache, load_scene
from psdstudio.training.joint_folder import FolderScenes
from psdstudio.training.joint_loss import NoiseTable
from psdstudio.training.joint_network import AdapterShape, JointModule
from psdstudio.training.joint_rendered import RenderedScenes
from psdstudio.training.joint_run import JointRun, RunSettings
from psdstudio.training.joint_scenes import SceneSource
from psdstudio.training.joint_validation import SheetPainter

HOLD_OUT, MAX_HELD_OUT = 20, 8
"""Every so many scenes one is left to validation, at most so many; of fewer scenes none."""
PRECISIONS = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def main(words: Sequence[str] | None = None) -> int:
    """Train; what goes wrong is one sentence on standard error and the result 1."""
    args = parser().parse_args(words)
    try:
        train(args)
    except StudioError as fault:
        print(f"{fault.user_message} {fault.hint}".strip(), file=sys.stderr, flush=True)
        return 1
    return 0


def train(args: argparse.Namespace) -> None:
    """Encode what is not encoded yet, then train.

    Raises:
        StudioError: as `find_base`, `SceneCache`, `FolderScenes` and `JointRun.train`.
    """
    torch.set_num_threads(args.threads)
    precision = args.precision or ("bf16" if torch.cuda.is_available() and not args.cpu else "no")
    accelerator = Accelerator(
        cpu=args.cpu,
        mixed_precision=precision,
        gradient_accumulation_steps=args.accumulate,
        # A step without kept rows leaves nothing unused, but one without joint attention may.
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    _refuse_lone_process(accelerator)
    device: torch.device = accelerator.device
    source = scenes_of(args)
    files = find_base(args.base, args.layerdiffuse)
    coder = BaseCoder(files, device=device)
    paths = encoded_scenes(accelerator, source, coder, args)
    coder.to(torch.device("cpu"))
    scenes, held_out = divided(paths)
    if accelerator.is_main_process:
        print(f"{len(scenes)} scenes to train on, {len(held_out)} to validate with", flush=True)
    unet = coder.base.unet.to(device, PRECISIONS[precision])
    shape = AdapterShape(
        rank=args.rank,
        alpha=args.alpha or float(args.rank),
        wide=args.wide,
        every=args.every or MEETING[args.wide],
    )
    table = NoiseTable.of_scheduler(coder.base.scheduler)
    module = JointModule(unet, shape, table, seed=args.seed, transparent=coder.object_changes)
    module.network.checkpoint_gradients(on=args.checkpoint_gradients)
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        run = JointRun(
            accelerator,
            module,
            scenes,
            held_out,
            settings_of(args),
            base=files.base.sha256,
            paint=None
            if args.no_pictures
            else _painter(module, held_out[0], coder, device, joint=args.joint),
        )
        with _stopped_by_signals(run):
            run.train()
    finally:
        module.close()


def _refuse_lone_process(accelerator: Any) -> None:
    """Raise SettingsError where accelerate's launcher was asked for several processes and started one.

    It says where they were to meet (MASTER_ADDR) whenever it was asked for several.
    """
    launched = "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_ADDR" in os.environ
    if launched and accelerator.num_processes == 1:
        raise SettingsError(
            "The launcher was asked for several processes and started only one.",
            "Give it --multi_gpu instead of --cpu, and --cpu to the trainer, behind its name.",
        )


def scenes_of(args: argparse.Namespace) -> SceneSource:
    """Return where the scenes come from. Raises FileError when there are none."""
    if args.data is not None:
        return FolderScenes(args.data, px=args.px, max_objects=args.objects)
    return RenderedScenes(args.drawings, args.rendered, px=args.px, max_objects=args.objects, seed=args.seed)


def encoded_scenes(
    accelerator: Any, source: SceneSource, coder: BaseCoder, args: argparse.Namespace
) -> tuple[Path, ...]:
    """Encode this process's part of the scenes, wait for the others, return the files of all."""
    cache = SceneCache(args.cache or args.out / "encoded", int(args.cache_gb * 1e9))
    share = (accelerator.process_index, accelerator.num_processes)
    cache.fill(source, coder, share=share)
    accelerator.wait_for_everyone()
    return cache.paths(source, coder.identity)


def divided(paths: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the scenes to train on and those to validate with; of few scenes the latter are some of the former."""
    if len(paths) < HOLD_OUT:
        return tuple(paths), tuple(paths[:MAX_HELD_OUT])
    held_out = tuple(paths[HOLD_OUT - 1 :: HOLD_OUT][:MAX_HELD_OUT])
    return tuple(path for path in paths if path not in held_out), held_out


def settings_of(args: argparse.Namespace) -> RunSettings:
    """Return the settings that the command line says."""
    return RunSettings(
        out=args.out,
        rate=args.rate,
        accumulate=args.accumulate,
        steps=args.steps,
        budget_s=args.budget_minutes * 60,
        save_every=args.save_every,
        validate_every=args.validate_every,
        seed=args.seed,
        joint=args.joint,
    )


def _painter(module: JointModule, scene: Path, coder: BaseCoder, device: torch.device, *, joint: bool) -> Any:
    """Return what paints the validation picture; the decoders are on the device only meanwhile."""
    encoded = load_scene(scene)

    def paint(path: Path) -> None:
        coder.to(device)
        try:
            SheetPainter(module, encoded, coder.vae, coder.base.scheduler, device, joint)(path)
        finally:
            coder.to(torch.device("cpu"))

    return paint


@contextmanager
def _stopped_by_signals(run: JointRun) -> Iterator[None]:
    """Inside, the first SIGTERM or SIGINT ends the training after the step under way, saved; a second one at once."""
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop(number: int, _frame: object) -> None:
        run.stopped = True
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m psdstudio.training.joint_lora", description=__doc__)
    made.add_argument("--base", type=Path, required=True, help="SDXL model: a folder or one file")
    made.add_argument(
        "--layerdiffuse", type=Path, required=True, help="folder of LayerDiffuse's files for SDXL"
    )
    data = made.add_mutually_exclusive_group(required=True)
    data.add_argument("--data", type=Path, help="folder of layered documents: PSD, OpenRaster, projects")
    data.add_argument("--rendered", type=_count, help="draw so many scenes from the packed drawings instead")
    made.add_argument(
        "--drawings", type=Path, default=Path("training_data"), help="folder of the packed drawings"
    )
    made.add_argument(
        "--out", type=Path, required=True, help="folder of checkpoints, adapter, logs and pictures"
    )
    made.add_argument("--cache", type=Path, help="folder of encoded scenes; by default in --out")
    made.add_argument("--cache-gb", type=float, default=20.0, help="bound of the encoded scenes")
    made.add_argument(
        "--px", type=_count, default=1024, help="edge of a square picture; others have as many pixels"
    )
    made.add_argument("--objects", type=_objects, default=4, help="most objects of a scene, 1 to 8")
    made.add_argument("--rank", type=_count, default=64)
    made.add_argument("--alpha", type=float, help="the LoRA's scale is alpha / rank; by default 1")
    made.add_argument("--wide", action="store_true", help="let rows meet at half of the latents too")
    made.add_argument("--every", type=_count, help="let rows meet in every so many blocks only")
    made.add_argument("--rate", type=float, default=1e-4, help="learning rate, constant after a warm-up")
    made.add_argument("--accumulate", type=_count, default=4, help="scenes of each process in a step")
    made.add_argument("--precision", choices=list(PRECISIONS), help="by default bf16 on a GPU")
    made.add_argument("--checkpoint-gradients", action="store_true", help="less memory, a third more time")
    made.add_argument("--steps", type=_count, help="stop at this step")
    made.add_argument("--budget-minutes", type=float, default=60.0)
    made.add_argument("--save-every", type=_count, default=250)
    made.add_argument("--validate-every", type=int, default=500, help="0 for no validation")
    made.add_argument("--no-pictures", action="store_true", help="validate by numbers alone")
    made.add_argument(
        "--independent", dest="joint", action="store_false", help="ablation: no row sees another one"
    )
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--threads", type=_count, default=2)
    made.add_argument("--cpu", action="store_true", help="do not use a GPU")
    return made


def _count(word: str) -> int:
    if (count := int(word)) < 1:
        raise ValueError(word)
    return count


def _objects(word: str) -> int:
    if (count := _count(word)) > 8:
        raise ValueError(word)
    return count


if __name__ == "__main__":
    sys.exit(main())
