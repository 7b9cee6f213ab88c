"""A file of rows whose bits change, and files that say more than they are."""

import random
import time
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysearch.errors import StoreError
from raysearch.leaderboard import Store
from raysearch.leaderboard.part_file import DamagedError, decode, decode_any, encode
from raysearch.leaderboard.schema import (
    CURVE_COLUMNS,
    FILE_METADATA,
    TRIAL_COLUMNS,
    conform,
    curve_rows,
    empty_table,
    trial_rows,
    unify,
)

PLAIN = {"compression": "none", "use_dictionary": False, "write_statistics": False}


def read(data, base=TRIAL_COLUMNS):
    return decode(bytes(data), base, None, where="x.parquet", threads=False)


def many(tables):
    schema = unify(table.schema for table in tables)
    return pa.concat_tables(conform(table, schema) for table in tables)


@pytest.fixture
def files(make_trial):
    """One of each kind of file that a sweep writes: its rows' kind, its bytes, its rows."""
    trials = [make_trial(number, number / 7, seconds=number / 3) for number in range(300)]
    merged, curves = many([trial_rows(trial) for trial in trials]), curve_rows(trials[3])
    return {
        "part": (TRIAL_COLUMNS, encode(trial_rows(trials[5]), **PLAIN), trial_rows(trials[5])),
        "curve": (CURVE_COLUMNS, encode(curves, **PLAIN), curves),
        "columns": (
            TRIAL_COLUMNS,
            encode(empty_table(merged.schema)),
            empty_table(merged.schema),
        ),
        "merged": (TRIAL_COLUMNS, encode(merged, compression="zstd"), merged),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["part", "curve", "columns", "merged"])
def test_no_flipped_bit_changes_anything_in_silence(files, kind):
    base, data, table = files[kind]
    assert read(data, base).equals(table)
    generator, refused = random.Random(kind), 0
    tail = range(8 * (len(data) - 400), 8 * len(data))  # the footer: names, digest, sizes
    for bit in [*generator.sample(range(8 * len(data)), 150), *generator.sample(tail, 150)]:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DamagedError, StoreError)):
            read(changed, base)
        refused += 1
    assert refused == 300


def test_pages_have_their_own_checksums(files):
    """For readers that do not know our digest."""
    _, data, table = files["part"]
    changed = bytearray(data)
    changed[data.tobytes().index(b"emobank")] ^= 1
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(pa.BufferReader(bytes(changed)), page_checksum_verification=True)
    assert pq.read_table(pa.BufferReader(data.tobytes())).num_rows == table.num_rows


@pytest.mark.parametrize("what", [b"raysearch.digest", b"raysearch-sha256:"])
def test_a_digest_that_lost_its_name_is_no_older_file(files, what):
    _, data, _ = files["part"]
    with pytest.raises(DamagedError, match="its digest is damaged"):
        read(data.tobytes().replace(what, b"x" * len(what)))


def older(table, **options):
    """A file as versions wrote it that knew no digest."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, store_schema=False, **options) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(FILE_METADATA)
    return sink.getvalue().to_pybytes()


def test_a_file_of_an_older_version_is_read(files):
    for base, _, table in files.values():
        assert read(older(table), base).equals(table)


@pytest.fixture
def huge(make_trial):
    """Three million rows in 150 kB."""
    row = trial_rows(make_trial(0))
    columns = [
        pa.repeat(row.column(name)[0], 3_000_000) if name != "trial" else numbers()
        for name in row.column_names
    ]
    return older(pa.Table.from_arrays(columns, schema=row.schema), compression="zstd")


def numbers():
    return pa.array(np.arange(3_000_000) // 1000)


def test_rows_that_the_bytes_cannot_hold_are_not_decoded(huge):
    assert len(huge) < 300_000
    start = time.process_time()
    with pytest.raises(DamagedError, match="it says that it has 3000000 rows in"):
        read(huge)
    assert time.process_time() - start < 0.5


def test_one_long_text_for_all_rows_is_not_unpacked(make_trial):
    """A dictionary holds it once; decoded it would take 50,000 times 90 kB, 4.5 GB."""
    row = trial_rows(make_trial(0))
    count = 50_000
    columns = {name: pa.repeat(row.column(name)[0], count) for name in row.column_names}
    columns["trial"] = pa.array(np.arange(count))
    columns["reason"] = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(count, dtype=np.int32)), ["x" * 90_000]
    )
    data = older(pa.table(columns), compression="zstd")
    assert len(data) < 1_000_000
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    with pytest.raises(DamagedError, match=r"column 'reason' has texts of up to 90000 bytes, 45"):
        read(data)
    assert pa.total_allocated_bytes() - before < 2**26
    tracemalloc.stop()


def test_a_wide_table_is_not_decoded(files):
    _, _, table = files["merged"]
    wide = {name: table.column(name)[:1] for name in table.column_names}
    wide |= {f"metric/m{index}": pa.nulls(1, pa.float64()) for index in range(4100)}
    with pytest.raises(DamagedError, match="it says that it has 41.. columns in"):
        read(older(pa.table(wide)))


def test_100_000_rows_are_no_stranger(make_trial):
    """As large a board as is promised, with a reason of its own in each row."""
    row, count = trial_rows(make_trial(0)), 100_000
    columns = {name: pa.repeat(row.column(name)[0], count) for name in row.column_names}
    columns["trial"] = pa.array(np.arange(count))
    columns["seconds"] = pa.array(np.random.default_rng(0).random(count))
    columns["reason"] = pa.array([f"stopped at rung {number}" for number in range(count)])
    table = pa.table(columns)
    found = read(encode(table, compression="zstd"))
    assert found.num_rows == count
    assert found.column("reason").to_pylist() == table.column("reason").to_pylist()


def test_a_flipped_bit_in_a_board_is_told_and_costs_its_file_only(tmp_path, make_trial):
    store = Store(tmp_path)
    for number in range(3):
        store.append(make_trial(number))
    part = tmp_path / "trials" / "part-00001-emobank-s0.parquet"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 4
    part.write_bytes(data)
    contents = store.read()
    assert sorted(contents.table.column("trial").to_pylist()) == [0, 2]
    [problem] = contents.problems
    assert str(part) in problem and "move it away and run the same command again" in problem


def test_another_table_keeps_its_own_metadata(tmp_path):
    table = pa.table({"x": [1, 2], "name": ["a", None], "all": [[0.5], [1.5, 2.5]]})
    data = bytes(encode(table, metadata={b"of": b"what"}))
    found = decode_any(data)
    assert found.to_pylist() == table.to_pylist() and found.schema.metadata[b"of"] == b"what"
    with pytest.raises(DamagedError, match="its digest is another"):
        decode_any(data.replace(b"what", b"whaT"))
    with pytest.raises(DamagedError):
        decode_any(b"PAR1")
