"""The reward of a payload: format, schema and sound, less a penalty for repeated colours."""

from __future__ import annotations

from vibegrid.errors import InputError
from vibegrid.payloads import Parsed
from vibegrid.specs.reward import RewardSpec

AUDIO_GATE = 0.5  # audio counts only where more than this share of the fields is valid


def wants_audio(parsed: Parsed, weights: RewardSpec) -> bool:
    """Whether this payload is to be rendered and scored at all."""
    return weights.audio > 0 and parsed.valid_field_fraction > AUDIO_GATE


def reward(parsed: Parsed, weights: RewardSpec, audio_score: float | None = None) -> dict[str, float]:
    """The weighted parts and their sum, `reward`.

    reward = format * json_valid + schema * valid_field_fraction + audio * audio_score
             - duplicate_penalty * duplicate_color_fraction

    Args:
        parsed: what `payloads.parse_output` says of the output.
        weights: the weights; the sum lies in [-duplicate_penalty, format + schema + audio].
        audio_score: the calibrated score of the scorer, in [0, 1]; may be None where `wants_audio` is false.

    Raises:
        InputError: the weights ask for audio and there is no scorer, no score, or a score outside [0, 1].
    """
    if weights.audio > 0 and audio_score is None and (weights.audio_scorer is None or wants_audio(parsed, weights)):
        raise InputError("reward", f"audio has weight {weights.audio:g} and no score", "name an audio_scorer")
    if audio_score is not None and not 0.0 <= audio_score <= 1.0:
        raise InputError("reward", f"audio score {audio_score!r}, expected 0 to 1", "calibrate the scorer")
    sound = float(audio_score) if audio_score is not None and wants_audio(parsed, weights) else 0.0
    parts = {
        "format": weights.format * float(parsed.json_valid),
        "schema": weights.schema_ * parsed.valid_field_fraction,
        "audio": weights.audio * sound,
        "duplicates": -weights.duplicate_penalty * parsed.duplicate_color_fraction,
    }
    return parts | {"reward": sum(parts.values())}
