"""The noise of the base model and the loss on rows that are made, against diffusers and against plain sums."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor

from psdstudio.engine.sdxl.rows import KeptMemory, Prediction, RowBatch
from psdstudio.errors import ModelIncompatible
from psdstudio.training.joint_loss import NoiseTable, SceneRows, scene_errors, scene_loss
from psdstudio.training.joint_modes import Mode, RowPlan
from psdstudio.training.joint_network import identities
from tests.engine.sdxl.tiny import SCHEDULER_CONFIG

pytestmark = pytest.mark.torch
TIMES = torch.tensor([0, 15, 400, 999])


def table(prediction: str = "epsilon") -> NoiseTable:
    return NoiseTable.of_scheduler(SCHEDULER_CONFIG | {"prediction_type": prediction})


def drawn(seed: int, rows: int = 4) -> Tensor:
    return torch.randn(rows, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_noise_and_targets_are_those_of_diffusers(prediction: str) -> None:
    theirs = DDPMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    )
    ours, clean, noise = table(prediction), drawn(0), drawn(1)
    noised = ours.noised(clean, noise, TIMES)
    assert torch.allclose(noised, theirs.add_noise(clean, noise, TIMES), atol=1e-5)
    target = noise if prediction == "epsilon" else theirs.get_velocity(clean, noise, TIMES)
    assert torch.allclose(ours.target(clean, noise, TIMES), target, atol=1e-5)
    assert torch.allclose(ours.clean_of(noised, target, TIMES), clean, atol=1e-3)


def test_min_snr_weights() -> None:
    signal = table().signal[TIMES]
    snr = signal / (1 - signal)
    assert torch.allclose(table().row_weights(TIMES), torch.minimum(snr, torch.tensor(5.0)) / snr)
    expected = torch.minimum(snr, torch.tensor(5.0)) / (snr + 1)
    assert torch.allclose(table("v_prediction").row_weights(TIMES), expected)
    assert bool((table().row_weights(torch.arange(1000)) <= 1).all())


def test_other_schedules_are_refused() -> None:
    for changed in ({"beta_schedule": "squaredcos_cap_v2"}, {"prediction_type": "sample"}):
        with pytest.raises(ModelIncompatible, match="cannot be trained on"):
            NoiseTable.of_scheduler(SCHEDULER_CONFIG | changed)


class Recorder:
    """Predicts zeros and remembers what it was shown."""

    def __init__(self) -> None:
        self.predicted: list[tuple[RowBatch, KeptMemory | None, bool]] = []
        self.remembered: list[RowBatch] = []

    def predict(self, batch: RowBatch, *, kept: KeptMemory | None = None, joint: bool = True) -> Prediction:
        self.predicted.append((batch, kept, joint))
        return Prediction(noise=torch.zeros_like(batch.latents))

    def remember(self, batch: RowBatch, *, clean: bool) -> KeptMemory:
        assert clean
        self.remembered.append(batch)
        return KeptMemory(keys={}, values={}, readers=(None,) * len(batch.identities))


def rows() -> SceneRows:
    batch = RowBatch(
        latents=drawn(2),
        timesteps=torch.zeros(4),
        words=torch.randn(4, 77, 8, generator=torch.Generator().manual_seed(3)),
        pooled=torch.zeros(4, 8),
        time_ids=torch.zeros(4, 6),
        identities=identities(2),
    )
    return SceneRows(batch=batch, kept=drawn(4), noise=drawn(5))


def plan(kept: tuple[bool, ...], times: tuple[int, ...], *, weighs: bool = False) -> RowPlan:
    mode = Mode.INDEPENDENT_TIMES if weighs else Mode.KEEP_SOME
    return RowPlan(mode=mode, kept=kept, timesteps=times, jittered=(False,) * 4, weighs_by_noise=weighs)


def test_the_loss_falls_on_free_rows_alone_and_kept_ones_are_shown_near_clean() -> None:
    network, scene = Recorder(), rows()
    chosen = plan((False, True, False, True), (600, 4, 600, 11))
    errors, weights = scene_errors(network, scene, chosen, table())
    assert torch.allclose(errors, scene.noise[[0, 2]].square().mean((1, 2, 3)))
    assert weights.tolist() == [1, 1]
    (kept,), ((free, memory, joint),) = network.remembered, network.predicted
    assert memory is not None and joint
    times = torch.tensor([4, 11])
    assert torch.equal(kept.latents, table().noised(scene.kept[[1, 3]], scene.noise[[1, 3]], times))
    assert kept.timesteps.tolist() == [4, 11] and free.timesteps.tolist() == [600, 600]
    assert all(one.kept for one in kept.identities) and not any(one.kept for one in free.identities)
    assert [one.order for one in free.identities] == [0, 1] and [one.order for one in kept.identities] == [
        0,
        2,
    ]
    assert torch.equal(free.words, scene.batch.words[[0, 2]])
    errors, _ = scene_errors(network, scene, chosen, table(), joint=False)
    assert network.predicted[-1][1:] == (None, False) and len(network.remembered) == 1


def test_rows_with_times_of_their_own_are_weighted_by_their_own_noise() -> None:
    network, scene = Recorder(), rows()
    chosen = plan((False,) * 4, (0, 15, 400, 999), weighs=True)
    expected = scene.noise.square().mean((1, 2, 3)) * table().row_weights(TIMES)
    assert torch.allclose(scene_loss(network, scene, chosen, table()), expected.mean())
    assert network.predicted[0][1] is None
