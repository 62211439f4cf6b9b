"""The GPU kernels against PyTorch's own functions; without a GPU in Triton's interpreter."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

pytest.importorskip("triton", reason="Triton comes with CUDA builds of PyTorch alone")

from base_models import fused

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


@pytest.mark.parametrize("shared", [True, False], ids=["one map", "each its own"])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(
    ("shape", "dtype", "most"),
    [
        ((2, 5, 7, 9), torch.float32, 1e-5),
        ((3, 40, 16, 16), torch.float32, 1e-5),
        ((2, 32, 20, 20), torch.bfloat16, 1e-2),
    ],
    ids=str,
)
def test_norm_and_relu_are_instance_norm_and_relu(
    shape: tuple[int, ...], dtype: torch.dtype, most: float, relu: bool, shared: bool
) -> None:
    # A mean far from zero, where sums of squares lose digits.
    x = (2 * drawn(*shape) + 30).to(dtype).requires_grad_()
    affine = shape[1:2] if shared else shape[:2]
    weight, bias = (drawn(*affine, seed=seed).requires_grad_() for seed in (1, 2))
    gradient = drawn(*shape, seed=3).to(dtype)
    out = fused.norm_relu(x, weight, bias, 1e-5, relu)
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=torch.channels_last)
    exact = [t.detach().double().requires_grad_() for t in (x, weight, bias)]
    expected = F.instance_norm(exact[0]) * exact[1][..., None, None] + exact[2][..., None, None]
    expected = expected.relu() if relu else expected
    ours = [out, *torch.autograd.grad(out, (x, weight, bias), gradient)]
    theirs = [expected, *torch.autograd.grad(expected, exact, gradient.double())]
    for one, other in zip(ours, theirs, strict=True):
        difference = (one.double() - other).detach().norm() / other.detach().norm()
        assert float(difference) < most


@pytest.mark.parametrize("affine", [(4,), (2, 4)], ids=str)
def test_the_norm_can_be_differentiated_twice(affine: tuple[int, ...]) -> None:
    results = []
    for norm in (fused.norm_relu, _plain):
        x, weight, bias = (
            drawn(2, 4, 6, 6).requires_grad_(),
            drawn(*affine, seed=1).requires_grad_(),
            drawn(*affine, seed=2),
        )
        scores = norm(x, weight, bias.requires_grad_(), 1e-5, True)
        (gradient,) = torch.autograd.grad((scores * drawn(2, 4, 6, 6, seed=3)).sum(), x, create_graph=True)
        results.append(torch.autograd.grad(gradient.square().sum(), (x, weight)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def _plain(x: Tensor, weight: Tensor, bias: Tensor, eps: float, relu: bool) -> Tensor:
    return (F.instance_norm(x, eps=eps) * weight[..., None, None] + bias[..., None, None]).relu()


@pytest.mark.parametrize(("size", "pad"), [((7, 9), 1), ((8, 6), 3), ((4, 4), 3), ((2, 2), 1), ((5, 5), 2)])
def test_padding_is_reflection_padding(size: tuple[int, int], pad: int) -> None:
    x = drawn(2, 5, *size).requires_grad_()
    out, expected = fused.reflection_pad(x, pad), F.pad(x, (pad,) * 4, mode="reflect")
    assert torch.equal(out, expected)
    gradient = drawn(*expected.shape, seed=1)
    ours, theirs = (torch.autograd.grad(y, x, gradient)[0] for y in (out, expected))
    torch.testing.assert_close(ours, theirs)


def test_what_is_no_number_stays_so_and_padding_needs_room() -> None:
    x = drawn(1, 2, 4, 4)
    x[0, 1, 2, 2] = float("nan")
    out = fused.norm_relu(x, torch.ones(2, device=DEVICE), torch.zeros(2, device=DEVICE), 1e-5, True)
    assert out[0, 1].isnan().all()
    assert not out[0, 0].isnan().any()
    with pytest.raises(ValueError, match="2 x 5 cannot be padded by 2"):
        fused.reflection_pad(drawn(1, 1, 2, 5), 2)
