"""How many tokens does an epoch compute, by the way its batches are padded?

    python benchmarks/padding.py [--corpus emobank --data-dir DIR] [--json PATH]

Fixed padding fills every row to 128; dynamic padding to the longest row of its batch; buckets
sort the rows of so many batches by length first. Batches have the same size in all rows.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from raysearch import corpora, encoders
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import plan_epoch, tokenise
from raysearch.training.provenance import provenance

FIXED_LENGTH = 128
BUCKETS = (1, 4, 16, 64)
EPOCHS = 5


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Count; gives what is printed and written."""
    corpus = corpora.load(arguments.corpus, corpora.data_dir(arguments.data_dir), {"train"})
    encoder = encoders.load(arguments.encoder)
    lengths = tokenise(encoder, corpus.split("train").texts, FIXED_LENGTH).lengths
    rows = np.arange(len(lengths))
    size = arguments.batch_size
    batches = len(rows) // size
    found = [{"padding": f"fixed {FIXED_LENGTH}", "tokens": batches * size * FIXED_LENGTH}]
    for bucketing in BUCKETS:
        tokens = [
            sum(int(lengths[batch].max()) * len(batch) for batch in plan)
            for plan in (plan_epoch([rows], lengths, size, bucketing, e) for e in range(EPOCHS))
        ]
        name = "dynamic" if bucketing == 1 else f"dynamic, buckets of {bucketing} batches"
        found.append({"padding": name, "tokens": round(sum(tokens) / EPOCHS)})
    found.append(
        {"padding": "none (real tokens)", "tokens": round(batches * size * lengths.mean())}
    )
    where = provenance()
    return {
        "benchmark": "padding",
        "corpus": arguments.corpus,
        "encoder": arguments.encoder,
        "batch_size": size,
        "rows": found,
        "default": CarlConfig().bucketing,
        "commit": where["commit"],
        "dirty": where["dirty"],
    }


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    print(
        f"{result['corpus']}, train, pieces of {result['encoder']}, batches of "
        f"{result['batch_size']}; default: buckets of {result['default']}"
    )
    print(f"{'padding':<32}{'tokens per epoch':>18}{'less than fixed':>18}")
    fixed = result["rows"][0]["tokens"]
    for row in result["rows"]:
        print(f"{row['padding']:<32}{row['tokens']:>18,}{fixed / row['tokens']:>17.1f}x")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", default="sample")
    parser.add_argument("--encoder", default="package:minilm")
    parser.add_argument("--data-dir")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
