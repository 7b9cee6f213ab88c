"""The version of raysearch, and the folder of its files."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PACKAGE", "__version__"]

__version__ = "0.1.0"

PACKAGE = Path(__file__).parent
"""Folder of the package, in a wheel and in the source tree."""
