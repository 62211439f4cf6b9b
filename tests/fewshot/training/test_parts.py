"""Averaged weights, image pool, frozen networks, generators and the saved state."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fewshot.data.draws import Draws
from fewshot.errors import BadInputError, IntegrityError
from fewshot.training.parts import ImagePool, WeightAverage, frozen, step_generator
from fewshot.training.runs import has_state
from fewshot.training.state import clear_state, load_state, save_state


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_average_follows_its_recurrence() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 1.0)
    ema, expected = WeightAverage(net, 0.5), 1.0
    for update, value in enumerate((2.0, 3.0, -1.0, 5.0), start=1):
        nn.init.constant_(net.weight, value)
        ema.update(net)
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * value
    assert ema.shadow["weight"].item() == pytest.approx(expected)


def test_the_average_is_applied_inside_the_block_only() -> None:
    net = nn.Linear(2, 2)
    ema = WeightAverage(net, 0.9)
    with torch.no_grad():
        net.weight.add_(1)
    own = net.weight.detach().clone()
    with ema.applied(net):
        assert torch.equal(net.weight, ema.shadow["weight"])
        assert not torch.equal(net.weight, own)
    assert torch.equal(net.weight, own)


def test_a_restored_average_goes_on_alike() -> None:
    net = nn.Linear(2, 2)
    one, other = WeightAverage(net, 0.99), WeightAverage(nn.Linear(2, 2), 0.99)
    one.update(net)
    other.load_state_dict(one.state_dict())
    with torch.no_grad():
        net.weight.add_(1)
    for ema in (one, other):
        ema.update(net)
    assert torch.equal(one.shadow["weight"], other.shadow["weight"])


def draws(count: int, seed: int = 0, places: Tensor | None = None) -> Draws:
    return Draws(generator(seed), count, places)


def test_the_pool_fills_then_exchanges_half() -> None:
    pool, rng, old = ImagePool(10), generator(), 0
    for step in range(210):
        new = torch.full((1, 1, 1, 1), 100.0 + step)
        given = pool.query(new, Draws(rng, 1))
        assert step >= 10 or torch.equal(given, new)
        old += int(not torch.equal(given, new))
        assert pool.images is not None
        kept = pool.images.flatten()[: pool.filled].tolist()
        assert len(kept) == min(step + 1, 10)
        # What was given away is gone, what was exchanged for it is there.
        assert float(given) not in kept or torch.equal(given, new)
    assert 75 < old < 125


def test_places_share_the_pool_out_and_do_not_see_each_other() -> None:
    pool, rng = ImagePool(6), generator()
    shown = []
    for step in range(60):
        new = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(4, 1, 1, 1) + 10 * step
        shown.append(pool.query(new, Draws(rng, 4)).flatten())
    # Two places keep two pictures, two keep one; each is given its own earlier ones alone.
    every = torch.stack(shown)
    assert torch.equal(every % 10, torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(60, 4))
    assert ((every // 10).long() < torch.arange(60)[:, None]).any(0).all()


def test_a_pool_shared_by_processes_gives_what_one_would() -> None:
    alone, halves = ImagePool(7), [ImagePool(7), ImagePool(7)]
    for step in range(12):
        new = torch.rand(4, 3, 2, 2, generator=generator(step))
        parts = [torch.arange(2), torch.arange(2, 4)]
        found = [p.query(new[at], draws(4, step, at)) for p, at in zip(halves, parts, strict=True)]
        assert torch.equal(torch.cat(found), alone.query(new, draws(4, step)))


def test_a_pool_of_none_passes_through_and_a_small_one_lets_the_last_pass() -> None:
    images = torch.rand(4, 3, 2, 2)
    assert ImagePool(0).query(images, draws(4)) is images
    pool = ImagePool(2)
    for step in range(20):
        assert torch.equal(pool.query(images + step, draws(4, step))[2:], images[2:] + step)
    assert pool.images is not None
    assert pool.images.untyped_storage().nbytes() == 4 * 3 * 2 * 2 * 4


@pytest.mark.parametrize("seen", [0, 3, 8])
def test_a_restored_pool_goes_on_alike(seen: int) -> None:
    pool, other = ImagePool(5), ImagePool(5)
    for index in range(seen):
        pool.query(torch.full((2, 1, 1, 1), float(index)), draws(2, index))
    other.load_state_dict([pool.state_dict()], torch.arange(2))
    new = torch.rand(2, 1, 1, 1)
    assert torch.equal(pool.query(new, draws(2, 99)), other.query(new, draws(2, 99)))


def test_a_pool_of_two_processes_goes_on_in_one() -> None:
    parts, halves = [torch.arange(2), torch.arange(2, 4)], [ImagePool(7), ImagePool(7)]
    whole, joined = ImagePool(7), ImagePool(7)
    for step in range(5):
        new = torch.rand(4, 1, 1, 1, generator=generator(step))
        whole.query(new, draws(4, step))
        for half, places in zip(halves, parts, strict=True):
            half.query(new[places], draws(4, step, places))
    joined.load_state_dict([half.state_dict() for half in halves], torch.arange(4))
    new = torch.rand(4, 1, 1, 1)
    assert torch.equal(joined.query(new, draws(4, 9)), whole.query(new, draws(4, 9)))


def test_a_pool_follows_the_precision_of_the_pictures() -> None:
    pool = ImagePool(2)
    pool.query(torch.rand(2, 1, 1, 1).bfloat16(), draws(2))
    assert pool.query(torch.rand(2, 1, 1, 1), draws(2)).dtype == torch.float32


def test_frozen_networks_pass_gradients_and_keep_none() -> None:
    netD, x = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    netD.bias.requires_grad_(False)
    with frozen(netD):
        netD(x).sum().backward()
    assert x.grad is not None
    assert netD.weight.grad is None
    assert (netD.weight.requires_grad, netD.bias.requires_grad) == (True, False)


def test_each_position_has_its_own_numbers() -> None:
    positions = [(stage, step, rank) for stage in range(3) for step in range(20) for rank in range(4)]
    drawn = {float(torch.rand((), generator=step_generator(0, *p), dtype=torch.float64)) for p in positions}
    assert len(drawn) == len(positions)
    assert torch.rand((), generator=step_generator(3, 1, 2)) == torch.rand(
        (), generator=step_generator(3, 1, 2)
    )


def test_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = {"a": torch.arange(3), "b": [1, 2.5, "x", None], "c": {"d": torch.ones(2, dtype=torch.bfloat16)}}
    path = tmp_path / "deep" / "state.pt"
    save_state(path, state)
    loaded = load_state(path)
    assert loaded is not None
    assert torch.equal(loaded["a"], state["a"])  # type: ignore[arg-type]
    assert loaded["b"] == state["b"]
    assert loaded["c"]["d"].dtype == torch.bfloat16
    assert load_state(tmp_path / "nothing.pt") is None


@pytest.mark.parametrize("position", [0, 31, 32, 200, -1])
def test_a_damaged_state_is_refused(tmp_path: Path, position: int) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"a": torch.arange(100)})
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="damaged") as error:
        load_state(path)
    assert error.value.exit_code == 6
    path.write_bytes(data[:10])
    with pytest.raises(IntegrityError):
        load_state(path)


def test_the_state_before_takes_the_place_of_a_damaged_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "state.pt"
    for step in range(4):
        save_state(path, {"step": step})
    assert load_state(path) == {"step": 3}
    assert load_state(path, lambda state: state["step"] < 3) == {"step": 2}
    assert load_state(path, lambda state: state["step"] < 2) is None
    path.write_bytes(path.read_bytes()[:-1])
    assert load_state(path) == {"step": 2}
    assert "state.pt is damaged; going on" in capsys.readouterr().err
    # A kill between the two renames leaves only the one before.
    path.unlink()
    assert has_state(path)
    assert load_state(path) == {"step": 2}
    clear_state(path)
    assert not has_state(path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_older_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"a": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BadInputError, match="the disk is full"):
        save_state(path, {"a": 2})
    assert load_state(path) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.pt"]
