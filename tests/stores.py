"""Stores to test URLs with: an S3 server of this process, on 127.0.0.1."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterator

import pytest

_numbers = itertools.count()


@contextlib.contextmanager
def s3_store() -> Iterator[str]:
    """The URL of an empty bucket in S3, ``s3://bucket``; the environment says where that is."""
    server = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {
                "AWS_ENDPOINT_URL": f"http://{host}:{port}",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": "/nonexistent",
                "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            }.items():
                patch.setenv(name, value)
            s3fs.S3FileSystem.clear_instance_cache()  # those of another server
            bucket = f"bucket-{next(_numbers)}"
            store = s3fs.S3FileSystem()
            store.mkdir(bucket)
            yield f"s3://{bucket}"
            s3fs.S3FileSystem.clear_instance_cache()
            del store
    finally:
        running.stop()
