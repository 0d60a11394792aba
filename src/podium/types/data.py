"""A data set as a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataSet:
    """A data set's folder: ``public/``, ``inputs/``, ``answers/``, ``manifest.json``."""

    root: Path

    @property
    def public(self) -> Path:
        """What participants download, in the official layout."""
        return self.root / "public"

    @property
    def inputs(self) -> Path:
        """What a run sees, read-only."""
        return self.root / "inputs"

    @property
    def answers(self) -> Path:
        """The labels; never mounted."""
        return self.root / "answers"

    @property
    def manifest(self) -> Path:
        """sha256 of every file."""
        return self.root / "manifest.json"
