"""Nothing outside of the methods and the search spaces names what belongs to one method."""

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

import raysearch
from raysearch.config import TrainingConfig, rules
from raysearch.methods import METHODS, config_type, get_method
from raysearch.methods.description import measures_of

PACKAGE = Path(raysearch.__file__).parent
OWN = ("methods", "search_spaces", "corpora")
"""Corpora are what methods read: their columns and the options of `load_pair` have these names."""

ORDINARY = {
    *("absolute", "best", "binary", "cls", "corpora", "corpus", "epsilon", "files", "labels"),
    *("last", "linear", "literal", "mean", "mixed", "none", "random", "refuse", "report", "scale"),
    *("sigma", "st", "steps", "stop", "temperature", "warn"),
}
"""Words that others use in another sense: columns of rows and records, states, Greek letters."""


def names_of(method: str) -> set[str]:
    """Settings that only this method has, their choices, and its measures."""
    config = config_type(method)
    common = {field.name for field in dataclasses.fields(TrainingConfig)}
    own = {name: rule for name, rule in rules(config).items() if name not in common}
    choices = {choice for rule in own.values() for choice in rule.choices}
    found = {*own} | choices | {*measures_of(get_method(method))}
    return {name for name in found if len(name) > 1} - ORDINARY  # a letter is no name


def named(path: Path) -> Iterator[tuple[int, str]]:
    """Strings, attributes and keywords of a module, docstrings left out, with their lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id.endswith("config"):
                yield node.lineno, node.attr


@pytest.mark.parametrize("method", METHODS)
def test_nothing_outside_of_a_method_names_what_is_its_own(method: str) -> None:
    own = names_of(method)
    assert len(own) > 20
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in OWN
        for line, name in named(path)
        if name in own
    ]
    assert not found


def test_no_module_outside_of_the_methods_imports_one() -> None:
    found = [
        str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] != "methods"
        for method in METHODS
        if f"raysearch.methods.{method}" in path.read_text()
    ]
    assert not found
