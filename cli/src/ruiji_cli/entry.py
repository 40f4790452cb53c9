"""Where the `ruiji` script begins.

Processes that are spawned import the script again under another name. So it imports nothing else: workers of a server
would each have the whole command in memory.
"""

from __future__ import annotations


def main() -> None:
    """Run the command."""
    from ruiji_cli.main import main as run

    run()
