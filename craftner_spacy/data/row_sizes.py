"""How much memory the rows of an Arrow array would take in Python, found without making them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .records import import_extra

OBJECT_BYTES = 32
"""Of a number, or of a reference and what it refers to besides its content."""


def row_sizes(array: Any) -> NDArray[np.int64]:
    """About how many bytes each row takes; text that is the same in many rows counts in each of them.

    array (pyarrow.Array): a column, or what is inside of a nested one.
    RETURNS: (rows,)
    """
    pa, compute = import_extra("pyarrow"), import_extra("pyarrow.compute")
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        # JSON, for example.
        return row_sizes(array.storage)
    sizes = np.full(len(array), OBJECT_BYTES, dtype=np.int64)
    if pa.types.is_dictionary(kind):
        values = row_sizes(array.dictionary)
        present = np.asarray(array.is_valid())
        sizes[present] = values[np.asarray(array.indices.drop_null())]
    elif pa.types.is_map(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        totals = np.concatenate([[0], np.cumsum(row_sizes(array.values))])
        sizes += np.diff(totals[np.asarray(array.offsets)])
    elif pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        totals = np.concatenate([[0], np.cumsum(row_sizes(array.values))])
        starts = np.asarray(array.offsets)
        sizes += totals[starts + np.asarray(array.sizes)] - totals[starts]
    elif pa.types.is_fixed_size_list(kind):
        totals = np.concatenate([[0], np.cumsum(row_sizes(array.values))])
        borders = (np.arange(len(array) + 1) + array.offset) * kind.list_size
        sizes += np.diff(totals[borders])
    elif pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            sizes += row_sizes(array.field(number))
    elif _is_text(pa, kind):
        sizes += np.asarray(compute.binary_length(array).fill_null(0)).astype(np.int64)
    return sizes


def _is_text(pa: Any, kind: Any) -> bool:
    """Whether a type's values are text or bytes of any length."""
    types = pa.types
    return any(
        is_it(kind)
        for is_it in (types.is_string, types.is_binary, types.is_large_string, types.is_large_binary)
    )
