"""The environment of all tests: that of the scripts (one thread, no network)."""

import os

from vibegrid.script import ENVIRONMENT

for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)
