"""Parquet files as named arrays and back, with every length checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy import ndarray

from ...errors import DataError
from ...reading import PARQUET_LIMIT
from .features import NUMBERS, Feature
from .pictures import png

WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "FLOAT": 4, "DOUBLE": 8, "INT96": 12}
"""bytes of one number as it is stored"""
CELLS = 2**30
"""bytes that the numbers and texts of one reading may take up in memory; a few encoded bytes can stand for all of them"""
ROWS = 20_000_000
"""rows of one table"""
BATCH = 1024
"""rows that are read before what they take up is looked at again"""


def open_parquet(file: Path) -> pq.ParquetFile:
    """A parquet file that does not unpack to more than is read. Raises DataError."""
    try:
        source = pq.ParquetFile(file, page_checksum_verification=True)
        meta = source.metadata
        size = sum(meta.row_group(number).total_byte_size for number in range(meta.num_row_groups))
        names = source.schema_arrow.names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError("the table is damaged", where=file, expected="a parquet file", got=str(error)[:160],
                        fix="copy the file again; a table that was open when its writer died cannot be repaired") from error
    if size > PARQUET_LIMIT:
        raise DataError("the table unpacks to too much", where=file, expected=f"at most {PARQUET_LIMIT} bytes", got=size)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError("two columns of the table have one name", where=f"{file}, field {twice}",
                        expected="a name of its own for each", got=twice, fix="write the dataset again with its tool")
    return source


def read_table(file: Path, columns: Sequence[str] | None = None, groups: Sequence[int] | None = None,
               rows: int = ROWS) -> pa.Table:
    """Some columns (None: all) of some row groups (None: all).

    What they take up is counted from the file's own metadata before anything is read, however few bytes encode them.

    Args:
        rows: how many the whole table may have.

    Raises:
        DataError: for a column that is missing, damage, and more than `rows` rows or `CELLS` bytes.
    """
    source = open_parquet(file)
    missing = [name for name in columns or () if name not in source.schema_arrow.names]
    if missing:
        raise DataError(f"the column {missing[0]} is missing", where=f"{file}, field {missing[0]}", expected=missing[0],
                        got=", ".join(source.schema_arrow.names)[:300], fix="write the dataset again with its tool")
    chosen = list(range(source.num_row_groups)) if groups is None else list(groups)
    size, encoded = _cost(source, columns, chosen)
    if source.metadata.num_rows > rows or size > CELLS:
        raise DataError("the table holds more than is read at once", where=file, expected=f"at most {rows} rows, {CELLS} bytes",
                        got=f"{source.metadata.num_rows} rows, {size} bytes",
                        fix="split the table into smaller files or row groups, as its tool does")
    try:
        names = None if columns is None else list(columns)
        read = (_bounded(source, names, chosen, file, CELLS + 4 * encoded) if encoded else
                source.read_row_groups(chosen, columns=names, use_threads=False))
        read.validate(full=True)
        return read
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DataError("the table is damaged", where=file, expected="a parquet file", got=str(error)[:160],
                        fix="copy the file again") from error


def read_lines(file: Path, columns: Sequence[str], rows: int) -> Iterator[dict[str, Any]]:
    """The rows of a table as Python values, a few at a time. Raises DataError."""
    for part in read_table(file, columns, rows=rows).to_batches(BATCH):
        yield from part.to_pylist()


def _cost(source: pq.ParquetFile, columns: Sequence[str] | None, groups: Sequence[int]) -> tuple[int, int]:
    """(bytes that the numbers take up in memory, bytes in the file of texts and pictures, whose length only reading tells)."""
    size = encoded = 0
    for group in groups:
        part = source.metadata.row_group(group)
        for number in range(part.num_columns):
            column = part.column(number)
            path = column.path_in_schema
            if columns is not None and not any(path == name or path.startswith(f"{name}.") for name in columns):
                continue
            size += column.num_values * WIDTHS.get(column.physical_type, 16)
            encoded += 0 if column.physical_type in WIDTHS else max(column.total_compressed_size, 1)
    return size, encoded


def _bounded(source: pq.ParquetFile, columns: list[str] | None, groups: list[int], file: Path, limit: int) -> pa.Table:
    """The rows, a few at a time, so that texts which the file holds once cannot unpack to more than `limit` bytes."""
    parts, taken = list[pa.RecordBatch](), 0
    schema = source.schema_arrow if columns is None else pa.schema([source.schema_arrow.field(name) for name in columns])
    rows = min(BATCH, max((source.metadata.row_group(group).num_rows for group in groups), default=1))
    for part in source.iter_batches(max(rows, 1), row_groups=groups, columns=columns, use_threads=False):
        parts.append(part)
        taken += part.nbytes
        if taken > limit:
            raise DataError("the table unpacks to too much", where=file, expected=f"at most {limit} bytes", got=f"over {taken}",
                            fix="split the table into smaller files or row groups, as its tool does")
    return pa.Table.from_batches(parts, parts[0].schema if parts else schema)


def numbers(column: pa.ChunkedArray, feature: Feature, where: str) -> ndarray:
    """A column as an array [rows, *shape] of the feature's type. Raises DataError."""
    rows = len(column)
    if column.null_count:
        raise DataError("values are missing", where=where, expected="no empty rows", got=f"{column.null_count} empty")
    values: Any = column.combine_chunks()
    while pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type) or pa.types.is_large_list(values.type):
        values = values.flatten()
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or pa.types.is_boolean(values.type)):
        raise DataError("the column holds no numbers", where=where, expected=feature.dtype, got=values.type)
    if values.null_count or len(values) != rows * int(np.prod(feature.shape)):
        raise DataError("the column has another shape", where=where, expected=f"{rows} x {list(feature.shape)}",
                        got=f"{len(values)} numbers, {values.null_count} of them empty")
    made = _fitting(values.to_numpy(zero_copy_only=False), np.dtype(NUMBERS[feature.dtype]), where)
    return made.reshape(rows, *feature.shape)


def _fitting(values: ndarray, kind: np.dtype[Any], where: str) -> ndarray:
    """Numbers of the stated type. Raises DataError for one that it cannot hold: 300 in eight bits, 0.5 among whole numbers."""
    if values.dtype == kind:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        made = values.astype(kind)
        kept = made == values if kind.kind in "iub" else np.isfinite(made) | ~np.isfinite(values.astype(np.float64))
    if not kept.all():
        raise DataError("a number does not fit the column's type", where=where, expected=str(kind),
                        got=values[int(np.argmin(kept))], fix="write the dataset again with its tool")
    return made


def arrow_type(feature: Feature) -> pa.DataType:
    """How a feature is stored."""
    if feature.dtype == "image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    if feature.dtype not in NUMBERS:
        return pa.string()
    kind: pa.DataType = pa.from_numpy_dtype(NUMBERS[feature.dtype])
    if feature.shape == (1,):
        return kind
    for level, side in enumerate(reversed(feature.shape)):
        kind = pa.list_(kind, side if level == len(feature.shape) - 1 and level == 0 else -1)
    return kind


def arrow_column(values: Any, feature: Feature) -> pa.Array:
    """An array [rows, *shape], a list of texts or pictures [rows, h, w(, 3)] as a column."""
    kind = arrow_type(feature)
    if feature.dtype == "image":
        return pa.array([{"bytes": png(picture), "path": f"frame-{row:06d}.png"} for row, picture in enumerate(values)],
                        type=kind)
    if feature.dtype not in NUMBERS:
        return pa.array([str(value) for value in values], type=kind)
    array: ndarray = np.ascontiguousarray(values, NUMBERS[feature.dtype]).reshape(len(values), *feature.shape)
    if feature.shape == (1,):
        return pa.array(array[:, 0], type=kind)
    if len(feature.shape) == 1:
        return pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), feature.shape[0])
    return pa.array(array.tolist(), type=kind)


def described(features: Mapping[str, Feature]) -> dict[bytes, bytes]:
    """The metadata by which the `datasets` library knows the types of the columns."""

    def kind(feature: Feature) -> dict[str, Any]:
        if feature.dtype == "image":
            return {"_type": "Image"}
        value: dict[str, Any] = {"dtype": feature.dtype if feature.dtype in NUMBERS else "string", "_type": "Value"}
        if feature.shape == (1,) or feature.dtype not in NUMBERS:
            return value
        if len(feature.shape) == 1:
            return {"feature": value, "length": feature.shape[0], "_type": "List"}
        return {"shape": list(feature.shape), "dtype": feature.dtype, "_type": f"Array{len(feature.shape)}D"}

    said = {name: kind(feature) for name, feature in features.items() if feature.dtype != "video"}
    return {b"huggingface": json.dumps({"info": {"features": said}}).encode()}
