"""Whoever can write where raysearch reads must not thereby run code: pickles, YAML tags, models."""

from __future__ import annotations

import ast
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import raysearch
from raysearch import encoders
from raysearch.cli import main
from raysearch.errors import EncoderError, StoreError
from raysearch.leaderboard import Store
from raysearch.run import FORMER_KEPT, KEPT, Cell, RunSpec
from raysearch.training.checkpoint import DamagedStateError, load_checkpoint, load_weights
from raysearch.training.stages.cache import StageCache

SOURCE = Path(raysearch.__file__).parent
UNPICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
SEALED = SOURCE / "distributed.py"
"""What workers send each other, which is unpickled under their group's seal only."""


class Trap:
    """What, unpickled, makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.mkdir, (self.folder,)


@pytest.fixture
def sprung(tmp_path: Path) -> Path:
    """The folder that appears when planted code runs."""
    folder = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Trap(folder)))  # the trap works
    folder.rmdir()
    return folder


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path, node


def test_what_workers_send_is_unpickled_at_one_place_and_after_its_seal() -> None:
    source = SEALED.read_text()
    assert source.count("pickle.loads") == 1
    opened = source[source.index("def _opened") : source.index("pickle.loads")]
    assert "if not hmac.compare_digest" in opened and "raise" in opened


def test_source_has_no_way_to_run_what_it_reads() -> None:
    for path in set(SOURCE.rglob("*.py")) - {SEALED}:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(alias.name for alias in node.names)]
            assert not UNPICKLERS & {part for name in names for part in name.split(".")}, path
    for path, call in calls():
        said = ast.unparse(call.func)
        assert said not in ("eval", "exec", "compile", "yaml.load", "os.system"), (path, said)
        keywords = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if said == "torch.load":
            assert keywords.get("weights_only") == "True", path
        assert keywords.get("shell") != "True", path
        assert keywords.get("trust_remote_code", "False") == "False", path


def test_checkpoint(tmp_path: Path, sprung: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    torch.save({"state": Trap(sprung)}, path)
    assert load_checkpoint(path) is None
    path.write_bytes(pickle.dumps({"state": Trap(sprung)}))
    assert load_checkpoint(path) is None
    assert not sprung.exists()


@pytest.mark.parametrize("name", [KEPT, FORMER_KEPT])
def test_kept_weights(name: str, tmp_path: Path, sprung: Path) -> None:
    spec = RunSpec(
        sweep="s", number=0, cell=Cell("t", 0), method="m", config={}, folder=str(tmp_path)
    )
    torch.save({"key": "", "method": Trap(sprung)}, tmp_path / name)
    with pytest.raises(DamagedStateError):
        load_weights(spec)
    assert not sprung.exists()


def test_stage(tmp_path: Path, sprung: Path) -> None:
    cache = StageCache(tmp_path / "stages")
    cache.put("key", {"x": 1})
    (entry,) = (tmp_path / "stages").rglob("*.stage")
    torch.save({"state": Trap(sprung)}, entry)
    assert StageCache(tmp_path / "stages").get("key") is None
    assert not sprung.exists()


def test_row_whose_column_is_a_pickled_type(tmp_path: Path, sprung: Path) -> None:
    """Arrow before 14 unpickled the type of such a column when it was read."""
    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Trap(sprung)),
    }
    field = pa.field("trial", pa.int64(), metadata=metadata)
    (tmp_path / "trials").mkdir()
    table = pa.Table.from_arrays([pa.array([1])], schema=pa.schema([field]))
    pq.write_table(table, tmp_path / "trials" / "part-00000-a-s0.parquet")
    with pytest.raises(StoreError):
        Store(tmp_path).table()
    assert not sprung.exists()


@pytest.mark.parametrize("name", ["space", "cluster"])
def test_yaml_tags(
    name: str, tmp_path: Path, sprung: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"{name}.yaml"
    tag = f"!!python/object/apply:os.mkdir ['{sprung}']"
    if name == "space":
        path.write_text(f"method: carl\nsetting: {tag}\n")
        words = ["sweep", "carl", "--space", str(path), "--results", str(tmp_path / "results")]
    else:
        path.write_text(f"cluster_name: x\nprovider: {{type: local, head_ip: {tag}}}\n")
        words = ["check", str(path)]
    assert main(words) == 2
    assert f"{path}:2" in capsys.readouterr().err
    assert not sprung.exists()


def test_encoder_folder_with_code_and_pickled_weights(tmp_path: Path, sprung: Path) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    config = {
        "model_type": "planted",
        "architectures": ["Planted"],
        "auto_map": {"AutoConfig": "planted.Config", "AutoModel": "planted.Model"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "planted.py").write_text(f"import os\nos.mkdir({str(sprung)!r})\n")
    with pytest.raises(EncoderError):
        encoders.load(str(folder))
    tiny = encoders.load("tiny")
    tiny.model.config.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    torch.save({"weight": Trap(sprung)}, folder / "pytorch_model.bin")
    with pytest.raises(EncoderError):
        encoders.load(str(folder))
    assert not sprung.exists()
