"""One Ray for all tests of a process: it starts for the first that asks and ends with the last."""

from contextlib import ExitStack

import ray

from raysearch.cluster.ray_session import ray_session


class SharedRay:
    """A Ray of two CPUs; a sweep that a test starts in this process joins it."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def up(self) -> None:
        """Start it, unless it runs."""
        if not ray.is_initialized():
            self._stack.close()
            self._stack.enter_context(ray_session(cpus=2))

    def down(self) -> None:
        """End it, for a test that starts a Ray of its own."""
        self._stack.close()
