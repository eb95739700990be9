"""Training material of the embedded engine: fetch, raster, crop and pack openly licensed drawings.

`python -m psdstudio.training.assets --help` is the one command; nothing here is imported by the product.
"""
