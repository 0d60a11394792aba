"""The page of identified photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from podium.report import identification


@dataclass(frozen=True)
class Suggestion:
    """As the solution's, without its imports."""

    rank: int
    individual: str
    photo: Path
    similarity: float
    probability: float | None
    photos: int


@dataclass(frozen=True)
class Identification:
    """As the solution's, without its imports."""

    photo: Path
    suggestions: tuple[Suggestion, ...]
    new: float | None
    notes: tuple[str, ...] = ()


def test_the_page_names_individuals_with_probabilities_and_says_whether_one_may_be_new(tmp_path: Path) -> None:
    for name in ("asked.jpg", "ada.jpg"):
        Image.new("RGB", (90, 200), (80, 120, 160)).save(tmp_path / name)
    suggestions = (
        Suggestion(1, "ada", tmp_path / "ada.jpg", 0.81, 0.995, 4),
        Suggestion(2, "bo", tmp_path / "gone.jpg", 0.2, None, 1),
    )
    asked = Identification(tmp_path / "asked.jpg", suggestions, 0.034, ("`x.jpg` was skipped",))
    page = identification.write([asked], tmp_path / "who.html")  # type: ignore[list-item]
    text = page.read_text()
    assert "somebody new: 3 %; <code>x.jpg</code> was skipped" in text
    assert "over 99 % · 4 photographs" in text
    assert "the photograph <code>gone.jpg</code> is gone" in text
    assert text.count('class="card "') == 2
    assert 'class="card right' not in text
    assert len(list((tmp_path / "who").iterdir())) == 1
