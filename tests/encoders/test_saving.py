"""A saved encoder: other programs open it and get the same vectors; it is whole or not there."""

import json
import os
import shutil
import stat
import subprocess

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from raysearch import encoders
from raysearch.encoders import text as texts
from raysearch.encoders.quiet import quiet
from raysearch.errors import EncoderError, StoreError
from raysearch.methods.carl.model import pool


def reopened(folder):
    with quiet():
        model = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
        return model, AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("name", ["tiny", "minilm", "me5"])
def test_other_programs_get_the_same_vectors(
    name, tmp_path, request, sentences, vectors, no_network
):
    if name == "tiny":
        encoder = encoders.load("tiny")
    elif name == "minilm":
        request.getfixturevalue("minilm")
        encoder = encoders.load("package:minilm", layers=2)
    else:
        encoder = encoders.prune_vocabulary(request.getfixturevalue("me5"), sentences)
    encoders.encode(encoder.tokenizer, sentences, 16)  # leaves a truncation in the tokenizer
    folder = encoders.save(encoder.model, encoder.tokenizer, tmp_path / "deep" / "encoder")

    written = json.loads((folder / "tokenizer.json").read_text())
    assert (written["truncation"], written["padding"]) == (None, None)
    model, tokenizer = reopened(folder)
    assert model.config.num_hidden_layers == encoder.layers
    for text in [*sentences, "a [MASK] <mask> 🤖  two  spaces"]:
        assert tokenizer(text)["input_ids"] == encoder.tokenizer(text)["input_ids"]
        (encoded,) = encoders.encode(encoder.tokenizer, [text], 128)
        (as_text,) = texts.written(
            tokenizer, [text]
        )  # others take a control token in a text for one
        assert tokenizer(as_text, truncation=True, max_length=128)["input_ids"] == encoded.ids
    assert torch.equal(
        vectors(model, tokenizer, sentences[::5]),
        vectors(encoder.model, encoder.tokenizer, sentences[::5]),
    )
    again = encoders.load(str(folder))
    assert encoders.encode(again.tokenizer, sentences, 128) == encoders.encode(
        encoder.tokenizer, sentences, 128
    )


def test_saving_prints_nothing(tmp_path, capfd):
    tiny = encoders.load("tiny")
    encoders.save(tiny.model, tiny.tokenizer, tmp_path / "tiny")
    assert capfd.readouterr() == ("", "")


def test_no_folder_is_replaced(tmp_path):
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "mine").touch()
    (tmp_path / ".encoder.new").mkdir()
    tiny = encoders.load("tiny", layers=1)
    with pytest.raises(StoreError, match="must not exist yet, but does"):
        encoders.save(tiny.model, tiny.tokenizer, folder)
    assert {path.name for path in tmp_path.rglob("*")} == {"encoder", "mine", ".encoder.new"}


@pytest.mark.parametrize("mask", [0o022, 0o027])
def test_files_are_for_whom_the_umask_says(tmp_path, mask):
    tiny = encoders.load("tiny")
    before = os.umask(mask)
    try:
        folder = encoders.save(tiny.model, tiny.tokenizer, tmp_path / "e", trained_on={"0" * 16})
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert "model.safetensors" in modes
    assert set(modes.values()) == {0o666 & ~mask}


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_pooling_goes_with_it(tmp_path, pooling):
    """By the files that every version of sentence-transformers reads, and the vectors by hand."""
    tiny = encoders.load("tiny")
    folder = encoders.save(tiny.model, tiny.tokenizer, tmp_path / "e", pooling=pooling)
    modules = json.loads((folder / "modules.json").read_text())
    assert [module["type"].rpartition(".")[2] for module in modules] == ["Transformer", "Pooling"]
    said = json.loads((folder / modules[1]["path"] / "config.json").read_text())
    modes = [key for key, on in said.items() if key.startswith("pooling_mode_") and on]
    assert modes == [f"pooling_mode_{pooling}_token{'s' * (pooling == 'mean')}"]
    assert said["word_embedding_dimension"] == tiny.hidden_size
    model, tokenizer = reopened(folder / modules[0]["path"])
    batch = tokenizer(["The food was good", "no"], padding=True, return_tensors="pt")
    mask = batch["attention_mask"]
    with torch.no_grad():
        states = model(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
        own = pool(states, mask.bool(), pooling)
    by_hand = (
        states[:, 0]
        if "cls" in modes[0]
        else torch.stack([states[0].mean(0), states[1, :4].mean(0)])
    )
    assert mask.sum(1).tolist() == [states.shape[1], 4]
    assert torch.allclose(own, by_hand, atol=1e-6)
    assert (
        encoders.load(str(folder)).digest
        == encoders.load(str(encoders.save(tiny.model, tiny.tokenizer, tmp_path / "plain"))).digest
    )


@pytest.mark.parametrize("fails", ["model", "tokenizer"])
def test_a_failure_leaves_nothing(tmp_path, monkeypatch, fails):
    tiny = encoders.load("tiny")

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        type(tiny.model if fails == "model" else tiny.tokenizer), "save_pretrained", full
    )
    with pytest.raises(StoreError, match="must be written to .*encoder, but the disk is full"):
        encoders.save(tiny.model, tiny.tokenizer, tmp_path / "encoder")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path):
    tiny = encoders.load("tiny")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="or name another"):
        encoders.save(tiny.model, tiny.tokenizer, tmp_path / "file" / "encoder")


@pytest.mark.parametrize("kilobytes", [256, 660, 692])
def test_a_disk_that_is_really_full(tmp_path, kilobytes):
    """In the weights, the tokenizer or the list of texts: each library has an error of its own."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(mounted)]
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        tiny = encoders.load("tiny")
        with pytest.raises(StoreError, match="the disk is full; free some space and run"):
            encoders.save(tiny.model, tiny.tokenizer, mounted / "encoder", trained_on=["0" * 16])
        assert list(mounted.iterdir()) == []
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_what_an_encoder_was_trained_on_goes_with_it(tmp_path, caplog):
    tiny = encoders.load("tiny")
    plain = encoders.save(tiny.model, tiny.tokenizer, tmp_path / "plain")
    known = encoders.save(tiny.model, tiny.tokenizer, tmp_path / "known", trained_on={"0" * 16})
    assert encoders.load(str(plain)).trained_on == frozenset()
    found = encoders.load(str(known))
    assert found.trained_on == {"0" * 16} == found.copy().trained_on
    assert found.digest != encoders.load(str(plain)).digest
    assert not caplog.text
    (plain / "raysearch.yaml").touch()
    encoders.load(str(plain))
    assert "by an earlier version, which did not say what it was trained on" in caplog.text
    (known / "trained_on.txt").write_text("damaged\n")
    with pytest.raises(EncoderError, match="hash of 16 hex digits"):
        encoders.load(str(known))
