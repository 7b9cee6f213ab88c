"""Commands as a user types them: train, evaluate, export, data, check, and their mistakes."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from transformers import AutoModel, AutoTokenizer

from raysearch.cli import main
from raysearch.corpora import CORPORA
from raysearch.leaderboard import Store
from raysearch.run import Run
from raysearch.training.checkpoint import DamagedStateError

TINY = ["encoder=tiny", "epochs=0.5", "batch_size=16", "reports=1", "learning_rate=1e-3"]


def train(tmp_path: Path, *more: str) -> int:
    settings = [part for pair in TINY for part in ("--set", pair)]
    return main(["train", "carl", *settings, "--name", "one", "--results", str(tmp_path), *more])


def test_train_evaluate_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path) == 0
    said = capsys.readouterr().out
    assert "corpora sample" in said and "encoder tiny" in said
    [trial] = Store(tmp_path / "one").trials()
    assert trial.metrics["dev/va_pearson"] == pytest.approx(trial.metrics["dev/va_pearson"])
    assert trial.provenance["data_digest"] and trial.provenance["encoder_digest"]

    assert train(tmp_path) == 0  # again: the finished row, nothing is trained
    assert Store(tmp_path / "one").trials() == [trial]

    folder = str(tmp_path / "one")
    assert main(["evaluate", folder, "--trial", "0"]) == 0
    [reading] = Store(tmp_path / "one" / "test").trials()
    assert "test/va_pearson" in reading.metrics
    assert main(["evaluate", folder, "--trial", "0"]) == 0
    assert "test was read at" in capsys.readouterr().err
    assert Store(tmp_path / "one" / "test").trials() == [reading]

    assert main(["evaluate", folder, "--trial", "0", "--format", "json", "--quiet"]) == 0
    said = capsys.readouterr()
    [record] = json.loads(said.out)
    assert record["metric/test/va_pearson"] == reading.metrics["test/va_pearson"]
    assert said.err == ""
    assert train(tmp_path, "--format", "json", "--quiet") == 0
    said = capsys.readouterr()
    assert Run.from_json(said.out) == trial and said.err == ""

    out = tmp_path / "encoder"
    assert main(["export", f"{folder}:0", str(out)]) == 0
    model, tokenizer = AutoModel.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    card = (out / "README.md").read_text()
    assert "| test/va_pearson |" in card and CORPORA["sample"].licence in card
    assert trial.provenance["data_digest"] in card and "Test data were read once" in card
    assert yaml.safe_load((out / "raysearch.yaml").read_text())["setting"]["batch_size"] == 16
    states = model(**tokenizer(["a good day"], return_tensors="pt")).last_hidden_state
    assert states.shape[-1] == 64
    assert main(["export", f"{folder}:0", str(out)]) == 2
    assert "must not exist yet" in capsys.readouterr().err


def test_weights_that_were_not_kept_are_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path) == 0
    [kept] = (tmp_path / "one").rglob("final.safetensors")
    kept.unlink()
    assert main(["evaluate", str(tmp_path / "one"), "--trial", "0"]) == 0
    assert "training it again" in capsys.readouterr().err
    assert kept.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "carle"], "did you mean `carl`?"),
        (["train", "carl", "--set", "top_kk=1", "--set", "epochs=-1"], "did you mean `top_k`?"),
        (["train", "carl", "--set", "epochs"], "`--set` must be NAME=VALUE"),
        (
            ["train", "carl", "--seed", "-1"],
            "`--seed` must be an integer in [0, 4294967295], but got -1",
        ),
        (["train", "carl", "--seed", "9" * 400], "`--seed` must be an integer in [0, 4294967295]"),
        (["sweep", "carl", "--seed", "-1"], "`seed` must be an integer in [0, 4294967295], but"),
        (["sweep", "carl", "--seed", "9" * 400], "`seed` must be an integer in [0, 4294967295]"),
        (["sweep", "carl", "--seeds", "9" * 400], "`--seeds` must be an integer in [1, 10000]"),
        (["sweep", "carl", "--trials", "9" * 400], "`--trials` must be an integer in [1, 1000000]"),
        (["sweep", "carl", "--slots", "9" * 400], "`slots` must be in [1, 10000], but got 9999"),
        (["sweep", "carl", "--cpus-per-worker", "0"], "`cpus_per_worker` must be in [0.0001, 100"),
        (["sweep", "carl", "--cpus-per-worker", ".nan"], "`cpus_per_worker` must be in [0.0001, 1"),
        (["sweep", "carl", "--workers-per-trial", "0"], "`workers_per_trial` must be in [1, 1000"),
        (
            ["sweep", "carl", "--set", "batch_size=" + "9" * 400],
            "`batch_size` must be an integer >= 2, and at most 9007199254740992, but got '9999",
        ),
        (
            ["sweep", "carl", "--results", "bad\udcff"],
            r"arguments must be UTF-8 text, but got 'bad\udcff'; rename the file or folder",
        ),
        (["train", "carl", "--set", "encoder=/no/such/folder"], "/no/such/folder"),
        (
            ["train", "carl", "--set", "corpora=emobank", "--data-dir", "/none"],
            "data fetch emobank",
        ),
        (["sweep", "carl", "--trials", "0"], "`--trials`"),
        (["sweep", "nothing"], "unknown method `nothing`"),
        (["sweep", "carl", "--space", "/none.yaml"], "/none.yaml is none"),
        (["sweep", "carl", "--name", "a/b"], "must be the name of a folder"),
        (
            ["sweep", "carl", "--set", "corpora=emobank", "--data-dir", "/none"],
            "data fetch emobank",
        ),
        (["sweep", "carl", "--slots", "0"], "`slots` must be in [1, 10000]"),
        (["evaluate", "/no/sweep"], "/no/sweep"),
        (["export", "nowhere", "/tmp/never-made"], "must be SWEEP:N"),
        (["leaderboard", "/no/sweep"], "/no/sweep"),
        (["data", "fetch", "iemocap"], "iemocap"),
        (["data", "fetch", "nothing"], "nothing"),
        (["check", "/no/file.yaml"], "/no/file.yaml"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if arguments[0] in ("sweep", "train"):
        arguments = [*arguments, "--results", str(tmp_path)]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_data_list_names_every_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", *CORPORA]) == 0
    out = capsys.readouterr().out
    assert all(info.licence in out and info.citation in out for info in CORPORA.values())


def test_check_passes_on_everything_that_is_shipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert main(["check"]) == 0
    assert "ok    cluster.yaml" in capsys.readouterr().out


def test_check_tells_of_a_budget_without_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        (Path(__file__).parents[2] / "search_spaces" / "carl.yaml")
        .read_text()
        .replace("trials: 10", "trials: 3")
    )
    (tmp_path / "short.yaml").write_text(text)
    assert main(["check", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"ok    {tmp_path}/short.yaml\n      the model of the sampler `tpe` cannot" in said
    assert said.endswith("from --trials 4 on\n")


def test_check_reports_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("method: carl\nbudgett: {}\n")
    (tmp_path / "b.yaml").write_text("method: karl\n")
    assert main(["check", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "a.yaml:2" in error and "b.yaml:1" in error


@pytest.mark.parametrize("arguments", [["--help"], ["sweep", "--help"], ["data", "list"]])
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from raysearch.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'ray', 'transformers', 'optuna', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_help_waits_for_neither_numpy_nor_arrow() -> None:
    """They take 0.2 s, more than all else that help needs."""
    code = (
        "import sys; from raysearch.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'numpy', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["a block of zeros", "another trial's"])
def test_weights_that_are_not_the_rows_are_never_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    assert train(tmp_path) == 0
    [trial] = Store(tmp_path / "one").trials()
    [kept] = (tmp_path / "one").rglob("final.safetensors")
    whole = kept.read_bytes()
    if damage == "a block of zeros":
        kept.write_bytes(whole[:-8192] + bytes(4096) + whole[-4096:])
        why = "its content has another digest than the one written in it"
    else:
        assert train(tmp_path / "two", "--seed", "1") == 0
        [other] = (tmp_path / "two").rglob("final.safetensors")
        kept.write_bytes(other.read_bytes())
        why = "it belongs to other settings, data or code"
    capsys.readouterr()
    assert main(["export", f"{tmp_path / 'one'}:0", str(tmp_path / "encoder")]) == 0
    said = capsys.readouterr().err
    assert f"are not used, because {why}; training it again" in said
    assert kept.read_bytes() == whole and len(trial.provenance["weights_sha256"]) == 64
    assert main(["evaluate", str(tmp_path / "one"), "--trial", "0"]) == 0
    assert "training it again" not in capsys.readouterr().err


@pytest.mark.slow
def test_test_is_not_read_while_the_disk_damages_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train(tmp_path) == 0

    def damaged(*_: object, **__: object) -> None:
        raise DamagedStateError("it is not as it was written")

    monkeypatch.setattr(import_module("raysearch.api.train"), "load_weights", damaged)
    assert main(["evaluate", str(tmp_path / "one"), "--trial", "0"]) == 2
    said = capsys.readouterr().err
    assert "cannot be read back (it is not as it was written); check the disk" in said
    assert "reading the test data" not in said
    assert not Store(tmp_path / "one" / "test").trials()
