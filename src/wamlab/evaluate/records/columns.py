"""All records of one kind, a column for each field: a file of any length takes little more than its numbers do.

A record is an object only while somebody looks at it. States are gathered in one growing block of float64 per field, text that
repeats is kept once, and of states that are not as they should be the first alone is kept as it was told, to say what is wrong.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ...errors import DataError
from ...spec import EntitySpec
from .lines import FIELDS, Line
from .states import SIDES, numbers, split

ABSENT = object()
"""value of a field that a record does not tell"""
UNTOLD, WRONG = -1, -2
"""places of states that are not told, or null; and of what are no states"""


class States:
    """One field of states: rows of numbers, entities side by side, and where those of each record begin."""

    def __init__(self, entities: Sequence[EntitySpec], count: int | None, flat: bool) -> None:
        """
        Args:
            count: rows that each record has; None: as many as its first entity's.
            flat: the one row of an entity is told without a list around it.
        """
        self._names, self._widths = [e.name for e in entities], [len(e.channels) for e in entities]
        self._due, self._flat = count, flat
        self._values, self._first, self._count = array("d"), array("q"), array("q")
        self._wrong: tuple[int, Any] | None = None

    def add(self, value: Any) -> None:
        """Keep what the next record tells."""
        found = self._read(value)
        place = UNTOLD if value is None else WRONG if found is None else len(self._values) // found.shape[1]
        if place == WRONG and self._wrong is None:
            self._wrong = len(self._first), value
        self._first.append(place)
        self._count.append(0 if found is None else len(found))
        if found is not None:
            self._values.frombytes(found.tobytes())

    def _read(self, value: Any) -> ndarray | None:
        if not isinstance(value, dict) or len(value) != len(self._names):
            return None
        rows: list[Any] = [[value.get(name)] if self._flat else value.get(name) for name in self._names]
        count = self._due if self._due is not None else len(rows[0]) if isinstance(rows[0], list) else 0
        return numbers(rows, self._widths, count) if count else None

    @property
    def first(self) -> ndarray:
        """Per record, its first row; `UNTOLD` or `WRONG` [L]."""
        return np.asarray(self._first)

    @property
    def count(self) -> ndarray:
        """Per record, its rows [L]."""
        return np.asarray(self._count)

    @property
    def wrong(self) -> int | None:
        """The first record that tells no states."""
        return None if self._wrong is None else self._wrong[0]

    @property
    def block(self) -> ndarray:
        """The rows of all records, in their order [rows, sum of channels]."""
        return np.asarray(self._values).reshape(-1, sum(self._widths))

    def of(self, number: int) -> Any:
        """Rows of one record [count, sum of channels]; what it told instead; or None if that is not kept."""
        if self._wrong is not None and number == self._wrong[0]:
            return self._wrong[1]
        first = self._first[number]
        return None if first < 0 else self.block[first:first + self._count[number]]

    def rows(self, order: ndarray) -> ndarray:
        """Rows of some records, which all tell some, one after the other [sum of their counts, sum of channels]."""
        first, count = self.first[order], self.count[order]
        ends = np.cumsum(count)
        return self.block[np.repeat(first - ends + count, count) + np.arange(count.sum())]


class Lines(Sequence[Line]):
    """All records of one kind, in the order of the file. As a sequence it makes a `Line` for whoever asks for one."""

    def __init__(self, path: Path, kind: str, entities: Sequence[EntitySpec], steps: int) -> None:
        """
        Args:
            steps: rows of a future; a plan has as many as its first entity.
        """
        self.path = path
        sides, due = SIDES.get(kind, ()), None if kind == "plan" else steps
        self.states = {name: States(entities, due, False) for name in sides}
        if sides and kind != "control":
            self.states["start"] = States(entities, 1, True)
        self._entities, self._at = entities, array("q")
        self._columns: dict[str, list[Any]] = {name: [] for name in FIELDS[kind] if name not in self.states}

    def add(self, line: Line, once: dict[str, str]) -> None:
        """Keep a record, whose fields are known.

        Args:
            once: text that was met before, which is kept once.
        """
        self._at.append(line.at)
        for name, states in self.states.items():
            states.add(line.table.get(name))
        for name, column in self._columns.items():
            value = line.table.get(name, ABSENT)
            if isinstance(value, str):
                value = once.setdefault(value, value)
            elif isinstance(value, dict):
                value = {once.setdefault(key, key): one for key, one in value.items()}
            column.append(value)

    def __len__(self) -> int:
        return len(self._at)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        number = int(number) % len(self)
        table = {name: column[number] for name, column in self._columns.items() if column[number] is not ABSENT}
        for name, states in self.states.items():
            if (value := states.of(number)) is not None:
                table[name] = value[0] if name == "start" and isinstance(value, ndarray) else value
        return Line(self.path, self._at[number], table)

    def words(self, *names: str) -> Iterator[tuple[str, ...]]:
        """Some fields of each record, which are names. Raises DataError at the first that is none."""
        for number, values in enumerate(zip(*(self._columns[name] for name in names), strict=True)):
            good = all(type(value) is str and value for value in values)
            yield values if good else tuple(self[number].word(name) for name in names)

    def word(self, name: str, number: int) -> str:
        """A field of one record, which is a name. Raises DataError."""
        value = self._columns[name][number]
        return value if type(value) is str and value else self[number].word(name)

    def told(self, name: str, among: Sequence[int] | None = None) -> bool:
        """Whether some records (all: None) tell a field that may be left out. Raises DataError if only a part of them does."""
        if (states := self.states.get(name)) is not None:
            there = states.first != UNTOLD if among is None else states.first[among] != UNTOLD
        else:
            column = self._columns[name]
            values = column if among is None else [column[number] for number in among]
            there = np.fromiter((value is not None and value is not ABSENT for value in values), bool, len(values))
        if not there.any() or there.all():
            return bool(there.any())
        with_it, without = (self[int(n) if among is None else among[int(n)]] for n in (there.argmax(), there.argmin()))
        raise without.fault(f"{name} is told by some records and not by others", name, f"{name}, as on {with_it.where}", None,
                            "tell it in all records of this kind, or in none")

    def lengths(self, name: str) -> ndarray:
        """Rows that each record's future has [L]. Raises DataError for one without."""
        states = self.states[name]
        if (states.first < 0).any():
            raise self._fault(name, int(states.first.argmin()), None)
        return states.count

    def gather(self, name: str, order: ndarray, count: ndarray | int) -> dict[str, ndarray]:
        """Per entity, states of some records one after the other: float64 [sum of counts, D].

        Args:
            order: numbers of the records [N].
            count: rows that each of them has to have, or one number for all; 1 for a start.

        Raises:
            DataError: for an entity that is missing or unknown, a horizon or width that does not match, or a value that is no
                finite number.
        """
        states = self.states[name]
        odd = (states.first[order] < 0) | (states.count[order] != count)
        if odd.any():
            place = int(odd.argmax())
            raise self._fault(name, int(order[place]), int(np.broadcast_to(count, order.shape)[place]))
        return {entity: np.ascontiguousarray(value) for entity, value in split(states.rows(order), self._entities).items()}

    def _fault(self, name: str, number: int, count: int | None) -> DataError:
        states = self.states[name]
        if states.first[number] == WRONG and states.wrong is not None:
            number = states.wrong  # the one that is kept as it was told
        return self[number].misfit(name, self._entities, count)
