"""The web page that shows what Ruiji recommends, and why; one more client of the gRPC API.

It reads and never writes. Every page is made here by templates and works without scripts; small modules make it
quicker to use. Nothing is fetched from anywhere but the console itself.
"""

from ruiji_console.app import create_app
from ruiji_console.serving import serving_console
from ruiji_console.settings import ConsoleSettings

__all__ = ["ConsoleSettings", "create_app", "serving_console"]
