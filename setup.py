"""Which packages the wheel holds; everything else is in pyproject.toml.

The top-level folder resources/ becomes psdstudio/_resources inside a wheel; psdstudio/resources_path.py finds
both.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["psdstudio", "psdstudio.*"]), "psdstudio._resources"],
    package_dir={"psdstudio._resources": "resources"},
    package_data={"psdstudio": ["py.typed"], "psdstudio._resources": ["**/*"]},
    include_package_data=False,
)
