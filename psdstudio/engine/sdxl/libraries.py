"""The one place where diffusers, transformers and accelerate enter the photoreal engine: offline, and quiet.

What they warn of at import and in use is no news for the user: both miss torchvision, for image processors that we do
not use, and both draw progress bars on the terminal.
"""

from __future__ import annotations

import diffusers
import transformers
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

__all__ = [
    "AutoencoderKL",
    "CLIPTextConfig",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPTokenizer",
    "CLIPVisionConfig",
    "CLIPVisionModelWithProjection",
    "UNet2DConditionModel",
    "init_empty_weights",
]

for _library in (diffusers, transformers):
    _library.utils.logging.set_verbosity_error()
    _library.utils.logging.disable_progress_bar()
