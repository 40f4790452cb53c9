"""Certificates that last for a day, made by the openssl command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """PEM of a certificate for localhost that signs itself, and of its key."""

    chain: bytes
    key: bytes


def make_certificate(folder: Path, common_name: str) -> Certificate:
    """Make a certificate in this folder, or skip the test where openssl is not installed."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", f"/CN={common_name}", "-addext", "subjectAltName=DNS:localhost"]
    try:
        subprocess.run(
            [*command, "-keyout", folder / "key.pem", "-out", folder / "chain.pem"], check=True, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("the openssl command, which makes the certificates, is not installed")
    return Certificate((folder / "chain.pem").read_bytes(), (folder / "key.pem").read_bytes())
