"""The settings file: round trip, environment, damage, refusal of newer versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from psdstudio.errors import SettingsError
from psdstudio.gen.model_files import PhotorealOptions
from psdstudio.settings import Folders, Settings, SettingsFile, load_settings, photoreal_fields, save_settings


def test_a_missing_file_means_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "settings.toml", {}) == Settings()


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "settings.toml"
    wanted = Settings(steps=24, threads=3, use_library=False, recent_files=("/a/ä.psdstudio",))
    save_settings(path, wanted)
    assert load_settings(path, {}) == wanted


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    save_settings(path, Settings(steps=24))
    environ = {"PSDSTUDIO_STEPS": "8", "PSDSTUDIO_USE_LIBRARY": "false", "PSDSTUDIO_FIXTURES": "/x"}
    found = load_settings(path, environ)
    assert (found.steps, found.use_library) == (8, False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps = ", "cannot be read"),
        ("steps = 0", "'steps'"),
        ("stepps = 4", "'stepps'"),
        ("schema_version = 99", "newer"),
        ("schema_version = 0", "no usable version"),
        ('schema_version = "one"', "no usable version"),
        ('log_level = "LOUD"', "'log_level'"),
    ],
)
def test_damage_is_named_and_the_file_left_alone(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})
    assert words in caught.value.user_message
    assert str(path) in caught.value.hint
    assert path.read_text(encoding="utf-8") == text


def test_recent_files_are_few_and_each_is_there_once() -> None:
    settings = Settings()
    for i in range(30):
        settings = settings.with_recent(Path(f"/f{i % 15}"))
    assert len(settings.recent_files) == 12
    assert settings.recent_files[0] == "/f14"
    assert len(set(settings.recent_files)) == 12


def test_one_variable_moves_every_folder(tmp_path: Path) -> None:
    folders = Folders.of_user({"PSDSTUDIO_HOME": str(tmp_path)})
    for folder in (folders.config, folders.state, folders.logs, folders.settings_file):
        assert folder.is_relative_to(tmp_path)
    assert not any(tmp_path.iterdir())


def test_steps_that_nobody_chose_are_the_engines_own_and_chosen_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    for text, steps in (("steps = 16", None), ("steps = 20", 20), ("", None)):
        path.write_text(f"schema_version = 1\n{text}\n", encoding="utf-8")
        assert load_settings(path, {}).steps == steps
    save_settings(path, Settings(steps=16))
    assert load_settings(path, {}).steps == 16


def test_options_of_the_photoreal_engine_are_settings_and_variables(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    chosen = PhotorealOptions(
        acceleration="Hyper 8", upscale=False, wide_joint=True, compile=True, memory_cap_gb=7.5, side_px=768
    )
    SettingsFile(path, Settings()).change(**photoreal_fields(chosen))
    assert load_settings(path, {}).photoreal == chosen
    environ = {"PSDSTUDIO_PHOTOREAL_MEMORY_CAP_GB": "12", "PSDSTUDIO_PHOTOREAL_COMPILE": "0"}
    found = load_settings(path, environ).photoreal
    assert (found.memory_cap_gb, found.compile, found.acceleration) == (12.0, False, "Hyper 8")
    assert Settings().photoreal == PhotorealOptions()


def test_a_change_writes_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    save_settings(path, Settings(threads=3))
    here = SettingsFile(path, load_settings(path, {"PSDSTUDIO_ENGINE": "other", "PSDSTUDIO_STEPS": "9"}))
    SettingsFile(path, load_settings(path, {})).change(canvas_width=99)  # another window
    here.change(photoreal_upscale=False)
    assert (here.now.engine, here.now.steps, here.now.photoreal_upscale) == ("other", 9, False)
    assert load_settings(path, {}) == Settings(threads=3, canvas_width=99, photoreal_upscale=False)
    here.change(threads=None)
    assert load_settings(path, {}).threads is None


def test_a_change_that_cannot_be_written_holds_for_now(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("steps = ", encoding="utf-8")
    file = SettingsFile(path, Settings())
    with pytest.raises(SettingsError, match="cannot be read"):
        file.change(engine="sdxl")
    assert file.now.engine == "sdxl"
    assert path.read_text(encoding="utf-8") == "steps = "
    with pytest.raises(SettingsError, match="'steps'"):
        file.change(steps=0)
    assert file.now.steps is None
