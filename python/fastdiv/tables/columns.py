"""Choose columns of tables, and say what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastdiv.tables.names import printable
from fastdiv.tables.table import Matrix, Table, TableError


def choose_columns(
    reference: Table, current: Table, required: Sequence[str] | None = None
) -> tuple[tuple[str, ...], dict[str, str]]:
    """
    Find the numeric columns that two tables share.

    Return their names in the order of `reference`, or those of `required` in their order. Also
    return all other columns and why each is left out, or nothing for `required` columns. Raise
    TableError if no column is left, or a required column is not numeric in both tables.

    Examples
    --------
    >>> import numpy as np
    >>> a = Table("a.csv", 2, ("u", "v"), load=np.array, unusable={"t": "text"})
    >>> b = Table("b.csv", 2, ("v", "t"), load=np.array)
    >>> choose_columns(a, b)
    (('v',), {'u': 'not in b.csv', 't': 'text in a.csv'})
    """
    if required is not None:
        for table in (reference, current):
            for name in required:
                _require_column(table, name)
        return tuple(required), {}
    if reference.numbered and current.numbered and len(reference.names) != len(current.names):
        raise TableError(
            f"{reference.path} has {len(reference.names)} columns and {current.path} "
            f"{len(current.names)}; both need the same, or choose some with --columns"
        )
    names, left_out = [], {}
    candidates = (*reference.names, *reference.unusable, *current.names, *current.unusable)
    for name in dict.fromkeys(candidates):
        reasons = [_reason(table, name) for table in (reference, current)]
        if not any(reasons):
            names.append(name)
        elif all(reasons) and len({*reasons}) == 1:
            left_out[name] = reasons[0]
        else:
            left_out[name] = ", ".join(
                f"not in {table.path}" if reason == _ABSENT else f"{reason} in {table.path}"
                for table, reason in zip((reference, current), reasons, strict=True)
                if reason
            )
    if not names:
        raise TableError(
            f"no numeric column is common to {reference.path} and {current.path}"
            + (f" ({describe_left_out(left_out)})" if left_out else "")
            + "".join(f"; {table.notice}" for table in (reference, current) if table.notice)
        )
    return tuple(names), left_out


def describe_left_out(left_out: Mapping[str, str], limit: int = 8) -> str:
    """
    Say in one line which columns are left out and why. Name at most `limit` of them.

    Examples
    --------
    >>> describe_left_out({"island": "text", "sex": "text"})
    'island: text; sex: text'
    """
    shown = [f"{printable(name)}: {why}" for name, why in list(left_out.items())[:limit]]
    more = len(left_out) - len(shown)
    return "; ".join(shown + ([f"and {more} more"] if more else []))


def any_column(table: Table, name: str, option: str) -> Matrix:
    """Load one column of any kind. `option` names it in the error of a column that is absent."""
    if name not in table.names and name not in table.unusable:
        listed = _listed([*table.names, *table.unusable])
        raise TableError(
            f"{option}: {table.path} has no column {name!r}; its columns are: {listed}"
        )
    return table.load_any(name)


_ABSENT = "absent"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - 12
    return ", ".join(map(printable, names[:12])) + (f", and {more} more" if more > 0 else "")


def _reason(table: Table, name: str) -> str:
    """Return why a column of this table cannot be compared, or ""."""
    return "" if name in table.names else table.unusable.get(name, _ABSENT)


def _require_column(table: Table, name: str) -> None:
    reason = _reason(table, name)
    if reason == _ABSENT:
        raise TableError(
            f"--columns: {table.path} has no column {name!r}; its numeric columns are: "
            f"{_listed(table.names)}"
        )
    if reason:
        raise TableError(f"--columns: column {name!r} of {table.path} is not numeric ({reason})")
