"""Write the averaged weights of a run as the product's model.

Use: `python -m psdstudio.training.ship --run training_data/run --look-px 128`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from psdstudio.engine.weights import save_weights
from psdstudio.training.checkpoints import load_state
from psdstudio.training.train import build_state


def main() -> None:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("training_data/run"))
    parser.add_argument("--look-px", type=int, required=True, help="edge of a look at which the run ended")
    parser.add_argument("--to", type=Path, default=Path("resources/model/scene.safetensors"))
    args = parser.parse_args()
    state = build_state(1e-3)
    load_state(args.run / "last.safetensors", state)
    save_weights(args.to, state.average, look_px=args.look_px, trained=state.seen)
    print(f"{args.to}: {args.to.stat().st_size / 1e6:.1f} MB, trained on {state.seen}")


if __name__ == "__main__":
    main()
