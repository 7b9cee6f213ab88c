import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator

from raysearch.analysis.importance import importances
from raysearch.leaderboard.card import SearchRange

RANGES = (
    SearchRange(name="rate", low=1e-5, high=1e-2, log=True),
    SearchRange(name="share", low=0.05, high=0.4),
    SearchRange(name="steps", low=1, high=8, whole=True),
    SearchRange(name="kind", choices=("a", "b", "c")),
    SearchRange(name="epsilon", low=1e-10, high=1e-7, log=True),
    SearchRange(name="sigma", low=0.03, high=0.5, log=True, when={"kind": ("a", "b")}),
)


def drawn(count, seed):
    random = np.random.default_rng(seed)
    return [
        {
            "rate": float(10 ** random.uniform(-5, -2)),
            "share": float(random.uniform(0.05, 0.4)),
            "steps": int(random.integers(1, 9)),
            "kind": str(random.choice(["a", "b", "c"])),
            "epsilon": float(10 ** random.uniform(-10, -7)),
            "sigma": float(np.exp(random.uniform(np.log(0.03), np.log(0.5)))),
        }
        for _ in range(count)
    ]


def loss_of(config, noise=0.0):
    return (np.log10(config["rate"]) + 3.5) ** 2 + 0.3 * (config["kind"] == "a") + noise


def optunas(configs, losses, best):
    """The shares of Optuna's own evaluator, for this fraction of best configurations."""
    study = optuna.create_study()
    kinds = {
        "rate": FloatDistribution(1e-5, 1e-2, log=True),
        "share": FloatDistribution(0.05, 0.4),
        "steps": IntDistribution(1, 8),
        "kind": CategoricalDistribution(["a", "b", "c"]),
        "epsilon": FloatDistribution(1e-10, 1e-7, log=True),
        "sigma": FloatDistribution(0.03, 0.5, log=True),
    }
    for config, loss in zip(configs, losses, strict=True):
        own = {n: v for n, v in config.items() if n != "sigma" or config["kind"] != "c"}
        study.add_trial(
            optuna.trial.create_trial(
                params=own, distributions={name: kinds[name] for name in own}, value=loss
            )
        )
    evaluator = PedAnovaImportanceEvaluator(target_quantile=best)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


@pytest.mark.parametrize(("count", "best"), [(20, 1 / 4), (47, 10 / 47), (200, 1 / 10)])
def test_the_figures_are_those_of_optuna(count, best):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    configs = drawn(count, count)
    losses = [loss_of(config, 0.1 * (i % 7)) for i, config in enumerate(configs)]
    found = importances(configs, losses, RANGES)
    own = {one.name: one.value for one in found.settings}
    for name, share in optunas(configs, losses, best).items():
        assert own[name] == pytest.approx(share, rel=1e-6, abs=1e-9), name


def test_a_planted_placebo_cannot_be_told_from_noise_and_what_matters_can():
    configs = drawn(80, 1)
    random = np.random.default_rng(2)
    found = importances(configs, [loss_of(c, random.normal(0, 0.05)) for c in configs], RANGES)
    by_name = {one.name: one for one in found.settings}
    assert found.settings[0].name == "rate" and by_name["rate"].significant
    assert by_name["rate"].low <= by_name["rate"].value <= by_name["rate"].high
    assert by_name["rate"].value > by_name["rate"].placebo
    assert not by_name["epsilon"].significant
    assert by_name["epsilon"].value > 0, "a bare divergence is never nothing"
    assert found.best == 10 and found.samples.shape == (6, 300)


def test_where_nothing_has_an_effect_few_sweeps_tell_anything():
    wrong = 0
    for seed in range(20):
        configs = drawn(24, 100 + seed)
        losses = np.random.default_rng(seed).normal(size=24).tolist()
        wrong += any(
            one.significant for one in importances(configs, losses, RANGES, seed=seed).settings
        )
    assert wrong <= 4  # more than 4 of 20 at 5 % each, by chance: 0.3 %


DECISIVE = (
    SearchRange(name="kind", choices=("a", "b", "c")),
    SearchRange(name="rate", low=0.0, high=1.0),
    SearchRange(name="first", low=0.0, high=1.0, when={"kind": ("a",)}),
    SearchRange(name="second", low=0.0, high=1.0, when={"kind": ("a",)}),
)


def told_of_a_decisive_choice(count, seed):
    """What is told of a choice that decides everything and of two settings below it that do not."""
    random = np.random.default_rng((count, seed))
    configs = []
    for _ in range(count):
        config = {"kind": str(random.choice(["a", "b", "c"])), "rate": float(random.uniform())}
        below = {name: float(random.uniform()) for name in ("first", "second")}
        configs.append(config | (below if config["kind"] == "a" else {}))
    losses = ["abc".index(c["kind"]) + random.normal(0, 0.1) for c in configs]
    found = importances(configs, losses, DECISIVE, seed=seed).settings
    return {one.name for one in found if one.significant}


@pytest.mark.parametrize(("count", "sweeps"), [(24, 20), (64, 6), (200, 6)])
def test_a_choice_that_decides_everything_is_told_and_what_stands_below_it_is_not(count, sweeps):
    """The divergence's own placebo told it in 2, 27 and 80 of 100, the others in up to 24."""
    found = [told_of_a_decisive_choice(count, seed) for seed in range(sweeps)]
    assert all("kind" in told for told in found)
    assert sum(bool(told - {"kind"}) for told in found) <= 3  # of 20 at 5 %: more in 1.6 %


def test_an_optimum_in_the_middle_is_told():
    """Its rank correlation is none."""
    random = np.random.default_rng(0)
    configs = [{"share": float(value)} for value in random.uniform(0.05, 0.4, 32)]
    losses = [(c["share"] - 0.225) ** 2 + random.normal(0, 1e-3) for c in configs]
    (found,) = importances(configs, losses, RANGES[1:2]).settings
    assert found.significant and found.p_value <= 0.002


def test_too_few_configurations_say_nothing():
    configs = drawn(7, 3)
    assert importances(configs, [loss_of(c) for c in configs], RANGES).settings == ()
    assert importances([], [], RANGES).settings == ()
    same = importances(drawn(20, 3), [1.0] * 20, RANGES)
    assert same.settings == () and same.count == 20


def test_neither_the_order_nor_the_scale_of_scores_matters():
    configs = drawn(30, 5)
    losses = [loss_of(config) for config in configs]
    first = importances(configs, losses, RANGES).settings
    back = importances(configs[::-1], [2 * loss + 1 for loss in losses][::-1], RANGES).settings
    assert {i.name: i.value for i in first} == pytest.approx({i.name: i.value for i in back})
