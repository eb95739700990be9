"""The judge: a small CNN that names a look, or rejects it. It never sees a drawing that the generator is trained on.

A look is judged over three mattes and mirrored; the probabilities are averaged, so that neither a lucky matte nor a
fringe decides.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from psdstudio.training.classifier_names import same_thing

JUDGE_PX = 64
REJECT = "(no single known thing)"
MATTES = (1.0, 0.5, 0.0)


class JudgeNet(nn.Module):
    """(n, 4, 64, 64) -> (n, classes) logits; the input is colour over a matte and alpha, both in -1..1."""

    def __init__(self, classes: int, width: int = 24) -> None:
        super().__init__()
        w = width
        self.stem = _conv(4, w, 2)
        self.body = nn.Sequential(
            _Residual(w, w, 1), _Residual(w, 2 * w, 2), _Residual(2 * w, 4 * w, 2), _Residual(4 * w, 8 * w, 2)
        )
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(8 * w, classes)

    def forward(self, x: Tensor) -> Tensor:
        """See the class text."""
        h = self.body(self.stem(x))
        out: Tensor = self.last(self.drop(h.float().mean((2, 3))))
        return out


def _conv(c_in: int, c_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a 1x1 (He et al. 1512.03385)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.first = _conv(c_in, c_out, stride)
        self.second = nn.Sequential(nn.Conv2d(c_out, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out))
        shortcut = [nn.AvgPool2d(2)] if stride == 2 else []
        self.past = nn.Sequential(*shortcut, nn.Conv2d(c_in, c_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = F.relu(self.second(self.first(x)) + self.past(x))
        return out


@dataclass(slots=True)
class Judge:
    """A trained network with its class names (the last one is REJECT) and what was measured when it was made.

    `truth`: noun -> share right on the generator's own training drawings. A noun that the judge does not know there
    cannot be won by any generator (most furniture: one drawing to learn from). `confusions`: what it called the
    drawings of every noun that it did not always name rightly.
    """

    net: JudgeNet
    names: tuple[str, ...]
    figures: dict[str, float]
    truth: dict[str, float]
    confusions: dict[str, list[str]] = field(default_factory=dict)

    def knows(self, noun: str) -> bool:
        """Whether the judge names the true drawings of a noun at least three times in four."""
        return self.truth.get(noun, 0.0) >= 0.75

    @torch.no_grad()
    def probabilities(self, looks: Tensor) -> Tensor:
        """Return (n, classes) of straight RGBA looks (n, 4, p, p) in 0..1, p >= 16."""
        small = at_judge_size(looks)
        total = torch.zeros(len(looks), len(self.names))
        for matte in MATTES:
            seen = over_matte(small, torch.full((len(looks), 3, 1, 1), matte))
            for view in (seen, seen.flip(3)):
                total += torch.cat([self.net(part).softmax(1) for part in torch.split(view, 64)])
        return total / (2 * len(MATTES))

    def name(self, looks: Tensor) -> list[str]:
        """Return the likeliest name of each look."""
        if not len(looks):
            return []
        return [self.names[i] for i in self.probabilities(looks).argmax(1).tolist()]

    def share_right(self, looks: Tensor, nouns: Sequence[str], *, strict: bool = False) -> float:
        """Return the share of looks named rightly (within synonym groups unless strict)."""
        named = self.name(looks)
        right = [a == b if strict else same_thing(a, b) for a, b in zip(named, nouns, strict=True)]
        return sum(right) / max(1, len(right))


def at_judge_size(looks: Tensor) -> Tensor:
    """Resize straight RGBA to *premultiplied* RGBA (n, 4, 64, 64): no colour bleeds in from under alpha 0."""
    premul = torch.cat([looks[:, :3] * looks[:, 3:4], looks[:, 3:4]], dim=1)
    if premul.shape[-1] == JUDGE_PX and premul.shape[-2] == JUDGE_PX:
        return premul
    return F.interpolate(
        premul, size=(JUDGE_PX, JUDGE_PX), mode="bilinear", antialias=True, align_corners=False
    )


def over_matte(premul: Tensor, matte: Tensor) -> Tensor:
    """Return what the network reads of premultiplied RGBA: colour over `matte` (n, 3, ...) and alpha, in -1..1."""
    alpha = premul[:, 3:4]
    return torch.cat([premul[:, :3] + (1 - alpha) * matte, alpha], dim=1) * 2 - 1


def save_judge(path: Path, judge: Judge) -> None:
    """Write weights (fp16; whole numbers as they are), names and figures."""
    tensors = {
        k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in judge.net.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "names": judge.names,
        "figures": judge.figures,
        "truth": judge.truth,
        "confusions": judge.confusions,
    }
    save_file(tensors, path, metadata={key: json.dumps(value) for key, value in told.items()})


def load_judge(path: Path) -> Judge:
    """Read a file written by `save_judge`."""
    with safe_open(path, framework="pt") as file:
        meta = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # not a dict
    names = tuple(str(n) for n in json.loads(meta["names"]))
    net = JudgeNet(len(names), width=tensors["stem.0.weight"].shape[0])
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    return Judge(
        net.eval().requires_grad_(False),
        names,
        dict(json.loads(meta["figures"])),
        dict(json.loads(meta["truth"])),
        dict(json.loads(meta["confusions"])),
    )
