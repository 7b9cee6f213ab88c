"""The identity of a study, and the check whether a sweep may continue it.

The identity is a version of this record, the space without its budget, and the seed. A sweep that
differs is refused, with the differences; the budget of trials or time may change, so that a sweep
can be extended, and seeds may be added to it.

Likewise for the sources of the sweep's numbers (`SweepSources`). If a corpus file, an encoder or
a method's code changes under its name, new numbers must not be ranked with the old ones: the
sweep is refused, on whichever machine that is found. Other versions of a library, or of this
package around the method, can only change rounding: the sweep continues and says so, as does
every leaderboard of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from raysearch.corpora.source import locate
from raysearch.errors import ConfigError, StoreError
from raysearch.run import Run
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.database import StudyDatabase
from raysearch.search.study.entries import INTENT
from raysearch.search.study.seal import SEAL
from raysearch.sources import file_digest, numbers_text, short, sources_of, versions_of

__all__ = [
    "RECOVERING",
    "SweepSources",
    "begin_with",
    "begun_with",
    "claim_study",
    "identity_in",
    "is_claimed",
    "is_sealed_study",
    "sealed_trials",
    "write_identity",
]

RECOVERING = "recovering"
"""Attribute of a study whose recovery (`raysearch.search.study.recovery`) is not finished."""
_KEY = "raysearch"
_SOURCES = "sources"
_VERSION = 2
"""Increased when the attributes of `raysearch.search.study.entries` change their meaning or readers
must know more of them. From 2 on trials are sealed, which an older raysearch would not do."""
_SEALED_FROM = 2
_UNSEALED = "unsealed"
"""How many of the first trials may lack a seal; a trial that has ended cannot get one."""


def identity_in(database: StudyDatabase) -> Mapping[str, Any] | None:
    """The study's identity; None if it has none.

    Raises:
        DamagedStudyError: It is not what a sweep writes.
        StoreError: A newer version of raysearch wrote it.
    """
    stored = database.attributes().get(_KEY)
    if stored is None:
        return None
    kinds = {"version": int, "space": dict, "seed": int}
    if not isinstance(stored, dict) or not all(
        isinstance(stored.get(name), kind) for name, kind in kinds.items()
    ):
        raise database.damaged(f"its attribute `{_KEY}` is none that a sweep writes")
    if stored["version"] > _VERSION:
        raise StoreError(
            f"the study in {database.shown} has schema version {stored['version']}, but this "
            f"raysearch knows versions up to {_VERSION}; update raysearch, or take another --name"
        )
    if not isinstance(stored["space"].get("seeds"), int):
        raise database.damaged(f"its attribute `{_KEY}` says no number of seeds")
    if not isinstance(stored.get(_UNSEALED, 0), int):
        raise database.damaged(f"its attribute `{_KEY}` says no number of trials without a seal")
    return stored


def is_sealed_study(identity: Mapping[str, Any] | None) -> bool:
    """Whether the study's version seals trials and cards."""
    return identity is not None and bool(identity["version"] >= _SEALED_FROM)


def sealed_trials(database: StudyDatabase) -> list[FrozenTrial]:
    """All trials of the study; those that a sweep asked for must be sealed, but for older ones.

    Raises:
        DamagedStudyError: The study is not as it was written.
    """
    identity, trials = identity_in(database), database.trials()
    if identity is not None and is_sealed_study(identity):
        later = [t for t in trials[identity.get(_UNSEALED, 0) :] if INTENT in t.user_attrs]
        bare = [trial.number for trial in later if SEAL not in trial.user_attrs]
        if bare:
            raise database.damaged(f"trial {bare[0]} has no seal")
    return trials


def is_claimed(database: StudyDatabase) -> bool:
    """Whether the study belongs to a sweep."""
    return _KEY in database.attributes()


def write_identity(
    database: StudyDatabase, space: SearchSpace, seed: int, *, unsealed: int = 0
) -> None:
    """Write the study's identity, which makes it a sweep's.

    Args:
        database: The study.
        space: What is searched.
        seed: Seed of the sampler.
        unsealed: How many of its first trials may lack a seal, since an older version wrote them.
    """
    identity = {"version": _VERSION, "space": space.canonical, "seed": seed}
    older = {_UNSEALED: unsealed} if unsealed else {}
    database.set_attribute(_KEY, {**identity, **older, "digest": space.digest})


def begun_with(database: StudyDatabase) -> dict[str, str]:
    """Name to SHA-256 of the sources that the sweep began with; empty for an older study.

    Raises:
        DamagedStudyError: It is not what a sweep writes.
    """
    found = database.attributes().get(_SOURCES, {})
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise database.damaged(f"its attribute `{_SOURCES}` is none that a sweep writes")
    return found


def begin_with(database: StudyDatabase, sources: Mapping[str, str]) -> None:
    """Write the sweep's sources."""
    if begun_with(database) != sources:
        database.set_attribute(_SOURCES, dict(sources))


def claim_study(
    database: StudyDatabase, name: str, space: SearchSpace, seed: int, *, left: str = ""
) -> None:
    """Write the identity of a new study, or check that of an existing one.

    Args:
        database: The study.
        name: Name of the sweep.
        space: What is searched.
        seed: Seed of the sampler.
        left: Description of what earlier sessions left elsewhere; if not empty, a new study is
            refused, because its trials would share their numbers with other configurations.

    Raises:
        StoreError: A newer version of raysearch wrote the study, or it is gone.
        ConfigError: The study was made for something else.
    """
    stored = identity_in(database)
    if stored is None:
        if left:
            _refuse_renamed(database, name, left)
        if left or RECOVERING in database.attributes():
            raise StoreError(
                f"the study of the sweep `{name}` must be in {database.shown}, but is gone or "
                f"half recovered, while there are {left or 'trials of it'}; `python -m raysearch "
                "recover` makes it anew from them, or take another --name"
            )
        if database.trials():
            raise ConfigError(
                f"the sweep `{name}` must have a study of its own, but the one of this name holds "
                "trials of another program; take another --name"
            )
        write_identity(database, space, seed)
        return
    wanted = json.loads(json.dumps(space.canonical))  # as stored: tuples are lists
    # More seeds are no difference; fewer are refused below.
    before = {**stored["space"], "seeds": wanted["seeds"], "seed": stored["seed"]}
    differences = _differences(before, {**wanted, "seed": seed}, "")
    seeds = stored["space"]["seeds"]
    if seeds > space.seeds:
        differences.append(
            f"`seeds` was {seeds}, but is {space.seeds}, and seeds can be added to a sweep but not "
            "taken away"
        )
    if differences:
        raise ConfigError(
            f"the sweep `{name}` was started with other settings: {'; '.join(differences)}; "
            "take another --name, or set them back to continue it"
        )
    database.check_direction(space.goal.direction)
    # With new seeds, or of an older version, the identity is rewritten. An older version's trials
    # that have ended cannot get a seal, so their number is recorded.
    if seeds < space.seeds or not is_sealed_study(stored):
        older = stored.get(_UNSEALED, 0) if is_sealed_study(stored) else len(database.trials())
        write_identity(database, space, seed, unsealed=older)


def _refuse_renamed(database: StudyDatabase, name: str, left: str) -> None:
    """Withdraw a new study from a file that holds the study of one other sweep.

    Raises:
        StoreError: It does: the folder was renamed or copied with its study.
    """
    beside = database.beside()
    if len(beside) != 1 or database.attributes() or database.trials():
        return
    database.withdraw()
    raise StoreError(
        f"the study of the sweep `{name}` must be in {database.shown}, but only that of "
        f"`{beside[0]}` is, while there are {left}; where the folder was renamed or copied, run "
        f"it under the name `{beside[0]}` again, which is part of every row; a new sweep takes a "
        "--name that has no folder yet"
    )


def _differences(before: dict[str, Any], now: dict[str, Any], path: str) -> list[str]:
    found = []
    for key in sorted(before.keys() | now.keys()):
        name, old, new = path + key, before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{name}.")
        elif old != new:
            found.append(f"`{name}` was {_shown(old)}, but is {_shown(new)}")
    return found


def _shown(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)


@dataclass
class SweepSources:
    """The known sources of one sweep; grows with what its workers read.

    Attributes:
        name: The sweep's.
        known: Name to SHA-256 that every trial must have read.
        earlier: Name to digest to the trials that read it; 0 of them where only the sweep's
            beginning is on record.
        versions: Entry of provenance to value to the trials that have it.
        silent: Trials whose rows do not name their files, because an older version wrote them.
    """

    name: str
    known: dict[str, str] = field(default_factory=dict)
    earlier: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    versions: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, name: str, begun: Mapping[str, str], trials: Iterable[Run]) -> SweepSources:
        """The sources from a sweep's records.

        Args:
            name: The sweep's.
            begun: The sources that the sweep began with, from its study.
            trials: Its records; older ones without sources are skipped.
        """
        found = cls(name)
        for source, digest in begun.items():
            found.earlier.setdefault(source, {}).setdefault(digest, set())
        for trial in trials:
            read = sources_of(trial.provenance)
            if not read and trial.provenance.get("data_digest"):
                found.silent.add(trial.number)
            for source, digest in read.items():
                found.earlier.setdefault(source, {}).setdefault(digest, set()).add(trial.number)
            for entry, value in versions_of(trial.provenance).items():
                found.versions.setdefault(entry, {}).setdefault(value, set()).add(trial.number)
        return found

    def go_on_with(self, now: Mapping[str, str], data_dir: str) -> None:
        """Check the sources of this session against those of the sweep.

        Args:
            now: Name to SHA-256 as found in this session.
            data_dir: Folder of the corpora, for the sweep's other files.

        Raises:
            ConfigError: A source has changed: which, and which trials have the old one.
        """
        self.known = {**self._found_here(data_dir, now), **now}
        problems = [
            self._sentence(source, digest, "now")
            for source, digest in sorted(self.known.items())
            if self.earlier.get(source, {}).keys() - {digest}
        ]
        if problems:
            raise ConfigError(problems)
        for source, digests in self.earlier.items():
            self.known.setdefault(source, next(iter(digests)))

    def caveats(self, now: Mapping[str, str]) -> list[str]:
        """Warnings about earlier trials with other versions, one sentence each.

        Args:
            now: Entry of provenance to the value in this session.
        """
        said = []
        for entry, value in versions_of(now).items():
            others = {old: n for old, n in self.versions.get(entry, {}).items() if old != value}
            if others:
                old = ", ".join(f"{short(v)} ({numbers_text(n)})" for v, n in others.items())
                said.append(f"{entry} {short(value)} instead of {old}")
        notes = []
        if said:
            notes.append(
                f"trials from now on are made with {'; '.join(said)}: small differences to the "
                "earlier ones may be rounding, and every board of the sweep says so; `raysearch "
                "verify` trains a sample of them again"
            )
        if self.silent:
            notes.append(
                f"which files {numbers_text(self.silent)} read is not recorded, as an older "
                "raysearch made them: whether the data is still the same is not checked for these"
            )
        return notes

    def stranger(self, provenance: Mapping[str, str]) -> str:
        """Add a trial's sources; returns why it does not belong to the sweep, or empty.

        Args:
            provenance: The trial's, from its worker.
        """
        read = sources_of(provenance)
        other = [name for name in sorted(read) if self.known.get(name, read[name]) != read[name]]
        if not other:
            self.known |= read
            return ""
        host = provenance.get("host") or "its node"
        return "; ".join(self._sentence(name, read[name], f"on {host}") for name in other)

    def _found_here(self, data_dir: str, now: Mapping[str, str]) -> dict[str, str]:
        """The corpus files that earlier trials read and this session's first config does not."""
        found = {}
        for source in self.earlier.keys() - now.keys():
            path = locate(source, Path(data_dir))
            if path is not None and path.is_file():
                found[source] = file_digest(path)
        return found

    def _sentence(self, source: str, digest: str, where: str) -> str:
        kind, _, name = source.partition(" ")
        what = {"method": "code of the method"}.get(kind, kind)
        old = self.earlier.get(source) or {self.known[source]: set()}
        before = " and ".join(
            f"{short(other)} {'for ' + numbers_text(n) if n else 'when it began'}"
            for other, n in old.items()
            if other != digest
        )
        cure = "install the version that made them" if kind == "method" else "put it back"
        return (
            f"the sweep `{self.name}` must continue with the {what} that it has, but `{name}` has "
            f"SHA-256 {short(digest)} {where}, and had {before}; {cure}, or take another --name"
        )
