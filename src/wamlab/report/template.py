"""How every page is filled in: text is escaped, and shown rather than obeyed."""

from __future__ import annotations

from typing import Any

import jinja2
from markupsafe import Markup

from ..reading import shown


def environment() -> jinja2.Environment:
    """Markup in a value is text, and so are directions and control characters; a name that is not given is an error."""
    return jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
                              finalize=_shown)


def _shown(value: Any) -> Any:
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value
