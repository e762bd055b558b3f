"""Data of a static page as a script: a page that was opened from a file may not fetch any."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def as_script(data: Mapping[str, Any], name: str = "LISTEN") -> str:
    """The data as a script in ASCII, `window.<name>`, with nothing in it that ends a script or a line early."""
    text = json.dumps(data, sort_keys=True, allow_nan=False, separators=(",", ":"))  # escapes all but ASCII
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f"window.{name} = {text};\n"
