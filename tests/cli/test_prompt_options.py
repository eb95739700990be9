"""What a command line says of how to paint: negative words, LoRAs, scales, and the engine with the user's models."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from psdstudio.cli import scene
from psdstudio.cli.main import main
from psdstudio.cli.running import EngineChoice, run_generation
from psdstudio.cli.scene import RunOptions
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import LoraUse, Part, Recipe
from psdstudio.core.parts import background_of, object_groups
from psdstudio.gen.engine import CostModel
from psdstudio.gen.fake import FakeScript
from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.gen.request import GenerationRequest, GenerationResult, Sampling
from psdstudio.io.project import load_project
from psdstudio.jobs.wire import WorkerConfig
from psdstudio.models.store import save_models
from psdstudio.settings import Folders
from tests.cli.commands import SENTENCE, generate


def model(kind: ModelKind, title: str, path: Path) -> ModelFile:
    """A model of the list; its file is made, so that it is there."""
    path.write_bytes(b"")
    return ModelFile(kind=kind, path=str(path.absolute()), sha256="0" * 64, title=title, size_bytes=0)


@pytest.fixture
def loras() -> None:
    """Two LoRAs in the user's list."""
    names = ("Ink: soft", "Watercolour")
    save_models(
        Folders.of_user(), [model(ModelKind.LORA, name, Path(f"{name}.safetensors")) for name in names]
    )


def parts(document: Document) -> dict[str, Part]:
    """The parts by name; "background" is the background."""
    ground = background_of(document)
    assert ground is not None
    assert ground.part is not None
    found = {"background": ground.part}
    return found | {
        group.props.name: group.part for group in object_groups(document) if group.part is not None
    }


def recipe_of(document: Document) -> Recipe:
    recipe = parts(document)["background"].recipe
    assert recipe is not None
    return recipe


@pytest.mark.usefixtures("loras")
def test_negative_words_and_loras_reach_their_parts_and_are_saved() -> None:
    words = ["--negative", "text, people", "--negative", "swan=a second = beak"]
    words += ["--lora", "swan=watercolour:0.5", "--lora", "all=Ink: soft", "--lora", "background=Watercolour"]
    assert generate(SENTENCE, *words) == 0
    found = parts(load_project(Path("scene.psdstudio")))
    assert {name: part.negative for name, part in found.items()} == {
        "background": "text, people",
        "swan": "text, people, a second = beak",
        "flamingo": "text, people",
    }
    ink, water = LoraUse(title="Ink: soft"), LoraUse(title="Watercolour")
    assert found["swan"].loras == (LoraUse(title="Watercolour", weight=0.5), ink)
    assert (found["flamingo"].loras, found["background"].loras) == ((ink,), (ink, water))


@pytest.mark.usefixtures("loras")
def test_what_is_said_later_takes_the_place_of_what_the_file_says() -> None:
    assert generate(SENTENCE, "--negative", "text", "--lora", "swan=Watercolour") == 0
    again = ["regenerate", "scene.psdstudio", "--engine", "fake", "--threads", "1", "-o", "scene.psdstudio"]
    assert main([*again, "--negative", "swan=people", "--lora", "swan=Ink: soft:0"]) == 0
    found = parts(load_project(Path("scene.psdstudio")))
    assert (found["swan"].negative, found["flamingo"].negative) == ("people", "text")
    assert found["swan"].loras == (LoraUse(title="Ink: soft", weight=0.0),)


def test_steps_and_scales_are_the_engines_own_or_those_given() -> None:
    assert generate("a swan on water") == 0
    own = recipe_of(load_project(Path("scene.psdstudio")))
    assert generate("a swan on water", "--steps", "5", "--guidance", "7.5", "--layout-guidance", "0.5") == 0
    chosen = recipe_of(load_project(Path("scene.psdstudio")))
    assert (own.steps, own.guidance) == (16, 2.0)
    assert (chosen.steps, chosen.guidance) == (5, 7.5)


@pytest.mark.parametrize(
    "words",
    [
        ("--lora", "swan"), ("--lora", "=Ink"), ("--lora", "swan="), ("--lora", "swan=Ink:2.5"),
        ("--lora", "swan=Ink:-1"),
        ("--negative", " "), ("--negative", "swan="), ("--guidance", "nan"), ("--guidance", "-1"),
        ("--layout-guidance", "much"), ("--steps", "0"), ("--steps", "201"),
    ],
)  # fmt: skip
def test_nonsense_is_wrong_use(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        generate(SENTENCE, *words)
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err


@pytest.mark.usefixtures("loras")
def test_a_lora_or_part_that_is_not_there_is_named_with_those_that_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert generate(SENTENCE, "--lora", "swan=Oil") == 1
    said = capsys.readouterr().err
    assert "There is no LoRA “Oil”" in said
    assert "Ink: soft, Watercolour" in said
    assert generate(SENTENCE, "--negative", "fox=red") == 1
    assert "There is no part “fox”" in capsys.readouterr().err
    assert not Path("scene.psdstudio").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--negative", "people"), "cannot be told what not to paint"),
        (("--lora", "swan=Ink"), "cannot use LoRAs"),
    ],
)
def test_the_embedded_engine_does_not_pretend_to_listen(
    words: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", SENTENCE, *words, "-o", "scene.psd"]) == 1
    assert f"The engine “Embedded (illustration)” {said}." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "missing"),
    [("sdxl", "An SDXL model is missing"), ("qwen-layered", "Qwen-Image-Layered is missing")],
)
def test_an_engine_without_its_models_says_so_before_anything_starts(
    key: str, missing: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psdstudio.cli.running.process_runner", _no_process)
    assert main(["generate", SENTENCE, "--engine", key, "-o", "scene.psd"]) == 3
    said = capsys.readouterr().err
    assert missing in said
    assert "psdstudio models add" in said


def test_a_model_whose_file_is_gone_is_missing_too(capsys: pytest.CaptureFixture[str]) -> None:
    base = model(ModelKind.SDXL_CHECKPOINT, "My base", Path("base.safetensors"))
    save_models(Folders.of_user(), [base])
    Path("base.safetensors").unlink()
    assert main(["generate", SENTENCE, "--engine", "sdxl", "-o", "scene.psd"]) == 3
    assert f"“My base” is not at {base.path} any more." in capsys.readouterr().err


def test_a_damaged_list_of_models_is_said_and_left_alone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "config" / "models.json"
    path.parent.mkdir(parents=True)
    path.write_text("{", encoding="utf-8")
    assert main(["generate", SENTENCE, "--engine", "sdxl", "-o", "scene.psd"]) == 1
    assert "The list of models" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "{"


def test_the_price_is_told_before_a_run_and_the_engines_notes_after_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = CostModel(
        device="a small card", seconds_fixed=1.0, seconds_per_row_step=0.5, native_pixels=120 * 90,
        bytes_per_row=2**28, plans=(("all on the GPU", 2**33),), free_bytes=2**34,
    )  # fmt: skip
    script = FakeScript(costs=costs, notes=("The swan came out empty; try another seed.",))
    monkeypatch.setattr("psdstudio.cli.running.WorkerConfig", partial(WorkerConfig, fake=script))
    assert generate(SENTENCE) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("About ")
    assert said[0].endswith("on a small card.")
    assert "note: The swan came out empty; try another seed." in said


def test_an_engine_that_paints_any_words_is_warned_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    lexicon = scene.load_lexicon()
    plan = scene.plan_of_sentence("a leopard on a hill", lexicon)
    assert plan.warnings()
    requests: list[GenerationRequest] = []

    def caught(request: GenerationRequest, *_: object, **__: object) -> GenerationResult:
        requests.append(request)
        return run_generation(request, EngineChoice(key="fake", threads=1), persist=lambda result: None)

    monkeypatch.setattr(scene, "run_generation", caught)
    for key, words, notes in (("sdxl", "leopard", False), ("embedded", "tiger", True)):
        options = RunOptions(
            output=Path("out.psdstudio"), seed=1, engine=EngineChoice(key=key), sampling=Sampling(steps=1)
        )
        outcome = scene.generate_scene(Document(size=Size(64, 48)), plan, lexicon, options)
        assert any("unknown" in note for note in outcome.notes) is notes
        assert requests[-1].objects[0].engine_words == words


def _no_process(*_: object, **__: object) -> None:
    raise AssertionError("no process may start")
