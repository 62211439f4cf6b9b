"""An ONNX graph while it is built: nodes, constants, and the operations that take several of ONNX's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Arrays = Mapping[str, NDArray[np.float32]]
"""Parameters of `StackedGenerator.state_dict()`, by name."""

INPUT, OUTPUT = "photo", "drawing"


class GraphBuilder:
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

    def resize(self, x: str, factor: float, mode: str = "linear") -> str:
        """`torch.nn.functional.interpolate` by a factor, bilinear or nearest."""
        if factor == 1:
            return x
        rounding = {"nearest_mode": "floor"} if mode == "nearest" else {}
        return self.add(
            "Resize", x, "", self.numbers(1, 1, factor, factor), mode=mode,
            coordinate_transformation_mode="asymmetric" if mode == "nearest" else "half_pixel", **rounding,
        )  # fmt: skip

    def pad(self, x: str, width: int) -> str:
        """`ReflectionPad`."""
        return self.add("Pad", x, self.whole(0, 0, width, width, 0, 0, width, width), mode="reflect")
