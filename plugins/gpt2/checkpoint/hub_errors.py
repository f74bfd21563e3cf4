"""What ``huggingface_hub`` raises, in words for the person who asked for a model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from plugins.gpt2.checkpoint.errors import CheckpointError, DownloadFailed, UnknownModel
from townhall_bot.redaction import origin, redacted


@contextmanager
def in_words(repo: str) -> Iterator[None]:
    """Turn the library's errors into :class:`DownloadFailed`, :class:`UnknownModel` or :class:`CheckpointError`.

    They come without their cause: a traceback would show the whole address.
    """
    hub = endpoint()
    from huggingface_hub import constants, errors

    # httpx.HTTPError or httpx2.HTTPError, whichever the library is built on: broken connections, timeouts
    bases = cast("tuple[type[Exception], ...]", errors.HfHubHTTPError.__mro__)
    http_error = next(base for base in bases if base.__name__ == "HTTPError")
    try:
        yield
    except errors.GatedRepoError:
        raise DownloadFailed(
            f"{repo} is gated: its owners want their terms accepted first. Do so at {hub}/{repo}, signed in, "
            "then set HF_TOKEN to a token of that account."
        ) from None
    except errors.RepositoryNotFoundError:
        raise UnknownModel(
            f"the hub at {hub} has no model {repo}, or it is private. "
            "Check the spelling; for a private one set HF_TOKEN."
        ) from None
    except errors.LocalEntryNotFoundError as error:
        raise DownloadFailed(
            f"the hub at {hub} cannot be reached for {repo} ({_said(error.__cause__ or error)}). "
            "Check the network and HF_ENDPOINT; models that are on disk keep working."
        ) from None
    except errors.RemoteEntryNotFoundError as error:
        raise CheckpointError(
            f"{repo} on {hub} lacks a file that it says it has: {_said(error)}. Choose another repository."
        ) from None
    except (errors.HfHubHTTPError, http_error) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            cure = "Set HF_TOKEN to a token that may read it."
        else:
            cure = "Try again later." if status else "Check the network and HF_ENDPOINT, then try again."
        raise DownloadFailed(f"downloading {repo} from {hub} failed: {_said(error)}. {cure}") from None
    except OSError as error:
        raise DownloadFailed(
            f"downloading {repo} failed: {_said(error)}. "
            f"Check that {constants.HF_HUB_CACHE} can be written, then try again."
        ) from None


def hub_constants() -> Any:
    """Return the library's constants. Raises DownloadFailed where ``HF_ENDPOINT`` keeps it from being imported."""
    try:
        from huggingface_hub import constants
    except ValueError:
        raise _no_address(os.environ.get("HF_ENDPOINT", "")) from None
    return constants


def endpoint() -> str:
    """Return scheme and host of the hub: the rest of its address may hold a password or a token, and members read this.

    Raises DownloadFailed where ``HF_ENDPOINT`` is no address: much of the library cannot be imported then.
    """
    address = hub_constants().ENDPOINT
    if not origin(address).startswith(("http://", "https://")):
        raise _no_address(address)
    return origin(address)


def _no_address(given: str) -> DownloadFailed:
    return DownloadFailed(
        f"HF_ENDPOINT is no address of a hub ({origin(given)}); it must be like https://hub.example. "
        "Correct or unset it."
    )


def _said(error: BaseException) -> str:
    """Return the first line of what the library says; the others tell where HTTP is explained."""
    return redacted(str(error).strip().partition("\n")[0]).rstrip(".")
