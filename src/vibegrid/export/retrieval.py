"""The retrieval map: vibe, embedding and payload of all training rows, as a dataset of the hub."""

from __future__ import annotations

from pathlib import Path

from vibegrid.errors import InputError
from vibegrid.export import card
from vibegrid.files import read_jsonl, read_text
from vibegrid.folders import whole_folder
from vibegrid.grid.study import Study
from vibegrid.payloads import dumps

TABLE = "retrieval_map.parquet"
NEEDED = ("vibe_original", "config_payload", "dataset", "id_in_dataset")


def export(study: Study, out: Path) -> int:
    """Write the baseline's training rows to the folder `out`: retrieval_map.parquet and README.md; returns their count.

    Columns: `vibe` (text), `embedding` (384 float32, unit norm), `payload` (JSON text), `dataset`, `id_in_dataset`.

    Raises:
        InputError: the dataset has not been made.
    """
    import numpy as np
    import pandas as pd

    from vibegrid.embeddings import encode

    node = study.data.dataset(study.scale.sft)
    source = study.root / node.folder / "SFT-Train.jsonl"
    if not source.is_file():
        raise InputError(f"{node.folder}/SFT-Train.jsonl", "no such file", "make it first: make")
    rows = [row for row in read_jsonl(source, NEEDED) if row["config_payload"]]
    vibes = [row["vibe_original"] for row in rows]
    embeddings = encode(vibes).astype(np.float32)
    columns = {
        "vibe": vibes,
        "embedding": list(embeddings),
        "payload": [dumps(row["config_payload"]) for row in rows],
        "dataset": [str(row["dataset"]) for row in rows],
        "id_in_dataset": [str(row["id_in_dataset"]) for row in rows],
    }
    teachers = sorted({str(row.get("config_model") or "unknown") for row in rows})
    text = card.of_retrieval_map(
        scale=study.run.scale,
        identity=node.id,
        count=len(rows),
        dim=embeddings.shape[1],
        teacher=", ".join(teachers),
        data_card=read_text(study.root / node.folder / "card.md"),
    )
    with whole_folder(out) as draft:
        pd.DataFrame(columns).to_parquet(draft / TABLE, index=False)
        (draft / "README.md").write_text(text, encoding="utf-8")
    return len(rows)
