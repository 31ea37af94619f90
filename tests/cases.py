"""Genuine cases of layers and operations: what Keras computed, from `weights_fixtures/`."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path

import numpy as np

import npforward as npf
from npforward.formats import keras_config
from npforward.formats.keras_weights import ByPlace
from npforward.graph import Graph, Layer, Node, Ref, Stored, leaves
from npforward.verify import difference

FIXTURES = Path(__file__).parent.parent / "weights_fixtures"


def case_names() -> list[str]:
    """`Dense/units_4-3x5` for layers, `ops.Clip/x_min_0-2x3` for operations."""
    return list(_cases())


def description(path: Path) -> dict:
    """What is said of the arrays in an `.npz` of cases, in the file beside it."""
    return json.loads(gzip.decompress(path.with_suffix(".json.gz").read_bytes()))


@functools.cache
def _cases() -> dict[str, tuple[Path, dict, str]]:
    """The file and the description of each case, and the Keras that it is of."""
    found = {}
    for path in sorted(FIXTURES.glob("layers/*.npz")):
        told = description(path)
        for case in told["cases"]:
            found[f"{path.stem}/{case['id']}"] = path, case, told["keras"]
    for path in sorted(FIXTURES.glob("operations/*.npz")):
        told = description(path)
        for case in told["cases"]:
            found[f"ops.{case['class_name']}/{case['id']}"] = path, case, told["keras"]
    return found


@functools.cache
def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


def configs(class_name: str) -> list[dict]:
    """The config of every case of a class, as Keras writes it."""
    path = FIXTURES / "layers" / f"{class_name}.npz"
    return [case["config"] for case in description(path)["cases"]]


class Case:
    """One call of one genuine layer or operation."""

    def __init__(self, name: str, config: dict | None = None) -> None:
        path, self._case, self._keras = _cases()[name]
        self.config = self._case["config"] if config is None else config
        self._arrays = _arrays(path)
        self.class_name = name.split("/", 1)[0].removeprefix("ops.")
        self.inputs: list[np.ndarray] = []
        self.layer = self._layer()
        self.graph = self._graph()
        self.outputs: list[np.ndarray] = []
        self._resolved(self._case["outputs"], self.outputs.append)

    @property
    def addresses(self) -> list[str]:
        """Where a trace has the outputs."""
        return ["layer", *(f"layer#{i}" for i in range(1, len(self.outputs)))]

    def _array(self, leaf) -> np.ndarray:
        array = self._arrays[leaf["array"]]
        if leaf.get("dtype") == "bfloat16":
            import ml_dtypes

            return array.view(ml_dtypes.bfloat16)
        return array

    def _resolved(self, tree, leaf):
        """The case's tree with `leaf(array)` where it has arrays."""
        if isinstance(tree, dict):
            if "array" in tree:
                return leaf(self._array(tree))
            if tree.get("class_name") == "__slice__":
                return slice(*(tree["config"][key] for key in ("start", "stop", "step")))
            if tree.get("class_name") == "__ellipsis__":
                return ...
            return {k: self._resolved(v, leaf) for k, v in tree.items()}
        if isinstance(tree, list):
            return [self._resolved(v, leaf) for v in tree]
        return tree

    def _graph(self) -> Graph:
        """A model of that one layer, with an input for every array of the call."""
        nodes: list[Node] = []

        def enter(array):
            if self.inputs and array.shape[:1] != self.inputs[0].shape[:1]:
                return array  # no input of a model: those have one sample each
            name = f"x{len(nodes)}"
            dtype = "string" if array.dtype.kind == "U" else array.dtype.name
            config = {"batch_shape": (None,) * array.ndim, "dtype": dtype}
            nodes.append(Node(name, Layer(name, "InputLayer", config)))
            self.inputs.append(array)
            return Ref(name)

        args = tuple(self._resolved(self._case["args"], enter))
        kwargs = self._resolved(self._case["kwargs"], enter)
        nodes.append(Node("layer", self.layer, args, kwargs))
        inputs = [n.address for n in nodes[:-1]]
        return Graph("case", "Functional", tuple(nodes), inputs, Ref("layer"))

    def _layer(self) -> Layer:
        stored = {}
        for weight in self._case["weights"]:
            path = f"layers/{keras_config.snake(self.class_name)}/{weight['path']}"
            array = self._array(weight)
            read = functools.partial(np.asarray, array)
            stored[path] = Stored(path, array.shape, array.dtype, read)
        weights = ByPlace(stored, self._case["id"])
        entry = {
            # A layer that Keras no longer has is read from what its own Keras wrote.
            **{key: self._case[key] for key in ("module", "registered_name") if key in self._case},
            "class_name": self._case.get("class_name", self.class_name),
            "config": self.config,
            "name": "layer",  # some operations have none in their config
        }
        config = {"name": "case", "layers": [entry]}
        model = {"module": "keras", "class_name": "Sequential", "config": config}
        graph = keras_config.graph(
            model, weights, version=self._keras, backend=self._case["backend"]
        )
        layer = graph.nodes[-1].layer
        weights.check()
        return layer


def predict_is_the_last_of_trace(model, inputs):
    """With numpy to the bit.  Compiled, what only predict need not write is folded into weights:
    the last bits differ."""
    with npf.numpy_only():
        trace = model.trace(inputs)
        outputs = list(leaves(model.predict(inputs)))
        for address, y in zip(model.outputs, outputs, strict=True):
            np.testing.assert_array_equal(trace[address], y)
    model.reset_states()
    for want, y in zip(outputs, leaves(model.predict(inputs)), strict=True):
        assert difference(y, want).within
