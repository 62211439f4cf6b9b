"""A stacked generator as an ONNX graph, built from its architecture and arrays alone: no torch.

The same function as `scan.StackedGenerator`, from pictures to pictures: uint8 RGB `(N, H, W, 3)` in and out,
N, H and W dynamic, H and W multiples of `BaseArrays.multiple`. `scan.py` is the definition and tests
compare the two; each function here stands for the module there that it names.

ONNX has no pixel-unshuffle: its SpaceToDepth orders channels otherwise, so the first convolution after it
gets its input channels in that order (`_folded_order`), which costs nothing when it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from base_models.architectures import Architecture, StageSpec

Arrays = Mapping[str, NDArray[np.float32]]
"""Parameters of `StackedGenerator.state_dict()`, by name."""

OPSET = 18
IR_VERSION = 9
INPUT, OUTPUT = "photo", "drawing"
_EPS = 1e-5
"""Of `torch.nn.InstanceNorm2d`."""


def build_onnx(
    architecture: Architecture, arrays: Arrays, metadata: Mapping[str, str] | None = None
) -> bytes:
    """A self-contained model.

    Args:
        architecture: sizes and switches.
        arrays: parameters of one direction.
        metadata: kept in the file's `metadata_props`.

    Raises:
        KeyError: a parameter is missing.
    """
    graph = _Graph(arrays)
    out = _generator(graph, architecture, graph.input())
    graph.output(out)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "StackedGenerator",
            [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", "H", "W", 3])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.UINT8, ["N", "H", "W", 3])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fewshot-style",
    )
    helper.set_model_props(model, dict(metadata or {}))
    return bytes(model.SerializeToString())


class _Graph:
    """Nodes and constants as they are added; values are names."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._known: dict[str, str] = {}

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        key = f"{values.dtype}{values.shape}{values.tobytes()!r}" if values.size < 64 else ""
        if key and key in self._known:
            return self._known[key]
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        if key:
            self._known[key] = name
        return name

    def numbers(self, *values: float) -> str:
        return self.constant(np.array(values, np.float32))

    def whole(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def parameter(self, name: str) -> NDArray[np.float32]:
        return np.asarray(self.arrays[name], np.float32)

    def input(self) -> str:
        x = self.add("Transpose", self.add("Cast", INPUT, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
        return self.add("Sub", self.add("Div", x, self.numbers(127.5)), self.numbers(1))

    def output(self, y: str) -> None:
        y = self.add("Mul", self.add("Add", y, self.numbers(1)), self.numbers(127.5))
        y = self.add("Clip", self.add("Round", y), self.constant(np.array(0, np.float32)),
                     self.constant(np.array(255, np.float32)))  # fmt: skip
        y = self.add("Cast", self.add("Transpose", y, perm=[0, 2, 3, 1]), to=TensorProto.UINT8)
        self.nodes[-1].output[0] = OUTPUT

    def thumbnail(self, x: str, cells: int) -> str:
        """`blocks.thumbnail` of pictures whose sides are multiples of `cells`; empty without cells."""
        if not cells:
            return ""
        # (N, 3, H, W) as (N 3, cells, H / cells, cells, W / cells).
        sides = self.add("Div", self.add("Shape", x, start=2), self.whole(cells))
        height, width = (self.add("Gather", sides, self.whole(axis), axis=0) for axis in (0, 1))
        shape = self.add("Concat", self.whole(-1, cells), height, self.whole(cells), width, axis=0)
        means = self.add("ReduceMean", self.add("Reshape", x, shape), self.whole(2, 4), keepdims=0)
        return self.add("Reshape", means, self.whole(-1, 3 * cells**2))

    def pad(self, x: str, width: int) -> str:
        """`ReflectionPad`."""
        return self.add("Pad", x, self.whole(0, 0, width, width, 0, 0, width, width), mode="reflect")


def _generator(graph: _Graph, architecture: Architecture, x: str) -> str:
    """`StackedGenerator._run` to its last stage."""
    first, *others = architecture.stages
    result = _translation(graph, "stages.0", first, [_shrink(graph, x, len(others))])
    for k, spec in enumerate(others, 1):
        below = graph.add(
            "Resize", result, "", graph.numbers(1, 1, 2, 2), mode="linear",
            coordinate_transformation_mode="half_pixel",
        )  # fmt: skip
        seen = _shrink(graph, x, len(others) - k)
        result = _refinement(graph, f"stages.{k}", spec, architecture, seen, below)
    return result


def _shrink(graph: _Graph, x: str, halvings: int) -> str:
    side = 2**halvings
    return graph.add("AveragePool", x, kernel_shape=[side, side], strides=[side, side]) if halvings else x


def _refinement(
    graph: _Graph, name: str, spec: StageSpec, architecture: Architecture, x: str, below: str
) -> str:
    """`RefinementStage`."""
    shown = [x, below] if architecture.skip else [below]
    above = _translation(graph, f"{name}.translation", spec, shown)
    if not architecture.fusion:
        return above
    alpha = _fusion(graph, f"{name}.fusion", spec, (x, below, above))
    change = graph.add("Mul", alpha, graph.add("Sub", above, below))
    return graph.add("Add", below, change)


def _translation(graph: _Graph, name: str, spec: StageSpec, pictures: Sequence[str]) -> str:
    """`TranslationStage`; the first picture is the one that it draws."""
    shown = graph.add("Concat", *pictures, axis=1) if len(pictures) > 1 else pictures[0]
    seen, first = graph.thumbnail(pictures[0], spec.film), (3 * len(pictures), spec)
    shown = _fold(graph, shown, spec.unshuffle)
    x = _conv(graph, f"{name}.stem", shown, spec.kernel, seen=seen, folded=first)
    for k in range(spec.downs):
        x = _conv(graph, f"{name}.down.{k}", x, 3, stride=2, seen=seen)
    for k in range(spec.blocks):
        inner = _conv(graph, f"{name}.trunk.{k}.conv1", x, 3, seen=seen)
        x = graph.add("Add", x, _conv(graph, f"{name}.trunk.{k}.conv2", inner, 3, act=False, seen=seen))
    for k in range(spec.downs):
        x = graph.add(
            "Resize", x, "", graph.numbers(1, 1, 2, 2), mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip
        x = _conv(graph, f"{name}.up.{k}.block", x, 3, seen=seen)
    x = _conv(graph, f"{name}.head", x, spec.kernel, norm=False, act=False)
    return graph.add("Tanh", _sub_pixel(graph, x, spec.unshuffle))


def _fusion(graph: _Graph, name: str, spec: StageSpec, shown: Sequence[str]) -> str:
    """`AdaptiveFusion`."""
    seen = graph.thumbnail(shown[0], spec.film)
    x = _fold(graph, graph.add("Concat", *shown, axis=1), spec.unshuffle)
    x = _conv(graph, f"{name}.conv1", x, 3, seen=seen, folded=(9, spec))
    x = _conv(graph, f"{name}.conv2", x, 3, seen=seen)
    x = _conv(graph, f"{name}.conv3", x, 3, norm=False, act=False)
    return graph.add("Sigmoid", _sub_pixel(graph, x, spec.unshuffle))


def _fold(graph: _Graph, x: str, factor: int) -> str:
    """`torch.nn.PixelUnshuffle`, but for the order of the channels."""
    return graph.add("SpaceToDepth", x, blocksize=factor) if factor > 1 else x


def _folded_order(inputs: int, factor: int) -> NDArray[np.int64]:
    """Which of pixel-unshuffle's channels is at each place of SpaceToDepth's."""
    return np.arange(inputs * factor**2).reshape(inputs, factor**2).T.flatten()


def _sub_pixel(graph: _Graph, x: str, factor: int) -> str:
    """`SubPixel`."""
    if factor == 1:
        return x
    x = graph.pad(graph.add("DepthToSpace", x, blocksize=factor, mode="CRD"), factor // 2)
    x = graph.add("AveragePool", x, kernel_shape=[factor, factor])
    return graph.add("AveragePool", x, kernel_shape=[2, 2])


def _conv(
    graph: _Graph,
    name: str,
    x: str,
    kernel: int,
    *,
    stride: int = 1,
    norm: bool = True,
    act: bool = True,
    seen: str = "",
    folded: tuple[int, StageSpec] | None = None,
) -> str:
    """`ConvBlock`; `folded` gives the channels before folding and the stage, for the first convolution."""
    weight = graph.parameter(f"{name}.conv.weight")
    if folded is not None and folded[1].unshuffle > 1:
        weight = weight[:, _folded_order(folded[0], folded[1].unshuffle)]
    parameters = [graph.constant(weight)]
    if not norm:
        parameters.append(graph.constant(graph.parameter(f"{name}.conv.bias")))
    x = graph.add("Conv", graph.pad(x, kernel // 2), *parameters, strides=[stride, stride])
    if norm:
        x = _modulated(graph, name, x, seen) if seen else _norm(graph, name, x)
    return graph.add("Relu", x) if act else x


def _norm(graph: _Graph, name: str, x: str) -> str:
    """`InstanceNorm`."""
    affine = [graph.constant(graph.parameter(f"{name}.norm.{part}")) for part in ("weight", "bias")]
    return graph.add("InstanceNormalization", x, *affine, epsilon=_EPS)


def _modulated(graph: _Graph, name: str, x: str, seen: str) -> str:
    """`InstanceNorm` of pictures that each have an affine map of their own: as channels of one picture."""
    gain, shift = np.split(graph.parameter(f"{name}.film.weight")[:, :, 0, 0], 2)
    weight, bias = (graph.parameter(f"{name}.norm.{part}") for part in ("weight", "bias"))
    # weight (1 + gain) and bias (1 + gain) + shift are linear in the thumbnail.
    affine = []
    for slope, start in ((weight[:, None] * gain, weight), (bias[:, None] * gain + shift, bias)):
        rows = graph.add("Gemm", seen, graph.constant(slope), graph.constant(start), transB=1)
        affine.append(graph.add("Reshape", rows, graph.whole(-1)))
    shape = graph.add("Shape", x)
    as_one = graph.add("Concat", graph.whole(1, -1), graph.add("Shape", x, start=2), axis=0)
    x = graph.add("InstanceNormalization", graph.add("Reshape", x, as_one), *affine, epsilon=_EPS)
    return graph.add("Reshape", x, shape)
