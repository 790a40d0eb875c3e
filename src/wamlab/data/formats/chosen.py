"""Which columns of a LeRobot dataset are its state, its actions and its instructions. Nothing is guessed silently: where the
usual names are missing, the error lists what could be meant.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from ...errors import DataError, UnknownName
from .features import DEFAULTS, NUMBERS, Info

STATES, ACTIONS = ("observation.state", "state"), ("action", "actions")
"""names that are taken without being asked for, the first that is there: LeRobot's, then OpenPI's"""
NONE = "none"
OWN = ("truth.", "modality.", "wam.", "capture_time_ns.", "camera_flags.")
"""beginnings of the names of columns that this project writes"""
OUTCOMES = ("next.success", "next.reward", "next.done")
LIKELY = re.compile(r"state|joint|qpos|proprio|pose|position|eef", re.IGNORECASE)


@dataclass(frozen=True)
class Chosen:
    """What is read as what."""

    action: str
    state: str | None
    """None: there is no proprioception"""
    instruction: str | None = None
    """a column with a sentence, or the number of a task, per row; None: task_index"""
    text: str | None = None
    """one sentence for all episodes, in place of theirs"""

    @property
    def usual(self) -> bool:
        """Whether nothing but the names that LeRobot gives was chosen."""
        return self.action == ACTIONS[0] and self.state in (STATES[0], None) and not self.instruction and not self.text

    def said(self) -> dict[str, str]:
        """For people, and for the provenance of a store."""
        return {"action": self.action, "state": self.state or NONE,
                "instruction": self.text or self.instruction or "task_index"}


def choose(info: Info, where: str, *, action: str | None = None, state: str | None = None, instruction: str | None = None,
           stateless: bool = False) -> Chosen:
    """The columns to read.

    Args:
        where: what errors name: the dataset's `meta/info.json`.
        action, state: names of columns; state may be "none". None: the usual names.
        instruction: the name of a column, or a sentence.
        stateless: the dataset's own spec says that it has no state.

    Raises:
        UnknownName: for a column that is not there, or holds no numbers.
        DataError: where none has a usual name and another could be meant.
    """
    vectors = [name for name in info.columns if info.features[name].dtype in NUMBERS and name not in DEFAULTS]
    for name in (action, state if state != NONE else None):
        if name is not None and name not in vectors:
            raise UnknownName("column of numbers", name, vectors)
    if action is None:
        action = next((name for name in ACTIONS if name in vectors), None)
    if action is None:
        near = [name for name in vectors if re.search("action|command|control", name, re.IGNORECASE)] or vectors
        raise DataError("the dataset has no actions under a name that is known", where=f"{where}, field features",
                        expected=" or ".join(ACTIONS), got=", ".join(vectors)[:300] or "no column of numbers",
                        fix=f"say which: {' or '.join(f'--action {name}' for name in near[:3])}" if near else
                        "a dataset without actions cannot be imported; its videos can (--like)")
    if state is None and not stateless:
        state = next((name for name in STATES if name in vectors), None)
        meant = sorted((name for name in vectors if name != action and _measured(info, name)),
                       key=lambda name: not LIKELY.search(name))
        if state is None and meant:
            raise DataError("the dataset has no state under a name that is known", where=f"{where}, field features",
                            expected=" or ".join(STATES), got=", ".join(meant)[:300],
                            fix=f"say which: {' or '.join(f'--state {name}' for name in meant[:3])}, or --state {NONE}")
    column, text = _instruction(info, instruction)
    return Chosen(action, None if state == NONE else state, column, text)


def _measured(info: Info, name: str) -> bool:
    """Whether a column could be proprioception: a vector of numbers that is neither an outcome nor this project's own."""
    return not name.startswith(("next.", *OWN)) and info.features[name].dtype != "bool" and info.features[name].shape != (1,)


def _instruction(info: Info, said: str | None) -> tuple[str | None, str | None]:
    """(column, sentence): a word that looks like a column's name but is none is refused, not taken for a sentence."""
    if not said:
        return None, None
    if said in info.columns:
        return said, None
    if " " not in said.strip() and (re.search(r"[._]", said) or difflib.get_close_matches(said, info.columns, cutoff=0.8)):
        raise UnknownName("column", said, info.columns)
    return None, said


def surplus(info: Info, chosen: Chosen, own: bool) -> dict[str, str]:
    """Columns that an import leaves behind, and what each holds.

    Args:
        own: the dataset was written by this project, so its own columns are read.
    """
    read = {chosen.action, chosen.state, chosen.instruction, "next.success", "wam.imitate", *DEFAULTS, *info.cameras}
    own_names = (*OWN, "next.done") if own else ()
    return {name: f"{feature.dtype} {list(feature.shape)}" for name, feature in info.features.items()
            if name not in read and not name.startswith(own_names or ("\0",))}
