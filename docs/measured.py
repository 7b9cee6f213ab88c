"""Compares every measured number of the README and of docs with the file that it comes from.

    python docs/measured.py

A passage of measured numbers stands between ``<!-- measured: FILE -->`` and ``<!-- /measured -->``;
a text may have several of one file.
`PASSAGES` makes from that file the words in which its numbers stand; each must be in the passage,
and no other number with a decimal point, a percentage or a spread may be there, nor outside of
all passages. A test runs it.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from raysearch.analysis.experiment import answer
from raysearch.api.answer import Experiment, find_experiment, read_experiment
from raysearch.statistics.intervals import Interval

ROOT = Path(__file__).parents[1]
PASSAGE = re.compile(r"<!-- measured: (\S+) -->(.*?)<!-- /measured -->", re.S)
NUMBER = re.compile(r"[+−-]?\d[\d,]*\.\d+|\d+ %|±")
PUBLISHED = "results/published/"
REFERENCE = "results/reference"

Words = Iterator[str]


@cache
def read(name: str) -> Any:
    """The content of a JSON file in results/published."""
    return json.loads((ROOT / PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))


def row(*cells: str) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def signed(value: float, digits: int = 3) -> str:
    """``+0.012``, ``−0.003``."""
    return f"{value:+.{digits}f}".replace("-", "−")


def ends(interval: Interval) -> str:
    """``−0.009 to +0.057``."""
    return f"{signed(interval.low)} to {signed(interval.high)}"


def spread(value: dict[str, float], digits: int) -> str:
    """``0.596 ± 0.001``."""
    return f"{value['mean']:.{digits}f} ± {value['sd']:.{digits}f}"


def why() -> Words:
    """README's figures against plain Optuna and Ray Tune."""
    found = {item["way"]: item["1"] for item in read("overhead")["rows"]}
    slots, optuna = (f"{found[way]:.2f}" for way in ("raysearch slots", "plain Optuna, SQLite"))
    assert slots == optuna
    yield f"costs {slots} s on top of its training"
    yield f"`TorchTrainer` per trial costs {found['TorchTrainer per trial']:.1f} s"
    ours, tune = (
        {
            key: sum(_kills()[system, work][key] for work in ("map", "carl"))
            for key in ("kills", "lost", "duplicated")
        }
        for system in ("raysearch", "tune")
    )
    assert ours["kills"] == tune["kills"] and not ours["duplicated"]
    yield f"{ours['kills']} random SIGKILLs lost {ours['lost']} finished trials"
    yield f"`OptunaSearch` {tune['lost']}, and it counted {tune['duplicated']} twice"
    record = read("stage_reuse")
    yield f"{record['rows'][0]['trials']} MSMO trials take {record['fewer_steps']:.2f} times fewer"
    one = read("false_findings")["stochastic_order"][0]
    assert one["tasks"] == 1
    yield f"better in {100 * one['told']:.0f} % of cases"
    yield f"does in {100 * one['bound_alone']:.0f} %"


def msmo_xabsa() -> Words:
    """MSMO on SemEval-2016: the table, and what is said of it."""
    record = read("msmo-xabsa")
    found = {item["setting"]: item for item in record["rows"]}
    for name, item in found.items():
        ours = [spread(item[f"en-{code}"], 1) for code in ("fr", "es", "nl", "ru")]
        theirs = item["published"] or []
        paper = [*theirs, sum(theirs) / len(theirs)] if theirs else []
        shown = ", ".join(f"{value:.1f}" for value in paper)
        yield row(name, *ours, spread(item["mean"], 1), shown)
    msmo, acs = found["MSMO"], found["ACS"]
    beta, health = record["config"]["consistency_weight"], msmo["diagnostics"]
    assert 0 < acs["mean"]["mean"] - msmo["mean"]["mean"] < acs["mean"]["sd"]
    yield f"does not beat ACS** ({msmo['mean']['mean']:.1f} against {acs['mean']['mean']:.1f}"
    yield (
        f"At β = {beta * 1e3:g}e-3 consistency ({health['train/consistency']:.2f} nats) weighs "
        f"{beta * health['train/consistency']:.3f} in a loss of {health['train/supervised']:.2f}"
    )
    yield f"orders {100 * health['align/critic_accuracy']:.0f} % of the source–target pairs"
    last = found["MSMO-Distill-M"]
    yield f"helps most ({last['mean']['mean']:.1f})"
    yield f"{last['steps']:.0f} steps in all, teachers included, for {acs['steps']:.0f}"
    steps = {item["step"]: item["seconds"] for item in read("step_cost_msmo")["rows"]}
    ratio = steps["msmo, literal"] / steps["msmo, aligned"]
    yield f"is {ratio:.1f} times cheaper than a literal one"
    yield f"commit `{record['commit'][:7]}`"


@cache
def experiment(name: str) -> Experiment:
    """The answer of an experiment from its rows."""
    return read_experiment(str(ROOT / REFERENCE / name), find_experiment(name)[1], name)


def _of(found: Experiment) -> dict[tuple[Any, ...], Interval]:
    """Values of an arm's settings to its difference from the reference."""
    return {
        tuple(result.arm.settings.values()): result.difference
        for result in found.answer.results
        if result.difference is not None
    }


def _told(found: Experiment) -> tuple[int, int]:
    """Of the arms that differ: how many still do when all are taken together, and of how many."""
    several = [r for r in found.answer.others if r.twin is None and r.difference and r.jointly]
    both = [r for r in several if r.jointly and r.jointly.excludes_zero]
    return len(both), len(several)


def _steps(method: str) -> str:
    names = {path.name for path in (ROOT / REFERENCE).iterdir() if path.name.startswith(method)}
    small = names - {f"{method}-depth"}
    steps = {trial.steps for name in small for trial in experiment(name).trials} - {0}
    return f"on real data, {min(steps)} to {max(steps)} steps"


def experiments_of_carl() -> Words:
    """What docs/carl.md says of the papers' questions."""
    yield _steps("carl")
    found = experiment("carl-ablation")
    gone = _of(found)[("no_mccl",)]
    beside = answer(found.arms, found.answer.goal, reference={"variant": "frozen"})
    [untrained] = [r.difference for r in beside.others if r.arm.settings["variant"] == "no_mccl"]
    assert untrained is not None and not untrained.excludes_zero
    yield (
        f"without the contrastive term {-gone.value:.3f} below CARL (Pearson, Facebook posts) and "
        f"not distinguishable from the untrained encoder ({signed(untrained.value)}, "
        f"{ends(untrained)})"
    )
    rest = [_of(found)[(name,)] for name in ("no_ptd", "saliency", "placebo")]
    assert not any(interval.excludes_zero for interval in rest)
    sizes = {f"{-interval.value:.3f}" for interval in rest}
    yield f"no significant difference ({' to '.join(sorted(sizes))})"
    found = experiment("carl-labels")
    apart = _of(found)
    equal = [apart[key] for key in (("no_ptd",), ("carl",), ("supcon", "middle"))]
    assert not any(interval.excludes_zero for interval in equal)
    soft, detecting, middle = (signed(interval.value) for interval in equal)
    yield f"not distinguishable from them ({soft}, with detection {detecting})"
    yield f"nor are quadrants around the middle of the scale ({middle})"
    assert _told(found) == (1, 7)  # the untrained encoder
    fine = apart["supcon", "quintiles"]
    yield f"25 classes are {-fine.value:.3f} below them, by themselves {ends(fine)}"
    [frozen] = [r for r in found.answer.others if r.arm.settings["variant"] == "frozen"]
    moved = frozen.beside_difference["dev/transfer_accuracy"]
    assert moved.excludes_zero
    yield f"in transfer the untrained encoder is {-moved.value:.3f} below"
    yield from _normalisation()
    found = experiment("carl-embedding")
    means = {r.arm.settings["variant"]: r.mean for r in found.answer.results}
    yield f"by a silhouette of {means['carl']:.3f}, untrained {signed(means['frozen'])}"
    yield from _scale()
    rows = experiment("carl-warmup").trials
    first = [t.curve[0].metrics["dev/saliency_agreement"] for t in rows if t.curve]
    chance = [t.metrics["dev/saliency_chance"] for t in rows]
    yield (
        f"to {sum(first) / len(first):.2f} from the first report on, "
        f"{sum(chance) / len(chance):.2f} by chance"
    )


def depth_of_carl() -> Words:
    """CARL on a whole encoder: the table, and what is said of it."""
    found = experiment("carl-depth")
    names = {
        ("carl",): "CARL",
        ("no_ptd",): "CARL without detection",
        ("finetune",): "plain fine-tuning on VA",
        ("frozen", "last"): "untrained encoder, last layer",
        ("frozen", "mix"): "untrained encoder, best layers",
    }
    for result in found.answer.results:
        rate = result.arm.tuned.get("learning_rate")
        yield row(
            names[tuple(map(str, result.arm.settings.values()))],
            f"{rate:g}" if isinstance(rate, float) else "–",
            spread({"mean": result.mean, "sd": result.sd}, 3),
            f"{result.beside['test/emobank/valence_pearson']:.3f}",
            f"{result.beside['test/emobank/arousal_pearson']:.3f}",
        )
        if head := result.beside.get("test/head_va_pearson"):
            yield f"by its own head {head:.3f}"
    apart = _of(found)
    yield (
        f"{-apart['frozen', 'last'].value:.3f} above the untrained encoder and "
        f"{-apart['frozen', 'mix'].value:.3f} above the best of its layers"
    )
    tuned = apart[("finetune",)]
    assert _told(found) == (3, 4)
    yield f"{tuned.value:.3f} above CARL ({ends(tuned)})"
    without = apart[("no_ptd",)]
    assert not without.excludes_zero
    yield f"changes nothing ({signed(without.value)}, {ends(without)})"
    carl = found.answer.reference.arm.cells.values()
    skill, clean = (
        sum(run.metrics[f"dev/{name}"] for run in carl) / len(carl)
        for name in ("detection_auc", "detection_auc_removed")
    )
    yield f"AUC of {skill:.3f}, and with the perturbation taken away of {clean:.3f}"
    yield f"{sum(run.seconds for run in found.trials) / 3600:.1f} hours of one core"


def entropy(corpus: str) -> float:
    """Of the target by the paper's cosine at τ_y = 0.1, in percent of a uniform one's."""
    wanted = {"scaling": "scale", "geometry": "cos_uncentred", "temperature": 0.1}
    [record] = [
        record
        for record in experiment("carl-normalisation").measured
        if record["corpus"] == corpus and wanted.items() <= record.items()
    ]
    return 100 * float(record["entropy"])


def literal_target() -> Words:
    """Why the paper's own setting of CARL does nothing."""
    yield (
        f"a target with {entropy('emobank'):.1f} % of a uniform one's entropy on EmoBank "
        f"({entropy('facebook'):.1f} % on Facebook posts)"
    )


def _normalisation() -> Words:
    found = experiment("carl-normalisation")
    yield f"has {entropy('emobank'):.1f} % of a uniform one's entropy on EmoBank"
    apart = _of(found)
    yield (
        f"is {apart[('cos_centred', 'scale')].value:.3f} below centred cosines and "
        f"{apart[('cos_centred', 'standardised')].value:.3f} below the cosine on standardised"
    )
    fit = {"scale": (0.05, 0.1), "standardised": (0.5, 1.0)}
    narrow, wide = (
        [apart[("gauss", scaling, sigma)].value for sigma in widths]
        for scaling, widths in fit.items()
    )
    assert all(
        apart[("gauss", scaling, sigma)].excludes_zero == (sigma in widths)
        for scaling, widths in fit.items()
        for sigma in (0.05, 0.1, 0.5, 1.0)
        if (scaling, sigma) != ("scale", 0.5)
    )
    yield (
        f"{narrow[0]:.3f} and {narrow[1]:.3f} on min–max labels (σ 0.05 and 0.1) and "
        f"{wide[0]:.3f} and {wide[1]:.3f} on standardised ones (0.5 and 1)"
    )
    yield f"σ 0.5 on min–max labels {signed(apart[('gauss', 'scale', 0.5)].value)}"


def _scale() -> Words:
    found = experiment("carl-scale")
    apart, rows = _of(found), (532, 2128, 8515)
    carl = [apart[("carl", count)].value for count in rows]
    tuned = [apart[("finetune", count)].value for count in rows]
    [effect] = found.answer.effects
    assert _told(found) == (0, 6)
    yield (
        f"{signed(carl[0])}, {signed(carl[1])} and {signed(carl[2])} accuracy on MR over the "
        "untrained encoder with 532, 2,128 and 8,515 rows; plain fine-tuning has the same "
        f"({', '.join(map(signed, tuned))}). Rows matter (p = {effect.test.p_value:.4f})"
    )


def experiments_of_msmo() -> Words:
    """What docs/msmo.md says of the papers' questions."""
    yield _steps("msmo")
    base = _of(experiment("msmo-baseline"))
    assert _told(experiment("msmo-baseline")) == (0, 2)
    msmo, acs = base[("msmo",)], base[("acs",)]
    yield f"MSMO {signed(msmo.value)} F1 ({ends(msmo)}), ACS {signed(acs.value)} ({ends(acs)})"
    assert _told(experiment("msmo-ablation")) == (0, 6)
    beta = _of(experiment("msmo-ablation"))[("msmo", 0.1)]
    alone = f"{signed(beta.value)}, by itself {ends(beta)}"
    yield f"nor β = 0.1 when the six are taken together ({alone})"
    free = _of(experiment("msmo-translation-free"))[("no_translation",)]
    yield f"{signed(free.value)} without any translated sentence ({ends(free)})"
    wrong = _of(experiment("msmo-alignment-noise"))
    yield (f"wrong costs {-wrong[(0.1,)].value:.3f} F1, half of them {-wrong[(0.5,)].value:.3f}")
    yield f"0.25 costs {-_of(experiment('msmo-beta'))[(0.25,)].value:.3f}"
    one, three = (_of(experiment("msmo-teachers"))[(name,)] for name in ("single", "multi"))
    yield (
        f"a student of one teacher {signed(one.value)} ({ends(one)}), of three not significant "
        f"({signed(three.value)}, {ends(three)})"
    )
    clip = experiment("msmo-clip").answer.results
    low = [r.mean for r in clip if r.arm.settings["critic_clip"] == 0.01]
    high = [r.mean for r in clip if r.arm.settings["critic_clip"] != 0.01]
    assert {f"{value:.2f}" for value in low} == {"0.39"}
    yield "at c = 0.01 F1 is 0.39 whatever λ and depth"
    yield f"it takes F1 down to between {max(high):.2f} and {min(high):.0f}"


def overhead() -> Words:
    """A trial beside its training."""
    record = read("overhead")
    [slots] = [item for item in record["rows"] if item["way"] == "raysearch slots"]
    for item in record["rows"]:
        times = [f"{item[n] / slots[n]:.1f}" for n in ("1", "11")]
        yield row(item["way"], f"{item['1']:.3f}", f"{item['11']:.3f}", *times)
    first, second = record["first_metric_seconds"]
    yield f"{first['report']:.1f} and {second['report']:.1f} s"
    yield f"imports {first['imports']:.1f}"
    yield f"the study {first['ray and study'] - first['imports']:.1f}"
    yield f"the slot {first['started'] - first['ray and study']:.1f}"
    yield f"commit `{record['commit'][:7]}`"


def scale() -> Words:
    """As a sweep grows."""
    record = read("scale")
    [item] = record["rows"]
    yield f"{record['trials']:,} trials in two slots"
    yield f"{item['first']:.1f} trials/s over the first {record['block']}"
    yield f"{item['last']:.1f} over the last {record['block']}"
    yield f"ratio {item['last'] / item['first']:.2f}"
    yield f"driver {item['megabytes_rss']:.0f} MB"
    yield f"{item['files_per_trial']:.2f} files and {item['bytes_per_trial']:,.0f} bytes"
    yield f"Commit `{record['commit'][:7]}`"


def _kills() -> dict[tuple[str, str], Any]:
    return {(item["system"], item["work"]): item for item in read("faults")["rows"]}


def kills() -> Words:
    """The table of kills in docs/benchmarks.md: the works of a system together."""
    found = _kills()
    for name, system in (("raysearch, real processes", "raysearch"),
                         ("plain Tune, the same kills", "tune")):  # fmt: skip
        works = [found[system, work] for work in ("map", "carl")]
        sums = [
            str(sum(w[key] for w in works)) for key in ("kills", "lost", "duplicated", "redone")
        ]
        yield row(name, *sums, str(max(work["most"] for work in works)))
    item = found["raysearch", "writes"]
    counts = [str(item[key]) for key in ("kills", "lost", "duplicated", "redone")]
    yield row(
        "raysearch, every write of a driver", *counts, f"{item['most']} (interval: {item['bound']})"
    )
    yield f"each of {item['kills']} writes"


def all_kills() -> Words:
    """The table of docs/faults.md."""
    keys = ("lost", "duplicated", "wrong", "redone", "most", "over_bound", "not_restored")
    for (system, work), item in _kills().items():
        seconds = item["seconds"]
        yield row(
            {"tune": "plain Tune"}.get(system, system), work, str(item["kills"]),
            f"{item['trials']:,}", *(str(item[key]) for key in keys),
            "" if seconds is None else f"{seconds / 60:.0f}",
        )  # fmt: skip
    yield f"counted at `{read('faults')['commit'][:7]}`"


def step_of_carl() -> Words:
    """What a step of CARL costs."""
    record = read("step_cost")
    found = {item["step"]: item for item in record["rows"]}
    for name, step in (("K = 1", "carl K=1"), ("K = 3", "carl K=3"),
                       ("ε = 0", "saliency (eps = 0)")):  # fmt: skip
        yield row(name, f"{found[step]['ratio']:.2f}", f"{found[step]['floor']:.2f}")
    one, three = found["naive K=1"], found["naive K=3"]
    both = [f"{one[key]:.2f} / {three[key]:.2f}" for key in ("ratio", "floor")]
    yield row("naive, separate passes, K = 1 / K = 3", *both)
    padded = found["naive K=3, padded to 128"]
    yield row("naive and padded to 128, K = 3", f"{padded['ratio']:.1f}", "")
    yield f"commit `{record['commit'][:7]}`"


def step_of_msmo() -> Words:
    """What a step of MSMO costs."""
    record = read("step_cost_msmo")
    found = {item["step"]: item for item in record["rows"]}
    for name, step in (
        ("aligned: all terms from one forward pass", "msmo, aligned"),
        ("literal: every term draws its own", "msmo, literal"),
        ("literal, encoder's source side as in the code", "msmo, literal, mixed"),
        ("as the published code makes its passes", "as the code"),
    ):
        yield row(name, f"{found[step]['ratio']:.2f}", f"{found[step]['floor']:.2f}")
    yield f"commit `{record['commit'][:7]}`"


def stage_reuse() -> Words:
    """What sharing stages saves."""
    record = read("stage_reuse")
    cold, shared = record["rows"]
    yield f"commit `{record['commit'][:7]}`): {cold['trials']} trials"
    yield (
        f"{cold['steps']:,} steps and {cold['processor_seconds']:.0f} processor seconds cold, "
        f"{shared['steps']} and {shared['processor_seconds']:.0f} shared: "
        f"**{record['fewer_steps']:.2f} times fewer steps**"
    )
    assert record["same"] == cold["trials"]


def padding() -> Words:
    """What buckets save."""
    tokens = {item["padding"]: f"{item['tokens']:,}" for item in read("padding")["rows"]}
    yield f"{tokens['dynamic, buckets of 16 batches']} tokens an epoch in buckets of 16 batches"
    yield f"{tokens['dynamic']} with dynamic padding alone"
    yield f"{tokens['fixed 128']} at fixed 128"
    yield f"the real tokens are {tokens['none (real tokens)']}"


def findings() -> Words:
    """The two tables of docs/report.md."""
    record = read("false_findings")
    for item in record["correlations"]:
        yield row(str(item["trials"]), *(_three(item[k]) for k in ("one", "map", "percentile")))
    for item in record["importance"]:
        shares = (f"{item[key]:.2f}" for key in ("choice", "below", "nothing"))
        yield row(str(item["trials"]), *shares)
    yield f"Commit `{record['commit'][:7]}`, {record['cases']} sweeps a line"
    yield f"one standard error at 0.05 is {(0.05 * 0.95 / record['cases']) ** 0.5:.3f}"


def _three(share: float) -> str:
    return f"{share:.3f}"


def equals() -> Words:
    """The table of docs/proof.md of two methods that are equal."""
    for item in read("false_findings")["stochastic_order"]:
        yield row(str(item["tasks"]), _three(item["told"]), _three(item["bound_alone"]))


def coverage() -> Words:
    """The table of docs/proof.md of intervals that hold the true mean."""
    record = read("interval_coverage")
    for item in record["intervals"]:
        kinds = ("normal", "uniform", "exponential", "t, 3 df")
        shares = [
            f"{item[kind]:.3f} ({item[f'{kind}, percentile']:.3f}; {item[f'{kind}, student']:.3f})"
            for kind in kinds
        ]
        yield row(item["cells"], f"{100 * item['bounded']:.0f} %", *shares)
    yield f"One standard error is {(0.95 * 0.05 / record['cases']) ** 0.5:.3f}"
    yield f"share of {100 * record['level']:.0f} % intervals"
    least = min(item["exponential, student"] for item in record["intervals"])
    yield f"it holds the mean as seldom as {least:.3f} of the time"


def autoscaling() -> Words:
    """What nodes did, in docs/cluster.md."""
    record = read("autoscaling")
    nodes, settings = record["workers"], record["settings"]
    seconds = settings["reports"] * settings["step_seconds"]
    yield f"{settings['trials']} trials of {seconds:.0f} s"
    share = {key: f"{100 * nodes[key] / nodes['up']:.0f} %" for key in nodes if key not in _WORDS}
    yield f"nodes spent {share['leased']} of their time with a trial"
    yield f"{share['before']} before a node's first"
    yield f"({nodes['before'] / nodes['nodes']:.0f} s a node), {share['between']} between two"
    pauses = settings["trials"] - nodes["nodes"]
    yield f"({nodes['between'] / pauses:.1f} s each), and {share['after']} after the last"
    yield f"with a time-out of {60 * settings['idle_minutes']:.0f} s"


_WORDS = ("type", "head", "nodes", "up")


def power(value: float) -> str:
    """``5e-9``."""
    return f"{value:.0e}".replace("e-0", "e-")


def corpora_of_carl() -> Words:
    """What docs/carl.md says of the public corpora."""
    record = read("corpora")
    yield from _sizes(record)
    yield from _rated(record)
    yield from _spread(record["spread"])
    for item in record["perturbation"]:
        shares = (f"{100 * item[key]:.3g}%" for key in ("fp32", "fp32_l2", "bf16", "fp16"))
        relative = f"{item['relative']:.1e}".replace("e-0", "e-")
        yield row(f"{item['sd']:g}", power(item["epsilon"]), *shares, relative)
    kept: dict[int, list[str]] = {}
    for item in record["momentum"]:
        cells = kept.setdefault(item["steps"], [])
        cells.append(f"{item['rising']:.3f} / {item['constant']:.3f}")
    for steps, cells in kept.items():
        yield row(f"{steps:,} ({_RUNS[steps]})", *cells)
    found = record["tokens"]
    yield (
        f"mean {found['mean']:.1f}, median {found['median']:.0f}; "
        f"{100 * found['below_10']:.0f}% of sentences have fewer than 10"
    )
    yield (
        f"effective rate {100 * found['chosen']:.1f}% "
        f"(floor: {100 * found['chosen_rounded_down']:.1f}%)"
    )


_RUNS = {
    1143: "24,391 rows, B 64, 3 epochs",
    1250: "EmoBank train only, B 64, 10 epochs",
    3810: "24,391 rows, B 64, 10 epochs",
    7620: "24,391 rows, B 32, 10 epochs",
}


def _sizes(record: dict[str, Any]) -> Words:
    rated, emotions = record["rated"], record["emotions"]
    more = {
        name: f"V sd {found['valence_sd']:.3f}, A sd {found['arousal_sd']:.3f}, "
        f"r(V, A) {found['correlation']:.2f}; {found['repeated']} rows repeat a text"
        for name, found in rated.items()
        if name != "raters"
    }
    roles = ("train", "dev", "test")
    for name, found in record["sizes"].items():
        official = " / ".join(f"{found[role]:,}" for role in roles if role in found)
        blank = [f"{found['blank']} without text"] if found["blank"] else []
        cells = [official or "none", "; ".join([*blank, *filter(None, [more.get(name)])])]
        yield row(name, f"{found['rows']:,}", *cells)
    yield row(
        "goemotions",
        f"{sum(emotions[role] for role in roles):,}",
        " / ".join(f"{emotions[role]:,}" for role in roles),
        f"{emotions['single']:,} with one label, {emotions['single_not_neutral']:,} not neutral",
    )
    both = record["sizes"]["emobank"]["rows"] + record["sizes"]["facebook"]["rows"]
    yield f"{both:,} VA rows = {100 * both / 24_391:.0f}% of CARL's mix"


def _rated(record: dict[str, Any]) -> Words:
    emotions, raters = record["emotions"], record["rated"]["raters"]
    yield f"{emotions['single_not_neutral']:,} examples with exactly one label"
    yield f"the ten largest classes would give {emotions['ten_largest']:,}"
    shared = record["rated"]["emobank"]["train_texts"]
    test, dev = shared["in test"], shared["in dev"]
    yield f"{test} texts shared by train and test and {dev} by train and dev"
    yield f"V r = {raters['valence']:.3f}, A r = {raters['arousal']:.3f}"
    shared = record["shared_reviews"]
    yield (
        f"has {shared['equal']:,} of SST-2's {shared['test']:,} test sentences word for word, "
        f"{shared['passage']:,} with a passage of eight words"
    )


def _spread(records: list[dict[str, Any]]) -> Words:
    lines: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for record in records:
        kind = record["scaling"], record["geometry"], record["corpus"]
        lines.setdefault(kind, []).append(record)
    first = next(iter(lines.values()))
    heads = [str(record["temperature"]) for record in first]
    yield row("labels", "cos mean ± sd", f"H/lnB at tau_y {heads[0]}", *heads[1:])
    for (scaling, geometry, corpus), found in lines.items():
        pairs = f"{found[0]['pair_mean']:.3f} ± {found[0]['pair_sd']:.3f}"
        entropies = (f"{record['entropy']:.3f}" for record in found)
        yield row(f"{corpus}, {_LABELS[scaling, geometry]}", pairs, *entropies)
    bank, posts = (lines["scale", "cos_uncentred", name][0] for name in ("emobank", "facebook"))
    rest = [(1 - record["entropy"]) * math.log(64) for record in (posts, bank)]
    yield f"within {rest[0]:.3f} nats of the optimum on Facebook posts, {rest[1]:.4f} on EmoBank"
    yield (
        f"{100 * bank['centre_share']:.1f}% of EmoBank's rows and "
        f"{100 * posts['centre_share']:.1f}% of Facebook's"
    )
    yield (
        f"mean arousal {posts['arousal_mean']:.2f} on Facebook posts, "
        f"{bank['arousal_mean']:.2f} on EmoBank"
    )


_LABELS = {
    ("scale", "cos_uncentred"): "[0,1]",
    ("scale", "cos_centred"): "centred 2z-1",
    ("standardised", "cos_centred"): "z-score",
}


def language_gap() -> Words:
    """docs/msmo.md: how far a critic brings two languages together, and F1."""
    record = read("language_gap")
    yield f"commit `{record['commit'][:7]}`"
    start = record["rows"][0]["means"]
    yield f"Untrained they are {start['start/distance']:.2f} apart"
    for item in record["rows"]:
        given, means = item["settings"], item["means"]
        told = [given.get(name) for name in ("schedule", "critic_clip", "adversarial_weight")]
        game = "align-main" if "align-main/critic_accuracy" in means else "train-main"
        yield row(
            str(told[0] or "without critic"),
            *("–" if value is None else f"{value:g}" for value in told[1:]),
            f"{means[f'{game}/critic_accuracy']:.2f}" if told[0] else "–",
            f"{means['train-main/distance']:.2f}",
            f"{means['train-main/separation']:.2f}",
            f"{means['dev/f1']:.3f}",
            f"{means['target_dev/f1']:.3f}",
        )


def corpora_of_msmo() -> Words:
    """What docs/msmo.md says of the files of language pairs."""
    found = read("corpora")["absa"]
    languages, targets = found["languages"], found["targets"]
    assert not any(one["mixed"] for one in languages.values())
    yield from _gold(languages)
    yield from _files(languages, targets)
    yield from _paired(languages, targets)
    words = [languages["en"], targets["es"], languages["es"], languages["ru"]]
    en, smt, es, ru = (f"{one['words']['mean']:.1f}/{one['words']['max']}" for one in words)
    first = en.replace("/", ", max ")
    yield f"words: gold-en mean {first}; smt-es {smt}; gold-es {es}; gold-ru {ru}"
    [short], [long] = found["critic_frozen"]["2000"], found["critic_frozen"]["2500"]
    yield f"at main iteration {short} of 2000 ({long} of 2500)"


def _gold(languages: dict[str, Any]) -> Words:
    for name, one in languages.items():
        sizes = (f"{one['sentences'][role]} / {one['aspects'][role]}" for role in one["sentences"])
        yield row(name, *sizes, "/".join(map(str, one["polarities"]["test"])))
    en = languages["en"]
    counts = dict(zip(("POS", "NEG", "NEU"), en["polarities"]["train"], strict=True))
    yield f"(the file has {languages['fr']['sentences']['dev']})"
    yield (
        f"gold-en-train polarity: {', '.join(f'{name} {n}' for name, n in counts.items())}; "
        f"{en['without_aspect']} of {en['sentences']['train']} sentences have no aspect"
    )
    for role in ("dev", "test"):
        shared = (f"{name} {one['in_train'][role]}" for name, one in languages.items())
        yield f"{role}∩train {', '.join(shared)}"


def _files(languages: dict[str, Any], targets: dict[str, Any]) -> Words:
    counts = [
        {
            "smt-XX-train": one["rows"]["t"],
            "cs_en-XX-train": one["rows"]["ts"],
            "cs_XX-en-train": one["rows"]["st"],
            "total ACS set (gold-en + 3 files)": one["together"],
            "aspects in smt-XX": one["aspects"],
        }
        for one in targets.values()
    ]
    for label in counts[0]:
        yield row(label, *(str(count[label]) for count in counts))
    source = languages["en"]["sentences"]["train"]
    together = [one["together"] for one in targets.values()]
    [few, many] = [sorted(math.ceil(rows / size) for rows in together) for size in (16, 8)]
    yield f"{few[0]} to {few[-1]} at batch 16, {many[0]} to {many[-1]} at batch 8"
    everything = source + sum(rows - source for rows in together)
    yield f"= {everything:,} sentences ({math.ceil(everything / 16)} steps at 16)"
    yield f"(gold-en + 4 smt) = {source + sum(one['rows']['t'] for one in targets.values()):,}"
    unlabelled = sum(languages[name]["sentences"]["train"] for name in targets)
    yield f"order fr, es, nl, ru) = {unlabelled:,}"


def _paired(languages: dict[str, Any], targets: dict[str, Any]) -> Words:
    es, fr, nl, ru = targets.values()
    assert not any(one["extra"] for one in (es, nl, ru))
    assert not any(one["unequal"] for one in (es, fr, nl))
    alone = ", ".join(f"{one['alone']} {name}" for name, one in targets.items())
    yield f"({alone} of {languages['en']['sentences']['train']})"
    assert {one["first_apart"] for one in (es, fr, nl)} == {es["first_apart"]}
    yield f"first {es['first_apart']} rows ({ru['first_apart']} for ru)"
    yield f"wrong from row {es['first_apart']} on ({ru['first_apart']} for ru)"
    [extra], [lost], [bad] = fr["extra"], fr["extra_source"], ru["unequal"]
    yield f"one extra row, 0-based index {extra}** (gold-en row {lost}"
    yield (
        f"cs_en-fr[i] ↔ smt-fr[i] for i<{extra} and ↔ smt-fr[i+1] for i≥{extra} "
        f"(all {fr['rows']['ts'] - extra})"
    )
    yield f"Delete smt-fr row {extra}"
    yield f"{'/'.join(str(one['damaged']) for one in targets.values())} damaged rows in es/fr/nl/ru"
    yield f"one bad row in ru, index {bad}"
    most = languages["en"]["most_aspects"]
    yield f"Max aspects per row {most['train']} (gold-en test up to {most['test']}"
    short = ", ".join(f"{one['shortened']} {name}" for name, one in targets.items())
    [longest] = {one["longest_aspect"] for one in targets.values()}
    yield f"({short} rows): max span length in cs_en-XX is {longest}"
    usable = ", ".join(
        f"{name} {one['usable']}/{one['usable_aspects']}" for name, one in targets.items()
    )
    yield usable.replace("/", " rows/", 1).replace(", ", " aspects, ", 1)
    rows = len(targets) * languages["en"]["sentences"]["train"]
    share = 1 - sum(one["usable"] for one in targets.values()) / rows
    yield f"The other {100 * share:.0f} % of rows"


PASSAGES: dict[tuple[str, str], Callable[[], Words]] = {
    ("README.md", PUBLISHED.rstrip("/")): why,
    ("docs/benchmarks.md", PUBLISHED + "overhead.json"): overhead,
    ("docs/benchmarks.md", PUBLISHED + "scale.json"): scale,
    ("docs/benchmarks.md", PUBLISHED + "faults.json"): kills,
    ("docs/benchmarks.md", PUBLISHED + "step_cost.json"): step_of_carl,
    ("docs/benchmarks.md", PUBLISHED + "step_cost_msmo.json"): step_of_msmo,
    ("docs/benchmarks.md", PUBLISHED + "stage_reuse.json"): stage_reuse,
    ("docs/benchmarks.md", PUBLISHED + "padding.json"): padding,
    ("docs/carl.md", f"{REFERENCE}/carl-depth"): depth_of_carl,
    ("docs/carl.md", REFERENCE): experiments_of_carl,
    ("docs/carl.md", f"{REFERENCE}/carl-normalisation"): literal_target,
    ("docs/msmo.md", PUBLISHED + "msmo-xabsa.json"): msmo_xabsa,
    ("docs/msmo.md", PUBLISHED + "language_gap.json"): language_gap,
    ("docs/msmo.md", REFERENCE): experiments_of_msmo,
    ("docs/carl.md", PUBLISHED + "corpora.json"): corpora_of_carl,
    ("docs/carl.md", PUBLISHED + "padding.json"): padding,
    ("docs/msmo.md", PUBLISHED + "corpora.json"): corpora_of_msmo,
    ("docs/faults.md", PUBLISHED + "faults.json"): all_kills,
    ("docs/report.md", PUBLISHED + "false_findings.json"): findings,
    ("docs/proof.md", PUBLISHED + "interval_coverage.json"): coverage,
    ("docs/proof.md", PUBLISHED + "false_findings.json"): equals,
    ("docs/cluster.md", PUBLISHED + "autoscaling.json"): autoscaling,
}
"""File of the text and file of the numbers, to the words in which these stand there."""
GIVEN = {
    "results/reference/carl-depth": {"±"},
    "results/published/msmo-xabsa.json": {"50 %", "±"},
    "results/reference": {"0.25", "0.01", "0.1"},
    "results/published/interval_coverage.json": {"95 %", "12.22"},
    "results/published/false_findings.json": {"5 %", "0.05"},
}
"""Numbers of a passage that nobody measured: settings, levels, chance."""


LEVELS = ("95 %", "45 %", "5 %", "80 %")
OUTSIDE = {
    "README.md": "3.11 2.13 2502.20613 2502.13718 -2.0",
    "docs/cluster.md": "3.11 18.04 1.5 2.5",
    "docs/data.md": "-2.0 4.0 -3.0 1.3",
    "docs/install.md": "3.11",
    "docs/proof.md": "12.22 0.2 0.05 0.01",
    "docs/report.md": "±",
    "docs/slurm.md": "22.05",
    "docs/storage.md": "0.5",
}
"""Numbers outside of all passages that nobody measured either: versions, licences, settings.
Not looked at: code, and what docs/carl.md and msmo.md say outside of passages: they quote the
papers."""


def elsewhere() -> Iterator[tuple[str, str]]:
    """Numbers outside of all passages and of code: the file, and each number."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        if path.name in ("carl.md", "msmo.md", "commands.md"):
            continue
        text = PASSAGE.sub("", path.read_text(encoding="utf-8"))
        text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)
        for number in NUMBER.findall(text):
            yield str(path.relative_to(ROOT)), number


def passages() -> dict[tuple[str, str], str]:
    """The passages that are marked, in one line; those of the same text and file joined."""
    found: dict[tuple[str, str], str] = {}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for source, text in PASSAGE.findall(path.read_text(encoding="utf-8")):
            key = str(path.relative_to(ROOT)), source
            found[key] = " ".join([*found.get(key, "").split(), *text.split()])
    return found


def problems() -> Iterator[str]:
    """What the texts say that the files do not, and the other way round."""
    found = passages()
    for key in found.keys() ^ PASSAGES.keys():
        yield f"{key[0]}: {key[1]} must be a passage of the text and have an entry in PASSAGES"
    for key in found.keys() & PASSAGES.keys():
        rest = found[key]
        for words in PASSAGES[key]():
            if words not in found[key]:
                yield f"{key[0]} must say what {key[1]} has: {words}"
            rest = rest.replace(words, " ")
        given = GIVEN.get(key[1], set())
        for number in NUMBER.findall(rest):
            if number not in given:
                yield f"{key[0]} says {number}, but nothing makes it from {key[1]}"
    for name, number in elsewhere():
        if number not in OUTSIDE.get(name, "").split() and number not in LEVELS:
            yield f"{name} says {number} outside of a passage: which file is it from?"


def main() -> int:
    """Say what differs."""
    wrong = list(problems())
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
