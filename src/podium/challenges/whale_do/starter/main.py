"""The smallest valid submission: the first 20 images of the database, all with the same score.

Reads /code_execution/data, writes /code_execution/submission/submission.csv. Put your own `predict` in place of this
one; an image lies at DATA / "images" / f"{image_id}.jpg". Needs no package.
"""

import csv
import os
from pathlib import Path

# Unset in the official runtime; `podium run --sandbox process` puts everything below it.
ROOT = Path(os.environ.get("PODIUM_ROOT", "") + "/code_execution")
DATA = ROOT / "data"
OUTPUT = ROOT / "submission" / "submission.csv"
LIMIT = 20


def predict(query_image_id: str, database_image_ids: "list[str]") -> "list[tuple[str, float]]":
    """At most 20 images of the database with their scores, 0 to 1; never the query's own image."""
    others = [each for each in database_image_ids if each != query_image_id]
    return [(each, 0.5) for each in others[:LIMIT]]


def read(path: Path) -> "list[dict[str, str]]":
    """The rows of a table."""
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def main() -> None:
    """Ranks the database of each scenario for each of its queries."""
    OUTPUT.parent.mkdir(exist_ok=True)
    with OUTPUT.open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["query_id", "database_image_id", "score"])
        for scenario in read(DATA / "query_scenarios.csv"):
            database = [row["database_image_id"] for row in read(DATA / scenario["database_path"])]
            for query in read(DATA / scenario["queries_path"]):
                for image_id, score in predict(query["query_image_id"], database):
                    table.writerow([query["query_id"], image_id, score])


if __name__ == "__main__":
    main()
