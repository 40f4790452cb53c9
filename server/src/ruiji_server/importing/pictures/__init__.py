"""Pictures out of folders and archives: found by name, looked at before they are imported."""
