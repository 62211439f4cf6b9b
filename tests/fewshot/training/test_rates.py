"""Learning rates: which weights have which."""

from dataclasses import replace

import pytest
import torch

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import build_generator
from fewshot.adapters.attach import attach_adapter
from fewshot.training.position import Progressed
from fewshot.training.rates import adapter_rate, grouped, set_rate, steps_in_time
from recipes import load_recipe


def test_every_trained_weight_is_in_one_group_and_maps_of_places_learn_sooner() -> None:
    for parser in (2, 0):
        net = build_generator(replace(ARCHITECTURES["scan_tiny"], parser=parser))
        net.name_or_path = "made here"
        G = attach_adapter(net, method="lora", rank=2, alpha=2.0, train_norms=True, base_sha256="0" * 64)
        groups = grouped(G)
        weights = [w for group in groups for w in group["params"]]
        trained = {n: w for n, w in G.named_parameters() if w.requires_grad}
        assert len(weights) == len(trained) == len({id(w) for w in weights})
        optimizer = torch.optim.Adam(groups, lr=1.0)
        set_rate(optimizer, 0.01)
        rates = {id(w): group["lr"] for group in optimizer.param_groups for w in group["params"]}
        assert {rates[id(w)] for n, w in trained.items() if ".place." not in n} == {0.01}
        sooner = {rates[id(w)] for n, w in trained.items() if ".place." in n}
        assert sooner == ({0.05} if parser else set())


@pytest.mark.parametrize("last", [600, 250])
def test_a_rate_rises_stays_and_falls_to_nothing(last: int) -> None:
    """Also where the time is enough for some of the recipe's steps alone."""
    recipe = load_recipe("quick")
    rates = [adapter_rate(recipe, step, last) for step in range(last)]
    assert max(rates) == recipe.lr
    assert rates[0] < recipe.lr / 2
    assert rates[-1] < recipe.lr / 50
    assert adapter_rate(recipe, last + 5, last) == 0
    middle = rates.index(max(rates))
    assert rates[: middle + 1] == sorted(rates[: middle + 1])
    assert rates[middle:] == sorted(rates[middle:], reverse=True)


def test_steps_are_planned_by_the_pace_so_far() -> None:
    recipe = load_recipe("quick")
    at = Progressed(step=20, seconds=20.0)
    assert steps_in_time(recipe, at, 60 * recipe.max_minutes) == recipe.steps
    assert 250 < steps_in_time(recipe, at, 300) < 300
    assert steps_in_time(recipe, at, 10) == 21
