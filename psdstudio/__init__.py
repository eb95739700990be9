"""PSDStudio: a layer editor whose engine paints a scene as separate layers and hands over a PSD."""

__version__ = "0.1.0"
