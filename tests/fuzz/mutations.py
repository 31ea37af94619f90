"""Changed copies of a file, changed at the depth at which its format keeps what it says.

Containers are told from their content, as npforward tells them: what is new in `FORMATS` needs
nothing new here.  All chance comes from one `random.Random`: a seed decides, or hypothesis.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
import string
import warnings
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import h5py
import numpy as np

Tree = Any

ODD: list[Tree] = [
    None, True, False, 0, 1, -1, 3, 2**31, 2**70, 1.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "x", "..", "/etc/passwd", "http://localhost:9/x", "\ud800", "a/b", "relu", "linear",
    "float32", "bfloat16", "int8", "string", "same", "channels_first", "InputLayer", "layers",
    [], {}, [[]], [None], [1], [0, 0], [1, "a"], [-1] * 4, [2**40], ["x", 0, 0], {"a": {}},
    {"class_name": "Dense", "config": {}},
    {"class_name": "__keras_tensor__", "config": {}},
    {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}},
    {"class_name": "__slice__", "config": {"start": 1, "stop": None, "step": 0}},
    {"class_name": "__tensor__", "config": {"value": [[1], 2], "dtype": "float32"}},
    {"class_name": "__tensor__", "config": {"value": [1], "dtype": "V9"}},
    {"class_name": "Sequential", "config": {"name": "s", "layers": []}},
    {"class_name": "function", "config": "system", "module": "os", "registered_name": "function"},
    {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA", "defaults": None}},
    {"class_name": "Lambda", "config": {"name": "l", "function": ["4wAA", None, None]}},
    {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}},
    {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8", "source_name": "float32"}},
    {"type": "ndarray", "value": [1, 2]},
]  # fmt: skip


def mutated(content: bytes, chance: Random) -> bytes:
    """The file with one to three changes, in its structure or in its bytes."""
    damaged = False
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        change = next((change for begins, change in KINDS if begins(content)), bytes_changed)
        # The HDF5 library can hang over damaged bytes: they get no further change of structure.
        damaged = damaged or chance.random() < 0.15
        content = (bytes_changed if damaged else change)(content, chance)
    return content


# Bytes and texts.


def bytes_changed(content: bytes, chance: Random) -> bytes:
    """A few bytes changed, words overwritten, or pieces cut out or copied about."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        if not changed:
            return chance.randbytes(4)
        at = chance.randrange(len(changed))
        match chance.randrange(6):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                words = (b"\xff" * 8, bytes(8), chance.randbytes(8), at.to_bytes(8, "little"))
                changed[at : at + 8] = chance.choice(words)
            case 3:
                del changed[at : at + chance.randrange(1, 50)]
            case 4:
                other = chance.randrange(len(changed))
                changed[at : at + 8] = changed[other : other + 8]
            case 5 if chance.random() < 0.1:
                del changed[at:]
    return bytes(changed)


def text_changed(content: bytes, chance: Random) -> bytes:
    """Lines, words or numbers of a text left out, doubled or exchanged."""
    text = content.decode("utf-8")
    cut = "\n" if chance.random() < 0.5 else " "
    parts = text.split(cut)
    at, other = chance.randrange(len(parts)), chance.randrange(len(parts))
    match chance.randrange(5):
        case 0:
            del parts[at]
        case 1:
            parts.insert(other, parts[at])
        case 2:
            parts[at], parts[other] = parts[other], parts[at]
        case 3:
            parts[at] = chance.choice(["0", "-1", "1e999", "nan", "{}", "[", "&a [*a]", "!!x", "'"])
        case 4:
            parts[at] += chance.choice(string.punctuation)
    return cut.join(parts).encode("utf-8")


# Trees: the JSON of a config.


def json_changed(content: bytes, chance: Random) -> bytes:
    return json.dumps(_changed(json.loads(content), chance)).encode()


def tree_changed(tree: Tree, chance: Random) -> Tree:
    """A config with one branch replaced, left out, doubled, exchanged, wrapped or given a sibling.

    A replaced text is mostly another text of the same tree: so names lead to other layers, and
    classes become other classes.
    """
    return _changed(copy.deepcopy(tree), chance)


def _changed(tree: Tree, chance: Random) -> Tree:
    paths = places(tree)[1:]
    if not paths:
        return chance.choice(ODD)
    *above, last = chance.choice(paths)
    parent = at(tree, above)
    old = parent[last]
    match chance.randrange(8):
        case 0 | 1:
            parent[last] = copy.deepcopy(chance.choice(ODD))
        case 2:
            del parent[last]
        case 3 if isinstance(parent, list):
            parent.insert(chance.randrange(len(parent) + 1), copy.deepcopy(old))
        case 3:
            parent[chance.choice(_keys(tree))] = copy.deepcopy(old)
        case 4 | 5:  # one of the same kind from elsewhere
            kin = [path for path in paths if type(at(tree, path)) is type(old)]
            parent[last] = copy.deepcopy(at(tree, chance.choice(kin)))
        case 6:
            parent[last] = copy.deepcopy(at(tree, chance.choice(paths)))
        case 7:
            parent[last] = chance.choice([[old], {"a": old}, str(old), [old, old], _number(old)])
    return tree


def _number(old: Tree) -> Tree:
    """A number changed a little, anything else as it is."""
    return old + 1 if isinstance(old, int) else old * 2 if isinstance(old, float) else old


def _keys(tree: Tree) -> list[str]:
    return sorted({key for path in places(tree) for key in path if isinstance(key, str)}) or ["a"]


def places(tree: Tree) -> list[tuple]:
    """The path to every branch of a tree, the tree itself first."""
    found: list[tuple[tuple, Tree]] = [((), tree)]
    for path, branch in found:  # which grows meanwhile
        if isinstance(branch, dict):
            found += [((*path, key), below) for key, below in branch.items()]
        elif isinstance(branch, list):
            found += [((*path, key), below) for key, below in enumerate(branch)]
    return [path for path, _ in found]


def at(tree: Tree, path: Any) -> Tree:
    """The branch at a path."""
    for key in path:
        tree = tree[key]
    return tree


# Containers.


def zip_changed(content: bytes, chance: Random) -> bytes:
    """One member changed as its own kind allows, left out, doubled or called otherwise."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = [(name, file.read(name)) for name in file.namelist()]
    except Exception:  # an earlier change has damaged it
        return bytes_changed(content, chance)
    if members:
        # The config is what most is said in.
        likely = [n for n, (name, _) in enumerate(members) if name.endswith(".json")]
        number = chance.choice([*range(len(members)), *likely, *likely])
        name, held = members[number]
        match chance.randrange(25):
            case 0:
                del members[number]
            case 1:
                members.append((name, bytes_changed(held, chance)))
            case 2:
                names = ["../x", "/x", "a\\b", "a", name + "/", "config.json", name.upper()]
                members[number] = chance.choice(names), held
            case _:
                members[number] = name, mutated(held, chance)
    buffer = io.BytesIO()
    method = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as file:
        warnings.simplefilter("ignore")  # of the doubled name
        for name, held in members:
            file.writestr(zipfile.ZipInfo(name), held, method)  # of no date: the same each time
    return buffer.getvalue()


def gzip_changed(content: bytes, chance: Random) -> bytes:
    try:
        held = gzip.decompress(content)
    except Exception:  # an earlier change has damaged it
        return bytes_changed(content, chance)
    return gzip.compress(mutated(held, chance), 1)


def hdf5_changed(content: bytes, chance: Random) -> bytes:
    """An attribute changed, or an object left out, linked to, or stored in another way."""
    buffer = io.BytesIO(content)
    try:
        with h5py.File(buffer, "r+") as file:
            paths = [""]
            file.visit(paths.append)
            change = chance.choice(
                (_attribute, _attribute, _attribute, _attribute, _dataset, _link)
            )
            change(file, paths, chance)
    except Exception:  # an earlier change has damaged it, or h5py does not do such a thing
        return bytes_changed(content, chance)
    return buffer.getvalue()


def _attribute(file: h5py.File, paths: list[str], chance: Random) -> None:
    # The config, at the root, is what most is said in.
    path = chance.choice(paths) if chance.random() < 0.3 else ""
    names = list(file[path or "/"].attrs)
    name = chance.choice([*names, *(name for name in names * 9 if "config" in name)])
    attributes = file[path or "/"].attrs
    value = attributes[name]
    value = value.decode() if isinstance(value, bytes) else value
    if isinstance(value, str) and value[:1] in ("{", "["):
        attributes[name] = json_changed(value.encode(), chance).decode()
    elif isinstance(value, np.ndarray) and value.size and chance.random() < 0.8:
        names = value.tolist()
        other = chance.choice([chance.choice(names), "x", "..", "/", "a/b", "x" * 300])
        names[chance.randrange(len(names))] = other
        attributes[name] = [n.decode() if isinstance(n, bytes) else n for n in names]
    else:
        odd = ["x", "3.15.1", "1.2.2", "2.2.4-tf", 5, np.zeros(3), h5py.Empty("f4"), ["a", "b"]]
        attributes[name] = chance.choice(odd)


def _dataset(file: h5py.File, paths: list[str], chance: Random) -> None:
    path = chance.choice([path for path in paths if isinstance(file[path or "/"], h5py.Dataset)])
    values = file[path][()]
    del file[path]
    match chance.randrange(9):
        case 0:
            file[path] = np.zeros(chance.choice([(), (0,), (2,), (3, 0), (1,) * 9]), "f4")
        case 1:
            with np.errstate(all="ignore"):
                kind = chance.choice(["f2", ">f4", "f8", "i1", "i8", "bool", "c8"])
                file[path] = values.astype(kind)
        case 2:
            file[path] = values.T
        case 3:
            options = {"chunks": True, "compression": chance.choice(["gzip", "lzf", "szip"])}
            file.create_dataset(path, data=values, shuffle=chance.random() < 0.5, **options)
        case 4:
            file.create_dataset(path, values.shape, "f4", chunks=chance.choice([True, None]))
        case 5:
            file.create_dataset(path, values.shape, "f4", external=[("/etc/passwd", 0, 1 << 20)])
        case 6:
            layout = h5py.VirtualLayout(values.shape, "f4")
            layout[...] = h5py.VirtualSource("/etc/passwd", "x", values.shape)
            file.create_virtual_dataset(path, layout)
        case 7:
            file[path] = chance.choice(["text", ["a", "b"], np.zeros(2, [("a", "f4")])])
        case 8:
            file.create_group(path)


def _link(file: h5py.File, paths: list[str], chance: Random) -> None:
    path, other = chance.choice(paths[1:]), chance.choice(paths[1:])
    targets = [h5py.SoftLink(f"/{other}"), h5py.ExternalLink("/etc/passwd", "/x"), file[other]]
    target = chance.choice(targets)
    if chance.random() < 0.5:
        del file[path]
    else:
        path = f"{path}/again"
    file[path] = target


# What a content is, the first that fits.


def _is_json(content: bytes) -> bool:
    if content[:1] not in (b"{", b"[", b'"'):
        return False
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _is_text(content: bytes) -> bool:
    try:
        return bool(content.decode("utf-8").strip())
    except UnicodeDecodeError:
        return False


KINDS: list[tuple[Callable[[bytes], bool], Callable[[bytes, Random], bytes]]] = [
    (lambda content: content.startswith(b"PK"), zip_changed),
    (lambda content: content.startswith(b"\x1f\x8b"), gzip_changed),
    (lambda content: content.startswith(b"\x89HDF"), hdf5_changed),
    (_is_json, json_changed),
    (_is_text, text_changed),
]
