"""Adding models: what is found, read whole, refused; and that a model that changed is noticed."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from psdstudio.errors import Cancelled, ModelError, ModelIncompatible, ModelLoadFailed, ModelNotFound
from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.gen.weights.pairing import reference_pair
from psdstudio.models import adding, reading
from psdstudio.models.adding import add_models, find_models, merged
from psdstudio.models.readiness import missing_for_photoreal, missing_for_qwen, optional_for_photoreal
from psdstudio.models.store import load_models, save_models
from psdstudio.models.verifying import verify_model
from psdstudio.settings import Folders
from tests.gen.weights import samples


def test_a_file_is_recorded_with_its_hash(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "layer_xl_transparent_attn.safetensors", samples.forge_lora())
    (model,) = add_models(path)
    assert model.kind is ModelKind.TRANSPARENT_LORA
    assert model.path == str(path)
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (model.title, model.size_bytes) == ("layer_xl_transparent_attn", path.stat().st_size)
    assert model.fact("rank") == "4"


def test_a_folder_is_recorded_with_the_hash_of_its_weights(tmp_path: Path) -> None:
    folder = samples.write_folder(tmp_path / "my-sdxl")
    (model,) = add_models(folder)
    assert (model.kind, model.path, model.title) == (ModelKind.SDXL_FOLDER, str(folder), "my-sdxl")
    files = sorted(folder.rglob("*.safetensors"))
    assert model.size_bytes == sum(file.stat().st_size for file in files)
    lines = [
        f"{file.relative_to(folder).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}"
        for file in files
    ]
    assert model.sha256 == hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def test_a_folder_of_models_is_searched(tmp_path: Path) -> None:
    samples.write_folder(tmp_path / "base")
    samples.write(
        tmp_path / "layerdiffuse" / "vae_transparent_decoder.safetensors", samples.transparent_decoder()
    )
    samples.write(tmp_path / "layerdiffuse" / "layer_xl_transparent_attn.safetensors", samples.forge_lora())
    samples.write(tmp_path / "other" / "sd15.safetensors", samples.sd15_checkpoint())
    (tmp_path / "other" / "old.ckpt").write_bytes(b"\x80\x02}q\x00.")
    (tmp_path / "readme.txt").write_text("no model")
    found = find_models(tmp_path)
    assert [(model.kind, model.title) for model in found.models] == [
        (ModelKind.SDXL_FOLDER, "base"),
        (ModelKind.TRANSPARENT_LORA, "layer_xl_transparent_attn"),
        (ModelKind.TRANSPARENT_DECODER, "vae_transparent_decoder"),
    ]
    reasons = {refusal.path.name: refusal.error.user_message for refusal in found.refusals}
    assert reasons.keys() == {"sd15.safetensors", "old.ckpt"}
    assert "Stable Diffusion 1.5" in reasons["sd15.safetensors"]
    assert "pickle" in reasons["old.ckpt"]
    assert add_models(tmp_path) == found.models


def test_what_was_put_into_a_models_own_folder_is_found_too(tmp_path: Path) -> None:
    base = samples.write_folder(tmp_path / "base")
    samples.write(base / "layer_xl_transparent_attn.safetensors", samples.forge_lora())
    samples.write(base / "sd_xl_base_1.0.safetensors", samples.sdxl_checkpoint())
    samples.write(base / "something.safetensors", {"x": (1,)})
    for place in (base, tmp_path):
        found = find_models(place)
        assert [(model.kind, model.title) for model in found.models] == [
            (ModelKind.SDXL_FOLDER, "base"),
            (ModelKind.TRANSPARENT_LORA, "layer_xl_transparent_attn"),
        ]
        assert found.refusals == ()
    broken = base / "vae" / "diffusion_pytorch_model.safetensors"
    broken.write_bytes(broken.read_bytes()[:-2] + b"\xff\xff")
    with pytest.raises(ModelLoadFailed, match="NaN or infinite"):
        add_models(base)
    assert [model.kind for model in add_models(tmp_path)] == [ModelKind.TRANSPARENT_LORA]


def test_an_image_encoder_among_other_files(tmp_path: Path) -> None:
    samples.write(tmp_path / "model.safetensors", samples.image_encoder())
    (tmp_path / "config.json").write_text("{}")
    (alone,) = add_models(tmp_path)
    assert alone.path == str(tmp_path)
    samples.write(tmp_path / "ip-adapter_sdxl.safetensors", samples.ip_adapter())
    assert {model.kind for model in add_models(tmp_path)} == {ModelKind.IMAGE_ENCODER, ModelKind.IP_ADAPTER}


def test_a_folder_without_models_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelIncompatible, match="no model in the folder “empty”"):
        add_models(tmp_path / "empty")
    samples.write(tmp_path / "one" / "sd15.safetensors", samples.sd15_checkpoint())
    with pytest.raises(ModelIncompatible, match=r"This file is a Stable Diffusion 1\.5 model"):
        add_models(tmp_path / "one")
    samples.write(tmp_path / "two" / "a.safetensors", samples.sd15_checkpoint())
    samples.write(tmp_path / "two" / "b.safetensors", {"x": (1,)})
    with pytest.raises(
        ModelIncompatible, match=r"The first of 2 files: This file is a Stable Diffusion 1\.5"
    ):
        add_models(tmp_path / "two")
    with pytest.raises(ModelNotFound):
        add_models(tmp_path / "nowhere")


def test_a_search_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path.joinpath(*"abcdefgh")
    samples.write(deep / "lora.safetensors", samples.kohya_lora())
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert find_models(tmp_path).models == ()
    assert len(find_models(tmp_path / "a" / "b" / "c").models) == 1
    monkeypatch.setattr(adding, "MAX_LOOKED_AT", 3)
    with pytest.raises(ModelNotFound, match="more than 3 files"):
        find_models(tmp_path)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused_by_the_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, value: float
) -> None:
    monkeypatch.setattr(reading, "_PIECE_BYTES", 64)
    tensors = {name: np.zeros(shape, dtype) for name, shape in samples.ip_adapter().items()}
    tensors["ip_adapter.1.to_k_ip.weight"][-1, -1] = value
    path = tmp_path / "adapter.safetensors"
    save_file(tensors, path)
    with pytest.raises(
        ModelLoadFailed, match=r"the tensor “ip_adapter\.1\.to_k_ip\.weight” holds numbers that are none"
    ):
        add_models(path)
    tensors["ip_adapter.1.to_k_ip.weight"][-1, -1] = np.finfo(dtype).max
    save_file(tensors, path)
    assert len(add_models(path)) == 1


def test_bfloat16_is_looked_through_too(tmp_path: Path) -> None:
    """NumPy knows no bfloat16: the same bytes under the other name."""
    path = samples.write(tmp_path / "lora.safetensors", samples.kohya_lora())
    good = path.read_bytes().replace(b'"F16"', b'"BF16"')
    length = int.from_bytes(good[:8], "little") + good.count(b'"BF16"')
    path.write_bytes(length.to_bytes(8, "little") + good[8:])
    assert len(add_models(path)) == 1
    path.write_bytes(path.read_bytes()[:-2] + b"\x80\x7f")
    with pytest.raises(ModelLoadFailed, match="NaN or infinite"):
        add_models(path)


def test_progress_counts_every_byte_and_can_stop(tmp_path: Path) -> None:
    samples.write(tmp_path / "a.safetensors", samples.kohya_lora())
    samples.write(tmp_path / "b.safetensors", samples.ip_adapter())
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    told: list[tuple[int, int]] = []
    add_models(tmp_path, progress=lambda done, of: told.append((done, of)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {of for _, of in told} == {total}
    assert told[-1][0] == total

    def stop(done: int, _: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        add_models(tmp_path, progress=stop)


def test_a_damaged_file_of_a_folder_leaves_the_others(tmp_path: Path) -> None:
    good = samples.write(tmp_path / "a.safetensors", samples.kohya_lora())
    bad = samples.write(tmp_path / "b.safetensors", samples.ip_adapter())
    bad.write_bytes(bad.read_bytes()[:-1])
    found = find_models(tmp_path)
    assert [model.path for model in found.models] == [str(good)]
    assert "is cut off" in found.refusals[0].error.user_message


def test_lists_are_merged_by_path_and_titles_stay_apart(tmp_path: Path) -> None:
    first = add_models(samples.write(tmp_path / "a" / "style.safetensors", samples.kohya_lora()))
    second = add_models(samples.write(tmp_path / "b" / "style.safetensors", samples.peft_lora()))
    both = merged(first, second)
    assert [model.title for model in both] == ["style", "style (2)"]
    assert merged(both, second) == both
    samples.write(tmp_path / "a" / "style.safetensors", samples.kohya_lora(rank=16))
    again = merged(both, add_models(tmp_path / "a" / "style.safetensors"))
    assert [model.title for model in again] == ["style", "style (2)"]
    assert (again[0].fact("rank"), again[1]) == ("16", both[1])
    assert [model.title for model in add_models(tmp_path)] == ["style", "style (2)"]


def test_a_kind_is_for_one_model(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "any.safetensors", samples.forge_offsets(8))
    (model,) = add_models(path, kind=ModelKind.FOREGROUND_TO_BLEND)
    assert model.kind is ModelKind.FOREGROUND_TO_BLEND
    assert verify_model(model).error is None
    with pytest.raises(ModelIncompatible, match="a folder in which models lie"):
        add_models(tmp_path, kind=ModelKind.LORA)


def test_a_model_that_changed_is_noticed(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "lora.safetensors", samples.kohya_lora())
    (model,) = add_models(path)
    assert verify_model(model).error is None
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert _fault(verify_model(model).error) == "The model “lora” has changed since it was added."
    samples.write(path, samples.ip_adapter())
    assert _fault(verify_model(model).error) == "The model “lora” has changed since it was added."
    path.write_bytes(path.read_bytes()[:-1])
    assert "is cut off" in _fault(verify_model(model).error)
    path.unlink()
    assert "There is no file" in _fault(verify_model(model).error)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    assert len(missing_for_photoreal(())) == 3
    samples.write_folder(tmp_path / "base")
    samples.write(tmp_path / "decoder.safetensors", samples.transparent_decoder())
    assert [sentence.split(" is ")[0].split(" are ")[0] for sentence in missing_for_photoreal(())] == [
        "An SDXL model",
        "LayerDiffuse's transparent decoder",
        "LayerDiffuse's transparent layers for SDXL",
    ]
    (sentence,) = missing_for_photoreal(add_models(tmp_path))
    assert "layer_xl_transparent_attn.safetensors" in sentence
    samples.write(tmp_path / "layers.safetensors", samples.offsets(attention=True))
    models = add_models(tmp_path)
    assert missing_for_photoreal(models) == ()
    assert any("transparent encoder" in sentence for sentence in optional_for_photoreal(models))
    assert len(missing_for_qwen(models)) == 1


def test_what_fits_badly_is_said(tmp_path: Path) -> None:
    turbo = add_models(samples.write(tmp_path / "sdxl_turbo.safetensors", samples.sdxl_checkpoint()))
    assert _says(turbo, "distilled to few steps (Turbo)")
    metadata = {"format": "psdstudio.joint/1", "base": turbo[0].sha256}
    joint = add_models(samples.write(tmp_path / "j.safetensors", samples.peft_lora(), metadata=metadata))
    assert not _says((*turbo, *joint), "trained on another")
    assert not _says(joint, "trained on another")
    base = add_models(samples.write_folder(tmp_path / "base"))
    assert _says((*base, *joint), "“j” was trained on another SDXL model")


@pytest.mark.parametrize("adapter", [samples.ip_adapter(), samples.ip_adapter_plus()])
def test_an_ip_adapter_goes_with_its_own_image_encoder(tmp_path: Path, adapter: samples.Shapes) -> None:
    models = add_models(samples.write(tmp_path / "ip.safetensors", adapter))
    assert _says(models, "needs its image encoder")
    encoder = tmp_path / "image_encoder"
    samples.write(encoder / "model.safetensors", samples.image_encoder())
    (encoder / "config.json").write_text("{}")
    other = tmp_path / "other"
    other_shapes = samples.image_encoder() | {"visual_projection.weight": (30, 32)}
    other_shapes["vision_model.embeddings.patch_embedding.weight"] = (48, 3, 14, 14)
    samples.write(other / "model.safetensors", other_shapes)
    (other / "config.json").write_text("{}")
    wrong = merged(models, add_models(other))
    assert _says(wrong, "made for another image encoder")
    assert reference_pair(wrong) is None
    right = merged(wrong, add_models(encoder))
    assert not _says(right, "image encoder")
    pair = reference_pair(right)
    assert pair is not None
    assert [model.title for model in pair] == ["ip", "image_encoder"]


def _says(models: tuple[ModelFile, ...], words: str) -> bool:
    return any(words in sentence for sentence in optional_for_photoreal(models))


def _fault(error: ModelError | None) -> str:
    assert error is not None
    assert error.hint
    return error.user_message


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets names be any bytes")
def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    named = samples.write(tmp_path / "a.safetensors", samples.kohya_lora())
    strange = named.rename(tmp_path / os.fsdecode(b"\xff.safetensors"))
    with pytest.raises(ModelIncompatible, match="is not text"):
        add_models(strange)
    samples.write(tmp_path / "b.safetensors", samples.kohya_lora())
    found = find_models(tmp_path)
    assert [model.title for model in found.models] == ["b"]
    assert len(found.refusals) == 1


def test_facts_can_be_kept(tmp_path: Path) -> None:
    """JSON lets metadata hold what no text file can."""
    metadata = {"format": "psdstudio.joint/1", "rank": "8", "x": "@@@@@@"}
    path = samples.write(tmp_path / "a.safetensors", samples.peft_lora(), metadata=metadata)
    path.write_bytes(path.read_bytes().replace(b"@@@@@@", b"\\ud800"))
    (model,) = add_models(path)
    assert dict(model.facts) == {"rank": "8", "numbers": "F16"}
    folders = Folders.of_user({"PSDSTUDIO_HOME": str(tmp_path / "home")})
    save_models(folders, (model,))
    assert load_models(folders) == (model,)


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="could not be read"):
        add_models(tmp_path / ("n" * 5000))


def test_the_whole_download_of_layerdiffuse(tmp_path: Path) -> None:
    """All files of the release (layerdiffusion-v1) in one folder: SDXL's are taken, those of SD 1.5 are not."""
    hookers: samples.Shapes = {"hookers.layers.0.to_q_lora.0.down.weight": (8, 8)}
    files = {
        "layer_sd15_bg2fg": hookers,
        "layer_sd15_fg2bg": hookers,
        "layer_sd15_joint": hookers,
        "layer_sd15_transparent_attn": hookers,
        "layer_sd15_vae_transparent_decoder": samples.transparent_decoder(),
        "layer_sd15_vae_transparent_encoder": samples.transparent_encoder(),
        "layer_xl_bg2ble": samples.forge_offsets(8),
        "layer_xl_bgble2fg": samples.forge_offsets(12, deep=True),
        "layer_xl_fg2ble": samples.forge_offsets(8),
        "layer_xl_fgble2bg": samples.forge_offsets(12),
        "layer_xl_transparent_attn": samples.forge_lora(),
        "layer_xl_transparent_conv": samples.forge_offsets(deep=True),
        "vae_transparent_decoder": samples.transparent_decoder(),
        "vae_transparent_encoder": samples.transparent_encoder(),
    }
    for name, shapes in files.items():
        samples.write(tmp_path / f"{name}.safetensors", shapes)
    found = find_models(tmp_path)
    assert {model.title: model.kind for model in found.models} == {
        "layer_xl_bg2ble": ModelKind.BACKGROUND_TO_BLEND,
        "layer_xl_bgble2fg": ModelKind.BLEND_TO_FOREGROUND,
        "layer_xl_fg2ble": ModelKind.FOREGROUND_TO_BLEND,
        "layer_xl_fgble2bg": ModelKind.BLEND_TO_BACKGROUND,
        "layer_xl_transparent_attn": ModelKind.TRANSPARENT_LORA,
        "layer_xl_transparent_conv": ModelKind.TRANSPARENT_OFFSET,
        "vae_transparent_decoder": ModelKind.TRANSPARENT_DECODER,
        "vae_transparent_encoder": ModelKind.TRANSPARENT_ENCODER,
    }
    assert {refusal.path.stem for refusal in found.refusals} == {
        n for n in files if n.startswith("layer_sd15")
    }
    assert all("Stable Diffusion 1.5" in refusal.error.user_message for refusal in found.refusals)
