"""Training the joint adapter end to end on tiny networks: a folder of PSDs in, an adapter that the engine reads out."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from psdstudio.engine.sdxl.adapters_file import read_joint_adapter
from psdstudio.engine.sdxl.layer_embedding import LayerEmbedding
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.gen.model_files import ModelKind
from psdstudio.models.adding import add_models
from psdstudio.training import joint_lora
from psdstudio.training.joint_encode import EncodedScene, load_scene
from psdstudio.training.joint_loss import NoiseTable
from psdstudio.training.joint_modes import Mode, RowPlan, draw_plan
from psdstudio.training.joint_network import JOINT, AdapterShape, JointModule
from psdstudio.training.joint_run import JointRun
from tests.engine.sdxl.tiny import SCHEDULER_CONFIG, tiny_unet
from tests.training.joint_toys import command, write_base, write_documents

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def own_accelerator() -> Iterator[None]:
    """accelerate keeps its first settings for the whole process."""
    AcceleratorState._reset_state(True)
    GradientState._reset_state()
    yield
    AcceleratorState._reset_state(True)
    GradientState._reset_state()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("joint"))


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_documents(tmp_path_factory.mktemp("documents"), 2)


@pytest.fixture(scope="module")
def trained(base: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of four steps without interruption."""
    out = tmp_path_factory.mktemp("trained")
    assert run(base, out, "--data", str(documents), "--steps", "4") == 0
    return out


def run(base: Path, out: Path, *words: str) -> int:
    return joint_lora.main(command(base, out, *words))


def scene(trained: Path, at: int = 0) -> EncodedScene:
    return load_scene(sorted((trained / "encoded").glob("*.safetensors"))[at])


def module_of(unet: object, rank: int = 2) -> JointModule:
    return JointModule(unet, AdapterShape(rank=rank, alpha=2.0), NoiseTable.of_scheduler(SCHEDULER_CONFIG))


def noise_of(one: EncodedScene, seed: int = 0) -> torch.Tensor:
    return torch.randn(one.latents.shape, generator=torch.Generator().manual_seed(seed))


def test_a_folder_of_psds_becomes_an_adapter_that_the_engine_reads(trained: Path) -> None:
    (model,) = add_models(trained / "joint.safetensors")
    assert model.kind is ModelKind.JOINT_ADAPTER and model.fact("rank") == "2" and model.fact("steps") == "4"
    adapter = read_joint_adapter(model)
    unet = tiny_unet()
    dim = unet.time_embedding.linear_2.out_features
    embedding = LayerEmbedding.from_state(adapter.embedding, dim=dim)
    with RowNetwork(unet, wide=adapter.wide, every=adapter.every, embedding=embedding) as network:
        network.attach(JOINT, adapter.adapter.unet)
        assert len(adapter.adapter.unet) == 4 * len(network.joint_layers)
    assert any(bool(table.any()) for table in adapter.embedding.values()), "something was learned"


def test_validation_is_written_by_mode_and_as_a_picture(trained: Path) -> None:
    (line,) = (trained / "validation.jsonl").read_text(encoding="utf-8").splitlines()
    figures = json.loads(line)
    assert figures.pop("step") == 4
    assert figures.keys() == {mode.value for mode in Mode} | {"keep all but one, alone"}
    assert all(0 < value < 10 for value in figures.values())
    with Image.open(trained / "validation-000004.png") as sheet:
        assert sheet.size == (4 * 128, 3 * 128)
        picture = np.asarray(sheet).reshape(3, 128, 4, 128, 3)
    truth, made, edited = picture.astype(float)
    assert np.array_equal(truth[:, 1], edited[:, 1]) and not np.array_equal(truth[:, 1], made[:, 1])
    first, last = 2, 3
    # The third line keeps all but the last object: the first one is its look, without the shadow under it.
    assert np.abs(edited - truth)[:, first].mean() < 0.5 * np.abs(made - truth)[:, first].mean()
    assert not np.array_equal(truth[:, last], edited[:, last])


def test_going_on_gives_the_numbers_of_a_training_without_interruption(
    trained: Path, base: Path, documents: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "encoded", tmp_path / "encoded")
    words = ("--data", str(documents), "--validate-every", "0", "--save-every", "2")
    assert run(base, tmp_path, *words, "--steps", "2") == 0
    half = load_file(tmp_path / "last.safetensors")
    assert run(base, tmp_path, *words, "--steps", "4") == 0
    whole, resumed = load_file(trained / "last.safetensors"), load_file(tmp_path / "last.safetensors")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not all(torch.equal(half[name], resumed[name]) for name in half)


def test_a_fresh_adapter_changes_nothing(trained: Path) -> None:
    one = scene(trained)
    plan = draw_plan(np.random.default_rng(3), one.objects, Mode.JOINT)
    module = module_of(tiny_unet())
    rows = module.scene_rows(one, plan, noise_of(one))
    with torch.no_grad():
        with_adapter = module.network.predict(rows.batch).noise
        module.close()
        bare = RowNetwork(tiny_unet())
        without = bare.predict(type(rows.batch)(**{
            name: getattr(rows.batch, name)
            for name in ("latents", "timesteps", "words", "pooled", "time_ids", "identities")
        })).noise  # fmt: skip
    assert torch.equal(with_adapter, without)


def test_the_loss_reaches_every_trained_tensor_through_kept_rows_too(trained: Path) -> None:
    one = scene(trained)
    module = module_of(tiny_unet())
    with torch.no_grad():
        for name, parameter in module.named_tensors().items():
            if name.endswith(".up"):
                parameter.normal_(0, 0.05)
    plan = RowPlan(
        mode=Mode.KEEP_ALL_BUT_ONE,
        kept=(False, True, True, False),
        timesteps=(700, 3, 9, 700),
        jittered=(False,) * 4,
    )
    module(one, plan, noise_of(one)).backward()
    gradients = {name: parameter.grad for name, parameter in module.named_tensors().items()}
    assert all(gradient is not None and bool(gradient.any()) for gradient in gradients.values())
    state = gradients["embedding.state"]
    assert state is not None and bool(state[1].any()), (
        "that a row is kept is learned through what others read of it"
    )
    module.close()


def test_pixels_of_the_target_reach_no_kept_row(trained: Path) -> None:
    """The target's latents are swapped for another scene's: what kept rows leave for the others stays the same."""
    one, other = scene(trained, 0), scene(trained, 1)
    plan = RowPlan(
        mode=Mode.KEEP_ALL_BUT_ONE,
        kept=(False, True, True, False),
        timesteps=(700, 3, 9, 700),
        jittered=(False,) * 4,
    )
    module = module_of(tiny_unet())
    seen = []
    remember = module.network.remember

    def recording(*args: object, **named: object) -> object:
        memory = remember(*args, **named)  # type: ignore[arg-type]  # passed through
        seen.append(memory)
        return memory

    module.network.remember = recording  # type: ignore[method-assign,assignment]
    swapped = one.latents.clone()
    swapped[[0, 3]] = other.latents[[0, 3]]
    changed = EncodedScene(
        **{name: getattr(one, name) for name in EncodedScene.__slots__} | {"latents": swapped}
    )
    with torch.no_grad():
        first, second = module(one, plan, noise_of(one)), module(changed, plan, noise_of(one))
    assert first != second
    for name, keys in seen[0].keys.items():
        assert torch.equal(keys, seen[1].keys[name]) and torch.equal(
            seen[0].values[name], seen[1].values[name]
        )
    assert seen[0].timestep is None, "kept rows hold for all steps, as inference caches them"
    module.close()


def test_dropped_context_is_not_seen(trained: Path) -> None:
    one = scene(trained)
    kept = {"kept": (False, True, True, False), "timesteps": (700, 3, 9, 700), "jittered": (False,) * 4}
    module = module_of(tiny_unet())
    losses = []
    for dropped in (True, False):
        for background in (one.kept, one.kept.roll(1, dims=0)):
            changed = EncodedScene(
                **{name: getattr(one, name) for name in EncodedScene.__slots__} | {"kept": background}
            )
            plan = RowPlan(mode=Mode.KEEP_ALL_BUT_ONE, context_dropped=dropped, **kept)  # type: ignore[arg-type]
            with torch.no_grad():
                losses.append(module(changed, plan, noise_of(one)))
    assert losses[0] == losses[1] and losses[2] != losses[3]
    module.close()


def test_encoded_scenes_are_used_again_and_the_cache_is_bounded(
    trained: Path, base: Path, documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained / "encoded", tmp_path / "encoded")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "encoded").iterdir()}
    words = ("--data", str(documents), "--validate-every", "0", "--steps", "1")
    assert run(base, tmp_path, *words) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "encoded").iterdir()} == before
    capsys.readouterr()
    assert run(base, tmp_path / "small", *words, "--cache-gb", "0.00001") == 1
    assert "--cache-gb" in capsys.readouterr().err


def test_a_loss_that_is_no_number_stops_with_a_sentence_and_keeps_the_checkpoint(
    trained: Path, base: Path, documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "out")
    out = tmp_path / "out"
    held = (out / "last.safetensors").read_bytes()
    assert (
        run(base, out, "--data", str(documents), "--validate-every", "0", "--steps", "40", "--rate", "1e30")
        == 1
    )
    said = capsys.readouterr().err
    assert "not a number at step" in said and "step 4 is untouched" in said
    assert (out / "last.safetensors").read_bytes() == held


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rank", "4"), "another rank"),
        (("--seed", "9"), "another seed"),
        (("--wide",), "another choice of --wide"),
    ],
)
def test_a_training_is_not_continued_with_other_settings(
    trained: Path, base: Path, documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...], said: str,
) -> None:  # fmt: skip
    shutil.copytree(trained, tmp_path / "out")
    assert run(base, tmp_path / "out", "--data", str(documents), "--steps", "9", *words) == 1
    assert said in capsys.readouterr().err


def test_bad_input_is_one_sentence(
    base: Path, documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert run(base, tmp_path / "out", "--data", str(tmp_path / "empty")) == 1
    assert "holds no layered document" in capsys.readouterr().err
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "broken.psd").write_bytes((documents / "scene-0.psd").read_bytes()[:2000])
    assert run(base, tmp_path / "out", "--data", str(flat)) == 1
    captured = capsys.readouterr()
    assert "Left out “broken.psd”" in captured.out and "None of the documents" in captured.err
    bare = tmp_path / "bare"
    shutil.copytree(base / "layerdiffuse", bare)
    (bare / "vae_transparent_encoder.safetensors").unlink()
    words = command(base, tmp_path / "out", "--data", str(documents), "--layerdiffuse", str(bare))
    assert joint_lora.main(words) == 1
    assert "transparent encoder" in capsys.readouterr().err


def test_a_damaged_checkpoint_and_a_damaged_scene_are_refused(
    trained: Path, base: Path, documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "out")
    last = tmp_path / "out" / "last.safetensors"
    whole = last.read_bytes()
    words = ("--data", str(documents), "--validate-every", "0", "--steps", "6")
    last.write_bytes(whole[:-100])
    assert run(base, tmp_path / "out", *words) == 1
    assert "“last.safetensors” cannot be read" in capsys.readouterr().err
    last.write_bytes(whole)
    for path in (tmp_path / "out" / "encoded").iterdir():
        with safe_open(path, framework="pt") as file:
            facts = file.metadata()
        tensors = load_file(path)
        tensors["latents"][0, 0, 0, 0] = float("nan")
        save_file(tensors, path, metadata=facts)
    assert run(base, tmp_path / "out", *words) == 1
    assert "is damaged" in capsys.readouterr().err


def test_rendered_scenes_train_too_in_bfloat16_with_checkpointed_gradients(
    base: Path, pack: Path, tmp_path: Path
) -> None:
    words = ("--rendered", "2", "--drawings", str(pack), "--steps", "1", "--validate-every", "0")
    assert run(base, tmp_path, *words, "--precision", "bf16", "--checkpoint-gradients") == 0
    trained = load_file(tmp_path / "joint.safetensors")
    assert all(tensor.dtype == torch.float32 and bool(tensor.isfinite().all()) for tensor in trained.values())
    assert any(bool(tensor.any()) for name, tensor in trained.items() if name.endswith(".up"))


def test_checkpointed_gradients_are_the_same(trained: Path) -> None:
    one = scene(trained)
    plan = RowPlan(
        mode=Mode.KEEP_ALL_BUT_ONE,
        kept=(False, True, True, False),
        timesteps=(700, 3, 9, 700),
        jittered=(False,) * 4,
    )
    found = []
    for on in (False, True):
        module = module_of(tiny_unet())
        module.network.checkpoint_gradients(on=on)
        module(one, plan, noise_of(one)).backward()
        found.append({name: parameter.grad for name, parameter in module.named_tensors().items()})
        module.close()
    for name, gradient in found[0].items():
        other = found[1][name]
        assert gradient is not None and other is not None and torch.allclose(gradient, other, atol=1e-7)


def test_a_signal_ends_the_training_after_the_step_and_it_is_saved(
    trained: Path, base: Path, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained / "encoded", tmp_path / "encoded")
    step = JointRun._step
    handler = signal.getsignal(signal.SIGTERM)

    def interrupted(run: JointRun) -> float:
        if run.progress.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(run)

    monkeypatch.setattr(JointRun, "_step", interrupted)
    assert run(base, tmp_path, "--data", str(documents), "--validate-every", "0", "--steps", "50") == 0
    with safe_open(tmp_path / "last.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "2"
    assert signal.getsignal(signal.SIGTERM) is handler
