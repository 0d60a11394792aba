"""From descriptors to copied segments, and the baseline submission of the matching challenge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.formats.descriptors import Descriptors
from podium.search.alignment.temporal_network import TemporalNetwork
from podium.solutions.copy_detection.matching import Found, MatchingSettings, match_rows

PLAIN = MatchingSettings(
    floor=0.5, bias=0.0, aligner=TemporalNetwork(max_step=3, top_k=3, min_similarity=0.5, min_length=1)
)
DIMENSIONS = 32


def described(videos: dict[str, NDArray[np.float64]]) -> Descriptors:
    ids = sorted(videos)
    counts = [len(videos[each]) for each in ids]
    starts = np.concatenate([np.arange(float(count)) for count in counts])
    return Descriptors(
        video_ids=np.repeat(np.array(ids), counts),
        features_ND=np.concatenate([videos[each] for each in ids]).astype(np.float32),
        timestamps_N2=np.stack([starts, starts + 1], axis=1),
    )


def frames(seed: int, count: int) -> NDArray[np.float64]:
    drawn = np.random.default_rng(seed).standard_normal((count, DIMENSIONS))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def archive() -> dict[str, NDArray[np.float64]]:
    return {f"R00000{number}": frames(number, 20 + number) for number in range(5)}


@pytest.fixture
def queries(archive: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Q1 shows R2 from 4 to 10 in its seconds 3 to 9, then R4 from 0 to 5; Q2 nothing; Q3 R3 at double speed."""
    return {
        "Q000001": np.concatenate([frames(50, 3), archive["R000002"][4:10], frames(51, 2), archive["R000004"][:5]]),
        "Q000002": frames(52, 12),
        "Q000003": np.concatenate([frames(53, 1), archive["R000003"][2:18:2]]),
    }


def rows(found: Found) -> list[tuple[str, str, list[float]]]:
    return list(zip(found.query_ids.tolist(), found.reference_ids.tolist(), found.times_N4.tolist(), strict=True))


def test_copied_seconds_are_found_on_both_axes(
    archive: dict[str, NDArray[np.float64]], queries: dict[str, NDArray[np.float64]]
) -> None:
    found = match_rows(described(queries), described(archive), settings=PLAIN)
    assert rows(found) == [
        ("Q000001", "R000002", [3.0, 9.0, 4.0, 10.0]),
        ("Q000001", "R000004", [11.0, 16.0, 0.0, 5.0]),
        ("Q000003", "R000003", [1.0, 9.0, 2.0, 17.0]),
    ]
    np.testing.assert_allclose(found.score_N, 1.0, atol=1e-6)


def test_what_is_said_of_a_query_does_not_depend_on_others(
    archive: dict[str, NDArray[np.float64]], queries: dict[str, NDArray[np.float64]]
) -> None:
    loose = replace(PLAIN, floor=0.2, aligner=replace(PLAIN.aligner, min_similarity=0.2, min_length=0))
    references = described(archive)
    together = rows(match_rows(described(queries), references, settings=loose))
    alone = [
        row
        for each in sorted(queries)
        for row in rows(match_rows(described({each: queries[each]}), references, settings=loose))
    ]
    assert together == alone
    assert len(together) > 3
    fewer = {name: each for name, each in archive.items() if name != "R000002"}
    without = rows(match_rows(described(queries), described(fewer), settings=loose))
    assert without == [row for row in together if row[1] != "R000002"]


def test_the_search_is_widened_until_the_floor_is_reached(archive: dict[str, NDArray[np.float64]]) -> None:
    """Forty references that are one still picture: far more hits than a first look takes."""
    still = np.tile(frames(9, 1), (12, 1))
    many = {f"R1000{number:02d}": still for number in range(40)} | archive
    whole = match_rows(described({"Q000001": still[:4]}), described(many), settings=PLAIN)
    assert set(whole.reference_ids.tolist()) == {f"R1000{number:02d}" for number in range(40)}
    capped = match_rows(described({"Q000001": still[:4]}), described(many), settings=replace(PLAIN, most_hits=48))
    assert set(capped.reference_ids.tolist()) < set(whole.reference_ids.tolist())


def test_the_bias_is_not_in_the_score(
    archive: dict[str, NDArray[np.float64]], queries: dict[str, NDArray[np.float64]]
) -> None:
    lifted = replace(PLAIN, bias=0.5, aligner=replace(PLAIN.aligner, min_similarity=1.0))
    plain, raised = (match_rows(described(queries), described(archive), settings=each) for each in (PLAIN, lifted))
    assert rows(plain) == rows(raised)
    np.testing.assert_allclose(plain.score_N, raised.score_N, atol=1e-12)


def test_nothing_alike_gives_an_empty_table_that_can_be_written(tmp_path: Path) -> None:
    found = match_rows(
        described({"Q000001": frames(1, 5)}), described({"R000001": frames(2, 5)}), settings=replace(PLAIN, floor=2.0)
    )
    assert len(found) == 0
    found.write(tmp_path / "matches.csv")
    header = "query_id,ref_id,query_start,query_end,ref_start,ref_end,score\n"
    assert (tmp_path / "matches.csv").read_text() == header


def test_rows_that_stand_at_one_moment_make_no_match(archive: dict[str, NDArray[np.float64]]) -> None:
    references = described(archive)
    frozen = Descriptors(
        video_ids=references.video_ids[:20],
        features_ND=references.features_ND[:20],
        timestamps_N2=np.full((20, 2), 3.0),
    )
    assert len(match_rows(frozen, references, settings=PLAIN)) == 0


def test_settings_come_back_as_they_were_written() -> None:
    assert MatchingSettings.from_json(PLAIN.to_json()) == PLAIN
    for text in ("[]", "{", '{"floor": 1}', PLAIN.to_json().replace("floor", "flor")):
        with pytest.raises(UsageError, match="these are no settings of the matching baseline"):
            MatchingSettings.from_json(text)
