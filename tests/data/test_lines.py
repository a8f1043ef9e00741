from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.data.json_array import json_objects
from recsys.data.lines import Record, json_lines, read_lines
from recsys.data.report import Tally
from recsys.errors import DataError

Write = Callable[..., str]


def texts(path: str | Path, **options: object) -> tuple[list[tuple[int, str]], Tally]:
    tally = Tally()
    return [(line.number, line.text) for line in read_lines(Path(path), tally, **options)], tally  # type: ignore[arg-type]


def objects(path: str | Path, reader: object = json_lines, **options: object) -> tuple[list[Record], Tally]:
    tally, out = Tally(), []
    for record in reader(Path(path), tally, **options):  # type: ignore[operator]
        tally.keep()
        out.append(record)
    return out, tally


def test_marks_line_ends_and_blank_lines_vanish(write: Write) -> None:
    lines, tally = texts(write("a.txt", b"\xef\xbb\xbfone\r", "", "  ", "two"))
    assert lines == [(1, "one"), (4, "two")]
    assert tally.freeze().read == 0


def test_a_last_line_without_end_counts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\ntwo")
    assert texts(tmp_path / "a.txt")[0] == [(1, "one"), (2, "two")]


def test_gzip_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(b"one\n")
    (tmp_path / "packed.txt").write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n") + b"\0" * 9)
    assert texts(tmp_path / "plain.gz")[0] == [(1, "one")]
    assert texts(tmp_path / "packed.txt")[0] == [(1, "one"), (2, "two")]


def test_truncated_gzip_keeps_what_was_read_and_says_so(tmp_path: Path) -> None:
    whole = [json.dumps({"n": n, "x": f"{n * 7919 % 10007:x}" * 5}) for n in range(5000)]
    packed = gzip.compress("\n".join(whole).encode())
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    records, tally = objects(tmp_path / "cut.gz")
    report = tally.freeze()
    assert 1000 < len(records) < 4000
    assert [r.value for r in records] == [json.loads(line) for line in whole[: len(records)]]
    assert report.read == len(records) + 1
    assert report.samples == (f"cut.gz:{len(records) + 1}: gzip ends early: the rest is lost",)


@pytest.mark.parametrize("cut", [2, 5, 15])
def test_gzip_cut_in_its_header(tmp_path: Path, cut: int) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"hello world\n" * 3)[:cut])
    lines, tally = texts(tmp_path / "cut.gz")
    assert lines == []
    assert tally.freeze().reasons == {"gzip ends early: the rest is lost": 1}


def test_damaged_gzip_keeps_what_comes_before(tmp_path: Path) -> None:
    whole = "\n".join(f"line {n * 7919 % 10007}" for n in range(60_000)).encode()
    packed = bytearray(gzip.compress(whole))
    packed[len(packed) // 2 : len(packed) // 2 + 50] = b"\xff" * 50
    (tmp_path / "bad.gz").write_bytes(bytes(packed))
    lines, tally = texts(tmp_path / "bad.gz")
    assert len(lines) > 10_000
    assert lines[9_999][1] == f"line {9_999 * 7919 % 10007}"
    assert tally.freeze().reasons == {"gzip is damaged: the rest is lost": 1}


def test_long_lines_are_dropped_by_number(write: Write) -> None:
    long = "x" * (3 << 20)
    lines, tally = texts(write("a.txt", "one", long, "three", long))
    assert lines == [(1, "one"), (3, "three")]
    assert tally.freeze().samples == ("a.txt:2: line is too long", "a.txt:4: line is too long")
    assert texts(write("b.txt", "12345", "123456"), max_bytes=5)[0] == [(1, "12345")]


def test_the_last_line_may_be_too_long_as_well(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\n" + b"x" * (2 << 20))
    lines, tally = texts(tmp_path / "a.txt")
    assert lines == [(1, "one")]
    assert tally.freeze().samples == ("a.txt:2: line is too long",)


def test_bytes_that_are_no_text_are_mended_and_counted(write: Write) -> None:
    path = write("a.jsonl", b'{"a": "caf\xe9"}', b'{"a": "x\0y"}', '{"a": "café"}')
    records, tally = objects(path)
    assert [r.value["a"] for r in records] == ["caf\ufffd", "xy", "café"]
    report = tally.freeze()
    assert report.repaired == 2
    assert report.reasons == {"invalid UTF-8 replaced": 1, "NUL bytes removed": 1}
    lines, tally = texts(write("b.dat", b"caf\xe9", "café"), fallback="latin-1")
    assert lines == [(1, "café"), (2, "café")]


def test_utf16_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("user,item\n".encode("utf-16"))
    with pytest.raises(DataError, match="save it as UTF-8"):
        texts(tmp_path / "a.csv")


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist: check the path"):
        texts(tmp_path / "no.txt")
    with pytest.raises(DataError, match="cannot be read"):
        texts(tmp_path)


def test_json_lines_name_what_is_not_an_object(write: Write) -> None:
    path = write("a.jsonl", '{"a": 1}', "{broken", "[1, 2]", "17", "null", "[" * 100_000, '{"a":\t"x\ty"}')
    records, tally = objects(path)
    assert [(r.line, r.value) for r in records] == [(1, {"a": 1}), (7, {"a": "x\ty"})]
    report = tally.freeze()
    assert report.read == 7
    assert report.reasons == {"not JSON": 3, "not a JSON object": 2}
    assert "a.jsonl:2: not JSON" in report.samples


def test_python_literals_are_read_but_never_run(write: Write) -> None:
    path = write(
        "a.json",
        "{'asin': 'A', 'x': u'y', 'n': None, 'path': 'C:\\d'}",
        "{'asin': __import__('os').system('true')}",
        "{'asin': '" + "x" * 300_000 + "'}",
        "{'a': " + "[" * 50 + "]" * 50 + "}",
    )
    records, tally = objects(path)
    assert [r.value for r in records] == [{"asin": "A", "x": "y", "n": None, "path": "C:\\d"}]
    report = tally.freeze()
    assert (report.kept, report.repaired, report.dropped) == (1, 1, 3)
    assert report.reasons["Python literal read as JSON"] == 1


def test_a_json_list_is_read_entry_by_entry(tmp_path: Path) -> None:
    entries = [{"n": n, "text": "words, }, { and more " * 20} for n in range(500)]
    (tmp_path / "a.json").write_text(json.dumps(entries, indent=2))
    records, tally = objects(tmp_path / "a.json", json_objects)
    assert [r.value for r in records] == entries
    assert [r.line for r in records] == list(range(1, 501))
    assert tally.freeze().dropped == 0


def test_a_broken_entry_of_a_json_list_does_not_take_the_rest(tmp_path: Path) -> None:
    long = json.dumps({"n": 4, "x": "x" * 3000})
    text = '[{"n": 1}, {"n": 2, oops}, {"n": 3}, 17, ' + long + ', {"n": "caf\xe9"}, {"n": 6}]'
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    records, tally = objects(tmp_path / "a.json", json_objects, max_bytes=1000)
    assert [r.value["n"] for r in records] == [1, 3, "caf\ufffd", 6]
    report = tally.freeze()
    assert (report.read, report.kept, report.repaired, report.dropped) == (7, 4, 1, 3)
    assert "a.json:2: not JSON" in report.samples or "a.json:2: line is too long" in report.samples


def test_a_json_list_that_ends_early(tmp_path: Path) -> None:
    entries = [{"n": n, "x": f"{n * 7919 % 10007:x}" * 9} for n in range(3000)]
    raw = json.dumps(entries).encode()
    packed = gzip.compress(raw)
    (tmp_path / "cut.json.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "cut.json").write_bytes(raw[:1000])
    for name, cause in (("cut.json.gz", "gzip ends early: the rest is lost"), ("cut.json", "not JSON")):
        records, tally = objects(tmp_path / name, json_objects)
        assert [r.value for r in records] == entries[: len(records)]
        assert len(records) > 5
        assert tally.freeze().reasons == {cause: 1}


def test_json_objects_reads_lines_too(write: Write) -> None:
    records, _ = objects(write("a.jsonl", "", '{"n": 1}', '{"n": 2}'), json_objects)
    assert [r.value["n"] for r in records] == [1, 2]
    assert objects(write("empty.json", end=b""), json_objects)[0] == []


GOOD = b'{"n": 1}'


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    parts=st.lists(st.one_of(st.just(GOOD), st.binary(max_size=60), st.text(max_size=30).map(str.encode))),
    packed=st.booleans(),
    cut=st.integers(0, 40),
    as_list=st.booleans(),
)
def test_random_bytes_never_raise_and_add_up(
    tmp_path: Path, parts: list[bytes], packed: bool, cut: int, as_list: bool
) -> None:
    # A first byte "\xff\xfe" is UTF-16, which is refused as a whole; "{" keeps the sample out of that.
    raw = b"[" + b",".join(parts) + b"]" if as_list else GOOD + b"\n" + b"\n".join(parts)
    raw = gzip.compress(raw) if packed else raw
    path = tmp_path / "fuzz"
    path.write_bytes(raw[: len(raw) - cut] if packed else raw)
    records, tally = objects(path, json_objects if as_list else json_lines)
    report = tally.freeze()
    assert report.read == report.kept + report.dropped
    assert report.kept == len(records)
    assert report.repaired <= report.kept
    whole = not (packed and cut) and not as_list
    if whole:
        # Only a line of its own is safe: random bytes may hold line ends, never join two lines.
        assert sum(r.value == {"n": 1} for r in records) >= 1 + sum(p == GOOD for p in parts)
