"""`python -m ruiji_cli`, for processes that start further ones."""

from ruiji_cli.main import main

main()
