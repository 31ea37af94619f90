"""SavedModels and checkpoints against the TensorFlow that wrote them; broken ones, their errors."""

import json
import random
import re
import shutil
import struct
import time
import zipfile

import numpy as np
import pytest
from cases import FIXTURES
from hypothesis import given, settings
from hypothesis import strategies as st

import npforward as npf
from npforward import formats
from npforward.errors import (
    BadFile,
    LimitExceeded,
    NpforwardError,
    UnsupportedLayer,
    WeightMismatch,
)
from npforward.formats import object_graph, tensor_bundle, tf_vocabularies
from npforward.formats.protobuf import Message, varint
from npforward.formats.tensor_bundle import Bundle, masked_crc32c
from npforward.limits import Limits
from npforward.verify import difference

PACKED = {f"{p.parent.name}/{p.stem}": p for p in (FIXTURES / "saved_models").glob("*/*.zip")}
BUILT = sorted(name for name in PACKED if not name.endswith(("kinds", "subclassed")))
WHOLE = [name for name in BUILT if name != "tf115/sequence"]  # a checkpoint alone
VERSIONS = {"tf115": "2.2.4-tf", "tf24": "2.4.0", "tf210": "2.10.0", "tf215": "2.15.0"}


def unpacked(name, folder):
    with zipfile.ZipFile(PACKED[name]) as file:
        file.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def genuine(tmp_path_factory):
    """The folder of a fixture; nobody may change what is in it."""
    base, known = tmp_path_factory.mktemp("saved_models"), {}

    def folder(name):
        if name not in known:
            known[name] = unpacked(name, base / name)
        return known[name]

    return folder


def golden(folder):
    with np.load(folder / "golden.npz") as arrays:
        inputs = {k.removeprefix("inputs/"): v for k, v in arrays.items() if k[:7] == "inputs/"}
        return inputs, {k: v for k, v in arrays.items() if k[:7] != "inputs/"}


def check_layers(model, folder):
    inputs, want = golden(folder)
    trace = model.trace(inputs)
    assert set(want) <= set(trace)
    found = {address: difference(trace[address], want[address]) for address in want}
    wrong = {address: d for address, d in found.items() if not d.within}
    assert not wrong, f"first: {next(iter(wrong.items()))} of {list(wrong)}"


# Genuine files.


@pytest.mark.parametrize("name", WHOLE)
def test_every_layer_agrees(name, genuine):
    folder = genuine(name)
    check_layers(npf.load_model(folder / "model"), folder)
    check_layers(npf.load_model(folder / "model" / "saved_model.pb"), folder)


@pytest.mark.parametrize("name", [n for n in BUILT if n not in ("tf210/lookups", "tf215/lookups")])
def test_a_checkpoint_gives_weights_to_an_architecture(name, genuine):
    """`ckpt` is what TensorFlow calls it; there is no such file."""
    folder = genuine(name)
    for checkpoint in "ckpt", "ckpt.index":
        path = folder / "checkpoint" / checkpoint
        check_layers(npf.load_model(folder / "architecture.json", weights=path), folder)


@pytest.mark.parametrize("name", ["tf210/lookups", "tf215/lookups"])
def test_vocabularies_of_constants_are_not_in_a_checkpoint(name, genuine):
    folder = genuine(name)
    model = npf.load_model(folder / "architecture.json", weights=folder / "checkpoint" / "ckpt")
    with pytest.raises(BadFile, match=r"layer 'vector' .* the file has no vocabulary for it"):
        model.trace(golden(folder)[0])
    model = npf.load_model(folder / "architecture.json", weights=folder / "model")
    check_layers(model, folder)


@pytest.mark.parametrize("name", ["tf24/cnn", "tf210/cnn", "tf215/cnn"])
def test_a_checkpoint_of_a_model_among_other_things(name, genuine):
    """`tf.train.Checkpoint(model=model, optimizer=optimizer)`."""
    folder = genuine(name)
    path = folder / "checkpoint" / "training-1"
    check_layers(npf.load_model(folder / "architecture.json", weights=path), folder)


@pytest.mark.parametrize("name", WHOLE)
def test_a_savedmodel_says_which_keras_wrote_it(name, genuine):
    graph = formats.read(genuine(name) / "model")
    assert graph.source == f"model (Keras {VERSIONS[name.split('/')[0]]})"


@pytest.mark.parametrize("name", ["tf24/cnn", "tf210/cnn", "tf215/cnn"])
def test_arrays_are_listed_without_the_optimizer(name, genuine):
    folder = genuine(name)
    names = ["layer_with_weights-0/bias", "layer_with_weights-0/kernel"]
    names += [f"layer_with_weights-1/{n}" for n in ("beta", "gamma", "moving_mean")]
    names += ["layer_with_weights-1/moving_variance"]
    names += ["layer_with_weights-2/bias", "layer_with_weights-2/kernel"]
    for path in folder / "model", folder / "checkpoint" / "ckpt.index":
        assert list(formats.arrays(path)) == names
    training = formats.arrays(folder / "checkpoint" / "training-1")
    assert list(training) == [f"model/{name}" for name in names]
    stored = formats.arrays(folder / "model")["layer_with_weights-0/kernel"]
    assert (stored.shape, stored.dtype) == ((3, 3, 2, 3), np.float32)
    assert not stored.read().flags.writeable


def test_arrays_are_listed_by_what_leads_to_them(tmp_path):
    """In a SavedModel with traces the keys of deep ones are short: `variables/3`."""
    names = {"layer-0": 1, "variables": 3}
    nodes = [(names, {}), ({"cell": 2}, {}), ({"kernel": 4}, {}), ({"0": 4}, {})]
    path = of_objects(tmp_path, [*nodes, ({}, {"VARIABLE_VALUE": "v"})])
    found = formats.arrays(path)
    assert {name: stored.read().tolist() for name, stored in found.items()} == {
        "layer-0/cell/kernel": [1, 2]
    }


def test_layers_name_their_arrays_by_what_holds_them(genuine):
    graph = formats.read(genuine("tf215/sequence") / "model")
    layers = {layer.name: layer for layer in graph.layers}
    forward = layers["both"].children["forward_layer"]
    assert [stored.name for stored in forward.stored] == [
        f"both/forward_lstm/cell/{name}" for name in ("kernel", "recurrent_kernel", "bias")
    ]
    shared = [stored.name for stored in layers["shared"].stored]
    assert shared == ["each/shared/kernel", "each/shared/bias"]  # where it is met first
    assert layers["each"].children["layer"] is layers["shared"]


def test_variables_by_name_are_listed(genuine):
    """A checkpoint of TensorFlow 1 does not say what is whose."""
    folder = genuine("tf115/sequence")
    found = formats.arrays(folder / "checkpoint" / "named")
    assert len(found) == 25
    assert found["embedding/embeddings"].shape == (9, 4)
    with pytest.raises(BadFile, match=r"arrays \('answer/bias', .* which of them are whose cannot"):
        npf.load_model(folder / "architecture.json", weights=folder / "checkpoint" / "named.index")


def test_every_type_of_number_is_read(genuine):
    folder = genuine("tf215/kinds")
    found = formats.arrays(folder / "kinds" / "all-1")
    with np.load(folder / "golden.npz") as want:
        assert set(found) == set(want)
        for name, stored in found.items():
            values = stored.read()
            assert stored.dtype.name == {"scalar": "float32", "none": "float32"}.get(name, name)
            assert (values.shape, values.dtype) == (stored.shape, stored.dtype)
            np.testing.assert_array_equal(values.astype(want[name].dtype), want[name])
    bundle = Bundle(folder / "kinds" / "all-1.index", Limits())
    assert bundle.strings("words/.ATTRIBUTES/VARIABLE_VALUE") == [b"a", b"", b"b"]
    with pytest.raises(BadFile, match="is of TensorFlow's type 7, expected numbers"):
        bundle.stored("words/.ATTRIBUTES/VARIABLE_VALUE")
    with pytest.raises(BadFile, match="is of TensorFlow's type 1, expected strings"):
        bundle.strings("float32/.ATTRIBUTES/VARIABLE_VALUE")


def test_a_model_of_python_code_is_refused_and_its_arrays_listed(genuine):
    folder = genuine("tf215/subclassed") / "model"
    with pytest.raises(UnsupportedLayer) as caught:
        npf.load_model(folder)
    assert str(caught.value) == (
        f"{folder}: the model in this SavedModel is a Subclassed: how its layers are connected is "
        "said only by compiled functions of TensorFlow, which npforward does not run. It has 2 "
        "arrays ('dense/bias', 'dense/kernel'), which `npforward weights` lists. If it is a Keras "
        "model, save it again with model.save(), or give its architecture: "
        "load_model('architecture.json', weights='model')."
    )
    assert {k: v.shape for k, v in formats.arrays(folder).items()} == {
        "dense/bias": (2,),
        "dense/kernel": (3, 2),
    }


def test_a_checkpoint_alone_has_no_layers(genuine):
    path = genuine("tf215/cnn") / "checkpoint" / "ckpt.index"
    with pytest.raises(BadFile, match=r"weights only \(8 arrays: layer_with_weights-0/bias .3,"):
        npf.load_model(path)


def test_weights_of_another_model_are_refused(genuine):
    with pytest.raises(WeightMismatch, match="has no layer for 'layer-"):
        npf.load_model(
            genuine("tf215/cnn") / "architecture.json",
            weights=genuine("tf215/sequence") / "checkpoint" / "ckpt",
        )


# Files made by hand.


def number(value):
    """A varint."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(n, value):
    """One field of a message: a number or bytes."""
    if isinstance(value, int):
        return number(n << 3) + number(value % 2**64)
    value = value.encode() if isinstance(value, str) else value
    return number(n << 3 | 2) + number(len(value)) + value


def blocked(items):
    """A block of a table, no key of which is shortened."""
    body = b"".join(number(0) + number(len(k)) + number(len(v)) + k + v for k, v in items)
    return body + struct.pack("<II", 0, 1)


def with_trailer(block, compression=0):
    return block + bytes([compression]) + struct.pack("<I", masked_crc32c(block + b"\0"[:1]))


def table(items, compression=0):
    """A whole table of one block."""
    block = blocked(items)
    trailer = bytes([compression])
    out = block + trailer + struct.pack("<I", masked_crc32c(block + trailer))
    handle = number(0) + number(len(block))
    index = blocked([(b"~", handle)])
    place = number(len(out)) + number(len(index))
    out += index + b"\0" + struct.pack("<I", masked_crc32c(index + b"\0"))
    footer = number(0) + number(0) + place
    return out + footer + bytes(40 - len(footer)) + tensor_bundle.MAGIC


HEADER = (b"", field(1, 1))


def entry(kind=1, shape=(2,), shard=0, offset=0, size=8, more=b""):
    dims = b"".join(field(2, field(1, n)) for n in shape)
    fields = field(1, kind) + field(2, dims) + field(3, shard)
    return fields + field(4, offset) + field(5, size) + more


def checkpoint(folder, items, values=bytes(16)):
    """A checkpoint of these entries and bytes."""
    folder.mkdir(exist_ok=True)
    (folder / "ckpt.index").write_bytes(table([HEADER, *items]))
    (folder / "ckpt.data-00000-of-00001").write_bytes(values)
    return folder / "ckpt.index"


def of_objects(folder, nodes):
    """A checkpoint that has one variable `v`, and these objects: children and keys of each."""
    graph = b"".join(
        field(
            1,
            b"".join(field(1, field(1, n) + field(2, name)) for name, n in children.items())
            + b"".join(field(2, field(1, name) + field(3, key)) for name, key in keys.items()),
        )
        for children, keys in nodes
    )
    strings = number(len(graph)) + bytes(4) + graph
    described = entry(7, (), offset=8, size=len(strings))
    items = [(object_graph.GRAPH.encode(), described), (b"v", entry())]
    return checkpoint(folder, items, struct.pack("<2f", 1, 2) + strings)


def test_a_table_written_by_hand_is_read(tmp_path):
    path = checkpoint(tmp_path, [(b"v", entry())], struct.pack("<2f", 1, 2) + bytes(8))
    assert formats.arrays(path)["v"].read().tolist() == [1, 2]


BAD_ENTRIES = {
    "outside its shard": (
        entry(offset=12),
        "'v' ends 4 bytes after the end of ckpt.data-00000-of-00001. It is truncated, or belongs "
        "to another index",
    ),
    "far outside": (entry(offset=2**62), "bytes after the end of ckpt.data-00000-of-00001"),
    "other size": (
        entry(size=12),
        "'v' has shape (2,) and type float32, which take 8 bytes, but 12 are stored",
    ),
    "no such shard": (entry(shard=1), "'v' lies in shard 1 of 1: there is none"),
    "below zero": (entry(shape=(-2,)), "'v' has shape (-2,) and lies at 0 of shard 0, 8 bytes"),
    "before the start": (entry(offset=-1), "lies at -1 of shard 0"),
    "in parts": (
        entry(size=0, more=field(7, b"") + field(7, b"")),
        "'v' is kept in 2 parts (a partitioned variable)",
    ),
    "garbage": (b"\x12\xff", "'v': ends within a number"),
    "endless number": (b"\x08" + b"\xff" * 10, "'v': has a number of more than ten bytes"),
    "ends early": (b"\x12\x05ab", "'v': ends 3 bytes before a field of it does"),
    "a group": (b"\x0b", "'v': has a field of wire type 3, which TensorFlow does not write"),
    "field 0": (b"\x00\x00", "'v': has a field without a number"),
    "number for bytes": (field(2, 7), "'v': field 2 of a message is not bytes"),
    "bytes for a number": (field(1, "x"), "'v': field 1 of a message is not a number"),
    "number for messages": (field(2, field(2, 1)), "'v': field 2 of a message is not messages"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_ENTRIES)
def test_an_entry_that_cannot_be(fault, tmp_path):
    described, words = BAD_ENTRIES[fault]
    path = checkpoint(tmp_path, [(b"v", described)])
    with pytest.raises(BadFile, match=re.escape(words)) as caught:
        formats.arrays(path)
    assert str(caught.value).startswith(f"{path}: 'v'")


@pytest.mark.parametrize(
    ("limits", "described", "words"),
    [
        (Limits(), entry(shape=(1,) * 9), "9 exceeds the limit rank = 8"),
        (Limits(), entry(shape=(2**20, 2**20)), "exceeds the limit tensor_elements"),
        (Limits(), entry(shape=(0, 2**62), size=0), "exceeds the limit tensor_elements"),
        (Limits(), entry(shape=(2**30,), size=2**62), "exceeds the limit weights_bytes"),
        (Limits(weights_bytes=4), entry(), "8 exceeds the limit weights_bytes = 4"),
        (Limits(attribute_bytes=50), entry(), "exceeds the limit attribute_bytes = 50"),
        (Limits(protobuf_fields=4), entry(), "5 exceeds the limit protobuf_fields = 4"),
    ],
)
def test_a_checkpoint_asks_for_too_much(limits, described, words, tmp_path):
    with pytest.raises(LimitExceeded, match=re.escape(words)):
        formats.arrays(checkpoint(tmp_path, [(b"v", described)]), limits)


def test_texts_that_do_not_fit_their_bytes(tmp_path):
    path = checkpoint(tmp_path, [(b"v", entry(7, (1,), size=8))], b"\x40" + bytes(15))
    bundle = Bundle(path, Limits())
    with pytest.raises(BadFile, match=r"'v' holds strings of 64 bytes in 8. The file is damaged"):
        bundle.strings("v")


def test_keys_in_another_order_or_twice(tmp_path):
    for keys in ((b"w", b"v"), (b"v", b"v")):
        path = checkpoint(tmp_path, [(key, entry()) for key in keys])
        with pytest.raises(BadFile, match=f"'v' comes after '{keys[0].decode()}', which is not"):
            formats.arrays(path)


def test_a_table_without_a_header(tmp_path):
    path = checkpoint(tmp_path, [])
    path.write_bytes(table([(b"v", entry())]))
    with pytest.raises(BadFile, match="has no header, with which TensorFlow begins the index"):
        formats.arrays(path)
    path.write_bytes(table([(b"", field(1, 1) + field(2, 1)), (b"v", entry())]))
    with pytest.raises(BadFile, match="written by a big-endian machine"):
        formats.arrays(path)


def test_a_compressed_table(tmp_path):
    path = checkpoint(tmp_path, [])
    path.write_bytes(table([HEADER], compression=1))
    with pytest.raises(BadFile, match=r"is compressed \(Snappy\), as TensorFlow's own checkpoints"):
        formats.arrays(path)


def test_a_block_that_stands_twice(tmp_path):
    """Keys without end in a small file."""
    block = blocked([HEADER])
    whole = block + b"\0" + struct.pack("<I", masked_crc32c(block + b"\0"))
    handle = number(0) + number(len(block))
    index = blocked([(bytes([97 + i]), handle) for i in range(20)])
    footer = number(0) + number(0) + number(len(whole)) + number(len(index))
    whole += index + b"\0" + struct.pack("<I", masked_crc32c(index + b"\0"))
    path = checkpoint(tmp_path, [])
    path.write_bytes(whole + footer + bytes(40 - len(footer)) + tensor_bundle.MAGIC)
    with pytest.raises(BadFile, match=r"which is not the order of a table|a block stands twice"):
        formats.arrays(path)


@pytest.fixture
def copy(tmp_path):
    """A folder of a genuine model that may be changed."""
    return lambda name="tf215/cnn": unpacked(name, tmp_path / "copy")


def test_a_truncated_index(copy):
    folder = copy()
    index = folder / "checkpoint" / "ckpt.index"
    index.write_bytes(index.read_bytes()[:-9])
    with pytest.raises(BadFile, match=r"ckpt.index: of no known format"):
        npf.load_model(folder / "architecture.json", weights=index)
    index = folder / "model" / "variables" / "variables.index"
    index.write_bytes(index.read_bytes()[:-9])
    with pytest.raises(BadFile, match=r"variables.index: not the index of a TensorFlow checkpoint"):
        npf.load_model(folder / "model")


def test_a_changed_byte_of_the_index(copy):
    folder = copy()
    index = folder / "model" / "variables" / "variables.index"
    data = bytearray(index.read_bytes())
    data[100] ^= 1
    index.write_bytes(data)
    with pytest.raises(BadFile, match=r"the checksum of the block at 0 is wrong. Copy it again"):
        npf.load_model(folder / "model")


def test_a_shard_that_is_missing_short_or_a_link(copy, tmp_path):
    folder = copy()
    shard = folder / "model" / "variables" / "variables.data-00000-of-00001"
    data = shard.read_bytes()
    shard.write_bytes(data[:-100])
    with pytest.raises(BadFile, match=r"ends .* bytes after the end of variables.data-00000-of-0"):
        npf.load_model(folder / "model")
    shard.unlink()
    missing = "variables.data-00000-of-00001, which holds the values, is not beside it"
    with pytest.raises(BadFile, match=missing):
        npf.load_model(folder / "model")
    (tmp_path / "elsewhere").write_bytes(data)
    shard.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadFile, match=missing):
        npf.load_model(folder / "model")


@pytest.mark.parametrize("member", ["variables/variables.index", "saved_model.pb"])
def test_a_folder_that_lacks_a_file(member, copy, tmp_path):
    folder = copy("tf24/cnn") / "model"
    shutil.move(folder / member, tmp_path / "elsewhere")
    folder.joinpath("keras_metadata.pb").touch() if member == "saved_model.pb" else None
    with pytest.raises(BadFile, match=f"this SavedModel has no {member}|the file is empty"):
        npf.load_model(folder)
    (folder / member).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadFile, match=f"this SavedModel has no {member}|the file is empty"):
        npf.load_model(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not a protocol buffer", "saved_model.pb: "),
        (field(1, 1), "saved_model.pb has no graph. It is truncated, or something else"),
        (field(2, b""), "the model in this SavedModel is not one of Keras's own"),
    ],
)
def test_a_saved_model_that_is_none(content, words, copy):
    folder = copy("tf24/cnn") / "model"
    (folder / "saved_model.pb").write_bytes(content)
    with pytest.raises(NpforwardError, match=re.escape(words)):
        npf.load_model(folder)


def metadata(text):
    return field(1, field(3, "root") + field(5, text))


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("{", BadFile, "what it says of the model: not the JSON that Keras writes"),
        ("[]", BadFile, "what it says of the model is list, expected an object with a config"),
        ("[" * 100, LimitExceeded, "exceeds the limit depth"),
        ("{}", UnsupportedLayer, "the model in this SavedModel is not one of Keras's own"),
        ('{"class_name": "Sequential", "config": 3}', UnsupportedLayer, "is a Sequential"),
        (
            '{"class_name": "Sequential", "config": {"layers": [1]}, "keras_version": "2.15.0"}',
            BadFile,
            "layer 0 of the model is 1, expected an object",
        ),
        (
            '{"class_name": "Sequential", "config": {"layers": []}, "keras_version": "x"}',
            BadFile,
            "keras_version is 'x', expected a version",
        ),
    ],
)
def test_metadata_that_is_none_of_keras(text, error, words, copy):
    folder = copy() / "model"
    (folder / "keras_metadata.pb").write_bytes(metadata(text))
    with pytest.raises(error, match=re.escape(words)):
        npf.load_model(folder)


def dense(units=1):
    layer = {"class_name": "Dense", "config": {"name": "d", "units": units, "use_bias": False}}
    layer["config"]["batch_input_shape"] = [None, 2]
    return {
        "class_name": "Sequential",
        "config": {"name": "m", "layers": [layer]},
        "keras_version": "2.4.0",
    }


@pytest.fixture
def with_objects(tmp_path):
    """A model of one Dense layer whose weights are in a checkpoint of these objects."""
    (tmp_path / "m.json").write_text(json.dumps(dense()))

    def read(nodes, limits=None):
        weights = of_objects(tmp_path, nodes)
        return npf.load_model(tmp_path / "m.json", weights=weights, limits=limits)

    return read


KERNEL = ({}, {"VARIABLE_VALUE": "v"})


def test_objects_that_hold_each_other(with_objects):
    """The way to a variable is found once; the shape (2,) is not a kernel's."""
    around = [({"layer-0": 1, "itself": 0}, {}), ({"up": 0, "me": 1, "kernel": 2}, {}), KERNEL]
    with pytest.raises(WeightMismatch, match=r"but the file stores \(2,\) \(d/kernel\)"):
        with_objects(around).predict(np.ones((1, 2), "float32"))


@pytest.mark.parametrize(
    ("nodes", "error", "words"),
    [
        (
            [({"layer-0": 9}, {})],
            BadFile,
            "attribute 'layer-0' of object 0 is object 9, but there are 1",
        ),
        (
            [({"layer-0": 1}, {}), ({"kernel": 2}, {}), ({}, {"VARIABLE_VALUE": "w"})],
            BadFile,
            "has no array 'w' for 'd/kernel'",
        ),
        (
            [({"layer-0": 1, "layer-1": 2}, {}), ({"kernel": 3}, {}), ({}, {}), KERNEL],
            WeightMismatch,
            "the architecture has no layer for 'layer-0/kernel'",
        ),
        (
            [({"layer-0": 1}, {}), ({}, {})],
            WeightMismatch,
            "needs 1 arrays (kernel) but the file has none for it",
        ),
        (
            [({"a": 1, "b": 2}, {}), ({"layer-0": 3}, {}), ({"layer-0": 3}, {}), ({}, {})],
            BadFile,
            "its arrays ('v') are not those of a Keras model alone",
        ),
    ],
)
def test_objects_that_cannot_be(nodes, error, words, with_objects):
    with pytest.raises(error, match=re.escape(words)):
        with_objects(nodes).predict(np.ones((1, 2), "float32"))


def test_objects_without_end(with_objects):
    chain = [({"layer-0": 1}, {}), *(({"x": i + 1}, {}) for i in range(1, 200)), ({}, {})]
    with pytest.raises(LimitExceeded, match="objects in objects: 65 exceeds the limit depth = 64"):
        with_objects(chain)
    everyone = {f"x{i}": i for i in range(40)}
    with pytest.raises(LimitExceeded, match=r"references between objects: .* the limit edges"):
        with_objects([({"layer-0": 1, **everyone}, {})] * 40, Limits(edges=2000))


# Vocabularies.


def test_vocabularies_in_tables_constants_and_assets(genuine):
    for version, listed in (("tf24", ["", "[UNK]", "u", "v"]), ("tf215", ["u", "v"])):
        graph = formats.read(genuine(f"{version}/lookups") / "model")
        known = {layer.name: layer.config.get("vocabulary") for layer in graph.layers}
        assert known["listed"] == listed
        special = [] if version == "tf215" else ["", "[UNK]"]
        assert known["vector"] == [*special, "b", "c", "a"]
        assert known["filed"] == [*special, "w", "u"]


def test_an_asset_is_taken_from_the_folder_alone(copy, tmp_path):
    folder = copy("tf215/lookups") / "model"
    (asset,) = (folder / "assets").iterdir()
    (tmp_path / "secret").write_text("w\nu\n")
    asset.unlink()
    missing = "a vocabulary is in assets/words.txt, which this SavedModel does not have"
    with pytest.raises(BadFile, match=missing):
        npf.load_model(folder)
    asset.symlink_to(tmp_path / "secret")
    with pytest.raises(BadFile, match=missing):
        npf.load_model(folder)
    graph = (folder / "saved_model.pb").read_bytes()
    name = b"../../secret"
    assert graph.count(field(2, "words.txt")) == 1
    assert len(name) > len("words.txt")
    patched = graph.replace(field(2, "words.txt"), field(2, b"../x/y/z."))
    (folder / "saved_model.pb").write_bytes(patched)
    with pytest.raises(BadFile, match=re.escape("a vocabulary is in assets/../x/y/z., which")):
        npf.load_model(folder)


@pytest.mark.parametrize(
    ("keys", "values", "words"),
    [
        ([b"a", b"b"], [1, 1], "a vocabulary of 2 tokens has 1 indices for them"),
        ([b"a"], [1, 2], "a vocabulary of 1 tokens has 2 indices for them"),
        ([b"a"], [b"b"], "a vocabulary of 1 tokens has 1 indices for them"),
        ([b"\xff"], [1], r"has the token b'\xff', which is not UTF-8 text"),
    ],
)
def test_tables_that_are_no_vocabulary(keys, values, words):
    with pytest.raises(BadFile, match=re.escape(words)):
        tf_vocabularies.in_order(keys, values, "table")


# Any bytes at all.


def quietly(*paths):
    """Load what may be broken: in little time, and with no error but our own."""
    started = time.monotonic()
    try:
        model = npf.load_model(*paths)
        model.summary()
        dict(model.weights)
    except NpforwardError:
        pass
    finally:
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("name", ["tf24/lookups", "tf210/lookups", "tf215/cnn", "tf24/sequence"])
def test_changed_bytes(name, copy):
    folder, rng = copy(name) / "model", random.Random(name)
    members = [path for path in folder.rglob("*") if path.is_file()]
    for member in members:
        data = member.read_bytes()
        for _ in range(25):
            changed = bytearray(data)
            for _ in range(rng.choice((1, 1, 4, 40))):
                changed[rng.randrange(len(changed))] = rng.choice((0, 1, 127, 128, 255))
            del changed[rng.choice((len(changed), rng.randrange(len(changed)))) :]
            member.write_bytes(changed)
            quietly(folder)
        member.write_bytes(data)


def test_changed_bytes_beneath_right_checksums(copy):
    """Entries of the index, and the description of the objects, which no checksum guards."""
    folder, rng = copy("tf24/lookups"), random.Random(1)
    index = folder / "model" / "variables" / "variables.index"
    items = [
        (key, bytes(value))
        for key, value in tensor_bundle.table(memoryview(index.read_bytes()), "x", Limits())
    ]
    for _ in range(150):
        changed = [(key, bytearray(value)) for key, value in items]
        for _ in range(rng.choice((1, 2, 5))):
            _, value = rng.choice(changed)
            if value:
                value[rng.randrange(len(value))] = rng.choice((0, 1, 127, 128, 255))
        index.write_bytes(table([(key, bytes(value)) for key, value in changed]))
        quietly(folder / "model")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_an_error(data):
    try:
        message = Message(data, "a.pb", Limits())
        for n in range(1, 5):
            for ask in message.integer, message.text, message.integers:
                try:
                    ask(n)
                except BadFile:
                    continue
    except BadFile as error:
        assert str(error).startswith("a.pb: ")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**64 - 1))
def test_numbers_are_read_as_written(value):
    data = memoryview(number(value))
    assert varint(data, 0, "x") == (value, len(data))


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.binary(min_size=1, max_size=30), st.binary(max_size=30)))
def test_tables_are_read_as_written(items):
    written = sorted({b"": b"h", **items}.items())
    found = tensor_bundle.table(memoryview(table(written)), "x", Limits())
    assert [(key, bytes(value)) for key, value in found] == written
