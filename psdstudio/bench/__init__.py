"""Measurements a user or a reviewer can repeat: `python -m psdstudio.bench NAME`."""
