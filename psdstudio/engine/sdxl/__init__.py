"""The photoreal engine: SDXL and LayerDiffuse weights of the user's own.

What the libraries read once, when they are imported, is said here, before any module of the package imports them:
nothing may ever look for a file on the network.
"""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads and a fork do not go together
