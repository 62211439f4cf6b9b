"""The engine against AnimeGANv2's generator, side by side: frames a second and the share of the peak.

AnimeGANv2 (Chen, Liu and Chen 2020; its predecessor: "AnimeGAN: A Novel Lightweight GAN for Photo Animation",
ISICA 2019) is the usual light network for this job: a 7x7 stem of 32 channels, two halvings to 128 channels,
four inverted residual blocks of 256, and the way back, every convolution with LayerNorm and leaky ReLU: 2.14
M parameters and 26 GMACs at 256 px. It is written down here from its published sizes, with random weights,
and runs on the same ONNX Runtime as ours.

The peak is that of plain convolutions (128 channels, 3x3, 64x64) in the same runtime: multiply-accumulates a
second, of which each network reaches a share.
"""

import statistics
import time
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from base_models.arrays import load_arrays
from base_models.checkpoint import build_generator
from base_models.counts import count_macs, count_parameters
from fewshot.inference.onnx_engine import OnnxEngine

SIDE = 256
ROUNDS = 15
PEAK_MACS = 128 * 128 * 9 * 64 * 64 * 8


class Net:
    """Nodes, constants, parameters and multiply-accumulates of a network as it is written down."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.parameters = self.macs = 0
        self._random = np.random.default_rng(0)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def weight(self, *shape: int) -> str:
        self.parameters += int(np.prod(shape))
        return self.constant((self._random.normal(0, 0.05, shape)).astype(np.float32))

    def conv(
        self, x: str, inputs: int, outputs: int, side: int, kernel: int = 3, stride: int = 1, groups: int = 1
    ) -> str:
        """Reflection padding and a convolution without bias; `side` is that of the result."""
        pad = self.constant(np.array([0, 0, *[kernel // 2] * 2] * 2, np.int64))
        padded = self.add("Pad", x, pad, mode="reflect") if kernel > 1 else x
        self.macs += outputs * inputs // groups * kernel**2 * side**2
        weight = self.weight(outputs, inputs // groups, kernel, kernel)
        return self.add("Conv", padded, weight, strides=[stride, stride], group=groups)

    def norm(self, x: str, channels: int, *, act: bool = True) -> str:
        """LayerNorm over channels and places with an affine map, and leaky ReLU."""
        one = self.constant(np.ones(1, np.float32)), self.constant(np.zeros(1, np.float32))
        shape = self.add("Shape", x)
        flat = self.add("Reshape", x, self.constant(np.array([0, 1, -1], np.int64)))
        normed = self.add("InstanceNormalization", flat, *one, epsilon=1e-5)
        x = self.add("Reshape", normed, shape)
        x = self.add(
            "Add", self.add("Mul", x, self.weight(1, channels, 1, 1)), self.weight(1, channels, 1, 1)
        )
        return self.add("LeakyRelu", x, alpha=0.2) if act else x

    def block(self, x: str, inputs: int, outputs: int, side: int, kernel: int = 3, stride: int = 1) -> str:
        return self.norm(self.conv(x, inputs, outputs, side, kernel, stride), outputs)

    def inverted(self, x: str, inputs: int, outputs: int, side: int) -> str:
        """Inverted residual block of expansion 2."""
        wide = 2 * inputs
        y = self.block(x, inputs, wide, side, 1)
        y = self.norm(self.conv(y, wide, wide, side, 3, groups=wide), wide)
        y = self.norm(self.conv(y, wide, outputs, side, 1), outputs, act=False)
        return self.add("Add", x, y) if inputs == outputs else y

    def double(self, x: str) -> str:
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.add("Resize", x, "", scales, mode="linear")

    def session(self, output: str, shape: tuple[int, ...]) -> onnxruntime.InferenceSession:
        info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("x", output)]
        info[0] = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "net", info[:1], info[1:], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        options = onnxruntime.SessionOptions()
        # As our engine: threads that spin would take the other network's time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )


def animegan() -> tuple[Net, onnxruntime.InferenceSession]:
    net, full, half, quarter = Net(), SIDE, SIDE // 2, SIDE // 4
    x = net.block("x", 3, 32, full, 7)
    x = net.block(net.block(x, 32, 64, half, stride=2), 64, 64, half)
    x = net.block(net.block(x, 64, 128, quarter, stride=2), 128, 128, quarter)
    x = net.block(x, 128, 128, quarter)
    x = net.inverted(x, 128, 256, quarter)
    for _ in range(3):
        x = net.inverted(x, 256, 256, quarter)
    x = net.block(x, 256, 128, quarter)
    x = net.double(x)
    x = net.block(net.block(x, 128, 128, half), 128, 128, half)
    x = net.double(x)
    x = net.block(net.block(x, 128, 64, full), 64, 64, full)
    x = net.block(x, 64, 32, full, 7)
    x = net.add("Tanh", net.conv(x, 32, 3, full, 1))
    return net, net.session(x, (1, 3, SIDE, SIDE))


def peak() -> float:
    """Multiply-accumulates a second of plain convolutions."""
    net = Net()
    x = "x"
    for _ in range(8):
        x = net.conv(x, 128, 128, 64)
    session = net.session(x, (1, 128, 64, 64))
    picture = np.random.default_rng(0).normal(size=(1, 128, 64, 64)).astype(np.float32)
    return PEAK_MACS / medians([lambda: session.run(None, {"x": picture})])[0]


def medians(jobs: list[Any]) -> list[float]:
    """Median seconds of each, one round of all after the other, so that a noisy machine is noisy to all."""
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(ROUNDS + 2):
        for job, own in zip(jobs, times, strict=True):
            start = time.perf_counter()
            job()
            own.append(time.perf_counter() - start)
    return [statistics.median(own[2:]) for own in times]


@pytest.mark.benchmark(group="stylize: frames a second at 256 px")
def test_seven_times_animegan(benchmark: Any) -> None:
    base = load_arrays("scan_256.anime")
    engine = OnnxEngine(base)
    photo = np.random.default_rng(0).integers(0, 256, (1, 3, SIDE, SIDE), dtype=np.uint8)
    net, theirs = animegan()
    assert 2.1e6 < net.parameters < 2.2e6
    assert 25e9 < net.macs < 27e9
    floats = photo.astype(np.float32) / 127.5 - 1
    ours, other = medians([lambda: engine.draw(photo), lambda: theirs.run(None, {"x": floats})])
    generator = build_generator(base.architecture)
    macs, most = count_macs(generator, SIDE), peak()
    benchmark.extra_info |= {
        "ours, frames/s": round(1 / ours, 1),
        "AnimeGANv2, frames/s": round(1 / other, 2),
        "ratio": round(other / ours, 2),
        "ours, GMACs": round(macs / 1e9, 2),
        "AnimeGANv2, GMACs": round(net.macs / 1e9, 2),
        "ours, parameters": count_parameters(generator),
        "AnimeGANv2, parameters": net.parameters,
        "ours, share of peak": round(macs / ours / most, 2),
        "AnimeGANv2, share of peak": round(net.macs / other / most, 2),
        "peak, GMACs/s": round(most / 1e9),
    }
    benchmark.pedantic(lambda: engine.draw(photo), rounds=5)
    print(benchmark.extra_info)
    assert other / ours >= 7
    assert 1 / ours >= 25


@pytest.mark.benchmark(group="stylize: another style")
def test_a_switch_takes_150_ms(benchmark: Any) -> None:
    """From one blend of two to another in the engine at hand, adapters in memory."""
    engine = OnnxEngine(load_arrays("scan_256.anime"))
    benchmark.pedantic(lambda: engine.switch([]), rounds=10, warmup_rounds=2)
    assert benchmark.stats.stats.median <= 0.15
