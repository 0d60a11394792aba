"""The log of a run: streamed as it comes, head and tail kept, a flood noticed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

FLOOD_FACTOR = 8
_TAIL_LINES = 40
_LINE_CHARACTERS = 500


class Log:
    """Keeps the first and the last half of `limit_bytes` in a file.

    The head is in the file as soon as it was written; the tail follows when the log is closed, after a line that says
    how much was left out between them.
    """

    def __init__(self, path: Path, limit_bytes: int, on_log: Callable[[bytes], None] | None = None) -> None:
        self._file = path.open("xb", buffering=0)
        self._head_left = (limit_bytes + 1) // 2
        self._tail_bytes = limit_bytes // 2
        self._tail: deque[bytes] = deque()
        self._tail_held = 0
        self._recent = b""
        self._on_log = on_log
        self._flood_bytes = FLOOD_FACTOR * limit_bytes
        self.total_bytes = 0

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def flooded(self) -> bool:
        """True when more came than a run may print."""
        return self.total_bytes > self._flood_bytes

    def write(self, chunk: bytes) -> None:
        """Takes the next piece."""
        self.total_bytes += len(chunk)
        self._recent = (self._recent + chunk)[-_TAIL_LINES * _LINE_CHARACTERS :]
        if self._on_log:
            self._on_log(chunk)
        head, rest = chunk[: self._head_left], chunk[self._head_left :]
        if head:
            self._file.write(head)
            self._head_left -= len(head)
        if rest and self._tail_bytes:
            self._tail.append(rest[-self._tail_bytes :])
            self._tail_held += len(self._tail[-1])
            while self._tail_held - len(self._tail[0]) >= self._tail_bytes:
                self._tail_held -= len(self._tail.popleft())

    def close(self) -> None:
        """Writes the tail and closes the file. A second call does nothing."""
        if self._file.closed:
            return
        tail = b"".join(self._tail)[-self._tail_bytes :] if self._tail_bytes else b""
        left_out = self.total_bytes - self._file.tell() - len(tail)
        if left_out > 0:
            self._file.write(f"\n… {left_out} bytes left out …\n".encode())
        self._file.write(tail)
        self._file.close()

    def last_lines(self, count: int = _TAIL_LINES) -> tuple[str, ...]:
        """The last lines as printable text: control characters removed, long lines cut."""
        lines = self._recent.decode(errors="replace").splitlines()
        return tuple(_printable(line) for line in lines[-count:])


def _printable(line: str) -> str:
    text = "".join(each for each in line.expandtabs(4) if each.isprintable())
    return text if len(text) <= _LINE_CHARACTERS else f"{text[:_LINE_CHARACTERS]}…"
