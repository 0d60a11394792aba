"""The baseline: embeddings of a pretrained or trained network, compared by cosine, scores calibrated.

Reads /code_execution/data, writes /code_execution/submission/submission.csv. What it knows lies in model_assets/ beside
this file, where `podium new` or `podium train` put it.
"""

import os
import sys
from pathlib import Path

from podium.solutions.reidentification.model import Model
from podium.solutions.reidentification.submission import rank_scenarios

# Unset in the official runtime; `podium run --sandbox process` puts everything below it.
ROOT = Path(os.environ.get("PODIUM_ROOT", "") + "/code_execution")
ASSETS = Path(__file__).resolve().parent / "model_assets"


def main() -> None:
    """Ranks the database of each scenario for each of its queries."""
    model = Model.load(ASSETS, device="auto")
    skipped = rank_scenarios(ROOT / "data", model, ROOT / "submission" / "submission.csv")
    if skipped:
        # Nothing of the test images may reach the log, so only how many.
        sys.stderr.write(f"{len(skipped)} images could not be read\n")


if __name__ == "__main__":
    main()
