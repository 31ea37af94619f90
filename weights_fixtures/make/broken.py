"""Make `weights_fixtures/broken/`: files that must fail, one for each fault.

    python weights_fixtures/make/broken.py

It needs h5py and numpy only.  Each file is a tiny Keras model with one thing wrong; what must be
said about it stands in `weights_fixtures/faults.json`.  What is large is made by the tests.
"""

import base64
import copy
import io
import itertools
import json
import shutil
import struct
import zipfile
from pathlib import Path

import broken_arrays
import h5py
import numpy as np

BROKEN = Path(__file__).parents[1] / "broken"
KERNEL, BIAS = np.eye(4, 2, dtype="float32"), np.ones(2, "float32")
TENSOR = "__keras_tensor__"


def tensor(layer, call=0, output=0):
    return {"class_name": TENSOR, "config": {"keras_history": [layer, call, output]}}


def layer(class_name, name, *tensors, module="keras.layers", registered_name=None, **config):
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": name, "trainable": True, "dtype": "float32", **config},
        "registered_name": registered_name,
        "name": name,
        "inbound_nodes": [{"args": [t], "kwargs": {}} for t in tensors],
    }


def model(*layers, **config):
    """A functional model: x -> Dense, unless said otherwise."""
    layers = layers or (
        layer("InputLayer", "x", batch_shape=[None, 4]),
        layer("Dense", "dense", tensor("x"), units=2, activation="linear", use_bias=True),
    )
    ends = {"input_layers": ["x", 0, 0], "output_layers": [layers[-1]["name"], 0, 0]}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {"name": "model", "trainable": True, "layers": list(layers), **ends, **config},
        "registered_name": "Functional",
    }


def changed(path, value):
    """The model's config with another value at `path`."""
    config = copy.deepcopy(model())
    at = config
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return config


def hdf5(write, **options):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        write(file)
    return buffer.getvalue()


def plain(file):
    file["layers/dense/vars/0"], file["layers/dense/vars/1"] = KERNEL, BIAS


def with_kernel(write):
    """Weights whose kernel is made by `write(group, name)`."""

    def all_of_it(file):
        file["layers/dense/vars/1"] = BIAS
        write(file["layers/dense/vars"], "0")

    return hdf5(all_of_it)


def archive(config=None, weights=None, *more, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    config = model() if config is None else config
    text = config if isinstance(config, str) else json.dumps(config)
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in (
            ("metadata.json", json.dumps({"keras_version": "3.15.1"})),
            ("config.json", text),
            ("model.weights.h5", hdf5(plain) if weights is None else weights),
            *more,
        ):
            if content is not False:
                file.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, compression)
    return buffer.getvalue()


def legacy(file, text=str):
    """The same model as a `.h5`."""
    file.attrs["keras_version"], file.attrs["backend"] = text("3.15.1"), text("tensorflow")
    file.attrs["model_config"] = text(json.dumps(model()))
    legacy_weights(file.create_group("model_weights"), text)


def legacy_weights(group, text=str):
    group.attrs["layer_names"] = [text("x"), text("dense")]
    group.create_group("x").attrs["weight_names"] = np.array([])
    names = [text("dense/kernel"), text("dense/bias")]
    group.create_group("dense").attrs["weight_names"] = names
    group["dense/dense/kernel"], group["dense/dense/bias"] = KERNEL, BIAS


def linked(path, link):
    """The `.h5` with a link in the place of what is at `path`."""

    def write(file):
        legacy(file)
        del file[path]
        file[path] = link

    return hdf5(write)


def virtual(group, name):
    layout = h5py.VirtualLayout((4, 2), "float32")
    layout[:] = h5py.VirtualSource("/etc/passwd", "kernel", (4, 2))
    group.create_virtual_dataset(name, layout)


def external(group, name):
    group.create_dataset(name, (4, 2), "float32", external=[("/etc/passwd", 0, 32)])


def zeros(group, name):
    """A few bytes that unpack to 16 MiB, in a chunk that needs 32 bytes."""
    import zlib

    dataset = group.create_dataset(name, (4, 2), "float32", chunks=(4, 2), compression="gzip")
    dataset.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**24), 9))


def circle(file):
    plain(file)
    file["layers/dense/again"] = file["layers"]


def many_names(group):
    legacy_weights(group)
    group.attrs["layer_names"] = ["x"] * 77


def endless():
    """Weights in which the header of a group continues in itself."""

    def write(file):
        plain(file)
        for name in "abcdef":
            file["layers"].attrs[name] = np.arange(30)
            file.require_group("other")

    content = hdf5(write, libver="latest")
    part = content.index(b"OCHK")
    size = 4 + 20 + 4  # signature, one message that says where it continues, checksum
    place = struct.pack("<Q", part)
    message = struct.pack("<BHB", 0x10, 16, 0) + place + struct.pack("<Q", size)
    content = content[: part + 4] + message + content[part + 4 + len(message) :]
    first = content.index(place)
    return content[: first + 8] + struct.pack("<Q", size) + content[first + 16 :]


def deep_groups(file):
    plain(file)
    file.create_group("layers/" + "/".join("abcdefgh" * 5))


def records(group, name):
    group.create_dataset(name, data=np.zeros(4, [("a", "f4"), ("b", "i4")]))


def members(names, **attributes):
    """A zip whose members all have the same content; `attributes` are set on each."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            for key, value in attributes.items():
                setattr(info, key, value)
            file.writestr(info, json.dumps(model()))
    return buffer.getvalue()


def lying(content):
    """The archive, whose config says that it is one byte long."""
    at = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    return content[: at + 24] + struct.pack("<I", 1) + content[at + 28 :]


def encrypted(content):
    at = content.index(b"PK\x01\x02")
    return content[: at + 8] + struct.pack("<H", 1) + content[at + 10 :]


def replaced(content, old, new):
    assert content.count(old) >= 1
    return content.replace(old, new)


CODE = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA", "defaults": None}}
LAMBDA = layer("Lambda", "code", tensor("x"), function=CODE)
# What `pickle.dumps` makes of an object whose __reduce__ says os.system("touch /tmp/pickle_ran").
PICKLE = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x15touch /tmp/pickle_ran\x85R."
X = layer("InputLayer", "x", batch_shape=[None, 4])
A = layer("Add", "a", [tensor("x"), tensor("b")])
B = layer("Activation", "b", tensor("a"), activation="relu")
DENSE = model()["config"]["layers"][1]


TEXT = layer("InputLayer", "x", batch_shape=[None, 1], dtype="string")


def small(write):
    """HDF5 in as few bytes as there can be."""
    return hdf5(write, libver="latest")


def no_arrays(file):
    file.create_group("layers")


def one(class_name, name, first=X, config=None, **options):
    """An archive with one layer, which has no arrays, after the input."""
    made = layer(class_name, name, tensor("x"), **options)
    if config is not None:
        made["config"] = config
    return archive(model(first, made), small(no_arrays))


def function(name, module):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def old_lambda(function, kind):
    """A `.h5` of tf.keras with a Lambda."""
    said = {"function": function, "function_type": kind, "module": "__main__", "arguments": {}}
    config = {"name": "code", "batch_input_shape": [None, 4], **said}
    layers = [{"class_name": "Lambda", "config": config}]

    def write(file):
        file.attrs["keras_version"] = np.bytes_("2.15.0")
        file.attrs["model_config"] = np.bytes_(
            json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": layers}})
        )
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [np.bytes_("code")]
        group.create_group("code").attrs["weight_names"] = np.array([])

    return small(write)


def whole(change):
    """A `.h5`, changed."""

    def write(file):
        legacy(file, np.bytes_)  # texts of a fixed length take less room
        change(file)

    return small(write)


def plugin(file):
    """A chunk that only a filter from elsewhere could unpack (zstd, 32015)."""
    plain(file)
    del file["layers/dense/vars/0"]
    file.create_dataset(
        "layers/dense/vars/0", data=KERNEL, chunks=(4, 2), compression="lzf", shuffle=False
    )


def patched_filter():
    content, lzf = hdf5(plugin), struct.pack("<HHHH", 32000, 8, 1, 3)
    return replaced(content, lzf, struct.pack("<HHHH", 32015, 8, 1, 3))


def yaml(text):
    """An architecture as Keras 2 wrote it, with something else in the place of its layers."""
    return f"class_name: Sequential\nkeras_version: 2.3.1\nconfig: {text}\n".encode()


def yaml_files():
    """What YAML can say that no architecture does."""
    bomb = "\n- ".join(["", "&a0 [x]", *(f"&a{i + 1} [{f'*a{i}, ' * 9}]" for i in range(9))])
    yield "alias_bomb.yaml", yaml(bomb)
    yield "applied_object.yaml", yaml('!!python/object/apply:os.system ["id"]')
    yield "new_object.yaml", yaml("!!python/object/new:subprocess.Popen [[id]]")
    yield "named_object.yaml", yaml("!!python/name:os.system")
    yield "module.yaml", yaml("!!python/module:os")
    yield "in_itself.yaml", yaml("&a [*a]")
    yield "deep.yaml", yaml("[" * 1000 + "]" * 1000)
    yield "key_twice.yaml", yaml("{name: a, name: b}")
    yield "cut_off.yaml", yaml("[")


def hostile():
    """What was used as a weapon: the rows of the advisories that faults.json names."""
    layers = ("config", "layers")
    empty = small(no_arrays)
    yield "lambda.h5", old_lambda(["4wEAAAAAAAAA", None, None], "lambda")
    yield "named_lambda.h5", old_lambda("scale_by_two", "function")
    yield "lambda.json", json.dumps(model(X, LAMBDA)).encode()
    yield "lambda_mask.keras", one("Lambda", "code", function="relu", mask=CODE)
    yield "lambda_shape.keras", one("Lambda", "code", function=CODE, output_shape=CODE)
    yield "module.keras", one("system", "call", module="os", command="id")
    yield "module_of_numpy.keras", one("load", "call", module="numpy", file="/etc/passwd")
    yield "builtins.keras", one("exec", "call", module="builtins", registered_name="exec")
    yield "get_file.keras", one("get_file", "call", module="keras.utils", origin="http://x/y")
    yield (
        "function_layer.keras",
        one("function", "call", module="keras.utils", config="get_file"),
    )
    yield (
        "function_activation.keras",
        one("Activation", "call", activation=function("system", "os")),
    )
    yield (
        "function_of_keras.keras",
        one("Activation", "call", activation=function("get_file", "keras.utils")),
    )
    yield (
        "unsafe.keras",
        archive(
            model(
                X,
                layer("enable_unsafe_deserialization", "on", tensor("x"), module="keras.config"),
                layer("Lambda", "code", tensor("on"), function=CODE),
            ),
            empty,
        ),
    )
    code = base64.b64encode(PICKLE).decode()
    yield "torch_wrapper.keras", one("TorchModuleWrapper", "call", config={"module": code})
    yield "saved_model_layer.keras", one("TFSMLayer", "call", filepath="/tmp/model")
    yield "jax_layer.keras", one("JaxLayer", "call", call_fn=CODE)
    yield "flax_layer.keras", one("FlaxLayer", "call", module=code)
    yield (
        "registered_as_other.keras",
        one("Dense", "dense", registered_name="evil>Dense", units=2),
    )
    yield (
        "module_of_other.keras",
        one("Dense", "dense", module="evil", registered_name="Dense", units=2),
    )
    for name, kind, where in (
        ("path", "StringLookup", "/etc/passwd"),
        ("url", "TextVectorization", "http://localhost:9/words.txt"),
        ("relative", "IntegerLookup", "../../words.txt"),
    ):
        yield f"vocabulary_{name}.keras", one(kind, "words", TEXT, vocabulary=where)
    outside = {**DENSE, "name": "../../outside"}
    outside["config"] = {**DENSE["config"], "name": "../../outside"}
    yield "outside_name.keras", archive(model(X, outside), small(plain))

    # Links and storage at every level of a .h5.
    for name, path, link in (
        ("external_root", "model_weights", h5py.ExternalLink("/etc/passwd", "/")),
        ("external_middle", "model_weights/dense/dense", h5py.ExternalLink("/etc/passwd", "/")),
        ("external_array", "model_weights/dense/dense/bias", h5py.ExternalLink("x.h5", "/x")),
        ("soft_root", "model_weights", h5py.SoftLink("/elsewhere")),
        ("soft_middle", "model_weights/dense/dense", h5py.SoftLink("/model_weights/x")),
    ):

        def put(file, path=path, link=link):
            del file[path]
            file[path] = link

        yield f"{name}.h5", whole(put)

    def stored_outside(make):
        def change(file):
            del file["model_weights/dense/dense/kernel"]
            make(file["model_weights/dense/dense"], "kernel")

        return whole(change)

    yield "external_storage.h5", stored_outside(external)
    yield "virtual.h5", stored_outside(virtual)
    yield (
        "huge_shape.h5",
        stored_outside(lambda g, n: g.create_dataset(n, (2**40, 2), "f4", chunks=(2, 2))),
    )
    yield (
        "same_layer.h5",
        whole(lambda f: f["model_weights"].attrs.__setitem__("layer_names", ["dense", "dense"])),
    )
    yield (
        "names_are_numbers.h5",
        whole(lambda f: f["model_weights"].attrs.__setitem__("layer_names", [1, 2])),
    )
    yield (
        "config_is_a_number.h5",
        whole(lambda f: f.attrs.__setitem__("model_config", 5)),
    )
    yield (
        "name_leads_out.h5",
        whole(
            lambda f: f["model_weights/dense"].attrs.__setitem__(
                "weight_names", ["../../../kernel", "dense/bias"]
            )
        ),
    )

    # Arrays that are not what the layer needs.
    for name, values in (
        ("no_rows", np.zeros((0, 2), "f4")),
        ("scalar", np.float32(1)),
        ("complex", np.ones((4, 2), "c8")),
        ("transposed", KERNEL.T),
    ):

        def write(file, values=values):
            file["layers/dense/vars/0"], file["layers/dense/vars/1"] = values, BIAS

        yield f"{name}.keras", archive(weights=small(write))
    yield "plugin_filter.keras", archive(weights=patched_filter())

    # JSON.
    text = json.dumps(model())
    yield "huge_number.json", replaced(text, '"units": 2', f'"units": {"9" * 4400}').encode()
    yield "surrogate.json", replaced(text, '"dense"', '"\\ud800"').encode()
    yield "byte_order_mark.json", b"\xef\xbb\xbf" + text.encode()
    for name, value in (("nan", float("nan")), ("infinite", float("inf")), ("huge", 10**12)):
        units = changed((*layers, 1, "config", "units"), value)
        yield f"{name}_units.json", json.dumps(units).encode()

    # Archives.
    yield "backslash.keras", archive(None, empty, ("..\\leads_out.txt", "x"))
    relu = model(X, layer("Activation", "relu", tensor("x"), activation="relu"))
    yield "pickle_beside.keras", archive(relu, empty, ("model.pkl", PICKLE))
    yield "same_member_pickle.keras", archive(None, empty, ("model.weights.h5", PICKLE))
    yield "pickle_as_config.keras", archive(PICKLE.decode("latin-1"), empty)
    yield "pickle_as_weights.keras", archive(None, PICKLE)
    yield "torch.pt", members(["archive/data.pkl", "archive/version"])
    yield "pickle.pkl", PICKLE
    yield "bzip2.keras", archive(None, empty, compression=zipfile.ZIP_BZIP2)
    yield (
        "wrong_metadata.keras",
        archive(None, empty, ("assets", "x")).replace(b'{"keras_version"', b'["keras_version"'),
    )


def files():
    yield from hostile()
    yield from yaml_files()
    good = archive()
    whole = hdf5(legacy)
    yield "empty.keras", b""
    yield "text.keras", b"This is not a model.\n"
    yield "truncated.keras", good[: len(good) // 2]
    yield "truncated.h5", whole[: len(whole) // 2]
    yield "truncated_values.keras", archive(weights=hdf5(plain)[:-2048])
    yield "no_config.keras", archive("{}", None).replace(b"config.json", b"konfig.json")
    yield "no_weights.keras", archive(None, False)
    yield "no_members.keras", b"PK\x05\x06" + bytes(18)
    yield "weights_only.h5", hdf5(legacy_weights)
    yield "weights_only.weights.h5", hdf5(plain)
    yield "not_keras.h5", hdf5(lambda file: file.create_dataset("data", data=KERNEL))
    yield "not_keras.json", b"[1, 2]"
    yield "not_json.json", b'{"class_name": "Sequential", '
    yield "architecture_only.json", json.dumps(model()).encode()
    yield "duplicate_key.keras", archive('{"class_name": "A", "class_name": "B", "config": {}}')
    yield "deep_json.keras", archive('{"class_name": ' + "[" * 5000 + "]" * 5000 + "}")
    yield "subclassed.keras", archive({"class_name": "Mine", "module": None, "config": {}})

    layers = ("config", "layers")
    for name, path, value in (
        ("config", ("config",), 5),
        ("layers", layers, {"dense": {}}),
        ("layer", (*layers, 1), "dense"),
        ("class", (*layers, 1, "class_name"), ["Dense"]),
        ("layer_config", (*layers, 1, "config"), None),
        ("name", (*layers, 1, "name"), 7),
        ("shape", (*layers, 0, "config", "batch_shape"), "None, 4"),
        ("calls", (*layers, 1, "inbound_nodes"), "x"),
        ("call", (*layers, 1, "inbound_nodes", 0), 3),
        ("args", (*layers, 1, "inbound_nodes", 0, "args"), 3),
        ("history", (*layers, 1, "inbound_nodes", 0, "args", 0), tensor("x", "0", 0)),
        (
            "constant",
            (*layers, 1, "inbound_nodes", 0, "args", 0),
            {"class_name": "__tensor__", "config": {"value": [1], "dtype": "V1000000000"}},
        ),
        ("outputs", ("config", "output_layers"), 1),
        ("input", ("config", "input_layers"), ["dense", 0, 0]),
    ):
        yield f"wrong_{name}.keras", archive(changed(path, value))
    version = json.dumps({"keras_version": {}})
    yield (
        "wrong_version.keras",
        replaced(
            archive(), json.dumps({"keras_version": "3.15.1"}).encode(), version.ljust(27).encode()
        )[:-1]
        + b"\0",
    )
    yield (
        "no_such_layer.keras",
        archive(changed((*layers, 1, "inbound_nodes", 0, "args", 0), tensor("y"))),
    )
    yield (
        "no_such_call.keras",
        archive(changed((*layers, 1, "inbound_nodes", 0, "args", 0), tensor("x", 3))),
    )
    yield "circle.keras", archive(model(X, A, B))
    yield (
        "same_name.keras",
        archive(model(X, DENSE, {**DENSE, "config": {**DENSE["config"], "units": 3}})),
    )
    yield (
        "other_weights.keras",
        archive(weights=hdf5(lambda f: f.__setitem__("layers/conv2d/vars/0", KERNEL))),
    )
    yield "lambda.keras", archive(model(X, LAMBDA), hdf5(lambda file: file.create_group("layers")))

    yield "external_link.h5", linked("model_weights/dense", h5py.ExternalLink("/etc/passwd", "/x"))
    yield (
        "soft_link.h5",
        linked(
            "model_weights/dense/dense/kernel", h5py.SoftLink("/model_weights/dense/dense/bias")
        ),
    )
    yield "soft_link_above.h5", linked("model_weights/dense", h5py.SoftLink("/model_weights/x"))
    yield "virtual.keras", archive(weights=with_kernel(virtual))
    yield "external_storage.keras", archive(weights=with_kernel(external))
    yield "records.keras", archive(weights=with_kernel(records))
    yield (
        "texts.keras",
        archive(weights=with_kernel(lambda g, n: g.create_dataset(n, data=["a", "b"]))),
    )
    yield (
        "references.keras",
        archive(
            weights=with_kernel(lambda g, n: g.create_dataset(n, data=g.ref, dtype=h5py.ref_dtype))
        ),
    )
    yield (
        "no_values.keras",
        archive(weights=with_kernel(lambda g, n: g.create_dataset(n, (4, 2), "f4"))),
    )
    yield (
        "null.keras",
        archive(weights=with_kernel(lambda g, n: g.create_dataset(n, data=h5py.Empty("f4")))),
    )
    yield (
        "huge_shape.keras",
        archive(
            weights=with_kernel(lambda g, n: g.create_dataset(n, (2**40, 2), "f4", chunks=(2, 2)))
        ),
    )
    yield (
        "many_axes.keras",
        archive(weights=with_kernel(lambda g, n: g.create_dataset(n, data=np.zeros((1,) * 9)))),
    )
    yield (
        "claims_more.keras",
        archive(
            weights=replaced(hdf5(plain), struct.pack("<QQ", 4, 2), struct.pack("<QQ", 400_000, 2))
        ),
    )
    yield (
        "claims_more_names.h5",
        replaced(hdf5(many_names), struct.pack("<Q", 77), struct.pack("<Q", 2**33)),
    )
    empty = with_kernel(lambda g, n: g.create_dataset(n, data=np.zeros((0, 77, 3), "f4")))
    yield (
        "empty_but_huge.keras",
        archive(weights=replaced(empty, struct.pack("<Q", 77), struct.pack("<Q", 2**62))),
    )
    yield "endless_header.keras", archive(weights=endless())
    yield "unpacks_to_more.keras", archive(weights=with_kernel(zeros))
    yield (
        "odd_filter.keras",
        archive(
            weights=with_kernel(lambda g, n: g.create_dataset(n, data=np.arange(8), scaleoffset=0))
        ),
    )
    yield "hdf5_circle.keras", archive(weights=hdf5(circle))
    yield "deep_groups.keras", archive(weights=hdf5(deep_groups))
    yield "zip_bomb.keras", archive("{" + " " * 2**25 + "}", compression=zipfile.ZIP_DEFLATED)
    yield "lying_size.keras", lying(archive(compression=zipfile.ZIP_DEFLATED))
    yield "encrypted.keras", encrypted(good)
    yield "same_member.keras", archive(None, None, ("config.json", "{}"))
    yield "leads_out.keras", archive(None, None, ("../leads_out.txt", "x"))
    yield "absolute.keras", archive(None, None, ("/tmp/absolute.txt", "x"))
    yield "symbolic_link.keras", members(["config.json"], external_attr=0o120777 << 16)


def main():
    import warnings

    warnings.simplefilter("ignore", UserWarning)  # zipfile warns of the duplicate that is meant
    shutil.rmtree(BROKEN, ignore_errors=True)
    (BROKEN / "folder").mkdir(parents=True)
    (BROKEN / "folder" / "notes.txt").write_text("A folder that holds no model.\n")
    (BROKEN / "half_folder").mkdir()
    (BROKEN / "half_folder" / "config.json").write_text(json.dumps(model()))
    for name, content in itertools.chain(files(), broken_arrays.files()):
        (BROKEN / name).write_bytes(content)


if __name__ == "__main__":
    main()
