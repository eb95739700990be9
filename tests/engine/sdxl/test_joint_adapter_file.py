"""The joint adapter's file is read whole, or refused: `psdstudio.joint/1`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from psdstudio.engine.sdxl.adapters_file import LowRank, read_joint_adapter
from psdstudio.errors import ModelIncompatible, ModelLoadFailed, StudioError
from psdstudio.gen.model_files import ModelFile, ModelKind

pytestmark = pytest.mark.torch
PATHS = ("mid_block.attentions.0.transformer_blocks.0.attn1.to_q", "mid_block.attentions.0.proj_in")
JOINT = {
    "format": "psdstudio.joint/1",
    "rank": "4",
    "alpha": "8.0",
    "wide": "false",
    "every": "2",
    "base": "ab",
    "steps": "9",
}


def joint() -> dict[str, Tensor]:
    state = {f"lora.{path}.down": torch.randn(4, 64) for path in PATHS}
    state |= {f"lora.{path}.up": torch.randn(64, 4) for path in PATHS}
    return state | {"embedding.role": torch.zeros(3, 128), "embedding.order": torch.ones(8, 128)}


def written(path: Path, state: dict[str, Tensor], metadata: dict[str, str]) -> ModelFile:
    save_file(state, path, metadata=metadata)
    size = path.stat().st_size
    return ModelFile(kind=ModelKind.JOINT_ADAPTER, path=str(path), sha256="", title="Mine", size_bytes=size)


def test_joint_adapters_are_read(tmp_path: Path) -> None:
    state = joint()
    read = read_joint_adapter(written(tmp_path / "joint.safetensors", state, JOINT))
    assert set(read.adapter.unet) == set(PATHS) and read.embedding.keys() == {"role", "order"}
    assert (read.wide, read.every, read.base, read.adapter.name) == (False, 2, "ab", "Mine")
    for path, change in read.adapter.unet.items():
        assert isinstance(change, LowRank) and change.scale == 2.0
        assert torch.equal(change.down, state[f"lora.{path}.down"]) and torch.equal(
            change.up, state[f"lora.{path}.up"]
        )


@pytest.mark.parametrize(
    ("metadata", "kind"),
    [
        ({"format": "psdstudio.joint/2"}, ModelIncompatible),
        ({"alpha": "much"}, ModelLoadFailed),
        ({"alpha": "nan"}, ModelLoadFailed),
        ({"wide": "perhaps"}, ModelLoadFailed),
        ({"every": "0"}, ModelLoadFailed),
    ],
)
def test_wrong_metadata_are_refused(
    tmp_path: Path, metadata: dict[str, str], kind: type[StudioError]
) -> None:
    with pytest.raises(kind):
        read_joint_adapter(written(tmp_path / "joint.safetensors", joint(), {**JOINT, **metadata}))


@pytest.mark.parametrize("key", ["alpha", "wide", "every", "base"])
def test_lacking_metadata_are_refused(tmp_path: Path, key: str) -> None:
    metadata = {name: value for name, value in JOINT.items() if name != key}
    with pytest.raises(ModelLoadFailed, match="damaged"):
        read_joint_adapter(written(tmp_path / "joint.safetensors", joint(), metadata))


@pytest.mark.parametrize("prefix", [f"lora.{PATHS[0]}.down", f"lora.{PATHS[1]}.up", "lora.", "embedding."])
def test_lacking_tensors_are_refused(tmp_path: Path, prefix: str) -> None:
    state = {name: tensor for name, tensor in joint().items() if not name.startswith(prefix)}
    with pytest.raises(ModelLoadFailed, match="damaged"):
        read_joint_adapter(written(tmp_path / "joint.safetensors", state, JOINT))


def test_tensors_of_no_known_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadFailed, match="damaged"):
        read_joint_adapter(
            written(tmp_path / "joint.safetensors", {**joint(), "extra": torch.ones(1)}, JOINT)
        )
