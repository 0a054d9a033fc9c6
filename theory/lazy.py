"""Packages whose exports are listed once, in their `__init__.pyi`, and loaded on first use (PEP 562).

Type checkers read the stub; the interpreter reads the same file, so that the two never disagree.
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


def exports(package_file: str) -> dict[str, str]:
    """The names that the stub beside `package_file` imports, each with the module that it comes from."""
    stub = Path(package_file).with_suffix(".pyi").read_text(encoding="utf-8")
    imports = (node for node in ast.parse(stub).body if isinstance(node, ast.ImportFrom))
    return {alias.name: node.module for node in imports for alias in node.names if node.module}


def attach(package: str, package_file: str) -> list[str]:
    """Make `package` load its exports on first use; return their names, for `__all__`."""
    homes = exports(package_file)

    class Package(ModuleType):
        """The package object; loading the submodule `theory.moments` must not hide the verb `theory.moments`."""

        def __getattr__(self, name: str) -> Any:
            if name not in homes:
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            value = getattr(import_module(homes[name]), name)
            self.__dict__[name] = value
            return value

        def __setattr__(self, name: str, value: Any) -> None:
            if not (name in homes and isinstance(value, ModuleType)):
                super().__setattr__(name, value)

        def __dir__(self) -> list[str]:
            return sorted({*self.__dict__, *homes})

    sys.modules[package].__class__ = Package
    return sorted(homes)
