"""Parquet tables: FILE:COLUMN is a vector, the whole a matrix of its columns. A missing float is nan."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.reading import arrays


def read(data: bytes, name: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The column, or the whole table. E601, E614, E615, E617, E702."""
    return _read(io.BytesIO(data), name, part)


def read_file(path: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The same from a file, of which only that column is read."""
    return _read(path, path, part)


def _read(source: Any, name: str, part: str | None) -> np.ndarray[Any, Any]:
    pyarrow = arrays.library("pyarrow", name)
    parquet = arrays.library("pyarrow.parquet", name)
    try:
        with parquet.ParquetFile(source) as file:
            known = file.schema_arrow.names
            if part is not None:
                arrays.chosen(known, part, name)
            wanted = known if part is None else [part]
            for column in wanted:
                arrays.usable(_dtype(file.schema_arrow.field(column).type), f"{name}:{column}")
            table = file.read(columns=wanted)
        columns = [_column(table.column(i), f"{name}:{column}") for i, column in enumerate(wanted)]
    except FileNotFoundError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        said = str(error).splitlines()[0]
        raise problems.damaged(name, said[0].lower() + said[1:], "a whole Parquet file") from None
    if not columns:
        raise problems.nothing_there(name)
    return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)


def _dtype(kind: Any) -> np.dtype[Any]:
    try:
        made: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
        return made
    except (NotImplementedError, TypeError):
        return np.dtype(object)


def _column(column: Any, name: str) -> np.ndarray[Any, Any]:
    if column.null_count and _dtype(column.type).kind != "f":
        raise problems.missing_values(name, column.null_count)
    return arrays.native(column.to_numpy(), name)
