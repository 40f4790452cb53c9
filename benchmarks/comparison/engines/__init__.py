"""The other systems. Runs in their environment and imports nothing of Ruiji."""
