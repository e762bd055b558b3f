"""LAION-CLAP behind a pipe: the program that the scorer runs in the environment of `envs/clap.yaml`.

    python laion_worker.py --amodel HTSAT-tiny --checkpoint 630k-audioset-best.pt --tokenizer FOLDER

`laion-clap` needs versions that the workflow cannot have, so nothing of vibegrid is imported here, and nothing but
numpy before `main`. A message is a line of JSON and, after it, float32 arrays (little-endian) whose lengths its
field `lengths` gives. The first answer has `ready` (device and versions); then, for each request on standard input,

    {"texts": [...]}                           ->  one array, (texts, 512) row by row
    {"audio": true} + arrays: clips of 48 kHz  ->  one array, (clips, 512) row by row

with rows of unit norm, or {"error": "..."} in their place. The end of the input ends the program. Standard error is
for people: the package prints there too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any

import numpy as np

DIM = 512
SAMPLE_RATE = 48_000
WINDOW = 480_000  # samples (10 s): the package crops what is longer at random

# Fields of roberta-base's config.json in which `RobertaConfig()` differs from it.
ROBERTA_BASE = {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
UNSAVED = "text_branch.embeddings.position_ids"  # transformers saves this buffer no more since 4.31
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "WANDB_MODE": "disabled"}


Message = tuple[dict[str, Any], list[np.ndarray]]  # header, arrays


def send(stream: IO[bytes], header: dict[str, Any], arrays: Iterable[np.ndarray] = ()) -> None:
    """Write one message."""
    flat = [np.ascontiguousarray(array, dtype="<f4").ravel() for array in arrays]
    line = json.dumps({**header, "lengths": [array.size for array in flat]})
    stream.write(line.encode("ascii") + b"\n")
    for array in flat:
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: IO[bytes]) -> Message | None:
    """Read one message: its header and arrays; None at the end of the stream, EOFError within a message."""
    line = stream.readline()
    if not line:
        return None
    header = json.loads(line)
    arrays = []
    for length in header["lengths"]:
        data = stream.read(4 * length)
        if len(data) < 4 * length:
            raise EOFError("a message was cut short")
        arrays.append(np.frombuffer(data, dtype="<f4"))
    return header, arrays


def build(amodel: str, tokenizer: str) -> Any:
    """The package's `CLAP_Module` with fresh weights, on the GPU where there is one. Nothing is fetched.

    The package downloads, when it is imported, three tokenizers of which two are for text towers that no
    checkpoint here has, and then roberta-base's weights, which each checkpoint replaces. Its calls of
    `from_pretrained` therefore answer with the files of the folder `tokenizer` (vocab.json, merges.txt) and with
    a RoBERTa of roberta-base's shape.
    """
    import torch
    import transformers

    words = transformers.RobertaTokenizer(f"{tokenizer}/vocab.json", f"{tokenizer}/merges.txt")
    _answer(transformers.BertTokenizer, lambda cls: None)
    _answer(transformers.BartTokenizer, lambda cls: None)
    _answer(transformers.RobertaTokenizer, lambda cls: words)
    _answer(transformers.RobertaModel, lambda cls: cls(transformers.RobertaConfig(**ROBERTA_BASE)))
    from laion_clap import CLAP_Module

    torch.manual_seed(0)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False  # scores on a GPU and on a CPU are to agree
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return CLAP_Module(enable_fusion=False, device=device, amodel=amodel, tmodel="roberta").eval()


def _answer(loader: Any, make: Callable[[Any], Any]) -> None:
    loader.from_pretrained = classmethod(lambda cls, *args, **keywords: make(cls))


def load_weights(model: Any, checkpoint: str) -> None:
    """What `laion_clap`'s `load_ckpt` does (1.1.7: factory.load_state_dict), without running the pickle's code.

    Besides the weights the file holds the optimizer's state, with numpy scalars: their types are allowed.
    """
    import torch

    scalar: Any = np.float64(0).__reduce__()[0]
    allowed = [(scalar, "numpy.core.multiarray.scalar"), np.dtype, type(np.dtype(np.float64))]
    with torch.serialization.safe_globals(allowed):
        # mmap leaves the optimizer's state, two thirds of the file, on the disk
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(checkpoint))
    state = saved.get("state_dict", saved)
    if next(iter(state)).startswith("module."):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    model.load_state_dict({name: tensor for name, tensor in state.items() if name != UNSAVED})


def embed(module: Any, header: dict[str, Any], clips: Sequence[np.ndarray]) -> np.ndarray:
    """Embeddings of a request's texts or clips: float32 (n, 512), rows of unit norm.

    With `use_tensor=False` the package quantises clips to 16 bits itself, as its README does.
    """
    import torch

    with torch.inference_mode():
        if "texts" in header:
            return module.get_text_embedding(header["texts"], use_tensor=False)
        longest = max(clip.size for clip in clips)
        if longest > WINDOW:
            raise ValueError(f"a clip of {longest} samples; at most {WINDOW} were expected")
        return module.get_audio_embedding_from_data(x=clips, use_tensor=False)


def serve(answer: Callable[..., np.ndarray], source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer each request until the input ends; one that fails is answered by its error, and the next is read."""
    while (request := receive(source)) is not None:
        try:
            result = answer(*request)
        except Exception as error:
            send(sink, {"error": one_line(error)})
        else:
            send(sink, {}, [result])


def one_line(error: Exception) -> str:
    """An error as one line: its type and message."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def standard_output() -> IO[bytes]:
    """The standard output for messages alone; what others print from now on goes to standard error."""
    messages = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return messages


def main() -> int:
    """Load the model, say that it is ready, answer requests."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--amodel", required=True, help="audio tower: HTSAT-tiny or HTSAT-base")
    parser.add_argument("--tokenizer", required=True, help="folder of vocab.json and merges.txt")
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument("--checkpoint", help="file of the weights")
    weights.add_argument("--random-weights", action="store_true", help="a check of the wiring; scores mean nothing")
    options = parser.parse_args()
    sink = standard_output()
    os.environ.update(OFFLINE)
    try:
        module = build(options.amodel, options.tokenizer)
        if options.checkpoint:
            load_weights(module.model, options.checkpoint)
        about = _about(module)
    except Exception as error:
        send(sink, {"error": one_line(error)})
        return 1
    send(sink, {"ready": about})
    serve(lambda header, clips: embed(module, header, clips), sys.stdin.buffer, sink)
    return 0


def _about(module: Any) -> dict[str, str]:
    from importlib.metadata import version

    packages = ("laion-clap", "torch", "transformers", "numpy")
    device = str(next(module.model.parameters()).device)
    return {"device": device} | {package: version(package) for package in packages}


if __name__ == "__main__":
    sys.exit(main())
