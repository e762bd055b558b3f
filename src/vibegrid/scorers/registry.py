"""Scorers of audio, to the functions that compute them. It imports nothing.

A scorer is a function (vibe, payload, audio) -> score; higher is better. None is registered yet: a spec whose
reward has an audio weight ends with an error that says so.
"""

SCORERS: dict[str, str] = {}
