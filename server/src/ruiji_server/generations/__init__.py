"""Generations: immutable indexes built from the store, each a folder of its own."""
