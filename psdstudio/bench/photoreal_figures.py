"""The figures of `bench photoreal` and how they are printed. Nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GOAL_JOINT, GOAL_CACHED = 1.15, 0.45
LAYERS = 5
"""Of the scene in which one layer is regenerated: a background and four objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is measured.

    Attributes:
        side: Pixels of the picture's side.
        groups: 2 with guidance: rows with words and rows without them in one batch.
        every: Rows meet in each block (1), each second, ... (`RowNetwork`).
        rounds: How often.
    """

    side: int
    groups: int = 1
    every: int = 1
    rounds: int = 5


@dataclass(frozen=True, slots=True)
class StepFigures:
    """One step of `rows` rows: seconds, and the most bytes taken beside the weights (None on the processor)."""

    objects: int
    rows: int
    joint_s: float
    alone_s: float
    joint_bytes: int | None
    alone_bytes: int | None
    counted: float

    @property
    def ratio(self) -> float:
        """Seconds of joint rows by seconds of independent ones."""
        return self.joint_s / self.alone_s


@dataclass(frozen=True, slots=True)
class CachedFigures:
    """Regenerating one layer of five: seconds to remember the others once, of a step, of a step of all five."""

    steps: int
    remember_s: float
    cached_s: float
    joint_s: float

    @property
    def ratio(self) -> float:
        """Seconds of a run with the others remembered once (clean, trained adapters) by those of a joint run."""
        return (self.remember_s + self.steps * self.cached_s) / (self.steps * self.joint_s)

    @property
    def matched_ratio(self) -> float:
        """The same where they are remembered anew in every step (time-matched, without trained adapters)."""
        return (self.remember_s + self.cached_s) / self.joint_s


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """A run with no more memory than `cap_gb`: the fastest placing that runs, or None; seconds and the most bytes."""

    cap_gb: float
    placing: str | None
    words_s: float | None
    step_s: float | None
    decode_s: float | None
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class CountedFigures:
    """Ratios of arithmetic, where rows meet in each block (1), every second, ... of `shares`.

    Attributes:
        shares: For which blocks the ratios are.
        rows: By number of objects: joint rows by independent ones.
        cached: A run that regenerates one layer of five by a joint run.
    """

    shares: tuple[int, ...]
    rows: tuple[tuple[int, tuple[float, ...]], ...]
    cached: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """All measurements."""

    scale: str
    device: str
    work: Work
    weights_bytes: int
    steps: tuple[StepFigures, ...]
    cached: CachedFigures
    plans: tuple[PlanFigures, ...] = ()

    @property
    def within_goals(self) -> bool:
        """Whether the published size keeps the goals; the others say nothing of it."""
        joint = all(step.ratio <= GOAL_JOINT for step in self.steps)
        return self.scale != "full" or (joint and self.cached.ratio <= GOAL_CACHED)


def table(figures: Figures) -> str:
    """Return the figures as a Markdown table, with the goals of the published size."""
    guided = "guided: each row twice" if figures.work.groups == 2 else "not guided"
    meeting = "each block" if figures.work.every == 1 else f"one block of {figures.work.every}"
    lines = [
        f"SDXL UNet, {figures.scale} size ({figures.weights_bytes / 1e9:.2f} GB of weights), "
        f"{figures.work.side} x {figures.work.side} px, {guided}, rows meet in {meeting}; {figures.device}",
        "",
        "| objects | rows | joint, s/step | alone, s/step | ratio (goal 1.15) | counted | joint, GB | alone, GB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in figures.steps:
        memory = " | ".join(_gb(size) for size in (one.joint_bytes, one.alone_bytes))
        lines.append(
            f"| {one.objects} | {one.rows} | {one.joint_s:.3f} | {one.alone_s:.3f} | {one.ratio:.3f} "
            f"| {one.counted:.3f} | {memory} |"
        )
    cached = figures.cached
    lines += [
        "",
        f"| one layer of {LAYERS} | joint, s/step | cached, s/step | remember, s | "
        f"ratio of {cached.steps} steps (goal 0.45) "
        "| time-matched |",
        "| --- | --- | --- | --- | --- | --- |",
        f"| regenerated | {cached.joint_s:.3f} | {cached.cached_s:.3f} | {cached.remember_s:.3f} | {cached.ratio:.3f} "
        f"| {cached.matched_ratio:.3f} |",
    ]
    if figures.plans:
        lines += ["", *_plan_lines(figures.plans)]
    return "\n".join(lines)


def counted_table(counted: CountedFigures, scale: str, side: int) -> str:
    """Return the counted ratios as a Markdown table."""
    names = ["each block" if share == 1 else f"one block of {share}" for share in counted.shares]
    lines = [
        f"Arithmetic of joint rows by that of independent ones (the last line: by that of all layers), "
        f"SDXL's UNet, {scale} size, {side} x {side} px; rows meet in",
        "",
        f"| objects | rows | {' | '.join(names)} |",
        "| --- | --- |" + " --- |" * len(names),
    ]
    for objects, ratios in counted.rows:
        lines.append(f"| {objects} | {objects + 2} | {_ratios(ratios)} |")
    lines.append(f"| one layer of {LAYERS} regenerated | 2 | {_ratios(counted.cached)} |")
    return "\n".join(lines)


def _ratios(values: Sequence[float]) -> str:
    return " | ".join(f"{value:.3f}" for value in values)


def _plan_lines(plans: tuple[PlanFigures, ...]) -> list[str]:
    lines = [
        f"| memory, GB | placing, {LAYERS} layers | words, s | s/step | decode a layer, s | peak, GB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in plans:
        seconds = ["-" if s is None else f"{s:.3f}" for s in (one.words_s, one.step_s, one.decode_s)]
        cells = [f"{one.cap_gb:g}", one.placing or "does not run", *seconds, _gb(one.peak_bytes)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _gb(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e9:.2f}"
