import subprocess
import sys

from raysearch import corpora


def test_all_is_sorted_and_true():
    assert corpora.__all__ == sorted(corpora.__all__, key=lambda n: (not n.isupper(), n))
    assert all(getattr(corpora, name) is not None for name in corpora.__all__)


def test_no_torch_and_no_pandas_is_imported():
    code = (
        "import sys, raysearch.corpora as c; c.load('sample', '', {'train'});"
        "print([m for m in ('torch', 'transformers', 'ray', 'optuna', 'pandas', 'pyarrow')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
