"""Loads the networks of an SDXL-family model from the user's folder or file: strictly, offline, safetensors only.

The modules are those of diffusers and transformers, empty, as the configuration describes them; the tensors are read
and named by us, so that one missing or damaged tensor is an error and not a random layer. A folder brings its own
configuration; a checkpoint in one file has none and is measured against that of SDXL base 1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from psdstudio.engine.sdxl.libraries import (
    AutoencoderKL,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    UNet2DConditionModel,
    init_empty_weights,
)
from psdstudio.engine.sdxl.single_file import (
    TEXT_PREFIXES,
    UNET_PREFIX,
    VAE_PREFIX,
    open_clip_state,
    unet_name,
    vae_state,
)
from psdstudio.engine.sdxl.tensor_file import (
    AGAIN,
    check_unchanged,
    fill,
    read_json,
    read_names,
    read_tensors,
    weight_files,
)
from psdstudio.engine.sdxl.tokenizer import MAX_TOKENS, VOCABULARY_SIZE, clip_tokenizers
from psdstudio.errors import ModelIncompatible, ModelLoadFailed
from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.resources_path import resource_dir

_FAMILY = "PSDStudio needs a model of the SDXL family."
_MAX_LEVELS, _MAX_LAYERS = 8, 100
_UNUSED = ("embeddings.position_ids", "logit_scale", "attn_mask")
"""Kept in files by older programs; no parameter of the networks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BaseModel:
    """The networks of an SDXL-family model on the CPU, in evaluation mode, without gradients.

    Attributes:
        unet: diffusers' UNet2DConditionModel.
        vae: diffusers' AutoencoderKL, never in float16, in which SDXL's overflows.
        text_encoders: transformers' CLIPTextModel and CLIPTextModelWithProjection.
        tokenizers: Of the first and of the second text encoder (they pad differently).
        scheduler: Configuration of the noise schedule: betas, prediction type, spacing, as diffusers names them.
    """

    unet: Any
    vae: Any
    text_encoders: tuple[Any, Any]
    tokenizers: tuple[Any, Any]
    scheduler: Mapping[str, Any]


def load_base(
    model: ModelFile,
    *,
    dtype: torch.dtype = torch.float32,
    vae_dtype: torch.dtype | None = None,
    config: Path | None = None,
) -> BaseModel:
    """Read a model's networks.

    Args:
        model: Of kind SDXL_FOLDER or SDXL_CHECKPOINT.
        dtype: Of the UNet and the text encoders.
        vae_dtype: Of the VAE; None for `dtype`, and float32 where that is float16.
        config: Folder with the configurations of a checkpoint that is not of SDXL's own size.

    Raises:
        ModelNotFound: A file is missing.
        ModelLoadFailed: A tensor is missing, unknown, of another shape or not finite; a file is damaged or has changed.
        ModelIncompatible: The model is not of the SDXL family, or is one that paints otherwise (inpainting, EDM).
    """
    source: _Source
    if model.kind is ModelKind.SDXL_FOLDER:
        source = _Folder(Path(model.path))
    elif model.kind is ModelKind.SDXL_CHECKPOINT:
        source = _Checkpoint(check_unchanged(model), config or resource_dir("sdxl/config"))
    else:
        raise ModelIncompatible(f"“{model.title}” is no model that paints by itself.", _FAMILY)
    if vae_dtype is None:
        vae_dtype = torch.float32 if dtype is torch.float16 else dtype
    configs = {part: source.config(part) for part in ("unet", "vae", "text_encoder", "text_encoder_2")}
    _check_family(model.title, configs)
    scheduler = source.scheduler()
    # The UNet last: what the others lack is known before it is read, which takes the longest.
    vae = _filled(lambda: AutoencoderKL.from_config(configs["vae"]), source, "vae", vae_dtype)
    text_encoders = (
        _filled(lambda: CLIPTextModel(_text_config(configs, 1)), source, "text_encoder", dtype),
        _filled(
            lambda: CLIPTextModelWithProjection(_text_config(configs, 2)), source, "text_encoder_2", dtype
        ),
    )
    return BaseModel(
        unet=_filled(lambda: UNet2DConditionModel.from_config(configs["unet"]), source, "unet", dtype),
        vae=vae,
        text_encoders=text_encoders,
        tokenizers=clip_tokenizers(),
        scheduler=scheduler,
    )


class _Source(Protocol):
    """Where configurations and tensors come from; text encoders' names come less `text_model.`."""

    def config(self, part: str) -> dict[str, Any]: ...
    def state(self, part: str, dtype: torch.dtype) -> dict[str, Tensor]: ...
    def scheduler(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class _Folder:
    """diffusers' layout: a folder per part."""

    path: Path

    def config(self, part: str) -> dict[str, Any]:
        return read_json(self.path / part / "config.json")

    def state(self, part: str, dtype: torch.dtype) -> dict[str, Tensor]:
        state: dict[str, Tensor] = {}
        for file in self._weight_files(part):
            state.update(read_tensors(file, dtype=dtype))
        if part == "vae":
            return {_newer_vae_name(name): _as_matrix(name, tensor) for name, tensor in state.items()}
        return {_short_text_name(name): tensor for name, tensor in state.items()}

    def scheduler(self) -> dict[str, Any]:
        config = read_json(self.path / "scheduler" / "scheduler_config.json")
        if str(config.get("_class_name")).startswith("EDM"):
            raise _other_noise(self.path)
        return config

    def _weight_files(self, part: str) -> list[Path]:
        stem = "model" if part.startswith("text_encoder") else "diffusion_pytorch_model"
        return weight_files(self.path / part, stem)


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """The original layout: all parts in one file."""

    path: Path
    configs: Path

    def config(self, part: str) -> dict[str, Any]:
        return read_json(self.configs / part / "config.json")

    def state(self, part: str, dtype: torch.dtype) -> dict[str, Tensor]:
        prefixes = {"unet": UNET_PREFIX, "vae": VAE_PREFIX}
        prefixes["text_encoder"], prefixes["text_encoder_2"] = TEXT_PREFIXES
        prefix = prefixes[part]
        state = read_tensors(self.path, dtype=dtype, wanted=lambda name: name.startswith(prefix))
        state = {name[len(prefix) :]: tensor for name, tensor in state.items()}
        if not state:
            raise ModelLoadFailed(f"{self.path.name} has no {part}.", "Get an edition that holds all parts.")
        if part == "unet":
            return {unet_name(name): tensor for name, tensor in state.items()}
        if part == "vae":
            return vae_state(state, levels=len(self.config("vae")["block_out_channels"]))
        return open_clip_state(state) if part == "text_encoder_2" else state

    def scheduler(self) -> dict[str, Any]:
        config = read_json(self.configs / "scheduler" / "scheduler_config.json")
        names = read_names(self.path)
        if "edm_mean" in names:
            raise ModelIncompatible(
                f"{self.path.name} was trained with another kind of noise (EDM).", _FAMILY
            )
        # Empty tensors by which models of this kind say so, for want of a configuration.
        if "v_pred" in names:
            config["prediction_type"] = "v_prediction"
        if "ztsnr" in names:
            config["rescale_betas_zero_snr"] = True
        return config


def _other_noise(path: Path) -> ModelIncompatible:
    return ModelIncompatible(f"“{path.name}” was trained with another kind of noise (EDM).", _FAMILY)


def _check_family(title: str, configs: Mapping[str, dict[str, Any]]) -> None:
    """Refuse other families by their configurations, before anything large is built or read."""
    unet, texts = configs["unet"], (configs["text_encoder"], configs["text_encoder_2"])
    for config in configs.values():
        if not _is_buildable(config):
            raise ModelLoadFailed(
                f"“{title}” says that it has more layers than any model of its kind.", AGAIN
            )
    if unet.get("in_channels") == 9:
        raise ModelIncompatible(f"“{title}” is an inpainting model.", _FAMILY)
    widths = [text.get("hidden_size") for text in texts]
    if unet.get("addition_embed_type") != "text_time" or unet.get("in_channels") != 4:
        raise ModelIncompatible(f"“{title}” is not of the SDXL family.", _FAMILY)
    if None in widths or unet.get("cross_attention_dim") != sum(width for width in widths if width):
        raise ModelIncompatible(f"The parts of “{title}” do not belong together.", _FAMILY)
    for text in texts:
        if (
            text.get("vocab_size") != VOCABULARY_SIZE
            or text.get("max_position_embeddings", MAX_TOKENS) != MAX_TOKENS
        ):
            raise ModelIncompatible(f"“{title}” reads words with a vocabulary of its own.", _FAMILY)


_COUNTS = ("layers_per_block", "transformer_layers_per_block", "num_hidden_layers")


def _is_buildable(config: Mapping[str, Any]) -> bool:
    """Say if a configuration asks for no more levels and layers than a large model has: it decides what is built."""

    def all_small(value: Any) -> bool:
        if isinstance(value, list):
            return len(value) <= _MAX_LEVELS and all(all_small(part) for part in value)
        return not isinstance(value, int) or value <= _MAX_LAYERS

    levels = config.get("block_out_channels", [])
    return (
        isinstance(levels, list)
        and len(levels) <= _MAX_LEVELS
        and all(all_small(config.get(k)) for k in _COUNTS)
    )


def _text_config(configs: Mapping[str, dict[str, Any]], which: int) -> Any:
    return CLIPTextConfig.from_dict(configs["text_encoder" if which == 1 else "text_encoder_2"])


def _filled(build: Callable[[], Any], source: _Source, part: str, dtype: torch.dtype) -> Any:
    try:
        with init_empty_weights():  # parameters without memory; buffers as they are
            module = build()
    except (TypeError, ValueError, KeyError, ArithmeticError, RuntimeError) as exc:
        raise ModelLoadFailed(
            f"The configuration of the model's {part} cannot be used: {exc}", AGAIN
        ) from exc
    state = source.state(part, dtype)
    state = {name: tensor for name, tensor in state.items() if name not in _UNUSED}
    rename = _short_text_name if part.startswith("text_encoder") else str
    fill(module, state, source=f"The model's {part}", rename=rename)
    return module


def _short_text_name(name: str) -> str:
    """transformers has dropped and kept the prefix in turn, by version and by class; files have it."""
    return name.removeprefix("text_model.")


_OLDER_VAE = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def _newer_vae_name(name: str) -> str:
    for older, newer in _OLDER_VAE.items():
        name = name.replace(older, newer)
    return name


def _as_matrix(name: str, tensor: Tensor) -> Tensor:
    is_projection = ".attentions." in name and name.endswith(".weight") and tensor.ndim == 4
    return tensor.flatten(1) if is_projection else tensor
