"""Packages of the wheel: those of `tf_idinvert`, and the folder `checkpoints` beside it as its package data."""
from setuptools import find_packages, setup

EMBEDDED = {"tf_idinvert.checkpoints": "checkpoints", "tf_idinvert.checkpoints.boundaries": "checkpoints/boundaries",
            "tf_idinvert.checkpoints.directions": "checkpoints/directions"}

setup(packages=[*find_packages(include=["tf_idinvert*"]), *EMBEDDED], package_dir=EMBEDDED)
