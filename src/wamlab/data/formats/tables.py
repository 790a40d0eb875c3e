"""Parquet files as named arrays and back, with every length checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


def open_parquet(file: Path) -> pq.ParquetFile:
    """A parquet file that does not unpack to more than is read. Raises DataError."""
    try:
        source = pq.ParquetFile(file, page_checksum_verification=True)
        meta = source.metadata
        size = sum(meta.row_group(number).total_byte_size for number in range(meta.num_row_groups))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError("the table is damaged", where=file, expected="a parquet file", got=str(error)[:160],
                        fix="copy the file again; a table that was open when its writer died cannot be repaired") from error
    if size > PARQUET_LIMIT:
        raise DataError("the table unpacks to too much", where=file, expected=f"at most {PARQUET_LIMIT} bytes", got=size)
    return source


def read_table(file: Path, columns: Sequence[str] | None = None, groups: Sequence[int] | None = None) -> pa.Table:
    """Some columns (None: all) of some row groups (None: all). Raises DataError."""
    source = open_parquet(file)
    missing = [name for name in columns or () if name not in source.schema_arrow.names]
    if missing:
        raise DataError(f"the column {missing[0]} is missing", where=f"{file}, field {missing[0]}", expected=missing[0],
                        got=", ".join(source.schema_arrow.names)[:300], fix="write the dataset again with its tool")
    try:
        chosen = list(range(source.num_row_groups)) if groups is None else list(groups)
        read = source.read_row_groups(chosen, columns=None if columns is None else list(columns), use_threads=False)
        read.validate(full=True)
        return read
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DataError("the table is damaged", where=file, expected="a parquet file", got=str(error)[:160],
                        fix="copy the file again") from error


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
    return values.to_numpy(zero_copy_only=False).astype(NUMBERS[feature.dtype], copy=False).reshape(rows, *feature.shape)


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
