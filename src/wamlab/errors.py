"""One error type for users: what is wrong, where, what was expected, what was got, and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WamError(Exception):
    """A problem the user can mend. The command line prints it in one block and exits with status 2.

    Args:
        problem: one sentence, what is wrong.
        where: the file, field or argument concerned.
        expected, got: what was wanted and what was there instead.
        fix: what to do about it.
    """

    def __init__(self, problem: str, *, where: object = "", expected: object = "", got: object = "", fix: str = ""):
        self.problem, self.where, self.expected, self.got, self.fix = problem, where, expected, got, fix
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """The block that is printed: the problem, and each field that is not empty."""
        rows = [("where", self.where), ("expected", self.expected), ("got", self.got), ("fix", self.fix)]
        return [self.problem, *(f"  {name}: {value}" for name, value in rows if str(value))]

    def __reduce__(self):
        """Errors come back from worker processes as they were, with every field as text."""
        said = {name: str(value) for name, value in vars(self).items()}
        return _restore, (type(self), self.args, said)


def _restore(kind: type[WamError], args: tuple[str, ...], said: dict[str, str]) -> WamError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(said)
    return error


class SpecError(WamError):
    """Producer and consumer disagree on spaces, units or conventions."""


class DataError(WamError):
    """A dataset, episode or log on disk is missing, damaged or of another version."""


class CheckpointError(WamError):
    """A checkpoint is missing, damaged, or belongs to another recipe or version."""


class Unanswerable(WamError):
    """A model was asked a question that its wiring cannot answer."""


class UnknownName(WamError):
    """A task, recipe, metric or camera name that does not exist; carries the nearest names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of: {', '.join(known[:60])}"
        super().__init__(f"unknown {kind} {name!r}", expected=f"the name of a {kind}", got=repr(name), fix=hint)
