"""Every file that changes what an encoder says is a part of its digest, and no other."""

from pathlib import Path

import pytest
from small_encoders import FAMILIES, write_encoder

from raysearch.encoders.files import encoder_files, folder_files, note_encoder
from raysearch.encoders.loading import _folder_digest
from raysearch.sources import digests, recorded

FOR_PEOPLE = ("README.md", "LICENSE", "logo.png", "trainer_state.json", "modules.json")
OTHER_WEIGHTS = ("tf_model.h5", "flax_model.msgpack", "model.onnx", "pytorch_model.bin")


@pytest.mark.parametrize("family", FAMILIES)
def test_each_file_counts(family: str, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    write_encoder(family, folder)
    names = sorted(path.name for path in folder.iterdir())
    assert {"config.json", "model.safetensors", "tokenizer_config.json"} <= set(names)
    assert list(folder_files(folder)) == names == list(encoder_files(str(folder)))
    seen = {_folder_digest(folder, 3), _folder_digest(folder, 2)}
    for name in names:
        with (folder / name).open("ab") as file:
            file.write(b" ")
        seen.add(_folder_digest(folder, 3))
    assert len(seen) == 2 + len(names)


def test_files_of_older_and_slow_tokenizers_count(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    write_encoder("phobert", folder)
    before = _folder_digest(folder, 3)
    assert {"bpe.codes", "added_tokens.json", "vocab.txt"} <= folder_files(folder).keys()
    for name in ("special_tokens_map.json", "spiece.model", "merges.txt", "unknown.thing"):
        (folder / name).write_text("x")
        after = _folder_digest(folder, 3)
        assert after != before
        before = after


def test_what_nothing_reads_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    write_encoder("bert", folder)
    before = _folder_digest(folder, 3)
    for name in (*FOR_PEOPLE, *OTHER_WEIGHTS, ".gitattributes"):
        (folder / name).write_text("x")
    (folder / "1_Pooling").mkdir()
    assert _folder_digest(folder, 3) == before
    with recorded() as found:
        note_encoder(str(folder))
    assert digests(found).keys() == {f"encoder {folder}: {name}" for name in folder_files(folder)}
