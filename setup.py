"""Packages of the wheel: the library, and in it the Streamlit application (`app/`) and the pins (`constraints/`)."""

from setuptools import find_packages, setup

APPLICATION = "framelens.application"
CONSTRAINTS = "framelens.constraints"

setup(
    packages=[
        *find_packages(include=["framelens", "framelens.*"]),
        *(f"{APPLICATION}.{name}" for name in find_packages(include=["app", "app.*"])),
        CONSTRAINTS,
    ],
    package_dir={f"{APPLICATION}.app": "app", CONSTRAINTS: "constraints"},
)
