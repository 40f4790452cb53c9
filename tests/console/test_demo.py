"""The demo ends with the console, on real Triton: somebody drops a picture into it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.console.conftest import ENVIRONMENT, PATIENCE_MS

pytestmark = pytest.mark.triton


def test_a_picture_is_the_query_in_the_demos_console(
    browser: Browser, tiny_encoder_folder: Path, triton_installed: None, tmp_path: Path
) -> None:
    options = ["--items", "60", "--queries", "2", "--output", tmp_path, "--encoder", tiny_encoder_folder, "--console"]
    command = [sys.executable, "-m", "ruiji_cli", "demo", *options]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    lines = []
    try:
        while not (address := re.search(r"The console is at (http://\S+)/similar", line := process.stdout.readline())):
            assert line, f"the demo ended early: {lines}"
            lines.append(line)
        page = browser.new_page(base_url=address[1])
        page.set_default_timeout(PATIENCE_MS)
        page.goto("/")
        page.get_by_label("Or a picture").set_input_files(tmp_path / "catalogue" / "images" / "demo-000007.jpg")
        page.get_by_role("button", name="Ask with it").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your picture")
        nearest = page.locator(".hit").first
        expect(nearest.locator("dl")).to_contain_text(re.compile(r"cosine\s*1.00\s*category\s*–\s*price\s*–"))
        page.get_by_label("What it costs").fill("4000")
        page.get_by_label("Its category").fill("Fashion > Shoes")
        expect(nearest.locator("dl")).to_contain_text(re.compile(r"price\s*×[\d.]+"))
        page.get_by_role("link", name="Compare", exact=True).last.click()
        expect(page.locator(".summary")).to_contain_text("100 % in common")
        page.close()
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert "To serve it again" in rest
