"""Make `weights_fixtures/apart/`: weights apart from their architecture, as Keras pairs them.

Run it once with each of Keras 3, tf.keras 2.15 and Keras 2.3; each writes one zip:

    python weights_fixtures/make/apart.py

A zip holds `model.json`, an architecture; `other.h5`, weights for it under other names; `some.h5`,
weights for its first layers and a layer that it does not have; `list.npz`, what
`np.savez(*model.get_weights())` wrote; and in `golden.npz` what each layer gives after
`load_weights(other.h5)` (`by_order/...`) and `load_weights(some.h5, by_name=True)` (`by_name/...`).
That of Keras 3 also holds `apart.weights.json`, the weights of `other.h5` in several files.
With Keras 3 and safetensors it also writes `torch.safetensors`, the weights of
`files/sequential.keras` as PyTorch would keep them, and `types.safetensors`, an array of each type.
"""

import json
import platform
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np

# tf.keras up to 2.15 is a package of that name as well.
FRAMEWORK = "tf_keras" if keras.__version__.startswith("2.1") else "keras"
FIXTURES = Path(__file__).resolve().parents[1]
APART = FIXTURES / "apart"
NAMES = "deeper inner_norm deep encoder both each flat wide second shared norm top".split()
L = keras.layers


def encoder(names):
    """Trained weights on both sides of moving ones: their order in a list differs by version."""
    x = L.Input((6,))
    y = L.Dense(3, name=names["deeper"])(x)
    y = L.BatchNormalization(name=names["inner_norm"])(y)
    return keras.models.Model(
        x, L.Dense(3, activation="tanh", name=names["deep"])(y), name=names["encoder"]
    )


def model(names, whole=True):
    """A nested model, a wrapper with one inside, shared layers; or the first layers and another."""
    x = L.Input((5, 4), name="x")
    y = L.Bidirectional(L.LSTM(3, return_sequences=True), name=names["both"])(x)
    y = L.TimeDistributed(encoder(names), name=names["each"])(y)
    if not whole:
        return keras.models.Model(x, L.Dense(2, name="another")(y))
    y = L.Flatten(name=names["flat"])(y)
    y = L.Dense(6, activation="relu", name=names["wide"])(y)
    encode = encoder({**names, "encoder": names["second"]})
    y = encode(y)
    shared = L.Dense(3, name=names["shared"])
    y = shared(L.BatchNormalization(name=names["norm"])(shared(y)))
    return keras.models.Model(x, L.Dense(2, name=names["top"])(y))


def drawn(kind, rng):
    """The model with weights that are not those of a fresh one; variances stay above zero."""
    arrays = [rng.uniform(0.2, 1.2, w.shape) - 0.7 * (w.ndim > 1) for w in kind.get_weights()]
    kind.set_weights(arrays)
    return kind


def values(kind, x, names):
    """What each layer gives at its last call."""
    ends = [kind.get_layer(name) for name in names]
    if keras.__version__[0] == "3":
        ends = [layer._inbound_nodes[-1].outputs[0] for layer in ends]
    else:
        ends = [layer.get_output_at(-1) for layer in ends]
    found = keras.models.Model(kind.inputs, ends).predict(x)
    return dict(zip(names, found))  # noqa: B905 -- Python 3.7 has no `strict`


def main():
    rng = np.random.RandomState(5)
    mine = {name: name for name in NAMES}
    # In the alphabet these stand the other way round: only their order in the model counts.
    theirs = {name: f"{'zyxwvutsrqpo'[i]}_{name}" for i, name in enumerate(NAMES)}
    x = rng.uniform(-1, 1, (3, 5, 4)).astype("float32")
    golden = {"x": x}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        others = {"other.h5": drawn(model(theirs), rng), "some.h5": drawn(model(mine, False), rng)}
        for name, kind in others.items():
            # Keras 3 writes such files only with a model in them.
            save = kind.save if keras.__version__[0] == "3" else kind.save_weights
            save(str(folder / name))
        taught = model(mine)
        taught.load_weights(str(folder / "other.h5"))
        last = NAMES[NAMES.index("both") :]
        golden.update({f"by_order/{k}": v for k, v in values(taught, x, last).items()})
        np.savez(folder / "list.npz", *taught.get_weights())
        if keras.__version__[0] == "3":  # in two files, of a kilobyte at most
            taught.save_weights(folder / "apart.weights.json", max_shard_size=1e-6)
        taught = model(mine)
        taught.load_weights(str(folder / "some.h5"), by_name=True)
        golden.update({f"by_name/{k}": v for k, v in values(taught, x, ["both", "each"]).items()})
        (folder / "model.json").write_text(taught.to_json())
        np.savez(folder / "golden.npz", **golden)
        target = APART / f"{FRAMEWORK}_{keras.__version__}.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                info = zipfile.ZipInfo(path.name)  # dated 1980
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, path.read_bytes())
    note(f"{FRAMEWORK} {keras.__version__}")
    if keras.__version__[0] == "3":
        with_safetensors()


def note(what):
    """Keep the versions beside the files."""
    path = APART / "made_with.json"
    said = json.loads(path.read_text()) if path.exists() else {}
    said[what] = f"Python {platform.python_version()}"
    path.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")


def with_safetensors():
    """PyTorch's names and axes, and every type that numpy and ml_dtypes have."""
    import ml_dtypes
    import safetensors
    import safetensors.numpy

    expected = np.load(FIXTURES / "files" / "expected_3.npz")
    arrays = {
        "features.0.weight": expected["sequential/conv/0"].transpose(3, 2, 0, 1),
        "features.0.bias": expected["sequential/conv/1"],
        "classifier.weight": expected["sequential/top/0"].T,
        "classifier.bias": expected["sequential/top/1"],
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    safetensors.numpy.save_file(arrays, APART / "torch.safetensors", metadata={"format": "pt"})

    kinds = "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 float32 float64".split()
    kinds += ["complex64", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
    arrays, entries = {}, {}
    for kind in kinds:
        dtype = np.dtype(getattr(ml_dtypes, kind, kind))
        array = arrays[kind] = np.array([[0, 1, 2], [4, 8, 16]]).astype(dtype)
        entries[kind] = safetensors.TensorSpec(
            dtype=kind, shape=[2, 3], data_ptr=array.ctypes.data, data_len=array.nbytes
        )
    (APART / "types.safetensors").write_bytes(safetensors.serialize(entries))
    note(f"safetensors {safetensors.__version__}")


if __name__ == "__main__":
    APART.mkdir(exist_ok=True)
    main()
