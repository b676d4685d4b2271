"""What went wrong in a store that a URL names, as one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from nsa.errors import InputError


class NothingThereError(InputError):
    """There is no such file or folder in a store."""


class StoreError(InputError):
    """A store lets nobody in, or is lost: no fault of the one file that was asked for."""


class NotReachedError(InputError):
    """A store was not reached, or a connection was lost, which may be so once or for ever."""


class _Store(NamedTuple):
    """What is to be said of a kind of store.

    Attributes:
        package: that reads it.
        extra: of this package that brings it.
        credentials: where they are looked for.
    """

    package: str
    extra: str
    credentials: str


_S3 = _Store(
    "s3fs", "s3",
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or run aws configure",
)  # fmt: skip
_GS = _Store(
    "gcsfs", "gs",
    "set GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth application-default login",
)  # fmt: skip
_AZ = _Store(
    "adlfs", "az",
    "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
)  # fmt: skip
_STORES = {"s3": _S3, "s3a": _S3, "gs": _GS, "gcs": _GS, "az": _AZ, "abfs": _AZ, "abfss": _AZ}

# The stores' packages, which may not be installed, have types of their own for what happened.
_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError",
    "TokenRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError",  # botocore
    "DefaultCredentialsError", "RefreshError",  # Google
    "ClientAuthenticationError", "CredentialUnavailableError",  # Azure
}  # fmt: skip
# S3's codes, which it gives whatever file is asked for; AccessDenied may be of one file.
_CREDENTIALS_REFUSED = {
    "AccountProblem", "AllAccessDisabled", "AuthorizationHeaderMalformed", "ExpiredToken",
    "InvalidAccessKeyId", "InvalidSecurity", "InvalidToken", "NotSignedUp", "RequestTimeTooSkewed",
    "SignatureDoesNotMatch", "TokenRefreshRequired",
}  # fmt: skip
_NOT_REACHED = (
    "EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError",
    "ReadTimeoutError", "HTTPClientError", "ProxyConnectionError",  # botocore
    "ClientConnectorError", "ClientConnectorDNSError", "ServerDisconnectedError",
    "ClientOSError", "ClientPayloadError",  # aiohttp
    "ServiceRequestError", "ServiceResponseError", "IncompleteReadError",  # Azure
    "ConnectionError", "Timeout",  # requests; the first is Python's, too
    "FSTimeoutError", "TimeoutError",
)  # fmt: skip


@contextlib.contextmanager
def explain(url: str, doing: str = "read") -> Iterator[None]:
    """Turn whatever fsspec and the stores' packages raise in a block into one sentence.

    Args:
        url: the file or folder that the block is about.
        doing: what is done to it, as in ``"Cannot read"``.

    Raises:
        NothingThereError: there is no such file or folder.
        StoreError: no file of the store can be had, or the package that reads it is missing.
        NotReachedError: the store was not reached, or the connection was lost.
        InputError: something else was raised.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # each package has types of its own
        kind, sentence = _explained(url, error, doing)
        raise kind(sentence) from error


def _explained(url: str, error: Exception, doing: str) -> tuple[type[InputError], str]:
    protocol = url.partition("://")[0]
    store = _STORES.get(protocol)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if isinstance(error, ImportError):
        if store is None:
            lacking = "fsspec" if (error.name or "").split(".")[0] == "fsspec" else said
            return StoreError, (
                f"Cannot {doing} {url}: {protocol}:// needs a package, not installed: {lacking}."
            )
        return StoreError, f"{protocol}:// needs {store.package}: pip install 'nsa[{store.extra}]'."
    if isinstance(error, ValueError) and "Protocol not known" in said:
        return StoreError, (
            f"{url} is of no kind of store that fsspec knows; there are s3://, gs://, az:// and "
            "others, and ./ before it names a local folder."
        )
    look = "" if store is None else f"; {store.credentials}"
    if "ProfileNotFound" in kinds:
        return StoreError, f"Cannot {doing} {url}: {said}; check AWS_PROFILE in the environment."
    if isinstance(error, ValueError) and said.startswith("Invalid endpoint"):
        return StoreError, (
            f"Cannot {doing} {url}: {said}; the address of the store, such as AWS_ENDPOINT_URL in "
            "the environment, must begin with http:// or https://."
        )
    if kinds & _NO_CREDENTIALS:
        return StoreError, f"There are no valid credentials for {url} ({said}){look}."
    of_all = _code(error) in _CREDENTIALS_REFUSED
    if of_all or isinstance(error, PermissionError):
        return StoreError if of_all else InputError, (
            f"Access to {url} is refused ({said}); check who you are there{look}."
        )
    if isinstance(error, FileNotFoundError):
        if "bucket does not exist" in said or "NoSuchBucket" in said:
            return NothingThereError, (
                f"Cannot {doing} {url}: there is no such bucket; check its name."
            )
        return NothingThereError, f"There is nothing at {url}; check the name."
    if kinds.intersection(_NOT_REACHED):
        return NotReachedError, (
            f"Cannot {doing} {url}: the store was not reached, or the connection was lost ({said});"
            " check the network and the address of the store, and try again."
        )
    return InputError, f"Cannot {doing} {url}: {said}."


def _code(error: Exception) -> str:
    """The store's own word for what happened, which s3fs keeps in the cause; empty without one."""
    response = getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
