"""The `ruiji` command: reads options, builds the parts and connects them. Imports other rooms only when needed."""
