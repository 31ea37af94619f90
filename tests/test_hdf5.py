"""HDF5: pyfive and h5py say the same of every genuine file; h5py alone is kept at a distance."""

import io
import os
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
from fuzz.mutations import bytes_changed

import npforward as npf
from npforward.errors import BadFile, LimitExceeded, NpforwardError, WeightMismatch
from npforward.formats import hdf5, hdf5_library
from npforward.limits import Limits

FIXTURES = Path(__file__).parents[1] / "weights_fixtures"
VALUES = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")


def contents():
    """Every HDF5 file among the fixtures, by its path, those inside archives included."""
    for path in sorted(FIXTURES.rglob("*")):
        if "broken" in path.parts or not path.is_file():
            continue
        where = path.relative_to(FIXTURES).as_posix()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith(".h5"):
                        yield f"{where}:{name}", archive.read(name)
        elif path.read_bytes()[:8] == hdf5.SIGNATURE:
            yield where, path.read_bytes()


GENUINE = dict(contents())


def opened(content, limits=None):
    return hdf5.File(memoryview(content), "made.h5", limits or Limits())


def written(write, **options):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        write(file)
    return buffer.getvalue()


def plain(value):
    """An attribute as npforward gives it."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray) and value.dtype.kind in "OSU":
        return [plain(item) for item in value.reshape(-1).tolist()]
    return value


# What both can read.


@pytest.mark.parametrize("where", GENUINE)
def test_pyfive_and_h5py_read_the_same(where):
    file = opened(GENUINE[where])
    with h5py.File(io.BytesIO(GENUINE[where])) as genuine:
        paths = [""]
        genuine.visit(paths.append)
        for path in paths:
            of_h5py = genuine[path or "/"]
            is_group = isinstance(of_h5py, h5py.Group)
            assert file.names(path) == (list(of_h5py) if is_group else [])
            attributes = file.attributes(path)
            assert attributes.keys() == set(of_h5py.attrs)
            for name, value in of_h5py.attrs.items():
                np.testing.assert_array_equal(attributes[name], plain(value))
            if not is_group:
                mine, values = file.stored(path), of_h5py[()]
                assert mine.shape == mine.read().shape == values.shape
                assert mine.dtype == mine.read().dtype
                bfloat16 = values.dtype == "V2"
                assert mine.dtype == (ml_dtypes.bfloat16 if bfloat16 else values.dtype)
                np.testing.assert_array_equal(mine.read().view(values.dtype), values)


@pytest.mark.parametrize("where", [w for w in GENUINE if len(GENUINE[w]) < 60_000])
def test_the_process_that_runs_h5py_says_the_same(where):
    file, library = (
        opened(GENUINE[where]),
        hdf5_library.Library(memoryview(GENUINE[where]), where, Limits()),
    )
    assert library.members("") == file.names()
    for path, mine in file.arrays().items():
        other = library.array(path)
        assert (mine.name, mine.shape, mine.dtype) == (other.name, other.shape, other.dtype)
        np.testing.assert_array_equal(mine.read(), other.read())
        above = path.rpartition("/")[0]
        texts = {
            name: value
            for name, value in file.attributes(above).items()
            if isinstance(value, (str, list))
        }
        assert texts.items() <= library.attributes(above).items()


# What only h5py can.


def dataset(**options):
    return lambda file: file.create_dataset("a/x", data=VALUES, **options)


def low_level(kind=h5py.h5t.IEEE_F32LE, prepare=None):
    """A dataset as h5py's usual interface does not make one."""

    def write(file):
        created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if prepare:
            prepare(created)
        space = h5py.h5s.create_simple(VALUES.shape)
        made = h5py.h5d.create(file.create_group("a").id, b"x", kind, space, created)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, VALUES)

    return write


def nbit(created):
    created.set_chunk((4, 3))
    created.set_filter(h5py.h5z.FILTER_NBIT)


def gzip_twice(created):
    created.set_chunk((4, 3))
    created.set_deflate(1)
    created.set_deflate(9)


def early(created):
    created.set_chunk((4, 3))
    created.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)


def brain_float():
    kind = h5py.h5t.IEEE_F16LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_ebias(127)
    return kind


def narrow_integer():
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_precision(17)
    return kind


def small_sizes(path):
    created = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    created.set_sizes(4, 4)
    with h5py.File(h5py.h5f.create(str(path).encode(), h5py.h5f.ACC_TRUNC, created)) as file:
        dataset()(file)
        file["a"].attrs["names"], file["a"].attrs["none"] = ["ü", "b"], np.array([])


MODERN = {"libver": ("v110", "latest")}
ONLY_H5PY = {
    "user block": written(dataset(), userblock_size=1024),
    "one chunk": written(dataset(chunks=(8, 6)), **MODERN),
    "one chunk, gzip": written(dataset(chunks=(8, 6), compression="gzip"), **MODERN),
    "fixed array of chunks": written(dataset(chunks=(3, 4)), **MODERN),
    "extensible array of chunks": written(dataset(chunks=(3, 4), maxshape=(None, 6)), **MODERN),
    "tree of chunks": written(dataset(chunks=(3, 4), maxshape=(None, None)), **MODERN),
    "implicit chunks": written(low_level(prepare=early), **MODERN),
    "libver latest": written(dataset(chunks=(3, 4), compression="gzip"), libver="latest"),
    "scaleoffset": written(
        lambda file: file.create_dataset("a/x", data=(VALUES * 9).astype("i4"), scaleoffset=0)
    ),
    "nbit": written(low_level(prepare=nbit)),
    "gzip twice": written(low_level(prepare=gzip_twice)),
    "brain float": written(low_level(brain_float())),
    "narrow integer": written(low_level(narrow_integer())),
    "szip": written(dataset(compression="szip", chunks=(4, 6))),
}


@pytest.mark.parametrize("kind", ONLY_H5PY)
def test_what_only_h5py_reads(kind):
    file = opened(ONLY_H5PY[kind])
    with h5py.File(io.BytesIO(ONLY_H5PY[kind])) as genuine:
        want = genuine["a/x"][()]
    assert file.names() == ["a"]
    assert file.names("a/x") == []
    assert list(file.arrays()) == ["a/x"]
    stored = file.stored("a/x")
    assert (stored.shape, stored.dtype) == (want.shape, want.dtype)
    np.testing.assert_array_equal(stored.read(), want)
    assert not stored.read().flags.writeable


def test_a_file_of_which_pyfive_reads_nothing(tmp_path):
    small_sizes(tmp_path / "small.h5")
    file = hdf5.File.open(tmp_path / "small.h5", Limits())
    assert file.texts("a", "names") == ["ü", "b"]
    assert file.texts("a", "none") == []
    assert "a/x" in file
    np.testing.assert_array_equal(file.stored("a/x").read(), VALUES)
    with pytest.raises(BadFile, match=r"there is no 'a/y' in this HDF5 file"):
        file.stored("a/y")
    with pytest.raises(BadFile, match=r"'a' is a group, expected an array"):
        file.stored("a")


def test_a_model_behind_a_user_block(tmp_path):
    """As `h5jam` puts one there."""
    path = tmp_path / "model.h5"
    with (
        h5py.File(FIXTURES / "files" / "sequential.h5") as source,
        h5py.File(path, "w", userblock_size=512) as target,
    ):
        target.attrs.update(source.attrs)
        source.copy("model_weights", target)
    path.write_bytes(b"#!/bin/sh\n".ljust(512) + path.read_bytes()[512:])
    x = np.ones((1, 6, 6, 1), "float32")
    genuine = npf.load_model(FIXTURES / "files" / "sequential.h5")
    np.testing.assert_array_equal(npf.load_model(path).predict(x), genuine.predict(x))


# What neither may.


def virtual(group, name):
    layout = h5py.VirtualLayout((8, 6), "f4")
    layout[...] = h5py.VirtualSource("other.h5", "x", (8, 6))
    group.create_virtual_dataset(name, layout)


REFUSED = {
    "ExternalLink": lambda g: g.__setitem__("x", h5py.ExternalLink("other.h5", "/x")),
    "SoftLink": lambda g: g.__setitem__("x", h5py.SoftLink("/y")),
    "external storage": lambda g: g.create_dataset("x", (8, 6), "f4", external=[("o", 0, 192)]),
    "virtual dataset": lambda g: virtual(g, "x"),
    "not stored": lambda g: g.create_dataset("x", (8, 6), "f4"),
    "holds values of type": lambda g: g.create_dataset("x", data=["a", "b"]),
    "null dataspace": lambda g: g.create_dataset("x", data=h5py.Empty("f4")),
    "is a group": lambda g: g.create_group("x"),
    "there is no": lambda g: None,
}


@pytest.mark.parametrize("words", REFUSED)
def test_the_process_refuses_what_npforward_refuses(words):
    def write(file):
        file["y"] = VALUES
        REFUSED[words](file.create_group("a"))

    library = hdf5_library.Library(memoryview(written(write)), "made.h5", Limits())
    with pytest.raises(BadFile, match=rf"made\.h5: .*{words}"):
        library.array("a/x")


@pytest.mark.parametrize("name", ["external_link.h5", "soft_link.h5", "soft_link_above.h5",
                                  "truncated.h5", "virtual.keras", "external_storage.keras",
                                  "truncated_values.keras", "references.keras"])  # fmt: skip
def test_no_process_is_started_for_what_is_damaged_or_refused(name, monkeypatch):
    from npforward import formats

    monkeypatch.setattr(hdf5_library.Process, "ask", lambda *_: pytest.fail("it was asked"))
    with pytest.raises(BadFile):
        formats.read(FIXTURES / "broken" / name)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource limits")
def test_the_process_can_open_no_file_even_if_asked_to(tmp_path):
    """The lock behind the checks: with the checks taken out, external storage cannot be read."""
    (tmp_path / "secret").write_bytes(VALUES.tobytes())

    def write(file):
        file.create_dataset("x", (8, 6), "f4", external=[(str(tmp_path / "secret"), 0, 192)])

    code = f"""
import sys, os
sys.path.insert(0, {str(Path(hdf5_library.__file__).parent)!r})
import hdf5_child
content = open({str(tmp_path / "made.h5")!r}, "rb").read()
hdf5_child.warmed_up()
if sys.argv[1] == "locked":
    hdf5_child.restrict(2**33)
print(hdf5_child.Reader(content).file["x"][0, 0])
"""
    (tmp_path / "made.h5").write_bytes(written(write))
    free, locked = (
        subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True)
        for how in ("free", "locked")
    )
    assert float(free.stdout) == VALUES[0, 0]
    assert locked.stdout == ""
    assert "unable to open external raw data file" in locked.stderr


# What becomes of the process.


def test_one_process_for_all_files():
    seen = set()
    for kind in list(ONLY_H5PY) * 2:
        opened(ONLY_H5PY[kind]).stored("a/x").read()
        seen.add(hdf5_library.the_process(os.getpid()).pid)
    assert len(seen) == 1


def test_no_values_are_read_that_do_not_fit(monkeypatch):
    """The shape is compared with what the layer needs before the library is asked for values."""
    asked = []
    ask = hdf5_library.Process.ask

    def noted(self, library, question, into):
        asked.append(question[0])
        return ask(self, library, question, into)

    monkeypatch.setattr(hdf5_library.Process, "ask", noted)
    model = npf.load_model(FIXTURES / "broken" / "odd_filter.keras")
    with pytest.raises(WeightMismatch, match=r"but the file stores \(8,\)"):
        model.trace(np.ones((1, 4), "float32"))
    assert set(asked) == {"array"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
def test_a_fork_has_a_process_of_its_own():
    code = f"""
import os
from npforward.formats import hdf5, hdf5_library
from npforward.limits import Limits
def pid():
    hdf5.File.open(path, Limits()).names()
    return hdf5_library.the_process(os.getpid()).pid
from pathlib import Path
path = Path({str(FIXTURES / "files" / "sequential.repacked.h5")!r})
mine = pid()
forked = os.fork()
if not forked:
    assert pid() != mine
    raise SystemExit
assert os.waitpid(forked, 0)[1] == 0
assert pid() == mine
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_it_ends_with_the_process_that_started_it():
    code = f"""
import os
import npforward as npf
from npforward.formats import hdf5_library
npf.load_model({str(FIXTURES / "files" / "sequential.repacked.h5")!r})
print(hdf5_library.the_process(os.getpid()).pid)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with pytest.raises(OSError):  # no such process
        os.kill(int(done.stdout), 0)


def test_without_h5py_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(hdf5_library.importlib.util, "find_spec", lambda name: None)
    hdf5_library.the_process(os.getpid()).stop()
    with pytest.raises(BadFile, match=r"only h5py reads.*cannot be started here \(there is no"):
        opened(ONLY_H5PY["user block"])


def test_texts_that_are_none():
    def write(file):
        file.create_group("a").attrs["names"] = np.array([b"\xff\xfe", b"b"])
        file["a/x"] = VALUES

    with pytest.raises(BadFile, match=r"made\.h5: 'a': .*UnicodeDecodeError"):
        opened(written(write, userblock_size=512)).attributes("a")


def test_two_files_at_once_take_turns():
    files = [opened(ONLY_H5PY[kind]).stored("a/x") for kind in ("one chunk", "user block")]
    for stored in files * 3:
        np.testing.assert_array_equal(stored.read(), VALUES)


ENDS = "import sys, os, time, struct\nsys.stdout.buffer.write(struct.pack('<IQ', 2, 0) + b'{}')\n"
ENDS += "sys.stdout.buffer.flush()\nsys.stdin.buffer.read(1)\n"


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("os.abort()", BadFile, "the HDF5 library crashed over this file"),
        ("os._exit(0)", BadFile, "the HDF5 library crashed over this file"),
        ("time.sleep(60)", LimitExceeded, "limit hdf5_library_seconds = 1"),
        ("while True: pass", LimitExceeded, "limit hdf5_library_seconds = 1"),
        ("print('x' * 50, flush=True)", NpforwardError, "made.h5: the HDF5 library"),
    ],
)
def test_a_process_that_dies_is_the_files_fault(code, kind, words, monkeypatch, tmp_path):
    (tmp_path / "child.py").write_text(ENDS + code)
    limits = Limits(hdf5_library_seconds=1)
    started = time.perf_counter()
    with monkeypatch.context() as patch:
        patch.setattr(hdf5_library.hdf5_child, "__file__", str(tmp_path / "child.py"))
        with pytest.raises(kind, match=words):
            opened(ONLY_H5PY["user block"], limits)
    assert time.perf_counter() - started < 8
    np.testing.assert_array_equal(opened(ONLY_H5PY["one chunk"]).stored("a/x").read(), VALUES)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory may be unbounded")
def test_memory_of_the_process_is_bounded():
    def write(file):
        file.create_dataset("x", (2**28,), "f4", chunks=(2**20,), compression="gzip")[0] = 1

    content = written(write, userblock_size=512)
    with pytest.raises(LimitExceeded, match="hdf5_library_bytes"):
        opened(content, Limits(hdf5_library_bytes=900 * 2**20)).stored("x").read()


def test_damaged_files_through_the_library_give_errors_of_ours():
    """Whatever h5py does over them: npforward goes on."""
    seeds = [*ONLY_H5PY.values(), GENUINE["files/reused.h5"]]
    limits = Limits(hdf5_library_seconds=2)
    for number in range(150):
        chance = random.Random(number)
        content = bytes_changed(chance.choice(seeds), chance)
        library = hdf5_library.Library(memoryview(content), "changed.h5", limits)
        try:
            names = [""]
            for name in names:
                library.attributes(name)
                within = library.members(name) or []
                names += [f"{name}/{one}".strip("/") for one in within if name.count("/") < 5][:50]
            for name in names:
                if library.members(name) is None:
                    library.array(name).read()
        except NpforwardError as error:
            assert "changed.h5" in str(error)
