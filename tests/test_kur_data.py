"""What a Kurfile's suppliers give, held against genuine Kur, and what they must not read."""

import contextlib
import gzip
import hashlib
import io
import json
import pickle
import re
import shutil
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from cases import FIXTURES
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import npforward as npf
from npforward.cli import main
from npforward.errors import BadFile, LimitExceeded, MissingFile, NpforwardError, UnknownName
from npforward.formats import kur
from npforward.formats.kur import pickled
from npforward.limits import Limits

FOLDER = FIXTURES / "kur_data"
MNIST = FIXTURES / "kur" / "shared_mnist_cnn"
EXPECTED = np.load(FOLDER / "expected.npz")
SETS = sorted({key.partition(":")[0] for key in EXPECTED.files} - {"versions"})


@pytest.fixture(scope="module")
def genuine():
    return kur.read(FOLDER / "Kurfile.yml")


@pytest.mark.parametrize("name", SETS)
def test_every_supplier_gives_what_kur_gives(name, genuine):
    found = kur.data(genuine, name)
    wanted = {key.partition(":")[2] for key in EXPECTED.files if key.startswith(f"{name}:")}
    assert set(found) == wanted - {"sizes"}
    batches = list(found.batches())
    sizes = [len(next(iter(batch.values()))) for batch in batches]
    assert sizes == EXPECTED[f"{name}:sizes"].tolist()
    for source in found:
        want = EXPECTED[f"{name}:{source}"]
        assert found[source].shape == want.shape and found.samples == len(want)
        # The mean of float32 numbers is summed in another order by another numpy.
        np.testing.assert_allclose(found[source], want, rtol=0, atol=3e-7)
        together = np.concatenate([batch[source] for batch in batches])
        np.testing.assert_array_equal(together, found[source])


def test_one_data_set_of_several_is_taken():
    assert set(kur.data(kur.read(FOLDER / "Kurfile.yml"), "validation")) == {"images", "labels"}


def test_mnist_of_the_genuine_model():
    found = kur.data(kur.read(MNIST / "Kurfile.yml"), "evaluate")
    fed = np.load(MNIST / "activations.npz")
    rows = json.loads(str(fed["manifest"]))["batch_rows"]
    np.testing.assert_allclose(found["images"][rows], fed["input:images"], rtol=0, atol=1e-7)
    truth = np.load(MNIST / "evaluate.npz")["truth_labels"]
    np.testing.assert_array_equal(found["labels"], truth)


# By hand.


def made(folder, section, model="model: [{input: x}]", name="Kurfile.yml"):
    """A Kurfile in `folder` whose section `evaluate` says `section`."""
    (folder / name).write_text(f"evaluate: {section}\n{model}\n")
    return kur.read(folder / name)


def supplied(folder, supplier, **limits):
    return kur.data(made(folder, f"{{data: [{supplier}]}}"), limits=Limits(**limits))


@pytest.mark.parametrize(
    ("supplier", "what"),
    [
        ("numpy_dict: /etc/passwd", "not the path of a file below the folder"),
        ("numpy_dict: ../x.npz", "not the path of a file below the folder"),
        ("jsonl: 'a/../../x'", "not the path of a file below the folder"),
        ("csv: 'C:\\x.csv'", "not the path of a file below the folder"),
        ("csv: {url: 'http://x/..', path: .}", "not the path of a file below the folder"),
        ("csv: 'link.csv'", "is a link, which is not followed"),
        ("csv: 'linked/a.csv'", "is a link, which is not followed"),
        ("csv: ''", "not the path of a file below the folder"),
        ("csv: 7", "path is a text, not 7|csv takes path"),
        ("csv: {path: [a]}", r"path is a text, not \['a'\]"),
        ("csv: {path: a.csv, sep: ','}", "csv takes path, url, checksum, format, header: "),
        ("csv: {}", "no path of a file is given"),
        ("csv: {path: a.csv, format: ','}", "format is a mapping of delimiter and quote"),
        ("csv: {path: a.csv, format: {quote: ''}}", "format.quote is one character"),
        ("csv: {path: a.csv, checksum: abc}", "its SHA-256 is [0-9a-f]{64}, but the Kurfile says"),
        ("mnist: {images: a.csv}", "mnist takes labels, images: missing a required argument"),
        ("mnist: {images: {paths: a.csv}, labels: a.csv}", "the key 'paths' is not for a file"),
        ("mnist: {images: a.csv, labels: a.csv}", "a.csv: not an IDX file"),
        ("cifar: {path: a.csv}", "cifar needs parts"),
        ("cifar: {path: a.csv, parts: 1}", "a.csv: not a tar archive"),
        ("speech_recognition: {}", "'speech_recognition' are not made here"),
        ("hdf5: a.h5", "one kind of data is expected.* there is 'hdf5'"),
        ("{csv: a.csv, jsonl: a.csv}", "there is 'csv', 'jsonl'"),
        ("a.csv", "a supplier is a mapping"),
        ("jsonl: a.csv", "a.csv:1: not the JSON"),
        ("csv: {path: a.csv, header: no}", "a.csv:1: could not convert .* has to say `header: no`"),
        ("csv: ragged.csv", "ragged.csv:3: has 1 columns, the rows before it 2"),
        ("csv: empty.csv", "has no rows of numbers"),
        ("jsonl: empty.csv", "empty.csv: is empty"),
    ],
)
def test_what_a_supplier_must_not_or_cannot_read(supplier, what, tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1\n")
    (tmp_path / "empty.csv").write_text("\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    (tmp_path / "linked").symlink_to(tmp_path)
    with pytest.raises(BadFile, match=what) as caught:
        supplied(
            tmp_path, f"{{{supplier}}}" if ":" in supplier and supplier[0] != "{" else supplier
        )
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ("{weights: w}", "names no data in a section 'evaluate'"),
        ("{data: 7}", "evaluate.data is not a list of suppliers"),
        ("{data: {a: 7}}", "evaluate.a.data is not a list|evaluate.*not a list of suppliers"),
        ("{data: [{csv: a.csv, when: no}]}", "no supplier is left of it"),
        ("{data: [{csv: a.csv}], provider: 7}", "a mapping is expected"),
        (
            "{data: [{csv: a.csv}], provider: {force_batch_size: yes}}",
            "there are 1 samples, which make no batch of 32",
        ),
        ("{data: [{csv: a.csv}], provider: {name: mine}}", "the provider 'mine' is unknown"),
        ("{data: [{csv: a.csv}], provider: {batches: 7}}", "the key 'batches' is unknown"),
        ("{data: [{csv: a.csv}], provider: {batch_size: 0}}", "batch_size: a whole number above 0"),
        ("{data: [{csv: a.csv}], provider: {num_batches: x}}", "num_batches: a whole number"),
    ],
)
def test_what_a_section_has_to_say(section, what, tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadFile, match=what):
        kur.data(made(tmp_path, section))


def test_which_sections_there_are_is_said(genuine):
    with pytest.raises(BadFile, match=r"no data in a section 'train'. There are: 'validate', 'tes"):
        kur.data(genuine, "train")
    with pytest.raises(BadFile, match=r"validate.data has no 'csvs'. Did you mean 'csv'"):
        kur.data(genuine, "validate.csvs")
    with pytest.raises(UnknownName, match=r"no data 'image'. Did you mean 'images'"):
        kur.data(genuine, "validate.cifar")["image"]


@pytest.mark.parametrize("path", ["", ", path: data", ", path: data/file.gz"])
def test_nothing_is_downloaded_but_it_is_said_what_goes_where(path, tmp_path):
    content = gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
    digest = hashlib.sha256(content).hexdigest()
    one = f"{{url: 'https://x.org/a/file.gz?b=1'{path}, checksum: {digest}}}"
    supplier = f"{{mnist: {{images: {one}, labels: {one}}}}}"
    place = tmp_path / ("data" if path else "") / "file.gz"
    with pytest.raises(MissingFile) as caught:
        supplied(tmp_path, supplier)
    assert f"there is no file {place}, and nothing is downloaded" in str(caught.value)
    assert f"Get it from https://x.org/a/file.gz?b=1 (SHA-256 {digest})" in str(caught.value)
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(content)
    assert supplied(tmp_path, supplier)["labels"].argmax() == 7


def test_labels_that_are_no_classes(tmp_path):
    npf.write_idx(tmp_path / "x", np.zeros((2, 3, 3), "uint8"))
    for labels in (np.array([1, 10], "u1"), np.array([-1, 1], "i1"), np.ones(2, "f4")):
        npf.write_idx(tmp_path / "y", labels)
        found = supplied(tmp_path, "{mnist: {images: x, labels: y}}")
        assert found["images"].shape == (2, 3, 3, 1)
        with pytest.raises(BadFile, match=r"mnist.labels: a whole number from 0 to 9"):
            found["labels"]
    npf.write_idx(tmp_path / "y", np.zeros(0, "u1"))
    with pytest.raises(BadFile, match=r"y: there is no sample in it: its shape is \(0,\)"):
        supplied(tmp_path, "{mnist: {images: x, labels: y}}")


@pytest.mark.parametrize("supplier", ["numpy_dict", "pickle"])
def test_a_pickled_dict_is_refused_and_its_conversion_told(supplier, tmp_path, monkeypatch):
    arrays = {"images": np.arange(6.0).reshape(3, 2), "labels": np.arange(3)}
    if supplier == "pickle":
        (tmp_path / "d.npy").write_bytes(pickle.dumps(arrays))
    else:
        np.save(tmp_path / "d.npy", arrays, allow_pickle=True)
    with pytest.raises(BadFile, match="reading a pickle can run any program") as caught:
        supplied(tmp_path, f"{{{supplier}: d.npy}}")
    monkeypatch.chdir(tmp_path)
    exec(re.search(r'python -c "(.*?)"', str(caught.value).replace("\\'", "'"))[1], {})
    found = supplied(tmp_path, f"{{{supplier}: d.npy}}")
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    (tmp_path / "d.npy").unlink()
    assert set(supplied(tmp_path, f"{{{supplier}: [d.npz]}}")) == set(arrays)


def test_a_plain_npy_is_no_dict(tmp_path):
    np.save(tmp_path / "d.npy", np.ones(3))
    with pytest.raises(BadFile, match=r"d.npy: .*holds"):
        supplied(tmp_path, "{numpy_dict: d.npy}")
    np.savez(tmp_path / "d.npz", a=np.float32(7))
    with pytest.raises(BadFile, match="'a' is one number, without an axis of samples"):
        supplied(tmp_path, "{numpy_dict: d.npz}")
    with pytest.raises(MissingFile, match=r"there is no file .*e\.npz. Put it there"):
        supplied(tmp_path, "{numpy_dict: e.npz}")


def test_lines_of_json_of_which_one_key_is_no_array(tmp_path):
    lines = [{"x": [1, 2], "words": "a", "long": [1]}, {"x": [3, 4], "words": "b", "long": [1, 2]}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    found = supplied(tmp_path, "{jsonl: a.jsonl}")
    assert found.samples == 2 and found["x"].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(BadFile, match="'words': the value of sample 1 is no array of numbers"):
        found["words"]
    with pytest.raises(BadFile, match=r"'long': the value of sample 2 is of shape \(2,\); shape"):
        found["long"]
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n{"y": 1}\n')
    with pytest.raises(BadFile, match=r"a.jsonl:2: there is no 'x', which the first line has"):
        supplied(tmp_path, "{jsonl: a.jsonl}")
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n[]\n')
    with pytest.raises(BadFile, match=r"a.jsonl:2: a JSON object is expected on each line"):
        supplied(tmp_path, "{jsonl: a.jsonl}")


def test_sources_of_different_lengths_and_shapes(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 2)), y=np.zeros(7))
    np.savez(tmp_path / "b.npz", x=np.zeros((1, 3)))
    assert supplied(tmp_path, "{numpy_dict: a.npz}")["x"].shape == (7, 2)
    with pytest.raises(BadFile, match=r"'x' is supplied twice, with samples of shape \(2,\) and"):
        supplied(tmp_path, "{numpy_dict: a.npz}, {numpy_dict: b.npz}")["x"]


def test_a_table_that_would_take_python_hours_to_guess(tmp_path):
    (tmp_path / "a.csv").write_text('a,b\n"' + "'\" " * 400)
    started = time.perf_counter()
    with pytest.raises(BadFile):
        supplied(tmp_path, "{csv: a.csv}")
    assert time.perf_counter() - started < 5


def test_a_column_alone(tmp_path):
    (tmp_path / "a.csv").write_text("n\n11\n12\n")
    assert supplied(tmp_path, "{csv: a.csv}")["n"].tolist() == [11, 12]


# Pickles, as data.


def python2(labels, data):
    """A batch as Python 2 pickled those of CIFAR-10: its texts are bytes."""
    shape = b"".join(b"M" + n.to_bytes(2, "little") for n in data.shape) + b"\x86"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09("
        b"K\x01"
        + shape
        + b"cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff"
        b"\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + data.nbytes.to_bytes(4, "little")
    )
    return (
        b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05"
        b"(" + b"".join(b"K" + bytes([label]) for label in labels)
        + b"eU\x04dataq\x06" + array + data.tobytes() + b"tbu."
    )  # fmt: skip


def archive(path, batches, packed=True):
    with tarfile.open(path, "w:gz" if packed else "w") as tar:
        for name, content in batches.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("packed", [True, False])
def test_cifar_of_python_2(packed, tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (3, 3072)).astype("uint8")
    content = python2([9, 0, 4], data)
    held = pickle.loads(content, encoding="latin1")
    assert held["labels"] == [9, 0, 4] and (held["data"] == data).all()
    archive(tmp_path / "c", {"data_batch_1": content, "readme.html": b"<"}, packed)
    found = supplied(tmp_path, "{cifar: {path: c, parts: 1}}")
    assert found["labels"].argmax(axis=1).tolist() == [9, 0, 4]
    centred = (data.astype("f") - data.astype("f").mean(axis=0)) / 255
    assert (found["images"][1, 2, 5] == centred[1].reshape(3, 32, 32)[:, 2, 5]).all()
    with pytest.raises(BadFile, match="has no batch '2'; CIFAR-10 has data_batch_1 to 5"):
        supplied(tmp_path, "{cifar: {path: c, parts: [1, 2]}}")


@pytest.mark.parametrize(
    "batch",
    [7, {}, {"data": np.zeros((2, 3072), "u1"), "labels": [1]}, {"labels": [1], "data": [[0]]},
     {"data": np.zeros((1, 3072), "u1"), "labels": ["1"]}],
    ids=str,
)  # fmt: skip
def test_what_is_no_batch_of_cifar(batch, tmp_path):
    archive(tmp_path / "c", {"test_batch": pickle.dumps(batch)})
    with pytest.raises(BadFile, match=r"'test' should have 'data' of shape .* it has"):
        supplied(tmp_path, "{cifar: {path: c, parts: test}}")


class Harm:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_runs_nothing(tmp_path):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        content = pickle.dumps({"labels": Harm(tmp_path / "harm")}, protocol=protocol)
        archive(tmp_path / f"c{protocol}", {"test_batch": content})
        with pytest.raises(BadFile, match=r"it names .* a pickle can run any program"):
            supplied(tmp_path, f"{{cifar: {{path: c{protocol}, parts: test}}}}")
    assert not (tmp_path / "harm").exists()


@settings(deadline=None)
@given(
    hnp.arrays(
        st.sampled_from(["u1", ">i2", "<i4", ">f4", "f8", "?"]), hnp.array_shapes(max_dims=3)
    ),
    st.dictionaries(st.text(), st.recursive(
        st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.none(),
                  st.binary(min_size=1), st.booleans()),
        lambda inner: st.one_of(st.lists(inner), st.tuples(inner, inner),
                                st.dictionaries(st.text(), inner))), max_size=4),
    st.integers(0, pickle.HIGHEST_PROTOCOL),
    st.booleans(),
)  # fmt: skip
def test_pickles_of_plain_values_are_read_as_pickle_reads_them(array, plain, protocol, turned):
    array = np.asfortranarray(array) if turned else array
    held = {"the array": array, **plain}
    found = pickled.loads(pickle.dumps(held, protocol=protocol), "x", Limits())
    assert found.keys() == held.keys()
    assert found["the array"].dtype == array.dtype
    np.testing.assert_array_equal(found["the array"], array)
    assert {k: v for k, v in found.items() if k != "the array"} == plain


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_damaged_pickle_is_an_error_of_ours_or_plain(data):
    held = {"labels": [1, 2], "data": np.ones((2, 3), "u1"), "x": ("a", None, 1.5)}
    content = bytearray(pickle.dumps(held, protocol=data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NpforwardError):
        pickled.loads(bytes(content), "x", Limits())


def test_a_section_has_so_many_suppliers_and_no_more(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    assert supplied(tmp_path, ", ".join(["{csv: a.csv}"] * 100)).samples == 100
    with pytest.raises(LimitExceeded, match=r"evaluate.data: suppliers: 101 exceeds"):
        supplied(tmp_path, ", ".join(["{csv: a.csv}"] * 101))


def test_what_a_pickle_may_ask_for(tmp_path):
    nest = b"\x80\x02)" + b"\x86".join([b"2"] * 40) + b"."
    with pytest.raises(BadFile, match="the instruction DUP"):
        pickled.loads(nest, "x", Limits())
    tuples = b"\x80\x02}(" + b")q\x00" + b"h\x00h\x00\x86q\x00" * 40 + b"K\x01u."
    with pytest.raises(BadFile, match="a key that is no text"):
        pickled.loads(tuples, "x", Limits())
    with pytest.raises(LimitExceeded, match="limit pickle_steps"):
        pickled.loads(b"\x80\x02" + b"N" * 50 + b".", "x", Limits(pickle_steps=10))
    bomb = pickle.dumps({"data": bytes(30 * 2**20)})
    archive(tmp_path / "c", {"test_batch": bomb})
    with pytest.raises(LimitExceeded, match="limit zip_ratio"):
        supplied(tmp_path, "{cifar: {path: c, parts: test}}")
    archive(tmp_path / "d", {"test_batch": pickle.dumps({"data": bytes(10000)})})
    with pytest.raises(LimitExceeded, match="limit member_bytes"):
        supplied(tmp_path, "{cifar: {path: d, parts: test}}", member_bytes=100)


# On the command line, and in batches as Kur.

RESULT = np.load(MNIST / "evaluate.npz")["result_labels"]


def extracted(folder, kurfile, *arguments):
    options = ["--out", str(folder), "--plot", "none"]
    assert main(["activations", str(kurfile), *arguments, *options]) == 0
    with np.load(folder / "activations.npz") as arrays:
        return dict(arrays)


def test_activations_of_the_section_that_kur_evaluated(tmp_path, capsys):
    found = extracted(tmp_path, MNIST / "Kurfile.yml", "--data", "evaluate")
    np.testing.assert_allclose(found["labels"], RESULT, rtol=1e-4, atol=1e-5)
    genuine = np.load(MNIST / "activations.npz")
    rows = json.loads(str(genuine["manifest"]))["batch_rows"]
    for name, value in found.items():
        kind = "input" if name == "images" else "node"
        want = genuine[f"{kind}:{name}"]
        np.testing.assert_allclose(value[rows], want, rtol=1e-4, atol=1e-5, err_msg=name)
    said = capsys.readouterr().out
    assert "evaluate: 7 batches of 32, 200 samples" in said
    assert "images: (200, 28, 28, 1) float32, values -0.2229" in said
    assert "sample 199: labels: " in said


def test_one_batch_alone(tmp_path, capsys):
    found = extracted(tmp_path, MNIST / "Kurfile.yml", "--data", "evaluate:6")
    np.testing.assert_allclose(found["labels"], RESULT[192:], rtol=1e-4, atol=1e-5)
    said = capsys.readouterr().out
    assert "of these samples 192 to 199" in said and "sample 192: labels: " in said


def copied(folder, name, old, new):
    """A genuine model, with another text in its Kurfile."""
    shutil.copytree(FIXTURES / "kur" / name, folder / name)
    kurfile = folder / name / "Kurfile.yml"
    text = kurfile.read_text()
    assert old in text
    kurfile.write_text(text.replace(old, new))
    return kurfile


@pytest.fixture(params=["shared_cifar_loop", "shared_lm_gru"])
def normalised(request, tmp_path):
    """A model whose layers normalise by the batch at hand, with the data that Kur fed to it."""
    name = request.param
    genuine = dict(np.load(FIXTURES / "kur" / name / "activations.npz"))
    if name == "shared_lm_gru":
        kurfile = copied(tmp_path, name, "../../data/lm.jsonl", "data/lm.jsonl")
        place = kurfile.parent / "data" / "lm.jsonl"
        place.parent.mkdir()
        rows = [json.dumps({"in_seq": row.tolist()}) for row in genuine["input:in_seq"]]
        place.write_text("\n".join(rows))
    else:
        kurfile = copied(tmp_path, name, "../../data/cifarish.npy", "cifarish.npy")
        np.savez(kurfile.with_name("cifarish.npz"), images=genuine["input:images"])
    return kurfile, genuine


def test_layers_that_normalise_by_the_batch_see_those_of_kur(normalised, tmp_path):
    kurfile, genuine = normalised
    found = extracted(tmp_path / "out", kurfile, "--data", "evaluate")
    nodes = {key.partition(":")[2]: value for key, value in genuine.items() if "node:" in key}
    for name, want in nodes.items():
        if name in found:  # one that computes nothing is an alias of the one before it
            np.testing.assert_allclose(found[name], want, rtol=1e-3, atol=1e-5, err_msg=name)
    assert len(found) > 7


def test_other_batches_give_other_numbers_there(normalised, tmp_path):
    kurfile, _ = normalised
    text = kurfile.read_text()
    kurfile.write_text(text.replace("evaluate:\n", "evaluate:\n  provider: {batch_size: 2}\n"))
    model = npf.load_model(kurfile)
    found = extracted(tmp_path / "out", kurfile, "--data", "evaluate")
    (feeds,) = kur.data(kur.read(kurfile)).values()
    parts = [model.trace(feeds[:2]), model.trace(feeds[2:])]
    together = model.trace(feeds)
    for name, value in found.items():
        want = np.concatenate([part[name] for part in parts])
        np.testing.assert_allclose(value, want, rtol=1e-4, atol=1e-5, err_msg=name)
    assert abs(found["..batch_normalization.0"] - together["..batch_normalization.0"]).max() > 0.01


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--data", "evaluate:7"], "there are 7 batches, from 0"),
        (["--data", "evaluate:x"], "give a section, and the number of a batch"),
        (["--data", "evaluation:0", "x.npy"], "goes without INPUT: Kur says all of it"),
        (["--data", "evaluate", "--scale", "2"], "goes without --scale"),
        (["--data", "validate.x"], "is one list, without a name like 'x'"),
        (["--data", "train"], "'../../data/train-images-idx3-ubyte' is not the path of a file bel"),
    ],
)
def test_what_the_command_line_says_of_data(arguments, what, capsys):
    assert main(["activations", str(MNIST / "Kurfile.yml"), *arguments]) == 2
    assert what in capsys.readouterr().err


def test_data_are_those_of_a_kurfile(capsys):
    model = FIXTURES / "models" / "mlp" / "model.keras"
    assert main(["activations", str(model), "--data", "evaluate"]) == 2
    assert f"{model} is no Kurfile: give INPUT" in capsys.readouterr().err


def test_data_without_what_the_model_takes(tmp_path, capsys):
    kurfile = copied(tmp_path, "shared_cifar_loop", "../../data/cifarish.npy", "a.npz")
    np.savez(kurfile.with_name("a.npz"), image=np.zeros((2, 16, 16, 3)))
    assert main(["activations", str(kurfile), "--data", "evaluate"]) == 2
    said = capsys.readouterr().err
    assert "has nothing for the input 'images' of the model. Did you mean 'image'" in said


@pytest.mark.parametrize(
    "verb",
    [["costs"], ["nonfinite"], ["dead"], ["gradients", "--of", "3", "--layers", "labels"],
     ["ablate", "--layer", "..dense.0", "--class", "1"], ["profile", "--repeats", "1"]],
    ids=lambda verb: verb[0],
)  # fmt: skip
def test_every_verb_takes_data(verb, capsys):
    name, *options = verb
    section = "evaluate" if name == "dead" else "evaluate:6"
    assert main([name, str(MNIST / "Kurfile.yml"), "--data", section, *options]) == 0
    said = capsys.readouterr().out
    assert "7 batches of 32, 200 samples" in said
    if name == "dead":
        assert "200 samples; dead" in said


def test_a_plot_of_data(tmp_path, capsys):
    path = tmp_path / "maps.pdf"
    arguments = ["--data", "test:0", "--layers", "labels", "--sample", "31", "--out", str(path)]
    assert main(["plot", str(MNIST / "Kurfile.yml"), *arguments]) == 0
    assert path.read_bytes().startswith(b"%PDF")
