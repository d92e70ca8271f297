"""Packages of the wheel: the library, and inside it the Streamlit application, which is `app/` in the repository."""

from setuptools import find_packages, setup

APPLICATION = "framelens.application"

setup(
    packages=[
        *find_packages(include=["framelens", "framelens.*"]),
        *(f"{APPLICATION}.{name}" for name in find_packages(include=["app", "app.*"])),
    ],
    package_dir={f"{APPLICATION}.app": "app"},
)
