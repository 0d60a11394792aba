"""CSV tables: every fault has its line, and text stays text."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.formats import tables
from podium.formats.tables import Column, TableReading, read, write

COLUMNS = (Column("query_id"), Column("start", "float", minimum=0.0), Column("count", "int", maximum=9))
HEADER = "query_id,start,count\n"


def table(path: Path, content: str | bytes, **changes) -> TableReading:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(path, **({"columns": COLUMNS, "max_bytes": 1 << 20, "max_rows": 1000} | changes))


def told(reading: TableReading) -> list[str]:
    assert reading.frame is None
    assert not reading.valid
    assert reading.problems
    return [str(each) for each in reading.problems]


def test_a_table_is_read_with_its_lines(tmp_path):
    reading = table(tmp_path / "m.csv", HEADER + "007,0.5,3\nNA,1e3,-2\n")
    assert reading.problems == ()
    assert reading.frame.to_dict(as_series=False) == {
        "query_id": ["007", "NA"],
        "start": [0.5, 1000.0],
        "count": [3, -2],
    }
    assert reading.lines.tolist() == [2, 3]


@pytest.mark.parametrize(
    "content",
    [
        "query_id,start,count\r\na,1,2\r\nb,3,4\r\n",
        "\ufeffquery_id,start,count\na,1,2\nb,3,4",
        "\nquery_id,start,count\n\na,1,2\n\n\nb,3,4\n\n",
        '"query_id","start","count"\n"a","1","2"\n"b","3","4"\n',
        "query_id,start,count\na, 1,2 \nb,\t3,+4\n",
    ],
)
def test_harmless_differences_change_nothing(tmp_path, content):
    reading = table(tmp_path / "m.csv", content)
    assert reading.problems == ()
    assert reading.frame.rows() == [("a", 1.0, 2), ("b", 3.0, 4)]
    for line, name in zip(reading.lines.tolist(), "ab", strict=True):
        text = (tmp_path / "m.csv").read_text(encoding="utf-8-sig").splitlines()[line - 1]
        assert text.strip('"').startswith(name)


def test_columns_may_stand_in_any_order_unless_it_is_exact(tmp_path):
    content = "count,query_id,start\n1,a,2\n"
    assert table(tmp_path / "m.csv", content).frame.columns == ["query_id", "start", "count"]
    found = told(table(tmp_path / "m.csv", content, exact_order=True))
    assert found == [
        "m.csv line 1: the columns are in the order `count,query_id,start`; `query_id,start,count` is needed"
    ]


def test_other_columns_are_refused_or_ignored(tmp_path):
    content = "query_id,start,count,note\na,1,2,hello\n"
    assert told(table(tmp_path / "m.csv", content)) == [
        "m.csv line 1: the header has columns that are not allowed: `note`; `query_id,start,count` is needed"
    ]
    assert table(tmp_path / "m.csv", content, extra="ignore").frame.rows() == [("a", 1.0, 2)]


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("query_id,start", "the column `count` is missing"),
        ("query_id,start,counts", "the column `count` is missing; the header has `counts`"),
        ("query_id,start,start,count", "the column `start` is there `2` times"),
        ("query_id;start;count", "columns are separated by `;`; commas are needed"),
        ("query_id\tstart\tcount", "columns are separated by"),
        ("a,1,2", "the header is `a,1,2`; `query_id,start,count` is needed"),
    ],
)
def test_a_wrong_header_is_told(tmp_path, header, wanted):
    assert any(wanted in each for each in told(table(tmp_path / "m.csv", header + "\na,1,2\n")))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("a,x,1", "m.csv line 3: `start` is `x`; a number is needed"),
        ("a,,1", "`start` is empty; a number is needed"),
        ("a,NaN,1", "`start` is `NaN`; a finite number is needed"),
        ("a,-inf,1", "`start` is `-inf`; a finite number is needed"),
        ("a,1e999,1", "`start` is `1e999`; a finite number is needed"),
        ("a,-0.5,1", "`start` is `-0.5`; at least `0` is needed"),
        ("a,1,10", "`count` is `10`; at most `9` is allowed"),
        ("a,1,1.5", "`count` is `1.5`; a whole number is needed"),
        ("a,1,99999999999999999999", "`count` is `99999999999999999999`; a whole number is needed"),
        ("a,0x10,1", "a number is needed"),
        ("a,1_0,1", "a number is needed"),
        (",1,1", "`query_id` is empty; text is needed"),
        ("x" * 201 + ",1,1", "at most `200` characters are allowed"),
        ("a,1", "the line has `2` fields; the header has `3` columns"),
        ("a,1,2,3", "the line has `4` fields"),
        ("a;1;2", "the line has `1` fields"),
        ('"a,1,2', "the quotes do not match"),
        ('"a"b,1,2', "the quotes do not match"),
    ],
)
def test_a_wrong_line_is_told_with_its_number(tmp_path, line, wanted):
    found = told(table(tmp_path / "m.csv", f"{HEADER}good,1,2\n{line}\ngood,1,2\n"))
    assert len(found) == 1
    assert found[0].startswith("m.csv line 3: ")
    assert wanted in found[0]


def test_quoted_and_plain_files_give_the_same_faults(tmp_path):
    rows = [["a", "x", "1"], ["", "nan", "99"], ["b", "1", "2", "3"], ["c", "1", "1"]]
    found = []
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        stream = io.StringIO()
        csv.writer(stream, quoting=quoting, lineterminator="\n").writerows([["query_id", "start", "count"], *rows])
        found.append(told(table(tmp_path / "m.csv", stream.getvalue())))
    assert found[0] == found[1]
    assert len(found[0]) == 5


def test_all_faults_are_told_at_once_and_like_ones_are_gathered(tmp_path):
    lines = "".join(f"q{row},nan,77\n" for row in range(100))
    problems = table(tmp_path / "m.csv", HEADER + lines + "short\n").problems
    assert [each.place for each in problems][:4] == ["m.csv line 102", *(f"m.csv line {n}" for n in (2, 3, 4))]
    assert sum(each.count for each in problems if "finite" in each.message) == 100
    assert sum(each.count for each in problems if "at most" in each.message) == 100
    assert len(problems) == 7


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", "m.csv: the file is empty"),
        (b"\n \n", "m.csv: the file is empty"),
        (HEADER.encode(), "m.csv: the file has a header and no rows"),
        (HEADER.encode().strip(), "m.csv: the file has a header and no rows"),
        (HEADER.encode() + b"a\0,1,2\n", "m.csv line 2: the line holds a NUL byte"),
        (HEADER.encode() + b"a,1,2\n\xff,1,2\n", "m.csv line 3: the byte `0xff` is no UTF-8"),
        (HEADER.encode() + b"a\rb,1,2\n", "m.csv line 2: the line holds a carriage return without"),
        (HEADER.encode("utf-16"), "the file is UTF-16; UTF-8 is needed"),
    ],
)
def test_a_file_that_is_no_table_gets_one_message(tmp_path, content, wanted):
    found = told(table(tmp_path / "m.csv", content))
    assert len(found) == 1
    assert found[0].startswith(wanted) or wanted in found[0]


def test_a_header_alone_can_be_allowed(tmp_path):
    reading = table(tmp_path / "m.csv", HEADER, may_be_empty=True)
    assert reading.problems == ()
    assert reading.frame.schema == {"query_id": pl.String, "start": pl.Float64, "count": pl.Int64}
    assert reading.frame.height == 0


def test_too_many_rows_or_bytes_are_refused(tmp_path):
    content = HEADER + "a,1,2\n" * 11
    assert (
        "the file has `11` rows; at most `10` are allowed" in told(table(tmp_path / "m.csv", content, max_rows=10))[0]
    )
    assert table(tmp_path / "m.csv", content, max_rows=11).valid
    quoted = content.replace("a,1", '"a",1')
    assert "at least `11` rows; at most `10` are allowed" in told(table(tmp_path / "m.csv", quoted, max_rows=10))[0]
    assert "at most `20 bytes` are allowed" in told(table(tmp_path / "m.csv", content, max_bytes=20))[0]


def test_links_folders_and_pipes_are_not_read(tmp_path):
    (tmp_path / "real.csv").write_text(HEADER + "a,1,2\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    for name, wanted in (("link.csv", "a link"), ("pipe.csv", "a pipe"), ("none.csv", "missing"), (".", "a folder")):
        reading = read(tmp_path / name, COLUMNS, max_bytes=1000, max_rows=10)
        assert wanted in told(reading)[0]


def test_a_gzip_bomb_is_no_table(tmp_path):
    import gzip

    content = gzip.compress(HEADER.encode() + b"a,1,2\n" * 100_000)
    assert "no UTF-8" in told(table(tmp_path / "m.csv", content))[0]


def test_infinities_pass_where_they_are_allowed(tmp_path):
    reading = table(tmp_path / "m.csv", "x\ninf\n-inf\n", columns=(Column("x", "float", finite=False),))
    assert reading.frame["x"].to_list() == [np.inf, -np.inf]


def test_empty_text_passes_where_it_is_allowed(tmp_path):
    columns = (Column("x", may_be_empty=True), Column("y"))
    assert table(tmp_path / "m.csv", "x,y\n,1\n", columns=columns).frame.rows() == [("", "1")]


def test_control_characters_do_not_reach_a_message(tmp_path):
    found = told(table(tmp_path / "m.csv", HEADER + "a,\x1b[31mred,1\n"))
    assert "\x1b" not in found[0]
    assert "\\x1b" in found[0]


def test_a_field_longer_than_csv_reads_is_a_fault(tmp_path):
    content = HEADER + '"' + "x" * 200_000 + '",1,2\n'
    assert "m.csv line 2" in told(table(tmp_path / "m.csv", content))[0]


def test_rows_across_scan_pieces_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_SCAN_BYTES", 7)
    content = HEADER + "".join(f"q{row},{row},{row % 9}\n" for row in range(50)) + "bad\n"
    found = told(table(tmp_path / "m.csv", content))
    assert found == ["m.csv line 52: the line has `1` fields; the header has `3` columns"]


def test_what_is_written_is_read_back_bit_for_bit(tmp_path):
    values = np.array([0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308, 123456789.0])
    ids = np.array(["007", "NA", "a b", "é", "x", "null"])
    write(tmp_path / "m.csv", {"id": ids, "value": values, "count": np.arange(6)})
    columns = (Column("id"), Column("value", "float"), Column("count", "int"))
    reading = read(tmp_path / "m.csv", columns, max_bytes=1000, max_rows=10, exact_order=True)
    assert reading.frame["id"].to_list() == ids.tolist()
    assert reading.frame["value"].to_numpy().tobytes() == values.tobytes()
    assert reading.frame["count"].to_list() == list(range(6))


def test_float32_is_widened_before_it_is_written(tmp_path):
    values = np.array([0.1, 0.7], dtype=np.float32)
    write(tmp_path / "m.csv", {"value": values})
    reading = read(tmp_path / "m.csv", (Column("value", "float"),), max_bytes=1000, max_rows=10)
    assert reading.frame["value"].to_list() == values.astype(np.float64).tolist()


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(UsageError, match="differ in length"):
        write(tmp_path / "m.csv", {"a": [1, 2], "b": [1]})
    with pytest.raises(UsageError, match="not finite"):
        write(tmp_path / "m.csv", {"a": np.array([1.0, np.nan])})
    assert list(tmp_path.iterdir()) == []


def test_columns_without_rows_are_written_as_a_header(tmp_path):
    write(tmp_path / "m.csv", {"query_id": np.array([], dtype=str), "score": np.array([], dtype=np.float64)})
    assert (tmp_path / "m.csv").read_text() == "query_id,score\n"


NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(NAMES, st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=12))
def test_any_text_and_number_survive_the_file(tmp_path, rows):
    names, values = zip(*rows, strict=True)
    write(tmp_path / "m.csv", {"name": np.array(names), "value": np.array(values)})
    columns = (Column("name"), Column("value", "float"))
    reading = read(tmp_path / "m.csv", columns, max_bytes=1 << 20, max_rows=100)
    assert reading.problems == ()
    assert reading.frame["name"].to_list() == list(np.array(names))
    assert reading.frame["value"].to_numpy().tobytes() == np.array(values).tobytes()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=200), st.text('a1.,"\n\r é-eNif', max_size=120).map(str.encode)))
def test_no_content_makes_the_reader_raise(tmp_path, content):
    for whole in (content, HEADER.encode() + content):
        reading = table(tmp_path / "m.csv", whole)
        assert reading.valid == (not reading.problems)
        if reading.valid:
            assert reading.frame.null_count().sum_horizontal().item() == 0
            assert len(reading.lines) == reading.frame.height > 0
        for each in reading.problems:
            str(each).encode("utf-8")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.text("ab1.,\n ", max_size=120))
def test_fast_and_quoted_reading_agree(tmp_path, content):
    """The same table with one more quoted row goes the slow way."""
    plain = table(tmp_path / "m.csv", f"{HEADER}{content}\nlast,1,1\n")
    quoted = table(tmp_path / "m.csv", f'{HEADER}{content}\n"last",1,1\n')
    assert plain.problems == quoted.problems
    assert plain.lines.tolist() == quoted.lines.tolist()
    if plain.valid:
        assert plain.frame.equals(quoted.frame)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"a," * 5_000_000 + b"b", "columns; `query_id,score` is needed"),
        (b"query_id,score" + b"x" * 5_000_000, "hold no whole line"),
        (b"\n" * 1_000 + b"c," * 5_000 + b"d\n1", "the header has at least `5001` columns"),
    ],
)
def test_an_endless_header_is_refused_before_it_is_split(
    tmp_path: Path, header: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> object:
        raise AssertionError("the header was split")

    monkeypatch.setattr(tables, "_read_header", never)
    path = tmp_path / "wide.csv"
    path.write_bytes(header + b"\n1,2\n")
    columns = (tables.Column(name="query_id"), tables.Column(name="score", kind="float"))
    reading = tables.read(path, columns, max_bytes=1 << 30, max_rows=100)
    (problem,) = reading.problems
    assert reading.frame is None
    assert message in str(problem)
    assert len(str(problem)) < 200
