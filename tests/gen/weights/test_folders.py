"""Folders in the layout of diffusers: the whole ones are told, and what the others lack is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from psdstudio.errors import ModelError, ModelIncompatible, ModelLoadFailed, ModelNotFound
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.recognition import recognise
from tests.gen.weights import samples


@pytest.mark.parametrize("variant", ["", ".fp16"])
@pytest.mark.parametrize("widths", [(24, 40), (768, 1280)])
@pytest.mark.parametrize("pipeline", ["StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"])
def test_an_sdxl_folder(tmp_path: Path, variant: str, widths: tuple[int, int], pipeline: str) -> None:
    folder = samples.write_folder(
        tmp_path / "m", parts=samples.sdxl_parts(*widths), variant=variant, pipeline=pipeline
    )
    found = recognise(folder)
    assert found.kind is ModelKind.SDXL_FOLDER
    facts = dict(found.facts)
    assert facts.pop("variant", "") == variant.strip(".")
    assert facts == {"words_width": str(sum(widths)), "numbers": "F16"}
    assert len(list(found.headers())) == 4


def test_the_full_edition_comes_before_the_small_one(tmp_path: Path) -> None:
    folder = samples.write_folder(tmp_path / "m")
    samples.write(folder / "unet" / "diffusion_pytorch_model.fp16.safetensors", samples.unet())
    found = recognise(folder)
    assert "variant" not in dict(found.facts)
    assert {header.path.name for header in found.headers()} == {
        "diffusion_pytorch_model.safetensors",
        "model.safetensors",
    }


def test_v_prediction_is_noted(tmp_path: Path) -> None:
    folder = samples.write_folder(tmp_path / "m", prediction="v_prediction")
    assert dict(recognise(folder).facts)["prediction"] == "v_prediction"


def test_a_sharded_unet(tmp_path: Path) -> None:
    folder = samples.write_folder(tmp_path / "m")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    tensors = list(samples.unet().items())
    halves = {"one.safetensors": dict(tensors[::2]), "two.safetensors": dict(tensors[1::2])}
    for name, half in halves.items():
        samples.write(folder / "unet" / name, half)
    places = {tensor: name for name, half in halves.items() for tensor in half}
    index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    assert recognise(folder).kind is ModelKind.SDXL_FOLDER
    (folder / "unet" / "two.safetensors").unlink()
    with pytest.raises(ModelNotFound, match=r"lacks the file “two\.safetensors”"):
        recognise(folder)


@pytest.mark.parametrize("part", ["unet", "text_encoder", "text_encoder_2", "vae", "scheduler"])
def test_a_missing_part_is_named(tmp_path: Path, part: str) -> None:
    folder = samples.write_folder(tmp_path / "m")
    shutil.rmtree(folder / part)
    with pytest.raises(ModelIncompatible, match=f"The folder “m” has no {part}") as caught:
        recognise(folder)
    assert caught.value.hint


@pytest.mark.parametrize("part", ["unet", "text_encoder", "text_encoder_2", "vae"])
def test_a_part_without_weights_or_settings_is_named(tmp_path: Path, part: str) -> None:
    folder = samples.write_folder(tmp_path / "m")
    (folder / part / "config.json").unlink()
    with pytest.raises(ModelIncompatible, match=f"The part {part} of “m” has no config"):
        recognise(folder)
    for file in (folder / part).glob("*.safetensors"):
        file.unlink()
    with pytest.raises(ModelIncompatible, match=f"The part {part} of “m” has no weights"):
        recognise(folder)
    (folder / part / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ModelLoadFailed, match=r"“pytorch_model\.bin” is a pickle checkpoint"):
        recognise(folder)


def test_a_cut_off_part_is_named_by_its_file(tmp_path: Path) -> None:
    folder = samples.write_folder(tmp_path / "m")
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelLoadFailed, match=r"“diffusion_pytorch_model\.safetensors” is cut off"):
        recognise(folder)


def test_encoders_that_do_not_belong_to_the_unet(tmp_path: Path) -> None:
    parts = samples.sdxl_parts() | {"text_encoder_2": samples.text_encoder(48, projected=True)}
    with pytest.raises(ModelIncompatible, match="width 64, its text encoders write 24 and 48"):
        recognise(samples.write_folder(tmp_path / "a", parts=parts))
    parts = samples.sdxl_parts() | {"text_encoder_2": samples.text_encoder(40, projected=False)}
    with pytest.raises(ModelIncompatible, match="it has no projection"):
        recognise(samples.write_folder(tmp_path / "b", parts=parts))


@pytest.mark.parametrize(
    ("pipeline", "parts", "sentence"),
    [
        ("StableDiffusionPipeline", {"unet": samples.unet(768, sized=False)}, "Stable Diffusion 1.5 model"),
        ("StableDiffusionPipeline", {"unet": samples.unet(1024, sized=False)}, "Stable Diffusion 2 model"),
        ("StableDiffusionXLImg2ImgPipeline", {"unet": samples.unet(1280)}, "SDXL refiner"),
        ("StableDiffusionXLInpaintPipeline", {"unet": samples.unet(2048, channels=9)}, "SDXL inpainting"),
        ("StableDiffusionXLPipeline", {"unet": samples.unet(2048, depth=4)}, "cut-down SDXL"),
        ("StableDiffusion3Pipeline", {}, "Stable Diffusion 3"),
        ("FluxPipeline", {}, "a Flux model"),
        ("Flux2KleinPipeline", {}, "Flux 2"),
        ("ZImagePipeline", {}, "Z-Image"),
        ("QwenImagePipeline", {}, "a Qwen-Image model"),
        ("KolorsPipeline", {"unet": samples.unet(2048)}, "Kolors"),
        ("SanaPipeline", {}, "no SDXL model but one for SanaPipeline"),
        ("", {}, "it is no SDXL model."),
    ],
)
def test_folders_of_other_families_are_named(
    tmp_path: Path, pipeline: str, parts: dict[str, samples.Shapes], sentence: str
) -> None:
    folder = samples.write_folder(tmp_path / "m", pipeline=pipeline, parts=parts)
    with pytest.raises(ModelIncompatible) as caught:
        recognise(folder)
    assert sentence in caught.value.user_message


def test_qwen_layered(tmp_path: Path) -> None:
    parts: dict[str, samples.Shapes] = {
        "transformer": {"transformer_blocks.0.img_mlp.net.2.weight": (8, 8)},
        "text_encoder": {"model.layers.0.self_attn.q_proj.weight": (8, 8)},
        "vae": {"decoder.conv_in.weight": (8, 16, 1, 3, 3)},
    }
    folder = samples.write_folder(tmp_path / "m", pipeline="QwenImageLayeredPipeline", parts=parts)
    with pytest.raises(ModelIncompatible, match="has no tokenizer"):
        recognise(folder)
    (folder / "tokenizer").mkdir()
    assert recognise(folder).kind is ModelKind.QWEN_LAYERED


def test_an_image_encoder_is_a_folder_too(tmp_path: Path) -> None:
    samples.write(tmp_path / "image_encoder" / "model.safetensors", samples.image_encoder())
    (tmp_path / "image_encoder" / "config.json").write_text("{}")
    found = recognise(tmp_path / "image_encoder")
    assert found.kind is ModelKind.IMAGE_ENCODER
    assert dict(found.facts) == {"width": "32", "layers": "2", "projection": "24", "numbers": "F16"}
    samples.write(tmp_path / "vae" / "diffusion_pytorch_model.safetensors", samples.vae())
    (tmp_path / "vae" / "config.json").write_text("{}")
    with pytest.raises(ModelIncompatible, match="one part of a model alone"):
        recognise(tmp_path / "vae")


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"[" * 100_000, b" " * (2**20 + 1)])
def test_a_damaged_description_is_named(tmp_path: Path, text: bytes) -> None:
    folder = samples.write_folder(tmp_path / "m")
    (folder / "model_index.json").write_bytes(text)
    with pytest.raises(ModelError, match=r"model_index\.json"):
        recognise(folder)
