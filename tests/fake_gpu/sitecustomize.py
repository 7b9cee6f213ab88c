"""Gives a Python process the fake GPUs of `fake_cuda`, if its environment names their file.

Whatever inherits the path of a process of tests finds this module, but not the file.
"""

from __future__ import annotations

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from fake_cuda import FILE


class _Patched(Loader):
    """Loads a module as it is, then fakes its part of the GPUs."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        found: ModuleType | None = self._loader.create_module(spec)
        return found

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        import fake_cuda

        fake_cuda.PATCHES[module.__name__](module)


class _Finder(MetaPathFinder):
    """Finds what `fake_cuda` patches, when a process itself imports it: torch takes a second."""

    def __init__(self) -> None:
        self._finding = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if self._finding or name not in ("torch", "ray._private.thirdparty.pynvml"):
            return None
        self._finding = True
        try:
            spec = find_spec(name)
        finally:
            self._finding = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Patched(spec.loader)
        return spec


if FILE in os.environ:
    sys.meta_path.insert(0, _Finder())
