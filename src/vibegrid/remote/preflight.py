"""What a run on Modal needs, asked for before anything starts."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from vibegrid.errors import InputError

WHERE = "compute: modal"


def check_installed() -> None:
    """InputError where the library or a token is missing; no network is needed."""
    if importlib.util.find_spec("modal") is None:
        raise InputError(
            WHERE,
            "the library modal is not installed",
            "pip install --constraint constraints.txt --editable '.[modal]'",
        )
    from modal.config import config

    oauth = config.get("oauth_refresh_token")
    if not (config.get("token_id") and config.get("token_secret")) and not oauth:
        raise InputError(WHERE, "no token of Modal", "`modal token new`, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET")


def check(secrets: Iterable[str] = ()) -> None:
    """As `check_installed`; also that Modal answers, knows the token, and has these secrets."""
    check_installed()
    import modal

    with one_line_errors():
        modal.Client.from_env().hello()
    for name in sorted(set(secrets)):
        with one_line_errors(f"{WHERE}: secrets: {name}"):
            modal.Secret.from_name(name).hydrate()


@contextmanager
def one_line_errors(where: str = WHERE) -> Iterator[None]:
    """Errors of Modal that a user can mend, as InputError."""
    from modal import exception

    try:
        yield
    except (exception.AuthError, exception.PermissionDeniedError) as error:
        raise InputError(where, f"Modal refuses the token: {error}", "`modal token new`") from None
    except exception.NotFoundError as error:
        raise InputError(where, f"not found on Modal: {error}") from None
    except (exception.ServiceError, exception.ConnectionError) as error:
        raise InputError(where, f"Modal cannot be reached: {error}", "is there a network?") from None
