"""Does a sweep go on with the data, the encoder and the method that it began with?

Other bytes under the name of a corpus's file, an encoder's or a method's code make other
numbers, which must not be ranked with the old ones: the sweep is refused, on whichever machine
that is found. Other versions of a library, or of this package around the method, round
otherwise at most: the sweep goes on, says so, and every board of it says so too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from raysearch.corpora.source import locate
from raysearch.errors import ConfigError
from raysearch.run import Run
from raysearch.sources import file_digest, numbers_text, short, sources_of, versions_of

__all__ = ["SweepSources"]


@dataclass
class SweepSources:
    """The sources of one sweep, as far as they are known; grows with what its workers read.

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
        """What a sweep's records say.

        Args:
            name: The sweep's.
            begun: What the study says of the sweep's beginning.
            trials: Its records; those that say nothing of their sources, as older ones, do not
                count.
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
        """Check what a run begins with against what the sweep began with.

        Args:
            now: What the run found by itself, name to SHA-256.
            data_dir: Folder of the corpora, where the sweep's other files are looked at.

        Raises:
            ConfigError: A source is another one now: which, and which trials have the old one.
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
        """What a user should know of earlier trials beside this run's, a sentence each.

        Args:
            now: Entry of provenance to value, as this run's trials will have it.
        """
        said = []
        for entry, value in versions_of(now).items():
            others = {old: n for old, n in self.versions.get(entry, {}).items() if old != value}
            if others:
                old = ", ".join(f"{short(v)} ({numbers_text(n)})" for v, n in others.items())
                said.append(f"{entry} {short(value)} instead of {old}")
        told = []
        if said:
            told.append(
                f"trials from now on are made with {'; '.join(said)}: small differences to the "
                "earlier ones may be rounding, and every board of the sweep says so; `raysearch "
                "verify` trains a sample of them again"
            )
        if self.silent:
            told.append(
                f"which files {numbers_text(self.silent)} read is not recorded, as an older "
                "raysearch made them: whether the data is still the same is not checked for these"
            )
        return told

    def stranger(self, provenance: Mapping[str, str]) -> str:
        """Take in what a trial read; why it does not belong to the sweep, or empty.

        Args:
            provenance: The trial's, as its worker tells it.
        """
        read = sources_of(provenance)
        other = [name for name in sorted(read) if self.known.get(name, read[name]) != read[name]]
        if not other:
            self.known |= read
            return ""
        host = provenance.get("host") or "its node"
        return "; ".join(self._sentence(name, read[name], f"on {host}") for name in other)

    def _found_here(self, data_dir: str, now: Mapping[str, str]) -> dict[str, str]:
        """The files of corpora that earlier trials read and this run's first config does not."""
        found = {}
        for source in self.earlier.keys() - now.keys():
            place = locate(source, Path(data_dir))
            if place is not None and place.is_file():
                found[source] = file_digest(place)
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
            f"the sweep `{self.name}` must go on with the {what} that it has, but `{name}` has "
            f"SHA-256 {short(digest)} {where}, and had {before}; {cure}, or take another --name"
        )
