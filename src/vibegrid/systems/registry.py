"""Kinds of systems, to the modules that generate for them. It imports nothing."""

SYSTEMS = {
    "base": "vibegrid.systems.language_model",
    "sft": "vibegrid.systems.language_model",
    "grpo": "vibegrid.systems.language_model",
    "llm": "vibegrid.systems.llm",
    "random": "vibegrid.systems.random_uniform",
    "rule_based": "vibegrid.systems.rule_based",
    "retrieval": "vibegrid.systems.retrieval",
    "sound_retrieval": "vibegrid.systems.sound_retrieval",
}
