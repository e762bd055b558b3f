"""A folder to the Hugging Face hub, when asked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vibegrid.errors import InputError


def push(folder: Path, repo: str, kind: Literal["model", "dataset"]) -> str:
    """Upload a folder to a private repository, made where it is missing; returns its address.

    Raises:
        InputError: no token, a refusal, or no network, in one line.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
    from requests.exceptions import RequestException

    api = HfApi()
    try:
        api.create_repo(repo, repo_type=kind, private=True, exist_ok=True)
        return str(api.upload_folder(repo_id=repo, repo_type=kind, folder_path=folder))
    except LocalTokenNotFoundError:
        raise InputError(f"hub repository {repo}", "no token of the hub", "set HF_TOKEN, or: hf auth login") from None
    except (HfHubHTTPError, RequestException, ValueError) as error:
        raise InputError(f"hub repository {repo}", f"the upload failed: {str(error).splitlines()[0]}") from None
