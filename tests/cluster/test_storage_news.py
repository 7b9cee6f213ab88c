"""What a worker's storage says, as the user hears it."""

import logging

from raysearch.cluster.worker import storage_warnings


def test_warnings_of_storage_are_told_inside_only() -> None:
    told: list[str] = []
    log = logging.getLogger("raysearch.storage.retry")
    with storage_warnings(told.append):
        log.warning("%s does not answer", "s3://b/p")
        log.info("no news")
        logging.getLogger("raysearch.training.stages.cache").warning("of no concern")
    log.warning("too late")
    assert told == ["s3://b/p does not answer"]
