"""`psdstudio models`: from a folder of files to the list, and every refusal as one sentence with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from psdstudio.cli.main import main
from psdstudio.models.store import load_models, models_file
from psdstudio.settings import Folders
from tests.cli.commands import printed_json
from tests.gen.weights import samples


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder with everything that photoreal layers need, and one file that nothing needs."""
    folder = tmp_path / "weights"
    samples.write_folder(folder / "my-sdxl")
    samples.write(folder / "vae_transparent_decoder.safetensors", samples.transparent_decoder())
    samples.write(folder / "layer_xl_transparent_attn.safetensors", samples.forge_lora())
    samples.write(folder / "old.safetensors", samples.sd15_checkpoint())
    return folder


def test_a_folder_is_added_listed_verified_and_removed(
    capsys: pytest.CaptureFixture[str], weights: Path
) -> None:
    assert main(["models", "add", str(weights)]) == 0
    shown = capsys.readouterr()
    assert "SDXL model (folder)\n  my-sdxl:" in shown.out
    assert "  layer_xl_transparent_attn: 3 kB, F16, rank 4\n" in shown.out
    assert shown.out.endswith("Photoreal layers: ready.\n")
    assert "note: This file is a Stable Diffusion 1.5 model" in shown.err

    assert main(["models", "list", "--json"]) == 0
    outcome = printed_json(capsys)
    assert [model["kind"] for model in outcome["models"]] == [
        "sdxl-folder",
        "transparent-decoder",
        "transparent-lora",
    ]
    assert outcome["missing"] == []
    assert outcome["models"][2]["facts"]["rank"] == "4"
    assert {model.title for model in load_models(Folders.of_user())} == {
        "my-sdxl",
        "vae_transparent_decoder",
        "layer_xl_transparent_attn",
    }

    assert main(["models", "verify"]) == 0
    assert "All as when they were added." in capsys.readouterr().out
    assert main(["models", "remove", "my-sdxl"]) == 0
    assert "files are where they were" in capsys.readouterr().out
    assert (weights / "my-sdxl").is_dir()
    assert main(["models", "list"]) == 0
    assert "An SDXL model is missing" in capsys.readouterr().out


def test_the_same_folder_again_changes_nothing(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    assert main(["models", "add", str(weights)]) == 0
    before = load_models(Folders.of_user())
    assert main(["models", "add", str(weights)]) == 0
    assert load_models(Folders.of_user()) == before


def test_relative_paths_are_recorded_whole(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(weights)
    assert main(["models", "add", "vae_transparent_decoder.safetensors"]) == 0
    (model,) = load_models(Folders.of_user())
    assert model.path == str(weights / "vae_transparent_decoder.safetensors")


def test_a_kind_is_said_where_tensors_do_not_tell(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = samples.write(tmp_path / "x.safetensors", samples.forge_offsets(8))
    assert main(["models", "add", str(path)]) == 1
    assert "--kind" in capsys.readouterr().err
    assert main(["models", "add", str(path), "--kind", "foreground-to-blend", "--json"]) == 0
    (model,) = printed_json(capsys)["models"]
    assert (model["kind"], model["facts"]["told_by"]) == ("foreground-to-blend", "your choice")


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"\x80\x02}q\x00.", 3, "is a pickle checkpoint"),
        (b"PK\x03\x04" + b"\x00" * 26 + b"archive/data.pkl", 3, "is a pickle checkpoint"),
        (b"", 3, "is empty"),
        (b"some words", 3, "is not a safetensors file"),
        (b"\x40\x00\x00\x00\x00\x00\x00\x00{", 3, "is cut off"),
    ],
)
def test_files_that_are_no_models(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, code: int, message: str
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert main(["models", "add", str(path)]) == code
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert len(shown.splitlines()) == 2 + (code == 3)  # what happened, what to do, where the log is
    assert not models_file(Folders.of_user()).exists()


def test_models_of_other_families_and_titles_that_are_not_there(
    capsys: pytest.CaptureFixture[str], weights: Path
) -> None:
    assert main(["models", "add", str(weights / "old.safetensors")]) == 1
    assert "This file is a Stable Diffusion 1.5 model" in capsys.readouterr().err
    assert main(["models", "remove", "nothing"]) == 1
    assert "There is no model “nothing” in the list." in capsys.readouterr().err
    assert main(["models", "add", str(weights / "nowhere")]) == 3
    assert "There is no file" in capsys.readouterr().err


def test_changed_models_are_named(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    assert main(["models", "add", str(weights)]) == 0
    decoder = weights / "vae_transparent_decoder.safetensors"
    decoder.write_bytes(decoder.read_bytes()[:-1] + b"\x01")
    capsys.readouterr()
    assert main(["models", "verify"]) == 3
    assert "“vae_transparent_decoder” has changed since it was added" in capsys.readouterr().err
    (weights / "layer_xl_transparent_attn.safetensors").unlink()
    assert main(["models", "list"]) == 0
    assert "layer_xl_transparent_attn.safetensors (not there any more)\n" in capsys.readouterr().out
    assert main(["models", "verify"]) == 3
    shown = capsys.readouterr().err
    assert "2 of 3 models cannot be used" in shown
    assert "has changed" in shown and "There is no file" in shown


def test_a_damaged_list_is_left_alone(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    path = models_file(Folders.of_user())
    path.parent.mkdir(parents=True)
    path.write_text("{")
    for action in (["list"], ["verify"], ["remove", "x"], ["add", str(weights)]):
        assert main(["models", *action]) == 1
        assert str(path) in capsys.readouterr().err
    assert path.read_text() == "{"


@pytest.mark.parametrize("words", [[], ["add"], ["paint"], ["add", "x", "--kind", "painting"], ["remove"]])
def test_wrong_use_is_exit_code_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["models", *words])
    assert caught.value.code == 2
