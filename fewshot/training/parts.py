"""Small parts both training loops share: averaged weights, image pool, mean gradients, frozen networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from base_models.discriminators import as_list
from fewshot.data.draws import Draws


class WeightAverage:
    """Exponential moving average of a network's parameters (arXiv 1806.04498 shows what it does for GANs).

    The decay ramps up with the number of updates, so that early averages are not stuck at the initial
    weights.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.shadow = {name: p.detach().clone() for name, p in net.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Move the average towards the current parameters."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        current = [p.detach() for name, p in net.named_parameters() if name in self.shadow]
        # All at once: on a GPU each call costs more than the numbers do.
        torch._foreach_lerp_(list(self.shadow.values()), current, 1 - decay)

    @contextmanager
    def applied(self, net: nn.Module) -> Iterator[nn.Module]:
        """The network with averaged parameters inside the block, its own back after it."""
        parameters = {name: p for name, p in net.named_parameters() if name in self.shadow}
        own = {name: p.detach().clone() for name, p in parameters.items()}
        try:
            self._assign(parameters, self.shadow)
            yield net
        finally:
            self._assign(parameters, own)

    @staticmethod
    @torch.no_grad()
    def _assign(parameters: dict[str, nn.Parameter], values: dict[str, Tensor]) -> None:
        for name, parameter in parameters.items():
            parameter.copy_(values[name])

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "shadow": self.shadow}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates = state["updates"]
        for name, value in state["shadow"].items():
            self.shadow[name].copy_(value)


class ImagePool:
    """Past results shown to the discriminator (Shrivastava et al. 2017; CycleGAN uses 50).

    Each place of the batch has a part of the pool to itself, so that it does not matter which process has it.

    Args:
        size: pictures kept over all places; 0 passes the newest through.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: Tensor | None = None
        """`(B, depth, C, H, W)`."""
        self.filled = 0
        """Pictures kept for each place, as far as it keeps any."""

    def query(self, images: Tensor, draws: Draws) -> Tensor:
        """Each picture is kept and, once its place has all it keeps, half of the time exchanged for an older.

        Of larger batches than the pool, the last pictures pass through.
        """
        room = self.size // draws.total + (draws.places < self.size % draws.total).long()
        depth = -(-self.size // draws.total)
        # Drawn in any case: a full pool and an empty one leave the generator alike.
        column, luck = (draws.rand() * room).long(), draws.rand() < 0.5
        if not len(images) or depth == 0:
            return images
        images = images.detach()
        if self.images is None:
            self.images = images.new_zeros(len(images), depth, *images.shape[1:])
        # A resumed run may compute in another precision.
        self.images = self.images.to(images.dtype)
        filling, full = self.filled < room, (self.filled >= room) & (room > 0)
        column = torch.where(filling, self.filled, column).to(images.device)
        rows = torch.arange(len(images), device=images.device)
        exchanged, kept = (
            mask.to(images.device).view(-1, 1, 1, 1) for mask in (full & luck, filling | (full & luck))
        )
        older = self.images[rows, column]
        self.images[rows, column] = torch.where(kept, images, older)
        self.filled = min(self.filled + 1, depth)
        return torch.where(exchanged, older, images)

    def state_dict(self) -> dict[str, Any]:
        """The pictures of the places that this process has."""
        return {"images": self.images, "filled": self.filled}

    def load_state_dict(self, states: Sequence[dict[str, Any]], places: Tensor, device: Any = "cpu") -> None:
        """Restore what `state_dict` gave.

        Args:
            states: of all processes that had the pool, in their order, however many there are now.
            places: that this process has.
            device: that the results will be on.
        """
        images = [state["images"] for state in states if state["images"] is not None]
        self.filled = states[0]["filled"]
        self.images = torch.cat(images)[places].to(device) if images else None


def step_generator(seed: int, *position: int) -> torch.Generator:
    """A CPU generator that depends only on the seed and a position such as (stage, step)."""
    mixed = seed
    for number in position:
        mixed = (mixed * 1_000_003 + number + 1) % (2**63 - 1)
    return torch.Generator().manual_seed(mixed)


def update(accelerator: Any, optimizer: Any) -> None:
    """A step with the mean of all processes' gradients."""
    average_gradients(accelerator, (p for group in optimizer.param_groups for p in group["params"]))
    optimizer.step()


def average_gradients(accelerator: Any, parameters: Iterable[nn.Parameter]) -> None:
    """Mean of the gradients over all processes, in one flat exchange.

    A plain average instead of DistributedDataParallel: a cycle-consistent step runs each generator several
    times and backpropagates through frozen discriminators, which DDP's bookkeeping does not expect.
    """
    if accelerator.num_processes == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = accelerator.reduce(torch.cat([g.flatten() for g in gradients]), reduction="mean")
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def of_main(accelerator: Any, value: float) -> float:
    """The main process's value, in every process."""
    if accelerator.num_processes == 1:
        return value
    return float(accelerator.gather(torch.tensor([value], device=accelerator.device))[0])


def world_size(accelerator: Any) -> int:
    """How many processes there are, counted by asking them all: launchers have been seen to start one."""
    return int(accelerator.gather(torch.ones(1, device=accelerator.device)).sum())


def agree(accelerator: Any, asked: bool, seconds: float) -> tuple[bool, float]:
    """Whether any process was asked to stop, and the main one's seconds: the same in every process."""
    if accelerator.num_processes == 1:
        return asked, seconds
    ours = torch.tensor([[float(asked), seconds]], device=accelerator.device)
    everyone = accelerator.gather(ours)
    return bool(everyone[:, 0].any()), float(everyone[0, 1])


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """No gradients for these networks' parameters inside the block; gradients through them still flow."""
    parameters = [p for net in networks for p in net.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def loss_scale(accelerator: Any) -> dict[str, Any]:
    """Float16's scale of the losses, for a saved state; nothing in other precisions."""
    return {} if accelerator.scaler is None else {"scaler": accelerator.scaler.state_dict()}


def restore_loss_scale(accelerator: Any, state: dict[str, Any]) -> None:
    """Take it up again, where there is one on both sides."""
    if accelerator.scaler is not None and "scaler" in state:
        accelerator.scaler.load_state_dict(state["scaler"])


@contextmanager
def settled(*networks: nn.Module, unless: bool = False) -> Iterator[None]:
    """Spectral norms as they are inside the block: each pass in training mode brings them a step nearer.

    So a step does with the first piece of a batch, and not again with each.
    """
    try:
        for net in networks:
            net.train(unless)
        yield
    finally:
        for net in networks:
            net.train()


def halves(scores: Tensor | list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Scores of two equal batches that were judged as one, apart."""
    pairs = [score.chunk(2) for score in as_list(scores)]
    return [first for first, _ in pairs], [second for _, second in pairs]


def widened(convolution: nn.Conv2d, inputs: int) -> nn.Conv2d:
    """The same convolution with `inputs` channels, of which it does not see the new ones yet."""
    wide = nn.Conv2d(
        inputs,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        convolution.stride,  # type: ignore[arg-type]
        convolution.padding,  # type: ignore[arg-type]
    )
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, : convolution.in_channels] = convolution.weight
        if convolution.bias is not None and wide.bias is not None:
            wide.bias.copy_(convolution.bias)
    return wide
