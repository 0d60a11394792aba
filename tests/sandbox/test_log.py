from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from podium.sandbox.log import Log


def kept(path: Path) -> bytes:
    return path.read_bytes()


def test_a_short_log_is_kept_whole_and_streamed(tmp_path: Path) -> None:
    seen: list[bytes] = []
    with Log(tmp_path / "log.txt", 100, seen.append) as log:
        log.write(b"one\n")
        assert kept(tmp_path / "log.txt") == b"one\n"
        log.write(b"two\n")
    assert kept(tmp_path / "log.txt") == b"one\ntwo\n"
    assert seen == [b"one\n", b"two\n"]
    assert log.last_lines() == ("one", "two")


def test_a_long_log_keeps_head_and_tail_and_says_what_is_missing(tmp_path: Path) -> None:
    with Log(tmp_path / "log.txt", 10) as log:
        for number in range(10):
            log.write(str(number).encode() * 3)
    text = kept(tmp_path / "log.txt").decode()
    assert text.startswith("00011")
    assert text.endswith("88999")
    assert "20 bytes left out" in text


def test_a_flood_is_noticed_at_eight_times_the_limit(tmp_path: Path) -> None:
    with Log(tmp_path / "log.txt", 10) as log:
        log.write(b"x" * 80)
        assert not log.flooded
        log.write(b"x")
        assert log.flooded


def test_last_lines_hold_no_control_characters(tmp_path: Path) -> None:
    with Log(tmp_path / "log.txt", 1000) as log:
        log.write(b"\x1b[31mred\x07\n\xff\xfe end\ta\n" + b"y" * 900)
        lines = log.last_lines()
    assert lines[0] == "[31mred"
    assert all(line.isprintable() for line in lines)
    assert len(lines[-1]) == 501


@settings(deadline=None)
@given(chunks=st.lists(st.binary(max_size=40), max_size=12), limit=st.integers(1, 60))
def test_head_and_tail_are_those_of_the_whole(chunks: list[bytes], limit: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.txt"
        with Log(path, limit) as log:
            for chunk in chunks:
                log.write(chunk)
        whole = b"".join(chunks)
        if len(whole) <= limit:
            assert kept(path) == whole
        else:
            head, tail = (limit + 1) // 2, limit // 2
            note = f"\n… {len(whole) - limit} bytes left out …\n".encode()
            assert kept(path) == whole[:head] + note + whole[len(whole) - tail :]
