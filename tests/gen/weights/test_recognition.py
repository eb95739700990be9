"""Every kind of model is told by its tensors, and every other one is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from psdstudio.errors import ModelIncompatible, ModelLoadFailed, ModelNotFound
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.recognition import recognise
from tests.gen.weights import samples

_JOINT = {"format": "psdstudio.joint/1", "rank": "8"}
KINDS: list[tuple[str, samples.Shapes, ModelKind]] = [
    ("any", samples.sdxl_checkpoint(), ModelKind.SDXL_CHECKPOINT),
    ("any", samples.sdxl_checkpoint(768, 1280), ModelKind.SDXL_CHECKPOINT),
    ("any", samples.transparent_encoder(), ModelKind.TRANSPARENT_ENCODER),
    ("any", samples.transparent_decoder(), ModelKind.TRANSPARENT_DECODER),
    ("any", samples.forge_lora(), ModelKind.TRANSPARENT_LORA),
    ("any", samples.forge_lora(samples.SDXL, 256), ModelKind.TRANSPARENT_LORA),
    ("any", samples.forge_offsets(deep=True), ModelKind.TRANSPARENT_OFFSET),
    ("any", samples.offsets(attention=True), ModelKind.TRANSPARENT_OFFSET),
    ("any", samples.offsets(attention=False, deep=True), ModelKind.TRANSPARENT_OFFSET),
    ("layer_xl_bg2ble", samples.forge_offsets(8), ModelKind.BACKGROUND_TO_BLEND),
    ("layer_xl_fg2ble", samples.forge_offsets(8), ModelKind.FOREGROUND_TO_BLEND),
    ("diffuser_layer_xl_fg2ble", samples.offsets(attention=False, channels=8), ModelKind.FOREGROUND_TO_BLEND),
    ("any", samples.forge_offsets(12, deep=True), ModelKind.BLEND_TO_FOREGROUND),
    ("any", samples.forge_offsets(12), ModelKind.BLEND_TO_BACKGROUND),
    ("any", samples.offsets(attention=False, channels=12, deep=True), ModelKind.BLEND_TO_FOREGROUND),
    ("any", samples.offsets(attention=False, channels=12), ModelKind.BLEND_TO_BACKGROUND),
    ("any", samples.ip_adapter(), ModelKind.IP_ADAPTER),
    ("any", samples.ip_adapter_plus(samples.SDXL), ModelKind.IP_ADAPTER),
    ("style", samples.kohya_lora(), ModelKind.LORA),
    ("style", samples.kohya_lora(samples.SDXL), ModelKind.LORA),
    ("style", samples.kohya_lora(text=()), ModelKind.LORA),
    ("style", samples.peft_lora(samples.SDXL), ModelKind.LORA),
    ("style", samples.peft_lora(base="base_model.model."), ModelKind.LORA),
    ("style", samples.diffusers_lora(), ModelKind.LORA),
    ("style", {"lora_unet_mid_block_attentions_0_proj_in.diff": (8, 8)}, ModelKind.LORA),
    ("storm_of_lightning", samples.kohya_lora(), ModelKind.LORA),
    ("hyperrealism", samples.kohya_lora(), ModelKind.LORA),
    ("sdxl_lightning_8step_lora", samples.kohya_lora(), ModelKind.ACCELERATION),
    ("Hyper-SDXL-8steps-CFG-lora", samples.kohya_lora(), ModelKind.ACCELERATION),
    ("lcm-lora-sdxl", samples.peft_lora(), ModelKind.ACCELERATION),
    ("dmd2_sdxl_4step_lora", samples.kohya_lora(), ModelKind.ACCELERATION),
    ("diffuser_layer_xl_transparent_attn", samples.peft_lora(), ModelKind.TRANSPARENT_LORA),
]


@pytest.mark.parametrize(("name", "shapes", "kind"), KINDS)
def test_a_file_is_told_by_its_tensors(
    tmp_path: Path, name: str, shapes: samples.Shapes, kind: ModelKind
) -> None:
    path = samples.write(tmp_path / f"{name}.safetensors", shapes)
    found = recognise(path)
    assert found.kind is kind
    assert found.path == path
    assert ("numbers", "F16") in found.facts
    assert found.size_bytes == path.stat().st_size
    # The ending of the name says nothing.
    renamed = path.rename(tmp_path / f"{name}.bin")
    assert recognise(renamed).kind is kind


REFUSED: list[tuple[samples.Shapes, str]] = [
    (samples.sd15_checkpoint(), "Stable Diffusion 1.5 model; PSDStudio needs one of the SDXL family"),
    (samples.sd15_checkpoint(channels=9), "Stable Diffusion 1.5"),
    (samples.sd2_checkpoint(), "Stable Diffusion 2"),
    (samples.refiner_checkpoint(), "SDXL refiner"),
    (samples.sdxl_checkpoint(768, 1280, channels=9), "SDXL inpainting"),
    (samples.sdxl_checkpoint(768, 1280, depth=4), "cut-down SDXL"),
    (samples.sdxl_checkpoint(channels=16), "reads 16 channels"),
    ({"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": (8, 8)}, "Stable Diffusion 3"),
    ({"transformer_blocks.0.attn.add_q_proj.weight": (8, 8)}, "Stable Diffusion 3"),
    ({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (8, 8)}, "a Flux model"),
    (
        {"double_blocks.0.img_attn.qkv.weight": (8, 8), "single_blocks.0.linear1.weight": (8, 8)},
        "a Flux model",
    ),
    ({"single_transformer_blocks.0.attn.to_q.weight": (8, 8)}, "a Flux model"),
    (
        {"double_stream_modulation_img.lin.weight": (8, 8), "double_blocks.0.img_attn.qkv.weight": (8, 8)},
        "Flux 2",
    ),
    ({"noise_refiner.0.attention.qkv.weight": (3, 3840)}, "Z-Image"),
    ({"model.diffusion_model.layers.0.attention.qkv.weight": (3, 2304)}, "Lumina"),
    ({"transformer_blocks.0.img_mlp.net.0.proj.weight": (8, 8)}, "Qwen-Image"),
    (samples.prefixed("model.diffusion_model.", samples.unet_ldm(samples.SDXL)), "UNet of a model alone"),
    (samples.unet(samples.SDXL), "UNet of a model alone"),
    (samples.vae_ldm(), "a VAE alone"),
    (samples.text_encoder(24, projected=True), "a text encoder alone"),
    ({"controlnet_cond_embedding.conv_in.weight": (8, 3, 3, 3)}, "a ControlNet"),
    (samples.transparent_encoder(16), "for Flux; PSDStudio needs one for SDXL"),
    (samples.transparent_decoder(16), "for Flux; PSDStudio needs one for SDXL"),
    ({"hookers.layers.0.to_q_lora.0.down.weight": (8, 8)}, "for Stable Diffusion 1.5"),
    (samples.offsets(attention=True, width=samples.SD15), "for Stable Diffusion 1.5"),
    ({"down_blocks.3.resnets.0.conv1.weight": (8, 8, 3, 3)}, "for Stable Diffusion 1.5"),
    (samples.forge_lora(samples.SD15), "for Stable Diffusion 1.5"),
    (samples.forge_offsets(8), "the two are alike"),
    (samples.forge_offsets(16), "16 channels"),
    (samples.ip_adapter(samples.SD15), "IP-Adapter was made for Stable Diffusion 1.5"),
    (samples.ip_adapter_plus(samples.SD15), "IP-Adapter was made for Stable Diffusion 1.5"),
    ({"image_proj.proj.0.weight": (8, 512), "ip_adapter.1.to_k_ip.weight": (8, 2048)}, "edition for faces"),
    (samples.image_encoder(projected=False), "no projection"),
    ({"visual.conv1.weight": (8, 3, 14, 14)}, "OpenCLIP"),
    (
        samples.kohya_lora(samples.SD15),
        "LoRA was made for Stable Diffusion 1.5; PSDStudio needs one for SDXL",
    ),
    (samples.kohya_lora(samples.SD2), "LoRA was made for Stable Diffusion 2"),
    (samples.peft_lora(samples.SD15), "LoRA was made for Stable Diffusion 1.5"),
    ({"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (4, 8)}, "LoRA was made for Flux"),
    ({"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (4, 8)}, "LoRA was made for Flux"),
    (
        {"transformer.transformer_blocks.0.img_mlp.net.2.lora_A.weight": (4, 8)},
        "LoRA was made for Qwen-Image",
    ),
    ({"diffusion_model.layers.0.attention.to_q.lora_A.weight": (4, 3840)}, "LoRA was made for Z-Image"),
    ({"lora_unet_up_blocks_3_resnets_0_conv1.lora_down.weight": (4, 8, 3, 3)}, "Stable Diffusion 1.5"),
    (
        {"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": (4, 1024)},
        "Stable Diffusion 2",
    ),
    ({"somewhere.else.lora_A.weight": (4, 8)}, "does not know"),
    ({"lora_unet_mid_block_x.hada_w1_a": (4, 8)}, "LoHa"),
    (samples.unet_ldm(), "UNet of a model alone"),
    ({"lora_controlnet": (0,), "input_blocks.0.0.weight": (8, 4, 3, 3)}, "a ControlNet"),
    ({"lora_unet_mid_block_x.lora_mid.weight": (4, 4, 3, 3)}, "LoCon"),
    ({"lora_unet_down_blocks_3_resnets_0_conv1.diff": (8, 8, 3, 3)}, "Stable Diffusion 1.5"),
    ({"model.diffusion_model.x.weight.absmax": (4,)}, "quantised"),
    ({"tensor": (2,)}, "none of the models"),
]


@pytest.mark.parametrize(("shapes", "sentence"), REFUSED)
def test_what_does_not_fit_is_refused_by_its_name(
    tmp_path: Path, shapes: samples.Shapes, sentence: str
) -> None:
    path = samples.write(tmp_path / "model.safetensors", shapes)
    with pytest.raises(ModelIncompatible) as caught:
        recognise(path)
    assert sentence in caught.value.user_message
    assert caught.value.hint.startswith("Nothing was changed. ")


@pytest.mark.parametrize(
    ("prefix", "part"),
    [
        ("conditioner.embedders.0.", "first text encoder"),
        ("conditioner.embedders.1.", "second text encoder"),
        ("first_stage_model.decoder.", "decoder of its VAE"),
        ("first_stage_model.encoder.", "encoder of its VAE"),
    ],
)
def test_a_checkpoint_without_a_part_is_refused_by_the_part(tmp_path: Path, prefix: str, part: str) -> None:
    shapes = {name: s for name, s in samples.sdxl_checkpoint().items() if not name.startswith(prefix)}
    path = samples.write(tmp_path / "model.safetensors", shapes)
    with pytest.raises(ModelIncompatible, match=f"lacks its {part}|lacks the {part}"):
        recognise(path)


def test_parts_of_different_models_are_refused(tmp_path: Path) -> None:
    shapes = samples.sdxl_checkpoint(24, 40)
    shapes["conditioner.embedders.1.model.token_embedding.weight"] = (49, 48)
    path = samples.write(tmp_path / "model.safetensors", shapes)
    with pytest.raises(ModelIncompatible, match="words of width 64, its text encoders write 24 and 48"):
        recognise(path)


def test_facts_of_files(tmp_path: Path) -> None:
    def facts(name: str, shapes: samples.Shapes, **metadata: str) -> dict[str, str]:
        return dict(
            recognise(samples.write(tmp_path / f"{name}.safetensors", shapes, metadata=metadata)).facts
        )

    assert facts("x", samples.sdxl_checkpoint() | {"v_pred": (0,)}) == {
        "words_width": "64",
        "numbers": "F16",
        "prediction": "v_prediction",
    }
    hyper = facts("Hyper-SDXL-8steps-CFG-lora", samples.kohya_lora(rank=64))
    assert (hyper["method"], hyper["steps"], hyper["guidance"]) == ("Hyper-SD", "8", "kept")
    assert (hyper["rank"], hyper["style"], hyper["parts"]) == ("64", "kohya", "unet, text encoders")
    named_inside = facts("x", samples.kohya_lora(), ss_output_name="sdxl_lightning_4step")
    assert (named_inside["method"], named_inside["steps"]) == ("Lightning", "4")
    plus = facts("x", samples.ip_adapter_plus())
    assert (plus["edition"], plus["tokens"], plus["image_width"]) == ("plus", "16", "32")
    plain = facts("x", samples.ip_adapter())
    assert (plain["edition"], plain["tokens"], plain["image_width"]) == ("plain", "4", "24")
    assert facts("x", samples.offsets(attention=True))["parts"] == "attention"
    assert facts("x", samples.offsets(attention=False))["parts"] == "convolutions"
    assert facts("layer_xl_fg2ble", samples.forge_offsets(8))["told_by"] == "file name"
    assert facts("x", samples.peft_lora(), **_JOINT)["rank"] == "8"


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("sd_xl_base_1.0", None),
        ("juggernautXL_v9Rdphoto2Lightning", "Lightning"),
        ("sd_xl_turbo_1.0_fp16", "Turbo"),
        ("realvis-xl-lcm", "LCM"),
        ("hyperrealXL", None),
        ("juggernautXL_hyper_8step", "Hyper-SD"),
    ],
)
def test_distilled_models_are_told_by_their_names(tmp_path: Path, name: str, method: str | None) -> None:
    path = samples.write(tmp_path / f"{name}.safetensors", samples.sdxl_checkpoint())
    assert dict(recognise(path).facts).get("distilled") == method
    folder = samples.write_folder(tmp_path / name)
    assert dict(recognise(folder).facts).get("distilled") == method


def test_our_own_adapter_is_told_by_its_metadata(tmp_path: Path) -> None:
    shapes = samples.peft_lora() | {"embedding.role": (3, 8)}
    path = samples.write(tmp_path / "a.safetensors", shapes, metadata=_JOINT)
    assert recognise(path).kind is ModelKind.JOINT_ADAPTER
    newer = samples.write(tmp_path / "b.safetensors", shapes, metadata={"format": "psdstudio.joint/2"})
    with pytest.raises(ModelIncompatible, match="newer PSDStudio"):
        recognise(newer)
    unfinished = samples.write(
        tmp_path / "c.safetensors", shapes, metadata={"format": "psdstudio.joint-checkpoint/1"}
    )
    with pytest.raises(ModelIncompatible, match="a file that a training works with"):
        recognise(unfinished)


def test_the_user_decides_between_kinds_that_are_alike(tmp_path: Path) -> None:
    two_layer = samples.write(tmp_path / "a.safetensors", samples.forge_offsets(8))
    for kind in (ModelKind.BACKGROUND_TO_BLEND, ModelKind.FOREGROUND_TO_BLEND):
        found = recognise(two_layer, kind=kind)
        assert found.kind is kind
        assert ("told_by", "your choice") in found.facts
    lora = samples.write(tmp_path / "b.safetensors", samples.peft_lora())
    for kind in (ModelKind.LORA, ModelKind.ACCELERATION, ModelKind.TRANSPARENT_LORA):
        assert recognise(lora, kind=kind).kind is kind
    with pytest.raises(ModelIncompatible, match="not what you said it is"):
        recognise(lora, kind=ModelKind.IP_ADAPTER)
    with pytest.raises(ModelIncompatible, match="not what you said it is"):
        recognise(samples.write(tmp_path / "c.safetensors", samples.forge_offsets(12)), kind=ModelKind.LORA)


def test_an_image_encoder_needs_its_description(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "model.safetensors", samples.image_encoder())
    with pytest.raises(ModelIncompatible, match=r"has no config\.json beside it"):
        recognise(path)
    (tmp_path / "config.json").write_text("{}")
    assert recognise(path).kind is ModelKind.IMAGE_ENCODER
    newer = {name.removeprefix("vision_model."): shape for name, shape in samples.image_encoder().items()}
    assert dict(recognise(samples.write(path, newer)).facts)["layers"] == "2"


@pytest.mark.parametrize(
    ("shapes", "kind"),
    [
        (samples.transparent_decoder(), ModelKind.TRANSPARENT_DECODER),
        (samples.transparent_encoder(), ModelKind.TRANSPARENT_ENCODER),
    ],
)
def test_the_transparent_pair_of_sd15_is_told_by_its_name_alone(
    tmp_path: Path, shapes: samples.Shapes, kind: ModelKind
) -> None:
    """One architecture, other latents: the wrong one would paint rubbish without a word."""
    for name in ("layer_sd15_vae_transparent_decoder", "sd1.5_transparent", "x-sd-v1-5"):
        path = samples.write(tmp_path / f"{name}.safetensors", shapes)
        with pytest.raises(ModelIncompatible, match=r"was made for Stable Diffusion 1\.5"):
            recognise(path)
        assert recognise(path, kind=kind).kind is kind
    for name in ("vae_transparent_decoder", "ld_diffusers_sdxl_vae_transparent_decoder", "sdxl_1.5"):
        assert recognise(samples.write(tmp_path / f"{name}.safetensors", shapes)).kind is kind


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="There is no file"):
        recognise(tmp_path / "model.safetensors")
    with pytest.raises(ModelIncompatible, match="is no model"):
        recognise(tmp_path)
    (tmp_path / "empty.safetensors").touch()
    with pytest.raises(ModelLoadFailed, match="is empty"):
        recognise(tmp_path / "empty.safetensors")
    with pytest.raises(ModelNotFound, match="could not be read"):
        recognise(tmp_path / ("n" * 5000))
