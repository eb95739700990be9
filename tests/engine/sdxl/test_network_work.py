"""The work of the network counted from its shapes is what torch counts and holds when it runs."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import FlopCounterMode

from psdstudio.core.geometry import Size
from psdstudio.engine.sdxl.device import GIGABYTE, Backend, ComputeDevice, this_processor
from psdstudio.engine.sdxl.measuring import copy_speed, learned, matrix_speed, measure_costs
from psdstudio.engine.sdxl.network_work import RowWork, row_work
from psdstudio.engine.sdxl.placement import PartSizes
from psdstudio.engine.sdxl.run_memory import decode_bytes, decode_tiling, scene_memory
from psdstudio.gen.costs import cost_sentence, estimated
from tests.engine.sdxl.tiny import UNET_CONFIG, VAE_CONFIG, WORDS_DIM, tiny_unet
from tests.engine.toys import part, request

pytestmark = pytest.mark.torch
WIDER: dict[str, Any] = {"block_out_channels": (64, 128, 256), "transformer_layers_per_block": (1, 2, 4)}
SDXL_CONFIG: dict[str, Any] = UNET_CONFIG | {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "norm_num_groups": 32,
    "cross_attention_dim": 2048,
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
"""As published with stable-diffusion-xl-base-1.0."""


def evaluated(unet: Any, rows: int, height: int, width: int) -> Tensor:
    """An ordinary evaluation of so many rows."""
    answer: Tensor = unet(
        torch.randn(rows, 4, height, width),
        torch.full((rows,), 400.0),
        encoder_hidden_states=torch.randn(rows, 77, WORDS_DIM),
        added_cond_kwargs={"text_embeds": torch.ones(rows, 40), "time_ids": torch.ones(rows, 6)},
    ).sample
    return answer


class Held(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch says no types of it
    """Counts the bytes of tensors that are made inside, and how many live at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_flatten(out)[0]:
            if not isinstance(tensor, Tensor):
                continue
            storage = tensor.untyped_storage()
            if storage._cdata not in self._sizes:
                self._sizes[storage._cdata] = storage.nbytes()
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._drop, storage._cdata)
        return out

    def _drop(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)


@pytest.mark.parametrize("config", [{}, WIDER], ids=["tiny", "wider"])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (24, 40)])
def test_the_count_is_that_of_torchs_flop_counter(config: dict[str, Any], height: int, width: int) -> None:
    unet = tiny_unet(**config)
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        evaluated(unet, 1, height, width)
    assert row_work(unet, height, width).flops == counter.get_total_flops()


@pytest.mark.parametrize("config", [{}, WIDER], ids=["tiny", "wider"])
def test_what_a_row_more_holds_is_near_what_it_really_holds(config: dict[str, Any]) -> None:
    unet, peaks = tiny_unet(**config), []
    for rows in (2, 3):
        with torch.no_grad(), Held() as held:
            evaluated(unet, rows, 24, 40)
        peaks.append(held.peak)
    real = (peaks[1] - peaks[0]) / 4
    assert 0.85 * real < row_work(unet, 24, 40).held < 1.25 * real


def test_rows_that_meet_compute_more_attention_and_nothing_else() -> None:
    unet = tiny_unet()
    alone, three = row_work(unet, 16, 16), row_work(unet, 16, 16, rows=3)
    # two transformers of two blocks below, one of two in the middle, three of two above; 4x4 places, 64 channels
    layers, places = (2 + 1 + 3) * 2, 16
    assert three.flops - alone.flops == layers * 4 * places * 2 * places * 64
    assert row_work(unet, 16, 16, rows=1, memory_rows=2).flops == three.flops
    assert alone.remembered == layers * 2 * places * 64
    assert row_work(unet, 16, 16, wide=True).remembered > alone.remembered


def sdxl() -> nn.Module:
    with torch.device("meta"):
        unet: nn.Module = UNet2DConditionModel(**SDXL_CONFIG)
    return unet


def test_real_sdxl_is_counted_without_weights() -> None:
    unet = sdxl()
    assert sum(p.numel() for p in unet.parameters()) == 2_567_463_684
    work = row_work(unet, 128, 128)
    assert work.flops == pytest.approx(6.76e12, rel=0.01)
    assert work.held * 2 == pytest.approx(157e6, rel=0.05)
    assert work.remembered * 2 == pytest.approx(315e6, rel=0.01)


SIZES = PartSizes(
    text_encoders=1_640_000_000,
    unet=5_135_000_000,
    vae=167_000_000,
    transparent=209_000_000,
    largest_module=60_000_000,
)


def test_the_price_of_a_run_of_real_sdxl_on_a_card() -> None:
    """60 TFLOP/s of matrix products: background and one object at 28 steps take most of a minute."""
    device = ComputeDevice(
        backend=Backend.MPS,
        title="a card (12 GB)",
        free_bytes=11 * GIGABYTE,
        total_bytes=12 * GIGABYTE,
        host_free_bytes=16 * GIGABYTE,
        bfloat16=True,
    )
    costs = measure_costs(device, sdxl(), SIZES, speed=lambda _: 60e12)
    assert costs.native_pixels == 1024 * 1024
    cost = estimated(costs, request([part("swan")], size=Size(1024, 1024)))
    assert cost.fits
    steps = 2 * 3 * request([]).sampling.steps
    assert cost.seconds == pytest.approx((steps * 6.76 + 3 * 17.3) / 30, rel=0.02)
    assert cost_sentence(cost).endswith("all in memory on a card (12 GB)")


def test_a_run_that_is_over_corrects_the_price() -> None:
    device = this_processor()
    costs = measure_costs(device, tiny_unet(), SIZES, area=128 * 128, speed=lambda _: 1e9)
    slower = learned(costs, estimated_s=10, took_s=40)
    assert slower.seconds_per_row_step == pytest.approx(2 * costs.seconds_per_row_step)
    assert slower.bytes_per_row == costs.bytes_per_row
    assert learned(slower, estimated_s=10, took_s=10) == slower


def test_speeds_are_measured_by_the_clock() -> None:
    ticks = iter(range(10_000))

    def clock() -> float:
        return next(ticks) * 0.01

    device = this_processor()
    assert matrix_speed(device, clock) == pytest.approx(2 * 1024**3 / 0.01)
    assert copy_speed(device, clock) == pytest.approx(64 * 2**20 / 0.01)


def test_decoding_holds_what_is_said() -> None:
    vae = (
        AutoencoderKL(**(VAE_CONFIG | {"block_out_channels": (16, 32, 64, 64)})).eval().requires_grad_(False)
    )
    with torch.no_grad(), Held() as held:
        vae.decode(torch.randn(1, 4, 32, 32))
    said = decode_bytes(vae, Size(256, 256), 4)
    assert 0.9 * held.peak < said < 1.8 * held.peak


@pytest.mark.parametrize(
    ("free", "tile"), [(3 * GIGABYTE, 1344), (GIGABYTE, 576), (GIGABYTE // 4, 256), (0, 256)]
)
def test_pictures_are_decoded_whole_where_they_fit_and_by_tiles_elsewhere(free: int, tile: int) -> None:
    with torch.device("meta"):
        vae = AutoencoderKL(
            **(VAE_CONFIG | {"block_out_channels": (128, 256, 512, 512), "norm_num_groups": 32})
        )
    tiling = decode_tiling(vae, Size(1344, 768), free, 2)
    assert tiling.tile == tile
    assert (len(tiling.boxes(768, 1344)) == 1) is (tile == 1344)


@given(free=st.integers(1, 8), kept=st.integers(0, 8), guided=st.booleans())
def test_a_scenes_memory_grows_with_its_rows(free: int, kept: int, guided: bool) -> None:
    work = RowWork(flops=1, held=1_000_000, remembered=2_000_000)
    run = scene_memory(work, 2, free=free, kept=kept, guided=guided)
    assert run.apart <= run.together
    assert (run.apart == run.together) is (not guided or kept >= 2 * free)
    assert scene_memory(work, 2, free=free + 1, kept=kept, guided=guided).together >= run.together
    assert scene_memory(work, 2, free=free, kept=kept, guided=guided, decoding=10**12).apart == 10**12
