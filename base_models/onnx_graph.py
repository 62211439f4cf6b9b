"""A stacked generator as an ONNX graph, built from its architecture and arrays alone: no torch.

The same function as `scan.StackedGenerator`, from pictures to pictures: uint8 RGB `(N, H, W, 3)` in and out,
N, H and W dynamic, H and W multiples of `BaseArrays.multiple`. `scan.py` is the definition and tests
compare the two; each function here stands for the module there that it names.

ONNX has no pixel-unshuffle: its SpaceToDepth orders channels otherwise, so the first convolution after it
gets its input channels in that order (`_folded_order`), which costs nothing when it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from base_models.architectures import PARSER_BLOCKS, PARSER_FOLD, PARTS, Architecture, StageSpec
from base_models.onnx_builder import INPUT, OUTPUT, Arrays, GraphBuilder

OPSET = 18
IR_VERSION = 9
_EPS = 1e-5
"""Of `torch.nn.InstanceNorm2d`."""


class _Parts(NamedTuple):
    """Where the parts of a face are, and of what colour."""

    channels: str
    """`(N, PLACES, h, w)`."""
    cells: int
    """Their rows, where the picture has the architecture's size."""


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
    graph = GraphBuilder(arrays)
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


def _generator(graph: GraphBuilder, architecture: Architecture, x: str) -> str:
    """`StackedGenerator._run` to its last stage."""
    first, *others = architecture.stages
    smallest = _shrink(graph, x, len(others))
    parts = None
    if architecture.parser:
        parts = _Parts(_find_parts(graph, smallest), first.size // PARSER_FOLD)
    result = _translation(graph, "stages.0", first, [smallest], parts)
    for k, spec in enumerate(others, 1):
        seen, below = _shrink(graph, x, len(others) - k), graph.resize(result, 2)
        result = _refinement(graph, f"stages.{k}", spec, architecture, (seen, below), parts)
    return result


def _find_parts(graph: GraphBuilder, x: str) -> str:
    """`StackedGenerator.find_parts`."""
    parts = _parser(graph, x)
    side = [PARSER_FOLD, PARSER_FOLD]
    photos = graph.add("AveragePool", x, kernel_shape=side, strides=side)
    # `with_colours`; zeros keep a side of a shape, -1 is what is left.
    shares, colours = (graph.add("Reshape", each, graph.whole(0, 0, -1)) for each in (parts, photos))
    sums = graph.add("MatMul", shares, graph.add("Transpose", colours, perm=[0, 2, 1]))
    sizes = graph.add("ReduceSum", parts, graph.whole(2, 3), keepdims=0)
    sizes = graph.add("Unsqueeze", graph.add("Max", sizes, graph.numbers(1)), graph.whole(2))
    colours = graph.add("Unsqueeze", graph.add("Div", sums, sizes), graph.whole(3, 4))
    painted = graph.add("Mul", graph.add("Unsqueeze", parts, graph.whole(2)), colours)
    shape = graph.add("Concat", graph.whole(0, 3 * len(PARTS)), graph.add("Shape", parts, start=2), axis=0)
    return graph.add("Concat", parts, graph.add("Reshape", painted, shape), axis=1)


def _parser(graph: GraphBuilder, x: str) -> str:
    """`PhotoParser`."""
    x = _conv(graph, "parser.stem", _fold(graph, x, PARSER_FOLD), 3, folded=(3, PARSER_FOLD))
    x = _conv(graph, "parser.down", x, 3, stride=2)
    for k in range(PARSER_BLOCKS):
        x = _residual(graph, f"parser.trunk.{k}", x)
    x = _conv(graph, "parser.up.block", graph.resize(x, 2, "nearest"), 3)
    return graph.add("Softmax", _conv(graph, "parser.head", x, 3, norm=False, act=False), axis=1)


def _shrink(graph: GraphBuilder, x: str, halvings: int) -> str:
    side = 2**halvings
    return graph.add("AveragePool", x, kernel_shape=[side, side], strides=[side, side]) if halvings else x


def _refinement(
    graph: GraphBuilder,
    name: str,
    spec: StageSpec,
    architecture: Architecture,
    pictures: tuple[str, str],
    parts: _Parts | None,
) -> str:
    """`RefinementStage`; the pictures are its own and the result of the stage below."""
    x, below = pictures
    shown = [x, below] if architecture.skip else [below]
    above = _translation(graph, f"{name}.translation", spec, shown, parts)
    if not architecture.fusion:
        return above
    alpha = _fusion(graph, f"{name}.fusion", spec, (x, below, above))
    change = graph.add("Mul", alpha, graph.add("Sub", above, below))
    return graph.add("Add", below, change)


def _translation(
    graph: GraphBuilder, name: str, spec: StageSpec, pictures: Sequence[str], parts: _Parts | None
) -> str:
    """`TranslationStage`; the first picture is the one that it draws."""
    shown = graph.add("Concat", *pictures, axis=1) if len(pictures) > 1 else pictures[0]
    seen, first = graph.thumbnail(pictures[0], spec.film), (3 * len(pictures), spec.unshuffle)
    shown = _fold(graph, shown, spec.unshuffle)
    x = _conv(graph, f"{name}.stem", shown, spec.kernel, seen=seen, folded=first)
    for k in range(spec.downs):
        x = _conv(graph, f"{name}.down.{k}", x, 3, stride=2, seen=seen)
    for k in range(spec.blocks):
        x = _residual(graph, f"{name}.trunk.{k}", x, seen)
    for k in range(spec.downs):
        x = graph.resize(x, 2, "nearest")
        side = spec.size // spec.unshuffle // 2 ** (spec.downs - 1 - k)
        where = graph.resize(parts.channels, side / parts.cells) if parts else ""
        x = _conv(graph, f"{name}.up.{k}.block", x, 3, seen=seen, where=where)
    x = _conv(graph, f"{name}.head", x, spec.kernel, norm=False, act=False)
    return graph.add("Tanh", _sub_pixel(graph, x, spec.unshuffle))


def _residual(graph: GraphBuilder, name: str, x: str, seen: str = "") -> str:
    """`ResidualBlock`."""
    inner = _conv(graph, f"{name}.conv1", x, 3, seen=seen)
    return graph.add("Add", x, _conv(graph, f"{name}.conv2", inner, 3, act=False, seen=seen))


def _fusion(graph: GraphBuilder, name: str, spec: StageSpec, shown: Sequence[str]) -> str:
    """`AdaptiveFusion`."""
    seen = graph.thumbnail(shown[0], spec.film)
    x = _fold(graph, graph.add("Concat", *shown, axis=1), spec.unshuffle)
    x = _conv(graph, f"{name}.conv1", x, 3, seen=seen, folded=(9, spec.unshuffle))
    x = _conv(graph, f"{name}.conv2", x, 3, seen=seen)
    x = _conv(graph, f"{name}.conv3", x, 3, norm=False, act=False)
    return graph.add("Sigmoid", _sub_pixel(graph, x, spec.unshuffle))


def _fold(graph: GraphBuilder, x: str, factor: int) -> str:
    """`torch.nn.PixelUnshuffle`, but for the order of the channels."""
    return graph.add("SpaceToDepth", x, blocksize=factor) if factor > 1 else x


def _folded_order(inputs: int, factor: int) -> NDArray[np.int64]:
    """Which of pixel-unshuffle's channels is at each place of SpaceToDepth's."""
    return np.arange(inputs * factor**2).reshape(inputs, factor**2).T.flatten()


def _sub_pixel(graph: GraphBuilder, x: str, factor: int) -> str:
    """`SubPixel`."""
    if factor == 1:
        return x
    x = graph.pad(graph.add("DepthToSpace", x, blocksize=factor, mode="CRD"), factor // 2)
    x = graph.add("AveragePool", x, kernel_shape=[factor, factor])
    return graph.add("AveragePool", x, kernel_shape=[2, 2])


def _conv(
    graph: GraphBuilder,
    name: str,
    x: str,
    kernel: int,
    *,
    stride: int = 1,
    norm: bool = True,
    act: bool = True,
    seen: str = "",
    where: str = "",
    folded: tuple[int, int] | None = None,
) -> str:
    """`ConvBlock`; `folded` gives the channels before folding and its factor, for the first convolution."""
    weight = graph.parameter(f"{name}.conv.weight")
    if folded is not None and folded[1] > 1:
        weight = weight[:, _folded_order(*folded)]
    parameters = [graph.constant(weight)]
    if not norm:
        parameters.append(graph.constant(graph.parameter(f"{name}.conv.bias")))
    x = graph.add("Conv", graph.pad(x, kernel // 2), *parameters, strides=[stride, stride])
    if norm:
        x = _modulated(graph, name, x, seen) if seen else _norm(graph, name, x)
    if where:
        maps = np.split(graph.parameter(f"{name}.place.weight"), 2)
        gain, shift = (graph.add("Conv", where, graph.constant(half)) for half in maps)
        x = graph.add("Add", graph.add("Mul", x, gain), graph.add("Add", x, shift))
    return graph.add("Relu", x) if act else x


def _norm(graph: GraphBuilder, name: str, x: str) -> str:
    """`InstanceNorm`."""
    affine = [graph.constant(graph.parameter(f"{name}.norm.{part}")) for part in ("weight", "bias")]
    return graph.add("InstanceNormalization", x, *affine, epsilon=_EPS)


def _modulated(graph: GraphBuilder, name: str, x: str, seen: str) -> str:
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
