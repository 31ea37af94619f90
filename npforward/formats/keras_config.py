"""Today's Keras config -> `Graph`: the one parser behind every Keras format.

What a file says is checked for its type where it is used, and nothing in it is ever imported or
called: a class is a name, and one that is not Keras's own keeps its package in that name.
"""

from __future__ import annotations

import dataclasses
import functools
import heapq
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from npforward.addresses import numbered
from npforward.errors import BadFile, UnsupportedLayer, nearest
from npforward.formats import keras_policies
from npforward.formats.keras_dialects import modern
from npforward.formats.keras_layouts import layout_of
from npforward.formats.keras_preprocessing import Vocabularies, no_vocabularies, settled
from npforward.formats.python_code import name_of
from npforward.graph import Graph, Layer, Node, Ref, Stored, leaves, map_leaves, no_loss
from npforward.limits import Limits

# From where weights lie (`layers/dense_1/layer` in Keras 3's files), the names of a layer and of
# those that contain it, and whether it is a model, to its arrays.  Children come before parents.
# Where layers in a list are called otherwise than by Keras 3, `in_list` of the callable says how.
Weights = Callable[[str, tuple[str, ...], bool], tuple[Stored, ...]]

# The Python class behind a public name, where they differ: files are laid out by the former.
CLASS_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
PUBLIC_NAMES = {written: public for public, written in CLASS_NAMES.items()}
# Layers that hold dense ones of which their config does not speak.
ATTENTIONS = ("MultiHeadAttention", "GroupQueryAttention")
DTYPES = {"bool", "float16", "float32", "float64", "complex64", "complex128"}
DTYPES |= {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
# Keras names the attributes of a layer that hold other layers as its config does.  In files that
# do not give a module, these keys tell a layer from an initializer.
CHILDREN = {"layer", "forward_layer", "backward_layer", "cell"}
CHILDREN |= {"activation", "recurrent_activation"}
KERAS = ("keras", "tf_keras")  # packages whose classes are Keras's own


class Architecture(NamedTuple):
    """What a file says of a model, and of the Keras that wrote it."""

    config: Any
    version: str = ""  # of Keras, "" if the file does not say
    backend: str = ""  # that Keras ran on, likewise
    loss: Callable[[], Any] = no_loss  # as in `Graph`


def no_weights(place: str, names: tuple[str, ...], model: bool) -> tuple[Stored, ...]:
    """An architecture alone."""
    return ()


def graph(
    config: Any,
    weights: Weights = no_weights,
    vocabularies: Vocabularies = no_vocabularies,
    *,
    version: str = "",
    backend: str = "",
    source: str = "config",
    limits: Limits | None = None,
    loss: Callable[[], Any] = no_loss,
) -> Graph:
    """The model that a Keras config describes, with the arrays that `weights` gives to its layers.

    `vocabularies` gives what lookup layers know where the config does not say it.
    `version` is the Keras that wrote it and `backend` what that ran on ("" if unknown); `source`
    names the file in messages.  `loss` is what it was compiled with.

    Examples
    --------
    >>> dense = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d"}}
    >>> model = {"module": "keras", "class_name": "Sequential",
    ...          "config": {"name": "s", "layers": [dense], "build_input_shape": [None, 4]}}
    >>> [(node.address, node.args) for node in graph(model).nodes]
    [('input_layer', ()), ('d', (Ref(node='input_layer', output=0),))]
    """
    reader = _Reader(weights, vocabularies, source, limits or Limits())
    entry = reader.entry(modern(config, version, backend), "the model")
    if not _is_model(entry):
        if _type(entry) in ("Functional", "Sequential"):
            raise reader.wrong("layers of the model", entry["config"].get("layers"), "a list")
        space = "keras.Model(space.get_inputs(), space.get_encoded_features())"
        if entry["class_name"] == "FeatureSpace":
            raise UnsupportedLayer(f"{source}: a FeatureSpace alone. Save {space} instead.")
        raise UnsupportedLayer(
            f"{source}: the model is a {entry['class_name']}, whose layers and calls are Python "
            "code that the file does not hold. Build it as a Functional or Sequential model in "
            "Keras and save that."
        )
    said = {"keras_version": version} if version else {}
    title = f"{source} (Keras {version})" if version else source
    return dataclasses.replace(reader.model(entry, "", (), said, title), loss=loss)


def checked_version(version: Any, where: str) -> str:
    """What a file says of the Keras that wrote it, if that is a version.

    Examples
    --------
    >>> checked_version("2.4.0-tf", "model.h5")
    '2.4.0-tf'
    """
    if version == "" or (isinstance(version, str) and re.match(r"\d{1,4}(\.|$)", version)):
        return version
    raise BadFile(f"{where}: keras_version is {version!r}, expected a version such as 3.15.1.")


def snake(class_name: str) -> str:
    """A class name as Keras 3 spells it in the paths of stored weights.

    Examples
    --------
    >>> [snake(name) for name in ("MultiHeadAttention", "Conv2DTranspose", "PReLU", "LSTM")]
    ['multi_head_attention', 'conv2d_transpose', 'p_re_lu', 'lstm']
    """
    name = re.sub(r"\W", "", CLASS_NAMES.get(class_name, class_name))
    # A word begins at a capital with small letters after it, or at one after a small letter.
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _is_model(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry["config"].get("layers"), list)


def _is_functional(entry: Mapping[str, Any]) -> bool:
    return _is_model(entry) and "output_layers" in entry["config"]


def _type(entry: Mapping[str, Any]) -> str:
    """The key under which a layer is looked up; package>name if the class is not Keras's own."""
    class_name, module = entry["class_name"], entry.get("module", "keras")
    class_name = PUBLIC_NAMES.get(class_name, class_name)  # .h5 has the former
    registered = entry.get("registered_name")
    package = registered.partition(">")[0] if isinstance(registered, str) else ""
    if isinstance(registered, str) and ">" in registered and package not in KERAS:
        return registered
    if not _is_keras(module):
        return class_name if ">" in class_name else f"{module or 'Custom'}>{class_name}"
    if module == "keras.ops" or module.startswith("keras.src.ops"):
        return f"ops.{class_name}"
    return PUBLIC_NAMES.get(class_name, class_name)


def _is_keras(module: Any) -> bool:
    return isinstance(module, str) and module.split(".")[0] in KERAS


class _Reader:
    """One reading of one file: what it has met so far, and the words for what is wrong with it."""

    def __init__(
        self, weights: Weights, vocabularies: Vocabularies, source: str, limits: Limits
    ) -> None:
        self.weights, self.vocabularies = weights, vocabularies
        self.source, self.limits = source, limits
        self.in_list = getattr(weights, "in_list", in_list)
        self.met: dict[tuple[str, str, str], Layer | Graph] = {}
        self.layers = self.edges = 0
        self.sizes: dict[
            int, int
        ] = {}  # calls in a model, those in the models that it calls included

    # What may stand where.

    def wrong(self, where: str, found: Any, expected: str) -> BadFile:
        shown = repr(found)
        shown = shown if len(shown) < 80 else f"{shown[:77]}..."
        return BadFile(
            f"{self.source}: {where} is {shown}, expected {expected}. "
            "This is not a config that Keras writes."
        )

    def entry(self, value: Any, where: str) -> dict[str, Any]:
        """`{"class_name": str, "config": {...}}`, as layers and models are written."""
        if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
            raise self.wrong(where, value, "an object with a class_name and a config")
        config = value.get("config")
        if not isinstance(config, dict):
            raise self.wrong(f"the config of {where}", config, "an object")
        return value

    def name(self, entry: Mapping[str, Any], where: str) -> str:
        name = entry.get("name") or entry["config"].get("name")
        if not isinstance(name, str) or not name:
            raise self.wrong(f"the name of {where}", name, "text")
        self.limits.check("name_bytes", len(name.encode()), f"{self.source}: the name of {where}")
        return name

    # Values.

    def value(self, tree: Any, where: str) -> Any:
        """A config value: Keras's notations for slices, arrays and tuples become what they mean."""
        if isinstance(tree, list):
            return [self.value(branch, where) for branch in tree]
        if not isinstance(tree, dict):
            return tree
        kind, config = tree.get("class_name"), tree.get("config")
        if kind == "__slice__" and isinstance(config, dict):
            ends = [self.value(config.get(key), where) for key in ("start", "stop", "step")]
            return slice(*ends)
        if kind == "__ellipsis__":
            return ...
        if kind == "__tuple__" and isinstance(tree.get("items"), list):
            return tuple(self.value(tree["items"], where))
        if kind == "TensorShape":
            return self.value(tree.get("items"), where)
        if kind in ("__tensor__", "__numpy__") and isinstance(config, dict):
            return self.array(config, where)
        if kind == "__bytes__" and isinstance(config, dict):
            return str(config.get("value")).encode()
        if kind == "function" or kind == "__lambda__":
            return self.function(tree)
        if kind in keras_policies.PLAIN and isinstance(config, dict) and "name" in config:
            return config["name"]
        return {key: self.value(branch, where) for key, branch in tree.items()}

    def policy(self, tree: Any, where: str, path: str = "") -> tuple[str, dict[str, Any]]:
        """The dtype that a policy gives, and the quantisation."""
        try:
            return keras_policies.read(tree, path)
        except BadFile as error:
            raise BadFile(f"{self.source}: {where}: {error}") from None

    def quantized(
        self, entry: dict[str, Any], kind: str, names: tuple[str, ...], stored: tuple[Stored, ...]
    ) -> dict[str, Any]:
        """What the config of a layer says of its arrays when they are not simply its weights."""
        config, where = entry["config"], f"layer {'/'.join(names)!r}"
        found: dict[str, Any] = {}
        policy = config.get("dtype")
        if isinstance(policy, (str, dict)) and (
            isinstance(policy, str) or keras_policies.is_policy(policy)
        ):
            found["dtype"], said = self.policy(policy, where, "/".join(names))
            try:
                said = keras_policies.with_quantizers(said, config.get("quantization_config"))
            except BadFile as error:
                raise BadFile(f"{self.source}: {where}: {error}") from None
            if said:
                found["quantization"] = said
        if kind in ATTENTIONS:
            said = keras_policies.of_sub_layers(stored, bool(config.get("use_bias", True)))
            if said:
                found["quantization"] = said
        # A .keras file has the sum in the place of the kernel.
        if config.get("lora_rank") and getattr(self.weights, "lora_apart", False):
            found["lora_apart"] = True
        return found

    def array(self, config: Mapping[str, Any], where: str) -> np.ndarray:
        dtype = config.get("dtype")
        try:
            if dtype == "bfloat16":
                import ml_dtypes

                return np.array(config.get("value"), ml_dtypes.bfloat16)
            if dtype in DTYPES:
                return np.array(config.get("value"), dtype)
        except (ValueError, TypeError, OverflowError) as error:
            raise self.wrong(f"a constant of {where}", config, f"numbers ({error})") from None
        raise self.wrong(f"the dtype of a constant of {where}", dtype, "a dtype of numbers")

    def function(self, tree: Mapping[str, Any]) -> str:
        """A function is only its name; one that is not Keras's keeps its package."""
        module, name = tree.get("module"), tree.get("config")
        if isinstance(name, dict) and isinstance(name.get("code"), str):
            called = name_of(name["code"])
            return f"code>{called}" if called else "<lambda>"
        if not isinstance(name, str):
            return "<lambda>"
        registered = tree.get("registered_name")
        # Keras writes "builtins" for functions of its own, and for those of nobody's package.
        if _is_keras(module) or module == "builtins" or ">" in name:
            return name
        known = isinstance(registered, str) and ">" in registered
        return str(registered) if known else f"{module or 'Custom'}>{name}"

    # Layers.

    def layer(self, entry: dict[str, Any], place: str, names: tuple[str, ...]) -> Layer | Graph:
        """A layer or nested model; the same object wherever the file says that it is the same."""
        # Keras numbers all kinds of things: a number alone may be that of something else.
        number = "number", entry["class_name"], str(entry.get("shared_object_id"))
        # It gives no number to what it met inside a nested model first, whose words are the same.
        words = "words", names[-1], json.dumps(_said(entry), sort_keys=True) if names[1:] else ""
        found = None
        if "shared_object_id" in entry:
            words = (*words[:2], json.dumps(_said(entry), sort_keys=True))
            found = self.met.get(number) or self.met.get(words)
        if found is None:
            self.layers += 1
            self.limits.check("layers", self.layers, self.source)
            make = self.model if _is_model(entry) else self.one
            found = self.met[words] = make(entry, place, names)
        if "shared_object_id" in entry:
            self.met.setdefault(number, found)
        return found

    def one(self, entry: dict[str, Any], place: str, names: tuple[str, ...]) -> Layer:
        where = f"layer {'/'.join(names)!r}"
        kind = _type(entry)
        config: dict[str, Any] = {}
        children: dict[str, Layer | Graph] = {}
        for key, value in self.contained(entry).items():
            if self.is_layer(key, value):
                children[key] = self.child(value, f"{place}/{key}", names, where)
            elif key == "cells" and isinstance(value, list):
                cells = [self.entry(c, f"cell {i} of {where}") for i, c in enumerate(value)]
                places = self.in_list([cell["class_name"] for cell in cells])
                for index, (cell, at) in enumerate(zip(cells, places, strict=True)):
                    at = f"{place}/{key}/{at}"
                    children[f"{key}/{index}"] = self.child(cell, at, names, where)
            else:
                config[key] = self.value(value, where)
        if kind == "InputLayer":
            shape = config.setdefault("batch_shape", None)
            known = isinstance(shape, (list, tuple)) and all(
                n is None or (type(n) is int and 0 <= n < 2**31) for n in shape
            )
            if shape is not None and not known:
                raise self.wrong(f"batch_shape of {where}", shape, "a list of sizes")
            config.setdefault("dtype", "float32")
        stored = self.weights(place, names, False)
        config |= self.quantized(entry, kind, names, stored)
        words, said = functools.partial(self.vocabularies, place), f"{self.source}: {where}"
        config, stored = settled(kind, config, stored, words, said, self.limits)
        layout = layout_of(entry.get("stored_as"), config)
        return Layer(names[-1], kind, config, stored, children, layout)

    @staticmethod
    def is_layer(key: str, value: Any) -> bool:
        """Whether a value in a config is a layer, and not an initializer or the like."""
        if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
            return False
        if not isinstance(value.get("class_name"), str) or value["class_name"].startswith("__"):
            return False
        if "module" in value:
            module = str(value["module"])
            if _is_keras(module):
                return bool(re.search(r"\.(layers|models|engine)\b", module)) or _is_model(value)
        return key in CHILDREN or _is_model(value)

    def child(self, value: Any, place: str, names: tuple[str, ...], where: str) -> Layer | Graph:
        entry = self.entry(value, f"a layer inside {where}")
        name = entry.get("name") or entry["config"].get("name") or place.rsplit("/", 1)[-1]
        return self.layer(entry, place, (*names, str(name)))

    def contained(self, entry: dict[str, Any]) -> dict[str, Any]:
        """The config, with layers under the names of the attributes in which Keras keeps them.

        A Bidirectional is written with the one layer from which both directions are made.
        """
        config = entry["config"]
        inner: Any = config.get("layer")
        if _type(entry) != "Bidirectional" or not self.is_layer("layer", inner):
            return config
        name = str(inner["config"].get("name", "layer")).removeprefix("forward_")
        config = {key: value for key, value in config.items() if key != "layer"}
        forward = {**inner, "config": {**inner["config"], "name": f"forward_{name}"}}
        backwards = not inner["config"].get("go_backwards", False)
        turned = {**inner["config"], "name": f"backward_{name}", "go_backwards": backwards}
        backward = config.pop("backward_layer", None) or {**inner, "config": turned}
        return {**config, "forward_layer": forward, "backward_layer": backward}

    # Models.

    def model(
        self,
        entry: dict[str, Any],
        place: str,
        names: tuple[str, ...],
        said: Mapping[str, Any] | None = None,
        title: str = "",
    ) -> Graph:
        where = f"model {'/'.join(names)!r}" if names else "the model"
        depth = place.split("/").count("layers")
        self.limits.check("model_depth", depth, f"{self.source}: models within models at {where}")
        config = entry["config"]
        layers = [
            self.entry(layer, f"layer {i} of {where}") for i, layer in enumerate(config["layers"])
        ]
        functional = _is_functional(entry)
        if not functional:
            layers = self.with_input(entry, layers)
        found: dict[str, tuple[dict[str, Any], Layer | Graph]] = {}
        # Operations have no weights and are not in Keras's list of layers; nor is the InputLayer of
        # a Sequential.  A dialect may have renamed the class, by whose name the arrays are kept.
        listed = [
            "written_as" in layer
            or (not kind.startswith("ops.") and (functional or kind != "InputLayer"))
            for layer, kind in zip(layers, map(_type, layers), strict=True)
        ]
        written = [str(layer.get("written_as", layer["class_name"])) for layer in layers]
        places = iter(self.in_list(list(itertools.compress(written, listed))))
        for i, layer in enumerate(layers):
            name = self.name(layer, f"layer {i} of {where}")
            if name in found:
                raise BadFile(
                    f"{self.source}: two layers of {where} are called {name!r}, so that it is not "
                    "clear which one is meant. Rename one and save the model again."
                )
            at = f"layers/{next(places)}" if listed[i] else "-"
            found[name] = layer, self.layer(layer, f"{place}/{at}".lstrip("/"), (*names, name))
        if functional:
            nodes, inputs, outputs = self.calls(config, found, where)
        else:
            # To Equalization, which may be in a Pipeline, it makes a difference.
            inference = {"training": False} if _type(entry) == "Pipeline" else {}
            nodes = self.chain((layer for _, layer in found.values()), inference)
            inputs, outputs = nodes[0].address, Ref(nodes[-1].address)
        kept = {
            key: self.value(value, where)
            for key, value in config.items()
            if key not in ("layers", "input_layers", "output_layers")
        }
        built = entry.get("build_config")
        if isinstance(built, dict) and built.get("input_shape") is not None:
            kept.setdefault("build_input_shape", self.value(built["input_shape"], where))
        graph = Graph(
            name=names[-1] if names else self.name(entry, where),
            type=_type(entry),
            nodes=tuple(nodes),
            inputs=inputs,
            outputs=outputs,
            config={"trainable": True, **kept, **(said or {})},
            stored=self.weights(place, names, True),
            source=title,
        )
        within = (self.sizes.get(id(node.layer), 1) for node in nodes)
        self.sizes[id(graph)] = sum(within)
        self.limits.check("layers", self.sizes[id(graph)], f"{self.source}: calls in {where}")
        return graph

    def with_input(
        self, entry: dict[str, Any], layers: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """A Sequential's layers, with an InputLayer, which an unbuilt one lacks."""
        if layers and _type(layers[0]) == "InputLayer":
            return layers
        built = entry.get("build_config")
        shape = entry["config"].get("build_input_shape")
        shape = built.get("input_shape") if shape is None and isinstance(built, dict) else shape
        taken = {self.name(layer, "a layer") for layer in layers}
        names = (
            f"input_layer{suffix}" for suffix in ("", *(f"_{i}" for i in range(1, len(layers) + 2)))
        )
        config = {"name": next(name for name in names if name not in taken), "batch_shape": shape}
        return [{"class_name": "InputLayer", "config": config}, *layers]

    @staticmethod
    def chain(layers: Iterable[Layer | Graph], kwargs: Mapping[str, Any]) -> list[Node]:
        """A Sequential: each layer is called on what the one before gave, with `kwargs`."""
        nodes: list[Node] = []
        for layer in layers:
            args = (Ref(nodes[-1].address),) if nodes else ()
            nodes.append(Node(numbered(layer.name, 1), layer, args, kwargs if nodes else {}))
        return nodes

    def calls(
        self,
        config: Mapping[str, Any],
        found: Mapping[str, tuple[dict[str, Any], Layer | Graph]],
        where: str,
    ) -> tuple[list[Node], Any, Any]:
        """A Functional: nodes in an order in which they can run, trees of inputs and outputs."""
        calls: dict[str, list] = {}
        for name, (entry, layer) in found.items():
            made = entry.get("inbound_nodes", [])
            if not isinstance(made, list):
                raise self.wrong(f"inbound_nodes of layer {name!r}", made, "a list")
            is_input = isinstance(layer, Layer) and layer.type == "InputLayer"
            calls[name] = made or ([{}] if is_input else [])

        def ref(history: Any, whose: str) -> Ref:
            three = isinstance(history, list) and len(history) == 3
            if not three or [type(part) for part in history] != [str, int, int]:
                raise self.wrong(f"a tensor of {whose}", history, "[layer, call, output]")
            name, call, output = history
            if name not in calls:
                raise BadFile(
                    f"{self.source}: {whose} takes the output of layer {name!r}, which {where} "
                    f"does not have. {nearest(name, calls)}"
                )
            if not 0 <= call < len(calls[name]) or output < 0:
                raise BadFile(
                    f"{self.source}: {whose} takes output {output} of call {call + 1} of layer "
                    f"{name!r}, which is called {len(calls[name])} times."
                )
            self.edges += 1
            self.limits.check("edges", self.edges, self.source)
            return Ref(numbered(name, call + 1), output)

        def argument(tree: Any, whose: str) -> Any:
            if isinstance(tree, list):
                return [argument(branch, whose) for branch in tree]
            if isinstance(tree, dict):
                if tree.get("class_name") == "__keras_tensor__":
                    inner = tree.get("config")
                    return ref(
                        inner.get("keras_history") if isinstance(inner, dict) else None, whose
                    )
                if "class_name" not in tree:
                    return {key: argument(branch, whose) for key, branch in tree.items()}
            return self.value(tree, whose)

        nodes: list[Node] = []
        for name, made in calls.items():
            for call, said in enumerate(made, 1):
                whose = f"call {call} of layer {name!r}"
                said = said if said != [] else {}
                if not isinstance(said, dict):
                    raise self.wrong(whose, said, "args and kwargs")
                args, kwargs = said.get("args", []), said.get("kwargs", {})
                if not isinstance(args, list) or not isinstance(kwargs, dict):
                    raise self.wrong(whose, said, "args and kwargs")
                nodes.append(
                    Node(
                        numbered(name, call),
                        found[name][1],
                        tuple(argument(arg, whose) for arg in args),
                        {key: argument(arg, whose) for key, arg in kwargs.items()},
                    )
                )

        def end(tree: Any, key: str) -> Any:
            if isinstance(tree, dict):
                return {name: end(branch, key) for name, branch in tree.items()}
            if not isinstance(tree, list):
                raise self.wrong(f"{key} of {where}", tree, "[layer, call, output]")
            if tree and isinstance(tree[0], str):
                name, call = tree[0], tree[1] if len(tree) == 3 else None
                # Here alone Keras 3 counts a nested Functional's own construction as call 0.
                if name in found and _is_functional(found[name][0]) and type(call) is int:
                    tree = [name, max(call - 1, 0), tree[2]]
                return ref(tree, f"{key} of {where}")
            return [end(branch, key) for branch in tree]

        for key in ("input_layers", "output_layers"):
            if not any(True for _ in leaves(config.get(key) or ())):
                raise self.wrong(f"{key} of {where}", config.get(key), "[layer, call, output]")
        inputs = end(config["input_layers"], "input_layers")
        kinds = {node.address: node.layer for node in nodes}
        for leaf in leaves(inputs):
            kind = kinds[leaf.node]
            if not isinstance(kind, Layer) or kind.type != "InputLayer":
                raise self.wrong(f"input {kind.name!r} of {where}", kind.type, "an InputLayer")
        outputs = end(config["output_layers"], "output_layers")
        return self.ordered(nodes, where), map_leaves(lambda leaf: leaf.node, inputs), outputs

    def ordered(self, nodes: list[Node], where: str) -> list[Node]:
        """The nodes so that each comes after what it takes, otherwise in the file's order."""
        number = {node.address: i for i, node in enumerate(nodes)}
        needs = [
            {
                number[leaf.node]
                for leaf in leaves([node.args, node.kwargs])
                if isinstance(leaf, Ref)
            }
            for node in nodes
        ]
        takers: list[list[int]] = [[] for _ in nodes]
        for i, needed in enumerate(needs):
            for j in needed:
                takers[j].append(i)
        missing = [len(needed) for needed in needs]
        ready = [i for i, n in enumerate(missing) if n == 0]
        order: list[int] = []
        while ready:
            i = heapq.heappop(ready)
            order.append(i)
            for j in takers[i]:
                missing[j] -= 1
                if missing[j] == 0:
                    heapq.heappush(ready, j)
        if len(order) < len(nodes):
            raise BadFile(
                f"{self.source}: {where} goes in a circle: "
                f"{' <- '.join(_circle(nodes, needs, missing))}. "
                "A Keras model cannot; the file is damaged."
            )
        return [nodes[i] for i in order]


def _circle(nodes: list[Node], needs: list[set[int]], missing: list[int]) -> list[str]:
    """The addresses of one cycle among the nodes that could not be ordered."""
    at = next(i for i, n in enumerate(missing) if n)
    path: list[int] = []
    while at not in path:
        path.append(at)
        at = next(j for j in sorted(needs[at]) if missing[j])
    return [nodes[i].address for i in [*path[path.index(at) :], at]]


def in_list(class_names: list[str]) -> list[str]:
    """What Keras 3 calls the layers in a list, by their classes.

    Examples
    --------
    >>> in_list(["Dense", "Conv2D", "Dense"])
    ['dense', 'conv2d', 'dense_1']
    """
    counts: Counter[str] = Counter()
    found = []
    for name in map(snake, class_names):
        found.append(f"{name}_{counts[name]}" if counts[name] else name)
        counts[name] += 1
    return found


def _said(tree: Any) -> Any:
    """An entry without what differs between two mentions of one object."""
    if isinstance(tree, dict):
        passing = {"shared_object_id", "build_config", "compile_config"}
        # Beside the config stands the name in the model around it, and how that model calls it.
        passing |= {"inbound_nodes", "name"} if "class_name" in tree else set()
        return {key: _said(value) for key, value in tree.items() if key not in passing}
    return [_said(value) for value in tree] if isinstance(tree, list) else tree
