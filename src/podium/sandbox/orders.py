"""What the supervisor asks of the first process of a box."""

from __future__ import annotations

from typing import TypedDict


class Orders(TypedDict):
    """What the supervisor asks for. Plain values only, since they travel as marshal data."""

    go: int
    report: int
    log: int
    executable: str
    argv: list[str]
    environment: dict[str, str]
    workdir: str
    uid: int
    gid: int
    cpus: list[int]
    rlimits: list[tuple[int, int, int]]
    namespace: bool
