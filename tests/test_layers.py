"""Imports go one way: no cycle among the modules, deferred and type-only imports counted."""

from graphlib import CycleError, TopologicalSorter

import grimp


def test_no_modules_import_one_another_in_a_circle() -> None:
    graph = grimp.build_graph("raysearch", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle = error.args[1]
    else:
        circle = []
    assert circle == []
