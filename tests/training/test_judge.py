"""The judge: it learns shapes, rejects garbage, survives its file, and does not see colour under alpha 0."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from psdstudio.training.classifier import calibrate, names_of_truth, plain_looks, shares_right, train_judge
from psdstudio.training.classifier_batches import (
    GARBAGE_KINDS,
    changed,
    draw_sprites,
    garbage,
    lit_looks,
)
from psdstudio.training.classifier_names import KINDS, SYNONYM_GROUPS, same_thing
from psdstudio.training.classifier_net import (
    REJECT,
    Judge,
    at_judge_size,
    load_judge,
    save_judge,
)
from psdstudio.training.sprites import SpriteLibrary, read_vocabulary


@pytest.fixture(scope="module")
def judge(pack: Path) -> Judge:
    """A judge of the toy nouns, trained on the split "classifier" alone for a few seconds."""
    library = SpriteLibrary.load(pack, "classifier")
    made = train_judge(library, steps=120, batch=32, seed=1, width=8)
    calibrate(made, SpriteLibrary.load(pack, "heldout"), SpriteLibrary.load(pack, "train"))
    return made


def test_it_names_drawings_it_never_saw_and_rejects_garbage(judge: Judge) -> None:
    assert judge.names[-1] == REJECT
    assert judge.figures["heldout_top1"] >= 0.8
    assert judge.figures["truth_top1"] >= 0.8
    # Six shapes and seconds of training: half of the garbage is much for it (one that never rejects has 0).
    assert judge.figures["garbage_rejected"] >= 0.4
    assert judge.figures["heldout_rejected"] <= 0.2
    assert sum(judge.knows(noun) for noun in judge.truth) == judge.figures["nouns_known"]


def test_probabilities_add_up_and_hidden_colour_is_not_seen(judge: Judge, library: SpriteLibrary) -> None:
    looks, _ = plain_looks(library)
    shown = judge.probabilities(looks[:4])
    assert torch.allclose(shown.sum(1), torch.ones(4), atol=1e-4)
    hidden = looks[:4].clone()
    hidden[:, :3] = torch.where(hidden[:, 3:4] == 0, 1 - hidden[:, :3], hidden[:, :3])
    assert torch.allclose(judge.probabilities(hidden), shown, atol=1e-4)
    mirrored = judge.probabilities(looks[:4].flip(3))
    assert torch.allclose(mirrored, shown, atol=1e-3)
    assert judge.name(looks[:0]) == []


def test_the_file_gives_the_same_judge_back(judge: Judge, library: SpriteLibrary, tmp_path: Path) -> None:
    save_judge(tmp_path / "judge.safetensors", judge)
    again = load_judge(tmp_path / "judge.safetensors")
    looks, _ = plain_looks(library)
    assert again.names == judge.names
    assert again.figures == judge.figures
    assert again.truth == judge.truth
    assert again.confusions == judge.confusions
    assert torch.allclose(again.probabilities(looks), judge.probabilities(looks), atol=0.02)


def test_batches_are_decided_by_their_seed(library: SpriteLibrary) -> None:
    def make(seed: int) -> torch.Tensor:
        rng = np.random.default_rng(seed)
        return torch.cat(
            [changed(lit_looks(library, draw_sprites(library, rng, 6), rng), rng), garbage(library, rng, 7)]
        )

    assert torch.equal(make(1), make(1))
    assert not torch.equal(make(1), make(2))


def test_changed_drawings_and_garbage_are_premultiplied(library: SpriteLibrary) -> None:
    rng = np.random.default_rng(2)
    good = changed(lit_looks(library, draw_sprites(library, rng, 24), rng), rng)
    bad = garbage(library, rng, 3 * len(GARBAGE_KINDS))
    for premul in (good, bad):
        assert premul.min() >= -1e-5
        assert (premul[:, :3] <= premul[:, 3:4] + 1e-4).all()
        assert premul[:, 3].max() <= 1 + 1e-5
    assert good[:, 3].mean((1, 2)).min() > 0.05, "no drawing is warped away"
    assert bad[:: len(GARBAGE_KINDS), 3].max() < 0.13, "empty is nearly empty"


def test_shrinking_to_the_judges_size_keeps_the_cover(library: SpriteLibrary) -> None:
    looks, _ = plain_looks(library)
    small = at_judge_size(looks)
    assert small.shape[1:] == (4, 64, 64)
    assert torch.allclose(small[:, 3].mean((1, 2)), looks[:, 3].mean((1, 2)), atol=0.01)


def test_the_table_of_names_speaks_of_the_vocabulary_and_is_no_excuse() -> None:
    known = {n.noun for n in read_vocabulary()}
    for group in SYNONYM_GROUPS:
        assert group <= known
        assert len(group) == 2
    for asked, kinds in KINDS.items():
        assert {asked} | kinds <= known
        assert asked not in kinds
        assert not any(asked in KINDS.get(kind, ()) for kind in kinds), "a kind of one another is a synonym"
    assert sum(same_thing(a, b) for a in known for b in known if a != b) < 0.001 * len(known) ** 2


def test_a_kind_answers_the_wider_word_and_not_the_other_way_round() -> None:
    assert same_thing("smoke", "steam")
    assert same_thing("steam", "smoke")
    assert same_thing(named="armchair", asked="chair")
    assert not same_thing(named="chair", asked="armchair")
    assert not same_thing("cup", "wine glass")
    assert not same_thing(REJECT, "cup")


def test_the_ceiling_is_measured_per_noun(judge: Judge, library: SpriteLibrary) -> None:
    names = names_of_truth(judge, library, np.random.default_rng(0))
    shares = shares_right(names)
    assert set(shares) == set(library.by_noun)
    assert all(share in (0.0, 0.25, 0.5, 0.75, 1.0) for share in shares.values())
    assert set(judge.confusions) == {noun for noun, share in judge.truth.items() if share < 1}
    assert shares_right({"chair": ["armchair", "table", "chair", "sofa"]}) == {"chair": 0.5}
