"""Record gradients of every model in weights_fixtures/models: weights_fixtures/gradients/.

Each model with losses and other targets, as tf.GradientTape has them: for every layer's output, at
any depth of nested models, every weight that training changes and every input.

    python weights_fixtures/make/gradients.py
"""

import collections
import contextlib
import functools
import gzip
import itertools
import json
import os
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import architectures
import golden
import keras
import models
import numpy as np
import tensorflow as tf
from digests import digest, unlike
from keras.src.ops.function import Function
from losses import made

from npforward.addresses import join, numbered

REGRESSION = [
    ("mse", {}),
    ("mae", {}),
    ("huber", {"delta": 0.4}),
    ("log_cosh", {}),
    ("cosine_similarity", {}),
    ("hinge", {}),
    ("squared_hinge", {}),
    ("categorical_hinge", {}),
    ("binary_crossentropy", {"from_logits": True, "label_smoothing": 0.1}),
    ("categorical_crossentropy", {"from_logits": True}),
    ("sparse_categorical_crossentropy", {"from_logits": True}),
    ("binary_focal_crossentropy", {"from_logits": True}),
    ("categorical_focal_crossentropy", {"from_logits": True}),
]
OF_CHANCES = [
    ("binary_crossentropy", {}),
    ("binary_focal_crossentropy", {"gamma": 1.5, "apply_class_balancing": True}),
    ("mean_squared_logarithmic_error", {}),
    ("binary_crossentropy", {"label_smoothing": 0.2}),
    ("dice", {}),
    ("tversky", {"alpha": 0.3}),
    ("poisson", {}),
]
OF_SHARES = [
    ("categorical_crossentropy", {}),
    ("sparse_categorical_crossentropy", {}),
    ("kl_divergence", {}),
    ("categorical_crossentropy", {"label_smoothing": 0.1}),
    ("categorical_focal_crossentropy", {"alpha": 0.6}),
    ("categorical_generalized_cross_entropy", {"q": 0.6}),
    ("poisson", {}),
]
OF_LABELS = {"sparse_categorical_crossentropy", "categorical_generalized_cross_entropy"}
REDUCTIONS = ["sum_over_batch_size", "sum", "mean_with_sample_weight"]


# ------------------------------------------------------------------------------------ the tape


@contextlib.contextmanager
def watched(model):
    """Every value that a model computes inside of this, by npforward's address."""
    found, within = {}, [""]
    genuine = Function._run_through_graph

    def run(graph, inputs, operation_fn=lambda op: op, call_fn=None):
        nodes = addressed(graph)
        depths = sorted(graph._nodes_by_depth, reverse=True)
        order = iter([n for d in depths for n in graph._nodes_by_depth[d]
                      if n.operation and not n.is_input])  # fmt: skip

        def watching(operation):
            node = next(order)
            assert node.operation is operation
            inside = within[-1] is not None and id(node) in nodes
            address = join(within[-1], nodes[id(node)]) if inside else None
            genuine_call = operation_fn(operation)

            def call(*args, **kwargs):
                nested = isinstance(operation, keras.Model)
                within.append(address if nested else None)
                try:
                    outputs = genuine_call(*args, **kwargs)
                finally:
                    within.pop()
                if address is not None:
                    outputs = outputs if nested else apart(outputs)
                    for i, tensor in enumerate(keras.tree.flatten(outputs)):
                        found[f"{address}#{i}" if i else address] = tensor
                return outputs

            return call

        return genuine(graph, inputs, watching, call_fn)

    Function._run_through_graph = run
    try:
        yield found
    finally:
        Function._run_through_graph = genuine


def apart(outputs):
    """Several outputs as tensors of their own: a state is also the end of a loop's own path."""
    if len(keras.tree.flatten(outputs)) < 2:
        return outputs

    def copied(tensor):
        copy = tf.identity(tensor)
        keras.src.backend.set_keras_mask(copy, keras.src.backend.get_keras_mask(tensor))
        return copy

    return keras.tree.map_structure(copied, outputs)


def addressed(graph):
    """The address of each node within a graph, by the node's id."""
    found = {}
    for layer in graph.operations:
        nodes = [n for i, n in enumerate(layer._inbound_nodes)
                 if golden.belongs(n, i, layer, graph)]  # fmt: skip
        for number, node in enumerate(nodes, start=1):
            found[id(node)] = numbered(layer.name, number)
    return found


def called(model, tensors):
    """The outputs of a model, as a list."""
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False):
            layer.reset_state()
    given = keras.tree.pack_sequence_as(golden.graph_of(model)._inputs_struct, tensors)
    return keras.tree.flatten(model(given, training=False))


def dense(g):
    """A gradient as an array; that of an embedding comes as rows."""
    return None if g is None else np.asarray(tf.convert_to_tensor(g))


def taped(model, inputs, number_of):
    """The number that `number_of` makes of the outputs and all values, and its gradients.

    `inputs` is a list in the model's own order.  Gradients are in three dicts: for values and
    inputs by address, for weights by Keras's path; None where the number does not depend on it.
    """
    fed = [tf.constant(a) for a in inputs]
    names = [t._keras_history.operation.name for t in model.inputs]
    floats = [n for n, a in zip(names, fed, strict=True) if a.dtype.is_floating]
    with tf.GradientTape() as tape, watched(model) as found:
        tape.watch([a for a in fed if a.dtype.is_floating])
        outputs = called(model, fed)
        number = number_of(outputs, found)
    values = {a: v for a, v in found.items()
              if tf.is_tensor(v) and (v.dtype.is_floating or v.dtype.is_complex)}  # fmt: skip
    # In one model two may have the same path: then it says neither.
    paths = collections.Counter(v.path for v in model.trainable_variables)
    weights = {v.path: v.value for v in model.trainable_variables if paths[v.path] == 1}
    entered = {n: a for n, a in zip(names, fed, strict=True) if n in floats}
    got = tape.gradient(number, [values, weights, entered])
    return number, tuple({name: dense(g) for name, g in part.items()} for part in got)


# ----------------------------------------------------------------------------------- the targets


def output_names(model):
    names = {id(tensor): address for address, tensor in golden.outputs(keras, model)}
    return [names[id(tensor)] for tensor in model.outputs]


def kind_of(y):
    if y.min() >= 0 and np.allclose(y.sum(axis=-1), 1, atol=1e-4) and y.shape[-1] > 1:
        return OF_SHARES
    return OF_CHANCES if y.min() >= 0 and y.max() <= 1 else REGRESSION


def targets_for(loss, y, rng):
    """Targets that a loss takes, for predictions `y`."""
    if loss in OF_LABELS:
        return rng.integers(0, y.shape[-1], y.shape[:-1]).astype("int32")
    if loss.startswith("categorical"):
        return np.eye(y.shape[-1], dtype="float32")[rng.integers(0, y.shape[-1], y.shape[:-1])]
    if "hinge" in loss or "binary" in loss or loss in ("dice", "tversky"):
        return rng.integers(0, 2, y.shape).astype("float32")
    if loss in ("kl_divergence", "poisson", "mean_squared_logarithmic_error"):
        return rng.dirichlet(np.ones(y.shape[-1]), y.shape[:-1]).astype("float32")
    return rng.standard_normal(y.shape).astype("float32")


def loss_case(names, outputs, losses, number, rng):
    """A loss for each output that has floats, with reductions and weights by turns."""
    each, ys, weights = {}, {}, {}
    for i, (name, y) in enumerate(zip(names, outputs, strict=True)):
        if y.dtype.kind != "f" or y.ndim < 2:
            continue
        loss, options = losses(y)[(number + i) % len(losses(y))]
        reduction = REDUCTIONS[(number + i) % len(REDUCTIONS)]
        each[name] = {"loss": loss, "options": options, "reduction": reduction}
        ys[name] = targets_for(loss, y, rng)
        shape = (len(y), *(1 for _ in y.shape[2:]))
        weights[name] = rng.uniform(0, 2, shape).astype("float32")
    if loss_needs_all(each):
        weights = {}
    return {"losses": each, "y": ys, "sample_weight": weights if number % 2 else {}}


def loss_needs_all(each):
    """Dice and Tversky are one number for the whole batch, which weights of samples do not fit."""
    return any(told["loss"] in ("dice", "tversky") for told in each.values())


def loss_of(case, names, outputs):
    """The sum of the losses of all outputs that have one."""
    total = 0.0
    for name, y in zip(names, outputs, strict=True):
        if name in case["losses"]:
            told = case["losses"][name]
            loss = made(told["loss"], case["y"][name], y, told["reduction"], told["options"])
            total += loss(case["y"][name], y, sample_weight=case["sample_weight"].get(name))
    return total


def cases_of(names, outputs, values, number, rng):
    """What is differentiated of one model: losses, a class, a channel of a layer, given seeds."""
    yield loss_case(names, outputs, lambda y: REGRESSION, number, rng)
    yield loss_case(names, outputs, kind_of, number, rng)
    for name, y in zip(names, outputs, strict=True):
        if y.dtype.kind == "f" and y.ndim > 1:
            yield {"of": name, "channel": int(rng.integers(y.shape[-1]))}
            break
    inner = [a for a, v in values.items() if v.dtype.kind == "f" and v.ndim > 1 and "/" not in a]
    if inner:
        name = inner[len(inner) // 2]
        seed = rng.standard_normal(values[name].shape).astype("float32")
        yield {"of": name, "seed": seed}


def number_of(case, names, outputs, found):
    """What a case differentiates, of the outputs and of all values by address."""
    if "losses" in case:
        return loss_of(case, names, outputs)
    value = found[case["of"]]
    if "channel" in case:
        return tf.reduce_sum(value[..., case["channel"]])
    return tf.reduce_sum(value * case["seed"])


# ---------------------------------------------------------------------------------- the recording


def opened(folder):
    """The model that Keras reads from a folder, or makes again where it cannot read it.

    None where neither can be: Keras 3 refuses names with slashes.
    """
    if folder.name == "slash_names":
        return None
    file = next(folder.glob("model.keras"), folder / "model.h5")
    if "refused_by_keras" not in json.loads((folder / "meta.json").read_text())["files"][file.name]:
        return keras.models.load_model(file)
    keras.backend.clear_session()
    build = getattr(architectures, folder.name)
    model, inputs = models.drawn(build, models.generator(build))
    with np.load(folder / "golden.npz") as recorded:
        for address, value in golden.record(keras, model, inputs).items():
            np.testing.assert_allclose(value, recorded[address], 1e-4, 1e-5, err_msg=address)
    return model


def main():
    warnings.simplefilter("ignore")
    root = Path(__file__).parents[1]
    arrays, numbers, told = {}, [], []
    for number, folder in enumerate(sorted((root / "models").glob("*/"))):
        model = opened(folder)
        if model is None:
            continue
        rng = np.random.default_rng(number)
        with np.load(folder / "golden.npz") as stored:
            feeds = {k.removeprefix("inputs/"): unlike(v)
                     for k, v in stored.items() if "inputs/" in k}  # fmt: skip
        names = [t._keras_history.operation.name for t in model.inputs]
        lone = next(iter(feeds.values()))
        inputs = [feeds[n] if len(names) > 1 else lone for n in names]
        if any(a.dtype.kind == "U" for a in inputs):
            inputs = [tf.constant(a.tolist()) if a.dtype.kind == "U" else a for a in inputs]
        with watched(model) as found:
            outputs = called(model, [tf.constant(a) for a in inputs])
        values = {a: np.asarray(v) for a, v in found.items() if tf.is_tensor(v)}
        gives = output_names(model)
        for case in cases_of(gives, [np.asarray(y) for y in outputs], values, number, rng):
            if not case.get("losses", True):
                continue
            value, parts = taped(model, inputs, functools.partial(number_of, case, gives))
            at = len(told)
            row = {"model": folder.name, "value": float(value)}
            for key, entry in case.items():
                if key in ("y", "sample_weight"):
                    row[key] = list(entry)
                    arrays |= {f"{at}/{key}/{name}": a for name, a in entry.items()}
                elif key == "seed":
                    arrays[f"{at}/seed"] = entry
                else:
                    row[key] = entry
            for kind, part in zip(("activations", "weights", "inputs"), parts, strict=True):
                row[kind] = {n: None if g is None else list(g.shape) for n, g in part.items()}
                numbers += [digest(g) for g in part.values() if g is not None]
            told.append(row)
    arrays["numbers"] = np.concatenate(numbers).astype("float32")
    into = root / "gradients"
    into.mkdir(exist_ok=True)
    np.savez_compressed(into / "gradients.npz", **arrays)
    made_with = {"keras": keras.__version__, "tensorflow": tf.__version__, "cases": told}
    (into / "gradients.json.gz").write_bytes(gzip.compress(json.dumps(made_with).encode(), mtime=0))
    pairs = itertools.groupby(told, key=lambda row: row["model"])
    print(len(told), "cases of", len([name for name, _ in pairs]), "models")


if __name__ == "__main__":
    main()
