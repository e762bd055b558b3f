"""Sources of texts that are no file, to the modules that draw from them. It imports nothing.

A module has `draw(spec) -> (text rows, counts)`.
"""

SOURCES: dict[str, str] = {"common_pile": "vibegrid.texts.common_pile"}
