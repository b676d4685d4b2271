"""What went wrong in a store that a URL names, as one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from nsa.errors import InputError


class NothingThereError(InputError):
    """There is no such file or folder in a store."""


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
_NOT_REACHED = (
    "EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError",
    "ReadTimeoutError", "HTTPClientError", "ProxyConnectionError",  # botocore
    "ClientConnectorError", "ClientConnectorDNSError", "ServerDisconnectedError",
    "ClientOSError", "ClientPayloadError",  # aiohttp
    "ServiceRequestError", "ServiceResponseError", "IncompleteReadError",  # Azure
    "FSTimeoutError", "TimeoutError",
)  # fmt: skip


@contextlib.contextmanager
def explain(url: str, doing: str = "read") -> Iterator[None]:
    """Turn whatever fsspec and the stores' packages raise in a block into one sentence.

    Args:
        url: the file or folder that the block is about.
        doing: what is done to it, as in ``"Cannot read"``.

    Raises:
        InputError: something was raised.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # each package has types of its own
        kind = NothingThereError if isinstance(error, FileNotFoundError) else InputError
        raise kind(_sentence(url, error, doing)) from error


def _sentence(url: str, error: Exception, doing: str) -> str:
    protocol = url.partition("://")[0]
    store = _STORES.get(protocol)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if isinstance(error, ImportError):
        if store is None:
            lacking = "fsspec" if (error.name or "").split(".")[0] == "fsspec" else said
            return f"Cannot {doing} {url}: {protocol}:// needs a package, not installed: {lacking}."
        return f"{protocol}:// needs {store.package}: pip install 'nsa[{store.extra}]'."
    if isinstance(error, ValueError) and "Protocol not known" in said:
        return (
            f"{url} is of no kind of store that fsspec knows; there are s3://, gs://, az:// and "
            "others, and ./ before it names a local folder."
        )
    look = "" if store is None else f"; {store.credentials}"
    if "ProfileNotFound" in kinds:
        return f"Cannot {doing} {url}: {said}; check AWS_PROFILE in the environment."
    if isinstance(error, ValueError) and said.startswith("Invalid endpoint"):
        return (
            f"Cannot {doing} {url}: {said}; the address of the store, such as AWS_ENDPOINT_URL in "
            "the environment, must begin with http:// or https://."
        )
    if kinds & _NO_CREDENTIALS:
        return f"There are no valid credentials for {url} ({said}){look}."
    if isinstance(error, PermissionError):
        return f"Access to {url} is refused ({said}); check who you are there{look}."
    if isinstance(error, FileNotFoundError):
        if "bucket does not exist" in said or "NoSuchBucket" in said:
            return f"Cannot {doing} {url}: there is no such bucket; check its name."
        return f"There is nothing at {url}; check the name."
    if isinstance(error, ConnectionError) or kinds.intersection(_NOT_REACHED):
        return (
            f"Cannot {doing} {url}: the store was not reached, or the connection was lost ({said});"
            " check the network and the address of the store, and try again."
        )
    return f"Cannot {doing} {url}: {said}."
