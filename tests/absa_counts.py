"""What `data check` counts in XABSA's format, as tests of made and of real files state it."""

from raysearch.corpora.absa.pairs import CorpusReport


def sizes_of_languages(report: CorpusReport) -> dict[str, list[tuple[int, int]]]:
    """Rows and aspects of train, dev and test, by language."""
    return {
        one.language: [(one.rows[role], one.aspects[role]) for role in ("train", "dev", "test")]
        for one in report.languages
    }


def counts_of_pairs(report: CorpusReport) -> dict[str, tuple[object, ...]]:
    """By pair: translation, paired and usable (rows, aspects); extra, unequal, repeated; cut."""
    return {
        one.pair: (
            (one.translated, one.translated_aspects),
            (one.paired, one.paired_aspects),
            (one.usable, one.usable_aspects),
            len(one.extra),
            len(one.unequal),
            one.repeated,
            (one.shortened, one.shortened_aspects),
        )
        for one in report.pairs
    }
