"""Whole commands as processes: what a person types, on real Triton, over a real socket."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruiji_client import RuijiClient, RuijiClientError

pytestmark = pytest.mark.triton

RUIJI = [sys.executable, "-m", "ruiji_cli"]
PLAIN = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}


def test_the_demo_ends_with_a_table_and_a_gallery(tiny_encoder_folder, triton_installed, tmp_path):
    output = tmp_path / "out"
    command = [*RUIJI, "demo", "--items", "80", "--queries", "4", "--output", output, "--encoder", tiny_encoder_folder]
    done = subprocess.run(command, env=PLAIN, capture_output=True, text=True, timeout=240, check=True)
    assert "similar to demo-000000" in done.stdout
    assert "demo-000000 at cosine 1.000" in done.stdout, "its own picture is the nearest"
    gallery = (output / "gallery.html").read_text(encoding="utf-8")
    assert gallery.count("data:image/") >= 4


def test_up_serves_what_is_imported_meanwhile(tiny_encoder_folder, triton_installed, tmp_path):
    catalogue, data = tmp_path / "catalogue", tmp_path / "data"
    from ruiji_demo.catalogue import render_catalogue

    table = render_catalogue(catalogue, 40, seed=1)
    log = (tmp_path / "up.log").open("w")
    options = ["--data", data, "--address", "127.0.0.1:0", "--rebuild-s", "1", "--encoder", tiny_encoder_folder]
    up = subprocess.Popen([*RUIJI, "up", *options], env=PLAIN, stdout=log, stderr=subprocess.STDOUT)
    try:
        port = wait_for(lambda: re.search(r"listens on port (\d+)", Path(log.name).read_text()), up)[1]
        subprocess.run(
            [*RUIJI, "catalog", "import", table, "--pictures", catalogue, "--data", data], env=PLAIN, check=True
        )
        with RuijiClient(f"127.0.0.1:{port}") as client:
            wait_for(lambda: info(client).generation.items == 40, up)
            answer = client.similar_items(item_id="demo-000001", max_price_ratio=float("inf"), page_size=5)
            assert len(answer.items) == 5
            picture = (catalogue / "images" / "demo-000002.jpg").read_bytes()
            nearest = client.similar_items(picture=picture, page_size=1).items[0]
            assert nearest.cosine > 0.99
    finally:
        up.send_signal(signal.SIGINT)
        code = up.wait(timeout=60)
        log.close()
    assert code == 0, Path(log.name).read_text()


def info(client: RuijiClient):
    try:
        return client.info()
    except RuijiClientError:
        return None


def wait_for(condition, process: subprocess.Popen[bytes], timeout_s: float = 120.0):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        assert process.poll() is None, "ruiji up ended early"
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("waited in vain")
