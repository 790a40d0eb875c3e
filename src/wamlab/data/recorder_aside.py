"""Where recovery puts what it cannot place: nothing of a recording is ever removed because something else is absent."""

from __future__ import annotations

import os
from pathlib import Path

from .atomic import make_folder, sync_folder, write_error

FOLDER = "recording/aside"


class Aside:
    """`recording/aside/N/`, with the paths as they were below it; N is new for each recovery that needs it."""

    def __init__(self, root: Path):
        self.root, self.said = root, list[str]()
        self._folder: Path | None = None

    def tell(self, text: str) -> None:
        """What the person should know; one line."""
        self.said.append(text)

    def take(self, path: Path, why: str) -> None:
        """Move a file or folder of the recording aside and say so. Raises DataError where the disk refuses."""
        name = path.relative_to(self.root)
        try:
            if self._folder is None:
                base, number = self.root / FOLDER, 0
                make_folder(base)
                while os.path.lexists(base / str(number)):
                    number += 1
                self._folder = base / str(number)
            target = self._folder / name
            make_folder(target.parent)
            os.replace(path, target)
            sync_folder(target.parent)
            sync_folder(path.parent)
        except OSError as error:
            raise write_error(error, path) from error
        self.tell(f"{name.as_posix()}: {why}; it lies in {target.relative_to(self.root).as_posix()} now")
