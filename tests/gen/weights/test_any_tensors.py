"""Whatever tensors a file lists, recognition answers with a kind or a sentence; a file name never decides alone."""

from __future__ import annotations

import math
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from psdstudio.errors import ModelIncompatible
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.header import TensorEntry, WeightsHeader
from psdstudio.gen.weights.inventory import Inventory
from psdstudio.gen.weights.recognised import Recognised
from psdstudio.gen.weights.recognition import recognise_tensors
from tests.gen.weights import samples

_SAMPLES: list[samples.Shapes] = [
    samples.sdxl_checkpoint(),
    samples.sd15_checkpoint(),
    samples.transparent_encoder(),
    samples.transparent_decoder(),
    samples.forge_lora(),
    samples.forge_offsets(8),
    samples.forge_offsets(12, deep=True),
    samples.offsets(attention=True),
    samples.offsets(attention=False),
    samples.ip_adapter(),
    samples.ip_adapter_plus(),
    samples.image_encoder(),
    samples.kohya_lora(),
    samples.peft_lora(),
    samples.diffusers_lora(),
    samples.unet(),
    samples.vae(),
    samples.text_encoder(24, projected=True),
]
_NAMES = sorted({name for sample in _SAMPLES for name in sample})
_SHAPES = st.lists(st.sampled_from([0, 1, 3, 4, 8, 9, 12, 16, 24, 40, 64, 768, 2048]), max_size=5).map(tuple)
_FILE_NAMES = st.sampled_from(
    ["model", "layer_xl_fg2ble", "sdxl_lightning_4step_lora", "layer_xl_transparent_attn", "ip-adapter_sdxl"]
)
_KINDS = st.none() | st.sampled_from(ModelKind)


def _answer(name: str, shapes: samples.Shapes, kind: ModelKind | None = None) -> Recognised | None:
    """What is recognised; None for a refusal, which has a sentence and says what to do."""
    entries, place = [], 0
    for tensor, shape in shapes.items():
        end = place + 2 * math.prod(shape)
        entries.append(TensorEntry(tensor, "F16", shape, place, end))
        place = end
    path = Path(f"{name}.safetensors")
    header = WeightsHeader(path=path, size_bytes=place, data_begin=0, entries=tuple(entries))
    try:
        return recognise_tensors(path, Inventory(headers=(header,)), kind)
    except ModelIncompatible as exc:
        if not exc.user_message.endswith(".") or not exc.hint.endswith("."):
            raise
        return None


@example(
    shapes={"diffusion_model.input_blocks.4.1.transformer_blocks.1.attn1.to_k.weight::lora::1": ()},
    name="layer_xl_transparent_attn",
    kind=None,
)
@example(
    shapes={"ip_adapter.1.to_k_ip.weight": (8, 0), "image_proj.proj.weight": (8, 8)}, name="x", kind=None
)
@given(
    shapes=st.dictionaries(st.sampled_from(_NAMES), _SHAPES, min_size=1, max_size=12),
    name=_FILE_NAMES,
    kind=_KINDS,
)
@settings(max_examples=400)
def test_any_list_of_known_names(shapes: samples.Shapes, name: str, kind: ModelKind | None) -> None:
    _answer(name, shapes, kind)


@given(data=st.data(), sample=st.sampled_from(_SAMPLES), name=_FILE_NAMES, kind=_KINDS)
@settings(max_examples=400)
def test_a_model_with_other_shapes_and_names_left_out(
    data: st.DataObject, sample: samples.Shapes, name: str, kind: ModelKind | None
) -> None:
    changed = dict(sample)
    for place in data.draw(st.lists(st.sampled_from(sorted(sample)), max_size=4)):
        changed[place] = data.draw(_SHAPES)
    for place in data.draw(st.lists(st.sampled_from(sorted(sample)), max_size=3)):
        if len(changed) > 1:
            changed.pop(place, None)
    _answer(name, changed, kind)


@given(
    shapes=st.dictionaries(st.text(min_size=1, max_size=30), _SHAPES, min_size=1, max_size=8),
    name=_FILE_NAMES,
)
def test_unknown_names_are_never_a_model(shapes: samples.Shapes, name: str) -> None:
    assert _answer(name, shapes) is None


@given(sample=st.sampled_from(_SAMPLES), order=st.randoms(use_true_random=False))
def test_the_order_of_tensors_says_nothing(sample: samples.Shapes, order: object) -> None:
    names = sorted(sample)
    order.shuffle(names)  # type: ignore[attr-defined]
    before, after = _answer("model", sample), _answer("model", {name: sample[name] for name in names})
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        assert (before.kind, before.facts) == (after.kind, after.facts)
