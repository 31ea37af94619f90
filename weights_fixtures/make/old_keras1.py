"""Files of Keras 1, each with the output of every layer: weights_fixtures/old/keras-<version>-<backend>/.

    KERAS_BACKEND=theano python weights_fixtures/make/old_keras1.py [--out DIR] [MODEL ...]

Needs Keras 1 (1.0.5 to 1.2.2) on TensorFlow 1.4 or Theano 1.0.5, and Python 3.6 for these.
"""

import os
import zlib

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("THEANO_FLAGS", "device=cpu,floatX=float32")
if os.environ.get("KERAS_BACKEND") == "theano":
    import theano.ifelse  # noqa: F401  Keras 1 expects it to have been imported

import keras
import numpy as np
from keras import backend as K
from keras import layers as L
from keras.models import Model, Sequential

HERE = os.path.dirname(os.path.abspath(__file__))
OLD = os.path.join(os.path.dirname(HERE), "old")
SEED = 51
BACKEND = K._BACKEND
VERSION = tuple(int(part) for part in keras.__version__.split("."))
MODELS = {}

# ---- what the framework computes -----------------------------------------------------------------


def container(model):
    """The graph of a model: a Sequential keeps it inside."""
    if isinstance(model, Sequential):
        model.build()
        return model.model
    return model


def branches(model):
    """The models that a Sequential merges at its beginning."""
    first = model.layers[0] if isinstance(model, Sequential) else None
    return first.layers if isinstance(first, L.Merge) else []


def calls(model):
    """(address, layer, input tensors, output tensors) of each call in a model."""
    graph = container(model)
    layers = graph.layers
    if isinstance(model, Sequential) and not branches(model):
        layers = model.layers
    for layer in layers:
        mine = [
            node
            for i, node in enumerate(layer.inbound_nodes)
            if "%s_ib-%d" % (layer.name, i) in graph.container_nodes
        ]
        if not mine:  # a Sequential begins with the tensors of a model in it
            yield layer.name, layer, layer.inputs, layer.outputs
        for number, node in enumerate(mine, 1):
            address = layer.name + ("@%d" % number if number > 1 else "")
            yield address, layer, node.input_tensors, node.output_tensors


def record(model, inputs, prefix=""):
    """Address -> array for every value of `model` on `inputs`, those in nested models too.

    Layers of merged models are at the address that they have in the list of weights: their own.
    """
    found, nested, tensors = {}, [], {}
    for address, layer, takes, gives in calls(model):
        if type(layer).__name__ == "InputLayer":
            continue
        if hasattr(layer, "container_nodes") or isinstance(layer, Sequential):
            inside = prefix if layer in branches(model) else prefix + address + "/"
            nested.append((inside, layer, takes))
            if inside == prefix:
                continue
        for i, tensor in enumerate(gives):
            tensors[address + ("#%d" % i if i else "")] = tensor
    names = sorted(tensors)
    wanted = [tensors[name] for name in names] + [t for _, _, takes in nested for t in takes]
    values = evaluated(container(model).inputs, wanted, inputs)
    found.update((prefix + name, value) for name, value in zip(names, values))
    rest = iter(values[len(names) :])
    for inside, layer, takes in nested:
        found.update(record(layer, [next(rest) for _ in takes], inside))
    return found


def evaluated(inputs, tensors, arrays):
    """The values of tensors; Theano wants no input that is not used."""
    if BACKEND == "theano":
        import theano

        function = theano.function(
            list(inputs) + [K.learning_phase()], tensors, on_unused_input="ignore"
        )
        return [np.asarray(value) for value in function(*(list(arrays) + [0]))]
    return [
        np.asarray(value)
        for value in K.get_session().run(
            list(tensors), dict(list(zip(inputs, arrays)) + [(K.learning_phase(), 0)])
        )
    ]


def fill(model, rng):
    """Random weights, one by one: variances above 0, other numbers around it."""
    for weight in model.weights:
        shape = K.get_value(weight).shape
        values = rng.normal(0, 0.4, shape)
        if "running_std" in weight.name:
            values = rng.uniform(0.5, 1.5, shape)
        elif "gamma" in weight.name or "alphas" in weight.name or "betas" in weight.name:
            values = rng.uniform(0.2, 1.2, shape)
        K.set_value(weight, values.astype("float32"))


def drawn(model, rng, words=()):
    """An input for each of the model's: whole numbers for the names in `words`."""
    found = []
    for tensor in container(model).inputs:
        shape = (2,) + tuple(tensor._keras_shape[1:])
        layer = tensor._keras_history[0]
        whole = layer.name in words or layer.input_dtype == "int32"
        values = rng.randint(0, 5, shape) if whole else rng.normal(size=shape)
        found.append(values.astype("int32" if whole else "float32"))
    return found


def input_name(model, tensor):
    """The name of an input: of one that a Sequential made for its first layer, `<layer>_input`."""
    made = tensor._keras_history[0]
    taker = next(iter(taking(model, tensor)), None)
    prefix = type(taker).__name__.lower() + "_input_"
    return taker.name + "_input" if made.name.startswith(prefix) else made.name


def taking(model, tensor):
    """The layers at any depth that take a tensor."""
    for layer in list(model.layers) + list(branches(model)):
        if isinstance(layer, Model):
            for found in taking(layer, tensor):
                yield found
        elif any(tensor is t for node in layer.inbound_nodes for t in node.input_tensors):
            if type(layer).__name__ != "InputLayer":
                yield layer


def save(model, folder, name, form="h5"):
    """The model's file or files, and its golden."""
    rng = np.random.RandomState([SEED, zlib.crc32(name.encode()) & 0x7FFFFFFF])
    fill(model, rng)
    inputs = drawn(model, rng)
    golden = record(model, inputs)
    for address, value in golden.items():
        assert np.isfinite(value).all(), (name, address)
    for tensor, array in zip(container(model).inputs, inputs):
        golden["inputs/" + input_name(model, tensor)] = array
    path = os.path.join(folder, name)
    if form == "h5":
        model.save(path + ".h5")
    else:
        with open(path + ".json", "w") as file:
            file.write(model.to_json())
        model.save_weights(path + ".weights.h5", overwrite=True)
    np.savez_compressed(path + ".npz", **golden)
    return golden


# ---- the models ----------------------------------------------------------------------------------


def model(make):
    MODELS[make.__name__] = make
    return make
