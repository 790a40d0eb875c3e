"""Reports and warnings that can be sent: what UTF-8 cannot write stands in them as an escape.

Tests print, warn and fail with hostile text. A worker sends its report to the process that counts, as UTF-8; half a character
in one would end the whole run instead of failing the one test.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator
from typing import Any

import pytest


def sendable(value: Any) -> Any:
    """The value with every text in its lists and tables written so that UTF-8 can hold it."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {sendable(key): sendable(inner) for key, inner in value.items()}
    return type(value)(map(sendable, value)) if type(value) in (list, tuple) else value


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    return sendable((yield))


@pytest.hookimpl(tryfirst=True)
def pytest_warning_recorded(warning_message: warnings.WarningMessage) -> None:
    if isinstance(warning_message.message, Warning):
        warning_message.message.args = sendable(warning_message.message.args)
