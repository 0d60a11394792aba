"""Scenarios to the file that is judged: every image once, every query as if it were alone, no tie made by writing."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from podium.errors import UsageError

pytest.importorskip("torch")

from podium.solutions.reidentification import embedding
from podium.solutions.reidentification.calibration import Calibration
from podium.solutions.reidentification.expansion import FIRST_PLACE_WEIGHTS, Expansion
from podium.solutions.reidentification.local_features import LocalFeatures
from podium.solutions.reidentification.matching import confidences, falling, match
from podium.solutions.reidentification.model import Member, Model
from podium.solutions.reidentification.ranking import Images, unit_rows
from podium.solutions.reidentification.reranking import Reranking
from podium.solutions.reidentification.submission import rank_scenarios, read_scenarios

Rows = list[dict[str, str]]


def table(path: Path, names: str, rows: Sequence[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([names, *(",".join(row) for row in rows)]) + "\n")


@pytest.fixture
def data(tmp_path: Path, animal: Any) -> Path:
    """Eighteen images of six animals; one scenario leaves one out, one asks side against top."""
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    images = [f"test{number:04d}" for number in range(18)]
    views = ["left" if number % 6 == 5 else "top" for number in range(18)]
    for number, image in enumerate(images):
        Image.fromarray(animal(number % 6, number // 6)).save(root / "images" / f"{image}.jpg", quality=95)
    rows = [
        (image, f"images/{image}.jpg", "96", "48", view, "2019-08-01")
        for image, view in zip(images, views, strict=True)
    ]
    table(root / "metadata.csv", "image_id,path,height,width,viewpoint,date", rows)
    scenarios(root, {"s1": (images[:6], images[:12]), "s2": (images[4:7], images[12:])})
    return root


def scenarios(root: Path, wanted: dict[str, tuple[list[str], list[str]]]) -> None:
    names = [(name, f"queries/{name}.csv", f"databases/{name}.csv") for name in wanted]
    table(root / "query_scenarios.csv", "scenario_id,queries_path,database_path", names)
    for name, (queries, database) in wanted.items():
        table(root / f"queries/{name}.csv", "query_id,query_image_id", [(f"{name}-{each}", each) for each in queries])
        table(root / f"databases/{name}.csv", "database_image_id", [(each,) for each in database])


@pytest.fixture
def two_views(small_network: Any) -> Model:
    return Model(
        members=(
            Member(network=small_network(0), serves=("top",)),
            Member(network=small_network(1), serves=("lateral",)),
        )
    )


def written(data: Path, model: Model, name: str = "out.csv", **how: Any) -> Rows:
    output = data.parent / "submission" / name
    rank_scenarios(data, model, output, **how)
    with output.open(newline="") as lines:
        return list(csv.DictReader(lines))


def of_query(rows: Rows, query: str) -> list[tuple[str, str]]:
    return [(row["database_image_id"], row["score"]) for row in rows if row["query_id"] == query]


def test_every_query_gets_the_whole_small_database_without_itself(data: Path, small_model: Model) -> None:
    rows = written(data, small_model)
    for number in range(6):
        listed = [image for image, _ in of_query(rows, f"s1-test{number:04d}")]
        assert sorted(listed) == [f"test{each:04d}" for each in range(12) if each != number]
    assert len(of_query(rows, "s2-test0004")) == 6
    scores = np.array([float(row["score"]) for row in rows])
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_rows_fall_within_a_query_and_the_limit_cuts_them(data: Path, small_model: Model) -> None:
    rows = written(data, small_model, limit=4)
    for query in {row["query_id"] for row in rows}:
        scores = [float(score) for _, score in of_query(rows, query)]
        assert len(scores) == 4
        assert scores == sorted(scores, reverse=True)


def test_each_image_is_embedded_once(data: Path, small_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    real = embedding.embed

    def watch(model: Model, paths: Sequence[Path], **how: Any) -> Any:
        seen.extend(paths)
        return real(model, paths, **how)

    monkeypatch.setattr(embedding, "embed", watch)
    written(data, small_model)
    assert len(seen) == len(set(seen)) == 18


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"expansion": Expansion(neighbours=2, query_weights=FIRST_PLACE_WEIGHTS)},
        {"reranking": Reranking(neighbours=4, averaged=2)},
    ],
)
def test_a_query_has_the_same_rows_whatever_else_is_asked(data: Path, two_views: Model, change: dict[str, Any]) -> None:
    model = two_views.with_settings(**change)
    images = [f"test{number:04d}" for number in range(18)]
    whole = written(data, model)
    scenarios(data, {"s2": (["test0006", "test0005"], images[12:])})
    for query in ("s2-test0005", "s2-test0006"):
        assert of_query(written(data, model, "less.csv"), query) == of_query(whole, query)
    scenarios(data, {"s1": (["test0003"], images[:12])})
    assert of_query(written(data, model, "one.csv"), "s1-test0003") == of_query(whole, "s1-test0003")


def test_two_runs_write_the_same_bytes(data: Path, small_model: Model) -> None:
    for name in ("a.csv", "b.csv"):
        written(data, small_model, name)
    first, second = (data.parent / "submission" / name for name in ("a.csv", "b.csv"))
    assert first.read_bytes() == second.read_bytes()


def test_the_database_image_s_own_viewpoint_chooses_the_member(
    data: Path, two_views: Model, small_network: Any
) -> None:
    alone = Model(members=(Member(network=small_network(1)),))
    mixed, lateral = written(data, two_views), written(data, alone, "lateral.csv")
    side = "s1-test0005"
    assert of_query(mixed, side) == of_query(lateral, side)
    assert dict(of_query(mixed, "s1-test0000"))["test0005"] == dict(of_query(lateral, "s1-test0000"))["test0005"]
    assert dict(of_query(mixed, "s1-test0000"))["test0001"] != dict(of_query(lateral, "s1-test0000"))["test0001"]


def test_an_unreadable_image_is_named_and_stops_nothing(data: Path, small_model: Model) -> None:
    broken = data / "images" / "test0000.jpg"
    broken.write_bytes(b"broken")
    skipped = rank_scenarios(data, small_model, data.parent / "out.csv")
    assert len(skipped) == 1
    assert str(broken) in skipped[0]


def test_an_image_without_a_row_in_the_table_is_found_by_its_name(data: Path, small_model: Model) -> None:
    before = written(data, small_model)
    lines = (data / "metadata.csv").read_text().splitlines()
    (data / "metadata.csv").write_text("\n".join(line for line in lines if not line.startswith("test0003")) + "\n")
    assert written(data, small_model, "again.csv") == before


def test_a_broken_table_is_named(data: Path, small_model: Model) -> None:
    table(data / "queries/s1.csv", "query", [("a",)])
    with pytest.raises(UsageError, match="no column `query_id`"):
        written(data, small_model)
    shutil.rmtree(data / "databases")
    with pytest.raises(UsageError, match="cannot be read"):
        read_scenarios(data.parent / "nowhere")


def test_scores_are_the_calibrated_probabilities(data: Path, small_model: Model) -> None:
    plain = written(data, small_model)
    steep = Calibration(similarities=(-1.0, 0.9, 1.0), probabilities=(0.0, 0.1, 1.0), method="isotonic")
    mapped = written(data, small_model.with_calibration(steep), "mapped.csv")
    assert [row["database_image_id"] for row in mapped] == [row["database_image_id"] for row in plain]
    for before, after in zip(plain, mapped, strict=True):
        assert float(after["score"]) == pytest.approx(float(steep.apply(2 * float(before["score"]) - 1)), abs=1e-9)


def test_similarities_that_differ_never_become_one_score() -> None:
    flat = Calibration(similarities=(-1.0, 1.0), probabilities=(0.5, 0.5 + 1e-15), method="isotonic")
    similarity = np.array([[0.3, np.nextafter(0.3, 0), 0.2, 0.2, -np.inf]])
    found = falling(flat.apply(np.where(np.isfinite(similarity), similarity, -1)), similarity)[0]
    assert found[0] > found[1] > found[2] == found[3] > found[4]


def test_confidences_without_a_calibration_are_halfway_cosines(small_model: Model) -> None:
    assert confidences(small_model, np.array([[1.0, 0.5, -1.0, -np.inf]])).tolist() == [[1.0, 0.75, 0.0, 0.0]]


def test_matching_details_reorder_the_shortlist_only(
    small_model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("skimage")
    rows = unit_rows(np.array([[1.0, 0.0], [1.0, 0.3], [1.0, 0.6], [1.0, 3.0]]))
    images = Images(blocks=(rows,), lateral_N=np.zeros(4, np.bool_))
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    counts = {paths[1]: 0, paths[2]: 80, paths[3]: 500}
    monkeypatch.setattr(
        "podium.solutions.reidentification.local_features.Matcher.count",
        lambda self, query, candidate: counts[candidate],
    )
    settings = {"limit": 2, "local": LocalFeatures(shortlist=2)}
    found = match(
        small_model.with_settings(**settings),
        images.take(slice(0, 1)),
        images,
        own_Q=np.array([0]),
        query_paths=paths[:1],
        database_paths=paths,
    )
    assert found.indices_QK.tolist() == [[2, 1]]
    longer = match(
        small_model.with_settings(**settings),
        images.take(slice(0, 1)),
        images,
        own_Q=np.array([0]),
        limit=3,
        query_paths=paths[:1],
        database_paths=paths,
    )
    assert longer.indices_QK.tolist() == [[2, 1, 3]]
    assert (np.diff(longer.confidence_QK[0]) < 0).all()
