"""The registry: names, errors, and that reading settings costs no torch."""

import subprocess
import sys

import pytest

from raysearch.errors import ConfigError
from raysearch.methods import METHODS, config_type, get_method
from raysearch.methods.description import OfEncoder


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown method `carrl`; did you mean `carl`"):
        get_method("carrl")


@pytest.mark.parametrize("name", METHODS)
def test_config_type_and_tasks_import_no_torch(name: str) -> None:
    code = (
        "import sys; from raysearch.methods import config_type, get_method\n"
        f"config = config_type({name!r})()\n"
        f"assert get_method({name!r}).tasks(config)\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_config_type_is_that_of_the_loader() -> None:
    assert config_type("carl").__name__ == "CarlConfig"


def test_which_metrics_an_exported_encoder_has() -> None:
    """Probes are fitted to its weights; discriminator and tagger stay behind."""
    carl, msmo = METHODS["carl"], METHODS["msmo"]
    assert isinstance(carl, OfEncoder) and isinstance(msmo, OfEncoder)
    for metric in ("va_pearson", "emobank/valence_pearson", "uniformity", "class_accuracy"):
        assert carl.of_encoder(metric, {"protocol": "frozen"}), metric
        assert not carl.of_encoder(metric, {"protocol": "finetuned"}), metric
    for metric in ("finetuned_va_pearson", "emobank/finetuned_accuracy"):
        assert carl.of_encoder(metric, {"protocol": "finetuned"}), metric
    for protocol in ("frozen", "finetuned"):
        assert not carl.of_encoder("detection_auc", {"protocol": protocol})
    assert not any(msmo.of_encoder(metric, {}) for metric in ("f1", "precision", "current_f1"))
