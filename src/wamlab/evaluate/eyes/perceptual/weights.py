"""Weights that a user supplies: a path and the SHA-256 that the file must have. Both are told with every number."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ....errors import WamError
from ....reading import regular
from ....reading_tensors import load_tensors


@dataclass(frozen=True)
class Weights:
    """A file of weights that is what it is said to be, or an error."""

    path: Path
    sha256: str
    """64 hexadecimal digits, as `sha256sum FILE` prints them"""

    @property
    def label(self) -> str:
        """Path and digest, for the note of a score."""
        return f"{self.path} (sha256 {self.sha256.lower()})"

    def checked(self) -> Path:
        """The path, after its content was compared with the digest.

        Raises:
            WamError: if there is no such file, or its digest is another one.
        """
        path = Path(self.path)
        if not path.exists():
            raise WamError(f"the weights are not there: {path}", where=path, expected=f"a file with sha256 {self.sha256}",
                           got="nothing there", fix="download them once yourself and give the path; nothing is downloaded here")
        with regular(path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256.lower():
            raise WamError(f"the weights are other ones: {path} has sha256 {found}", where=path,
                           expected=f"sha256 {self.sha256.lower()}", got=f"sha256 {found}",
                           fix="give the digest of the file that you mean, or the file that has this digest")
        return path

    def tensors(self) -> Mapping[str, Tensor]:
        """The state dict in the file (.safetensors, or a PyTorch file; no code in it is run).

        Raises:
            WamError: as `checked`, or if the file holds something else.
        """
        path = self.checked()
        try:
            if path.suffix == ".safetensors":
                return load_tensors(path, "the file of weights")
            found = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
            raise self._not_weights(f"{type(error).__name__}: {str(error).splitlines()[0]}") from error
        if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
            raise self._not_weights(type(found).__name__)
        return found

    def script(self) -> torch.jit.ScriptModule:
        """The TorchScript module in the file. Its code is run: give only files whose digest you trust.

        Raises:
            WamError: as `checked`, or if the file is no TorchScript.
        """
        path = self.checked()
        try:
            return torch.jit.load(str(path), map_location="cpu").eval()
        except (RuntimeError, ValueError) as error:
            raise self._not_weights(f"{type(error).__name__}: {str(error).splitlines()[0]}") from error

    def _not_weights(self, got: str) -> WamError:
        return WamError(f"the file holds no weights of this kind: {self.path}", where=self.path,
                        expected="a state dict (.safetensors, .pth), or TorchScript where one is asked for", got=got)
