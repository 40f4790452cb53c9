"""Pictures that lie outside the store: one module for each kind of place, each with its own guard."""
