"""How does Ray Tune get its trials: from the study, one lease a trial."""

from __future__ import annotations

from typing import Any

from ray.tune.search import Searcher

from raysearch.search.leases import LeaseBook
from raysearch.search.trainable import EVENTS

__all__ = ["StudySearcher"]


class StudySearcher(Searcher):  # type: ignore[misc]
    """Tune's searcher over a `LeaseBook`; it keeps no state that the study does not have.

    An exception in here would reach the caller as text inside a `TuneError`; the book keeps it
    instead, the run ends, and the sweep raises it as it was.
    """

    def __init__(self, book: LeaseBook) -> None:
        super().__init__(metric=None, mode=None)
        self._book = book
        self.leases: dict[str, str] = {}
        """Tune's trial id to the lease's id, of trials that run."""

    def set_search_properties(self, *args: Any, **kwargs: Any) -> bool:
        """The space and the goal are the study's; Tune has nothing to add."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next lease as a Tune config; None when one may come later."""
        try:
            offer = self._book.next()
        except Exception as error:
            self._book.fail(error)
            offer = None
        if offer is None:
            return str(Searcher.FINISHED) if self._book.exhausted else None
        self.leases[trial_id] = offer.lease.id
        return {"lease": offer.lease.to_json(), "judged": offer.judged}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The trial's last news, which Tune gives to nobody else, and its end."""
        lease_id = self.leases.pop(trial_id, None)
        if lease_id is None:
            return
        try:
            self._book.hear(lease_id, (result or {}).get(EVENTS, ()))
        except Exception as failure:
            self._book.fail(failure)
        self._book.let_go(lease_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as above."""
