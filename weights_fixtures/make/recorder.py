"""The language of tables of cases, and what runs and records them.

Every case is run on both TensorFlow and JAX, each in a process of its own.  TensorFlow's answer is
the one recorded.  It is JAX's, and the case says why, where TensorFlow refuses to compute on a CPU,
or where the case says `jax=` because TensorFlow's answer is known to be wrong.  Any other
disagreement is printed.
"""

import gzip
import importlib
import inspect
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
from keras.src.applications import convnext, inception_resnet_v2
from keras.src.layers.preprocessing import feature_space
from keras.src.saving import saving_lib
from random_weights import random_weight

COMPUTED = {"real_kernel", "imag_kernel"}  # weights whose first values are the point
# class name -> list of (inputs, call kwargs, constructor options, note, jax, then, adapt)
CASES = {}
OPERATIONS = {  # "ops.Clip" -> the class; those of one module are recorded in one file
    f"ops.{name}": found
    for module in ("numpy", "nn", "math", "core", "linalg", "image", "einops")
    for name, found in vars(importlib.import_module(f"keras.src.ops.{module}")).items()
    if inspect.isclass(found) and found.__module__ == f"keras.src.ops.{module}"
}
# Classes that models of keras.applications are made of, and keras.layers lacks.
IN_APPLICATIONS = {
    "LayerScale": convnext.LayerScale,
    "CustomScaleLayer": inception_resnet_v2.CustomScaleLayer,
}

# ------------------------------------------------------------------------------- the language


class Args(list):
    """Inputs that are positional arguments of the call, rather than one list."""


class Inner(NamedTuple):
    """A layer for an option of another, made anew for each case."""

    class_name: str
    options: dict

    def made(self):
        found = keras if self.class_name == "Sequential" else keras.layers
        return getattr(found, self.class_name)(**made(self.options))

    def __str__(self):
        said = ",".join(f"{key}_{text(value)}" for key, value in self.options.items())
        return f"{self.class_name}({said})"


def inner(class_name, **options):
    return Inner(class_name, options)


def made(value):
    """The options with their inner layers."""
    if isinstance(value, dict):
        return {key: made(v) for key, v in value.items()}
    if isinstance(value, list):
        return [made(v) for v in value]
    return value.made() if isinstance(value, Inner) else value


def case(class_name, inputs, *, call=None, note="", jax="", then=None, adapt=None, **options):
    """One line of the table.

    `inputs`, and the values of `call` (the call's keyword arguments): a tuple is the shape of a
    standard normal array, an array or constant is itself, a function draws from the generator it is
    given, and a list holds several of these; `Args` several positional arguments.  An option may
    be an `inner` layer.  `jax` is the reason to record JAX's answer.  `then` is called with the
    layer when it has weights, its arguments and the generator, and gives the layer to record.
    `adapt` is data to learn from.
    """
    note = "-".join(filter(None, [note, str(then or "")]))
    CASES.setdefault(class_name, []).append((inputs, call or {}, options, note, jax, then, adapt))


def channels_first(class_name, shape, **options):
    """The same case for both data formats; `shape` is given channels last."""
    case(class_name, shape, **options)
    first = (shape[0], shape[-1], *shape[1:-1])
    case(class_name, first, data_format="channels_first", **options)


DRAWN = {"float32": "int64", "float64": "int64"}  # integers are not drawn as floats


def integers(low, high, shape, dtype):
    return lambda rng: rng.integers(low, high, shape, DRAWN.get(dtype, dtype)).astype(dtype)


def mask(*shape):
    """A random mask that keeps the first position, so that no row is all masked."""

    def draw(rng):
        keep = rng.random(shape) < 0.6
        keep[:, 0] = True
        return keep

    return draw


def padded(steps, *lengths, left=False):
    """A mask that keeps the first (or last) so many steps of each sample."""
    keep = np.arange(steps) < np.array(lengths)[:, None]
    return keep[:, ::-1] if left else keep


def negative(*shape):
    return lambda rng: -1 - rng.random(shape, "float32")


def uniform(low, high, *shape):
    return lambda rng: rng.uniform(low, high, shape).astype("float32")


def positive_definite(*shape):
    """Symmetric matrices with eigenvalues above 0: (*shape, the last again)."""

    def draw(rng):
        a = rng.standard_normal((*shape, shape[-1])).astype("float32")
        return a @ a.swapaxes(-1, -2) + np.eye(shape[-1], dtype="float32")

    return draw


def typed(dtype, *shape):
    return lambda rng: rng.standard_normal(shape).astype(dtype)


# -------------------------------------------------------------------------------- the running


def draw(spec, rng):
    """The arrays that a case's inputs stand for."""
    if isinstance(spec, list) and not all(isinstance(s, int) for s in spec):
        return type(spec)(draw(s, rng) for s in spec)
    if isinstance(spec, dict):
        return {key: draw(s, rng) for key, s in spec.items()}
    if isinstance(spec, tuple):
        return rng.standard_normal(spec, "float32")
    return spec(rng) if callable(spec) else spec


def text(value):
    """An option's value as part of a case's id."""
    if isinstance(value, list) and any(isinstance(v, Inner) for v in value):
        return f"list({','.join(map(text, value))})"
    if isinstance(value, (list, tuple)) and not isinstance(value, Inner):
        return "x".join(map(text, value)) or "empty"
    if isinstance(value, keras.layers.Layer):
        return type(value).__name__
    if inspect.isfunction(value):
        return value.__name__
    return f"{value:g}" if isinstance(value, float) else str(value)


def identify(args, call, options, note):
    """A readable id: every option, then the shapes."""
    arrays = keras.tree.flatten(args)
    parts = [f"{key}_{text(value)}" for key, value in options.items()]
    parts += [note] * bool(note) + [shown(array) for array in arrays] + [*call]
    return "-".join(parts)


def shown(leaf):
    """An argument of a call as part of a case's id: the shape of an array."""
    if not hasattr(leaf, "shape"):
        return "slice" if isinstance(leaf, slice) else text(leaf)
    return text(leaf.shape) or "scalar"


def plain(refusal):
    """A framework's error on one short line, without terminal colours."""
    return " ".join(re.sub(r"\x1b\[\d*m", "", str(refusal)).split())[:240]


def copied(args):
    """The same arrays in other dicts: layers of images write into those they are given."""
    return keras.tree.map_structure(lambda x: x, args)


def class_of(name):
    found = OPERATIONS.get(name) or IN_APPLICATIONS.get(name) or getattr(keras.layers, name, None)
    return found or getattr(feature_space, name)  # what a FeatureSpace puts into a model


def file_of(name):
    """Where the cases of a class are kept: operations by their module, layers by themselves."""
    folder = Path(__file__).parents[1]
    if name in OPERATIONS:
        return folder / "operations" / OPERATIONS[name].__module__.rpartition(".")[2]
    return folder / "layers" / name


def numpy_of(tensor):
    """A framework's array as numpy's: dense, and strings as such."""
    array = keras.ops.convert_to_numpy(tensor)
    text = array.dtype.kind == "O"
    return np.char.decode(array.astype(bytes), "utf-8") if text else array


def run(class_name, inputs, call, options, note, jax, then, adapt):
    """Build the genuine layer, give it weights, call it; everything as plain numpy."""
    # The seed depends on the case alone, so that adding a line changes no other case.
    seed = zlib.crc32(f"{class_name}-{identify([], {}, options, note)}".encode())
    rng = np.random.default_rng(seed)
    inputs, call = draw(inputs, rng), {key: draw(value, rng) for key, value in call.items()}
    args = list(inputs) if isinstance(inputs, Args) else [inputs]
    result = {"id": identify(args, call, options, note), "args": args, "kwargs": call}
    result["jax"] = jax
    if jax and keras.backend.backend() == "tensorflow":
        return result
    keras.utils.clear_session(free_memory=False)  # names of inner layers count from 0 again
    try:
        layer = class_of(class_name)(name="layer", **made(options))
        if adapt is not None:
            layer.adapt(adapt)
        layer(*copied(args), **call)  # creates the weights
        weights = [] if class_name in OPERATIONS else layer.weights
        for variable in weights:
            if variable.name not in COMPUTED:
                variable.assign(random_weight(variable.name, variable.shape, rng, variable.dtype))
        if then:
            layer = then(layer, args, rng)
        if getattr(layer, "stateful", False):
            layer.reset_state()
        for part in layer._flatten_layers() if weights else ():
            if hasattr(part, "finalize_state"):
                part.finalize_state()
        outputs = layer(*copied(args), **call)
        if isinstance(outputs, tuple):  # of a class of the framework's own
            outputs = list(outputs)
        outputs = keras.tree.map_structure(numpy_of, outputs)
        saved = keras.saving.serialize_keras_object(layer)
    except Exception as refusal:  # whatever a framework may raise for what it cannot do
        return result | {"refused": plain(refusal)}
    return result | {
        **({"class_name": saved["class_name"]} if class_name in OPERATIONS else {}),
        "module": saved["module"],
        "registered_name": saved["registered_name"],
        "config": saved["config"],
        "weights": written(layer) if weights else [],
        "outputs": outputs,
    }


class Places(saving_lib.NpzIOStore):
    """Takes what Keras's own saving would write, without writing it."""

    def __init__(self):
        self.contents = {}


def places(layer):
    """Each array of a layer with its place in a `.weights.h5`: a variable often has two."""
    store = Places()
    saving_lib._save_state(layer, store, None, "", set())
    return [
        (variable, f"{group}/vars/{number}".removeprefix("__root__/"))
        for group, variables in store.contents.items()
        for number, variable in variables.items()
    ]


def written(layer):
    """Name, place and value of each array of a layer.

    What is no variable of the layer, but made of several when it is written, comes last.
    """
    order = {id(variable): i for i, variable in enumerate(layer.weights)}
    found = [
        (variable, path)
        for variable, path in places(layer)
        if id(variable) in order or not isinstance(variable, keras.Variable)  # a generator's seed
    ]
    return [
        (getattr(v, "name", "merged"), path, keras.ops.convert_to_numpy(v))
        for v, path in sorted(found, key=lambda pair: order.get(id(pair[0]), len(order)))
    ]


PARTS = "id", "backend", "reason", "class_name", "module", "registered_name", "config"


def record(results):
    """The JSON and the arrays of one class."""
    arrays, cases, known = {}, [], {}

    def store(value, key):
        if isinstance(value, (list, tuple)):
            return [store(v, f"{key}.{i}") for i, v in enumerate(value)]
        if isinstance(value, dict):
            return {k: store(value[k], f"{key}.{k}") for k in sorted(value)}
        if isinstance(value, slice) or value is ...:
            return keras.saving.serialize_keras_object(value)
        if isinstance(value, np.generic):  # a number of a dtype
            value = np.asarray(value)
        if not isinstance(value, np.ndarray):
            return value
        leaf = {}
        if value.dtype.name == "bfloat16":  # npz has no bfloat16: its bits
            leaf["dtype"], value = "bfloat16", value.view("uint16")
        # Many cases have the same inputs: each array is kept once.
        said = value.dtype.str, value.shape, value.tobytes()
        if known.setdefault(said, key) == key:
            arrays[key] = value
        return {"array": known[said], **leaf}

    for at, result in enumerate(results):
        cases.append(
            {
                **{
                    key: result[key]
                    for key in (
                        "id",
                        "backend",
                        "reason",
                        "class_name",
                        "module",
                        "registered_name",
                        "config",
                    )
                    if key in result
                },
                "args": [store(arg, f"{at}.in{i or ''}") for i, arg in enumerate(result["args"])],
                "kwargs": {k: store(v, f"{at}.{k}") for k, v in result["kwargs"].items()},
                "weights": [
                    {"name": name, "path": path, **store(value, f"{at}.{i}.{name}")}
                    for i, (name, path, value) in enumerate(result["weights"])
                ],
                "outputs": store(result["outputs"], f"{at}.out"),
            }
        )
    return cases, arrays


def compare(name, y, z):
    """Print what TensorFlow and JAX do not agree on."""
    if y.shape != z.shape:
        print(f"SHAPES differ: {name}: TensorFlow {y.shape}, JAX {z.shape}")
        return
    if y.dtype.kind == "U":
        if (y != z).any():
            print(f"VALUES differ: {name}")
        return
    # 64 bits are off in JAX unless asked for, hence the lesser of both precisions.
    tolerance = 1e-4 if min(y.dtype.itemsize, z.dtype.itemsize) > 2 else 2e-2
    if not np.allclose(y.astype("float64"), z.astype("float64"), tolerance, tolerance / 10, True):
        print(f"VALUES differ: {name}: up to {abs(y.astype('f8') - z.astype('f8')).max():.3g}")
    if y.dtype != z.dtype and not {"float64", "int64"} & {y.dtype.name, z.dtype.name}:
        print(f"DTYPES differ: {name}: TensorFlow {y.dtype}, JAX {z.dtype}")


def choose(class_name, by_tensorflow, by_jax):
    """The result to record for one case: TensorFlow's where it has one."""
    name = f"{class_name} {by_tensorflow['id']}"
    if by_tensorflow["jax"]:
        return {**by_jax, "backend": "jax", "reason": by_tensorflow["jax"]}
    refused = by_tensorflow.get("refused")
    if refused and "refused" in by_jax:
        print(f"NOBODY computes {name}: {refused} // {by_jax['refused']}")
        return None
    if refused:
        return {**by_jax, "backend": "jax", "reason": f"TensorFlow: {refused}"}
    if "refused" not in by_jax:
        ours, theirs = (keras.tree.flatten(r["outputs"]) for r in (by_tensorflow, by_jax))
        for y, z in zip(ours, theirs, strict=True):
            compare(name, np.asarray(y), np.asarray(z))
    return {**by_tensorflow, "backend": "tensorflow"}


def constructor(class_name, results, given):
    """The arguments of a class: required ones, others with their defaults as a config has them.

    Those that no config holds cannot be in a file.
    """
    cls, configs = class_of(class_name), [result["config"] for result in results]
    found = {}
    for parent in cls.__mro__[: cls.__mro__.index(keras.layers.Layer)]:
        for name, argument in inspect.signature(parent.__init__).parameters.items():
            # What a class does not name itself goes to its parent, if it can be chosen at all.
            if parent is cls or any(name in config for config in configs):
                found.setdefault(name, argument)
    kinds = {"required": [], "optional": {}, "not_saved": []}
    for name, argument in found.items():
        if name == "self" or argument.kind is argument.VAR_KEYWORD:
            continue
        if argument.default is argument.empty:
            kinds["required"].append(name)
        elif not any(name in config for config in configs):
            kinds["not_saved"].append(name)
        else:
            written = [
                config[name]
                for config, options in zip(configs, given, strict=True)
                if name in config and name not in options
            ]
            kinds["optional"][name] = written[0] if written else argument.default
    return kinds


def save(path, arrays):
    np.savez_compressed(path, allow_pickle=False, **arrays)


def constructors(listed, class_names, results):
    """Bring the list of constructor arguments of layers up to date."""
    known = json.loads(listed.read_text()) if listed.exists() else {}
    for name in class_names:
        pairs = zip(CASES[name], results[name], strict=True)
        given = [case[2] for case, result in pairs if result]
        known[name] = constructor(name, [result for result in results[name] if result], given)
    lines = ",\n".join(f'"{name}": {json.dumps(known[name])}' for name in sorted(known))
    listed.write_text(f"{{\n{lines}\n}}\n")


def main(class_names):
    """Run and record the cases of these classes, and of those that are kept in the same files."""
    script, answers = sys.argv[0], {}
    files = {}
    for name in CASES:
        files.setdefault(file_of(name), []).append(name)
    asked = {file_of(name) for name in class_names or CASES}
    files = {file: names for file, names in files.items() if file in asked}
    class_names = [name for names in files.values() for name in names]
    with tempfile.TemporaryDirectory() as folder:
        for backend in "tensorflow", "jax":
            answer = Path(folder) / backend
            subprocess.run(
                [sys.executable, script, "--answer", answer, *class_names],
                env={**os.environ, "KERAS_BACKEND": backend},
                check=True,
            )
            answers[backend] = pickle.loads(answer.read_bytes())
    chosen = {
        name: [
            choose(name, *pair)
            for pair in zip(answers["tensorflow"][name], answers["jax"][name], strict=True)
        ]
        for name in class_names
    }
    for file, names in files.items():
        file.parent.mkdir(exist_ok=True)
        results = [result for name in names for result in chosen[name] if result]
        ids = [f"{result.get('class_name', '')} {result['id']}" for result in results]
        if double := {i for i in ids if ids.count(i) > 1}:
            raise SystemExit(f"{file.name}: the same case twice: {double}; give one a note")
        cases, arrays = record(results)
        lines = ",\n".join(json.dumps(case) for case in cases)
        head = {} if names[0] in OPERATIONS else {"class_name": names[0]}
        head = json.dumps(head | {"keras": keras.__version__})[:-1]
        told = f'{head}, "cases": [\n{lines}\n]}}\n'
        file.with_suffix(".json.gz").write_bytes(gzip.compress(told.encode(), mtime=0))
        save(file.with_suffix(".npz"), arrays)
        jax = sum(result["backend"] == "jax" for result in results)
        print(f"{file.name}: {len(cases)} cases, {jax} of them by JAX")
    layers = [name for name in class_names if name not in OPERATIONS]
    if layers:
        constructors(file_of(layers[0]).parent / "constructors.json", layers, chosen)


def command():
    """What a script with a table of cases does with its arguments."""
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--answer"]:
        answer = {name: [run(name, *case) for case in CASES[name]] for name in sys.argv[3:]}
        Path(sys.argv[2]).write_bytes(pickle.dumps(answer))
    else:
        main(sys.argv[1:])
