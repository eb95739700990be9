"""Compositing: what a document looks like, for canvas, export and training truth alike."""
