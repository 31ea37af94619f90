"""Text and categories: what letters, spaces and vocabularies mean, and every bad one."""

import json
import zipfile

import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward import cli, ops, plots
from npforward.errors import BadFile, BadInput, LimitExceeded, UnsupportedLayer
from npforward.formats import keras_config
from npforward.model import Model


def model_of(kind, inputs="string", shape=(None, 1), **config):
    """A model of one layer, as a file says it."""
    layers = [
        {
            "class_name": "InputLayer",
            "config": {"name": "x", "batch_shape": shape, "dtype": inputs},
        },
        {"class_name": kind, "config": {"name": "layer", **config}},
    ]
    for layer in layers:
        layer["module"] = "keras.layers"
    config = {"name": "m", "layers": layers}
    return Model(
        keras_config.graph({"class_name": "Sequential", "module": "keras", "config": config})
    )


def test_letters_and_spaces_are_those_of_ascii():
    text = np.array(["ÀB_c-D \t\n\v\f\rx\u2003y\x1cz\x85w\u00a0v '“”—¿"])
    small = ops.strip_punctuation(ops.lower(text))
    assert small[0] == "ÀbcD".replace("D", "d") + " \t\n\v\f\rx\u2003y\x1cz\x85w\u00a0v “”—¿"
    assert ops.words(small, split="whitespace").tolist() == [
        ["Àbcd", "x\u2003y\x1cz\x85w\u00a0v", "“”—¿"]
    ]


def test_characters_are_code_points():
    found = ops.words(np.array(["aé🙂e\u0301", ""]), split="character")
    assert found.tolist() == [["a", "é", "🙂", "e", "\u0301"], [""] * 5]


def test_an_op_takes_plain_lists_of_strings():
    assert ops.lower(["AB"]).tolist() == ["ab"]
    assert ops.hash_bucket(["cat"], buckets=10).tolist() == [6]


BAD = {
    "no vocabulary": ("StringLookup", {}, "no vocabulary.*adapt"),
    "no vocabulary for text": ("TextVectorization", {"vocabulary": None}, "no vocabulary.*keras"),
    "a path": (
        "StringLookup",
        {"vocabulary": "/etc/passwd"},
        "path, '/etc/passwd'.*set_vocabulary",
    ),
    "a path for text": ("TextVectorization", {"vocabulary": "gs://b/v.txt"}, "is a path"),
    "a path for integers": ("IntegerLookup", {"vocabulary": "v.txt"}, "is a path"),
    "not a list": ("StringLookup", {"vocabulary": {"a": 1}}, "expected a list"),
    "numbers for strings": ("StringLookup", {"vocabulary": ["a", 1]}, "has 1 among.*strings"),
    "strings for numbers": ("IntegerLookup", {"vocabulary": [1, "a"]}, "'a' among.*whole numbers"),
    "truth for numbers": ("IntegerLookup", {"vocabulary": [True]}, "True among"),
    "a mask of another kind": (
        "StringLookup",
        {"vocabulary": ["a"], "mask_token": 0},
        "has 0 among",
    ),
    "a token twice": ("StringLookup", {"vocabulary": ["a", "b", "a"]}, "'a' twice"),
    "a mask within": (
        "StringLookup",
        {"vocabulary": ["a", "M", "b"], "mask_token": "M"},
        "'M' twice, or out of its place",
    ),
    "an oov token within": (
        "StringLookup",
        {"vocabulary": ["a", "[UNK]"], "invert": True},
        "'\\[UNK\\]' twice, or out",
    ),
    "too many tokens": (
        "StringLookup",
        {"vocabulary": list("abc"), "max_tokens": 3},
        "4 tokens.*=3",
    ),
    "lost tokens": (
        "StringLookup",
        {"vocabulary": list("abc"), "output_mode": "count", "vocabulary_size": 9},
        "saved with 9",
    ),
    "fewer than no oov": (
        "StringLookup",
        {"vocabulary": ["a"], "num_oov_indices": -1},
        "at least 0",
    ),
    "half an oov": ("StringLookup", {"vocabulary": ["a"], "num_oov_indices": 1.5}, "whole number"),
    "an unknown mode": (
        "StringLookup",
        {"vocabulary": ["a"], "output_mode": "x"},
        "output_mode='x'",
    ),
    "no idf": (
        "StringLookup",
        {"vocabulary": ["a"], "output_mode": "tf_idf"},
        "idf_weights are None",
    ),
    "idf of another kind": (
        "StringLookup",
        {"vocabulary": ["a"], "output_mode": "tf_idf", "idf_weights": ["1"]},
        "expected a list of numbers",
    ),
    "too few idf": (
        "StringLookup",
        {"vocabulary": ["a", "b", "c"], "output_mode": "tf_idf", "idf_weights": [1.0, 2.0]},
        "2 idf_weights for a vocabulary of 4",
    ),
    "an unknown oov_method": (
        "StringLookup",
        {"vocabulary": ["a"], "oov_method": "x"},
        "oov_method",
    ),
    "a salt of three": (
        "StringLookup",
        {"vocabulary": ["a"], "num_oov_indices": 2, "salt": [1, 2, 3]},
        "salt=",
    ),
    "an inverted count": (
        "StringLookup",
        {"vocabulary": ["a"], "invert": True, "output_mode": "count"},
        "invert=True",
    ),
    "int32 vocabulary": (
        "IntegerLookup",
        {"vocabulary": [1], "vocabulary_dtype": "int32"},
        "int64",
    ),
    "a function to standardize": (
        "TextVectorization",
        {"vocabulary": ["a"], "standardize": {"class_name": "function", "config": "mine>clean"}},
        "standardize='mine>clean' is Python code",
    ),
    "a lambda to split": (
        "TextVectorization",
        {"vocabulary": ["a"], "split": {"class_name": "__lambda__", "config": {"value": "4wEA"}}},
        "split='<lambda>' is Python code",
    ),
    "ragged": (
        "TextVectorization",
        {"vocabulary": ["a"], "ragged": True},
        "ragged=True.*ragged=False",
    ),
    "no ngrams": ("TextVectorization", {"vocabulary": ["a"], "ngrams": []}, "ngrams="),
    "ngrams of half": ("TextVectorization", {"vocabulary": ["a"], "ngrams": 1.5}, "ngrams=1.5"),
    "no bins": ("Hashing", {"num_bins": 0}, "num_bins=0"),
    "bins as text": ("Hashing", {"num_bins": "4"}, "num_bins='4'"),
    "bins missing": ("Hashing", {}, "num_bins is missing"),
    "a mask number for strings": ("Hashing", {"num_bins": 3, "mask_value": 1}, "holds strings"),
    "an unknown option": ("Hashing", {"num_bins": 3, "method": "md5"}, "method='md5' is not known"),
    "strings to bins": ("Discretization", {"bin_boundaries": [1.0]}, "holds strings"),
    "no boundaries": ("Discretization", {"num_bins": 3}, "num_bins=3 but no bin_boundaries"),
    "falling boundaries": ("Discretization", {"bin_boundaries": [2.0, 1.0]}, "rising numbers"),
    "boundaries as text": ("Discretization", {"bin_boundaries": ["a"]}, "rising numbers"),
    "strings to encode": ("CategoryEncoding", {"num_tokens": 3}, "holds strings"),
    "one column crossed": ("HashedCrossing", {"num_bins": 3}, "two inputs"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_config_names_the_layer_and_what_is_wrong(what):
    kind, config, words = BAD[what]
    model = model_of(kind, **config)
    with pytest.raises(npf.NpforwardError, match=rf"^layer 'layer' \({kind}\): .*{words}"):
        model.predict(np.array([["a"]]))
    assert list(model.trace(np.array([["a"]]), until="x")) == ["x"]
    assert kind in str(model.summary())


def test_a_token_that_is_not_in_a_closed_vocabulary_is_named():
    model = model_of("StringLookup", vocabulary=["a"], num_oov_indices=0)
    assert model.predict(np.array([["a"]])).tolist() == [[0]]
    with pytest.raises(BadInput, match="layer 'layer': 'q' is not in its vocabulary"):
        model.predict(np.array([["q"]]))


@pytest.mark.parametrize(
    ("kind", "config", "inputs"),
    [
        ("StringLookup", {"vocabulary": ["a"]}, "int64"),
        ("TextVectorization", {"vocabulary": ["a"]}, "float32"),
        ("IntegerLookup", {"vocabulary": [1]}, "string"),
        ("IntegerLookup", {"vocabulary": [1], "invert": True}, "string"),
    ],
)
def test_strings_for_numbers_and_numbers_for_strings_name_the_layer(kind, config, inputs):
    model = model_of(kind, inputs, **config)
    x = np.array([["a"]]) if inputs == "string" else np.array([[1]])
    with pytest.raises(BadInput, match=rf"^layer 'layer' \({kind}\): it takes .* but its input"):
        model.predict(x)


def test_text_to_split_stands_alone_in_its_row():
    model = model_of("TextVectorization", shape=(None, 2), vocabulary=["a"])
    with pytest.raises(BadInput, match="splits texts of shape"):
        model.predict(np.array([["a", "b"]]))


def test_tf_keras_words_for_output_modes():
    x = np.array([["b a b"]])
    old = model_of("TextVectorization", vocabulary=["a", "b"], output_mode="binary")
    assert old.predict(x).tolist() == [[0, 1, 1]]
    config = {"vocabulary": ["a", "b"], "output_mode": "tf-idf", "idf_weights": [2.0, 3.0]}
    assert model_of("TextVectorization", **config).predict(x).tolist() == [[0, 2, 6]]


def test_a_crossing_has_the_dtype_of_its_policy():
    layers = [{"class_name": "InputLayer", "config": {"name": n, "batch_shape": (None, 1),
               "dtype": "string"}, "name": n, "inbound_nodes": []} for n in "ab"]  # fmt: skip
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [n, 0, 0]}} for n in "ab"
    ]
    config = {"name": "layer", "num_bins": 5, "dtype": "float16"}
    layers.append({"class_name": "HashedCrossing", "config": config, "name": "layer",
                   "inbound_nodes": [{"args": [tensors], "kwargs": {}}]})  # fmt: skip
    for layer in layers:
        layer["module"] = "keras.layers"
    config = {"name": "m", "layers": layers, "input_layers": [["a", 0, 0], ["b", 0, 0]]}
    config["output_layers"] = [["layer", 0, 0]]
    entry = {"class_name": "Functional", "module": "keras", "config": config}
    found = Model(keras_config.graph(entry)).predict([np.array([["a"]])] * 2)
    assert found[0].dtype == "float16"


def test_a_width_that_depends_on_the_text():
    model = model_of("TextVectorization", vocabulary=["a", "b"], ngrams=2)
    assert model.predict(np.array([["a b"], ["b"]])).tolist() == [[2, 3, 1], [3, 0, 0]]
    assert model.predict(np.array([["b"]])).tolist() == [[3]]
    assert model.predict(np.array([[""]])).shape == (1, 0)
    assert model.summary().rows[0].shape == (None, None)


def test_sparse_is_dense_here():
    dense, sparse = (
        model_of("StringLookup", vocabulary=["a"], output_mode="multi_hot", sparse=s)
        for s in (False, True)
    )
    x = np.array([["a"], ["b"]])
    np.testing.assert_array_equal(sparse.predict(x), dense.predict(x))


# ---- vocabularies in the file ------------------------------------------------------------------

CLASSIFIER = FIXTURES / "models" / "text_classifier" / "model.keras"
TABLE = FIXTURES / "models" / "tabular"
ASSETS = [f"assets/layers/text_vectorization/{at}vocabulary.txt" for at in ("", "_lookup_layer/")]
LINES = np.array([["iris petals"], ["Cancer of the breast."]])


def rewritten(path, folder=False, **changed):
    """The classifier with other members, as a zip or a folder."""
    with zipfile.ZipFile(CLASSIFIER) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members |= {name.replace("__", "/"): data for name, data in changed.items()}
    members = {name: data for name, data in members.items() if data is not None}
    if folder:
        for name, data in members.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path
    with zipfile.ZipFile(path / "model.keras", "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path / "model.keras"


def vocabulary(data):
    return dict.fromkeys(ASSETS, data)


def test_a_folder_holds_a_vocabulary_too(tmp_path):
    model = npf.load_model(rewritten(tmp_path, folder=True))
    np.testing.assert_array_equal(model.predict(LINES), npf.load_model(CLASSIFIER).predict(LINES))


def test_weights_beside_an_architecture_bring_their_vocabulary(tmp_path):
    with zipfile.ZipFile(CLASSIFIER) as file:
        (tmp_path / "model.json").write_bytes(file.read("config.json"))
        (tmp_path / "model.weights.h5").write_bytes(file.read("model.weights.h5"))
    want = npf.load_model(CLASSIFIER).predict(LINES)
    for model, weights in (
        (tmp_path / "model.json", CLASSIFIER),
        (CLASSIFIER, tmp_path / "model.weights.h5"),
    ):
        np.testing.assert_array_equal(npf.load_model(model, weights).predict(LINES), want)


@pytest.mark.parametrize("folder", [False, True])
def test_a_vocabulary_is_one_token_a_line(tmp_path, folder):
    text = "\n[UNK]\niris\u2028x\r\nthe\n\n"  # Windows ends lines with \r\n
    model = npf.load_model(rewritten(tmp_path, folder, **vocabulary(text.encode())))
    ids = model.trace(np.array([["The iris\u2028x zz"]]), layers="words")["words"]
    assert ids[0, :4].tolist() == [3, 2, 1, 0]


def test_a_model_without_its_assets_says_so(tmp_path):
    model = npf.load_model(rewritten(tmp_path, **vocabulary(None)))
    with pytest.raises(BadFile, match=r"layer 'words' \(TextVectorization\): .*no vocabulary"):
        model.predict(LINES)


def test_a_vocabulary_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(BadFile, match=r"vocabulary\.txt: is not UTF-8.*byte 1.*PYTHONUTF8"):
        npf.load_model(rewritten(tmp_path, **vocabulary(b"a\xe9\nb")))


@pytest.mark.parametrize("folder", [False, True])
def test_a_vocabulary_is_limited_in_size(tmp_path, folder):
    path = rewritten(tmp_path, folder)
    with pytest.raises(LimitExceeded, match="asset_bytes = 100"):
        npf.load_model(path, limits=npf.Limits(asset_bytes=100))


def test_no_link_leads_to_a_vocabulary_elsewhere(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("\n[UNK]\npassword\n")
    model = rewritten(tmp_path / "model", folder=True)
    for name in ASSETS:
        (model / name).unlink()
        try:
            (model / name).symlink_to(secret)
        except OSError:
            pytest.skip("this system makes no links")
    with pytest.raises(BadFile, match="no vocabulary"):
        npf.load_model(model).predict(LINES)


def test_words_that_are_no_numbers_for_an_integer_lookup():
    layer = {"class_name": "IntegerLookup", "config": {"name": "n"}, "module": "keras.layers"}
    config = {"name": "m", "layers": [layer], "build_input_shape": [None, 1]}
    model = {"class_name": "Sequential", "module": "keras", "config": config}
    with pytest.raises(BadFile, match="layer 'n': its vocabulary has 'one', expected whole"):
        keras_config.graph(model, vocabularies=lambda place: ["1", "one"])


def test_a_feature_space_alone_says_what_to_save(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps({"class_name": "FeatureSpace", "config": {}}))
    with pytest.raises(UnsupportedLayer, match="get_encoded_features"):
        npf.load_model(tmp_path / "m.json", CLASSIFIER)


# ---- strings at every door ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "x",
    [
        LINES,
        LINES[:, 0],
        LINES.tolist(),
        LINES[:, 0].tolist(),
        np.char.encode(LINES, "utf-8"),
        LINES.astype(object),
        [LINES],
        {"line": LINES},
    ],
    ids=["array", "row", "list", "flat", "bytes", "objects", "of one", "dict"],
)
def test_strings_are_taken_in_every_form(x):
    model = npf.load_model(CLASSIFIER)
    np.testing.assert_array_equal(model.predict(x), model.predict(LINES))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((2, 1)), "takes strings, got float64"),
        ([1, 2], "takes strings, got int"),
        (np.array([None, "a"], object), "takes strings, got object"),
        (np.array([b"\xff"]), "not Unicode"),
        (np.array(["\ud800"]), "not Unicode"),
        (np.array([["a", "b"]]), r"takes the shape \(any, 1\), got \(1, 2\)"),
    ],
)
def test_what_is_no_text_is_refused(x, words):
    with pytest.raises(BadInput, match=f"^input 'line' .*{words}"):
        npf.load_model(CLASSIFIER).predict(x)


def test_strings_for_a_model_of_numbers_are_refused():
    model = npf.load_model(FIXTURES / "models" / "mlp" / "model.keras")
    with pytest.raises(BadInput, match=r"input 'row' takes float32 numbers .*, got strings"):
        model.predict(np.full((2, 13), "a"))


def test_strings_in_a_trace_have_no_statistics_and_are_drawn_as_text():
    trace = npf.load_model(CLASSIFIER).trace(LINES)
    assert trace["line"].tolist() == LINES.tolist()
    assert not trace["line"].flags.writeable
    assert "str" in str(trace.statistics).splitlines()[2]
    first = next(iter(plots.activations(trace)))
    assert "iris petals" in [text.get_text() for text in first.texts]


def test_any_length_of_text_is_one_recording():
    model = npf.load_model(CLASSIFIER)
    for text in "a", "a b", "much longer than before":
        model.predict([text])
    assert len(model._recordings) == 1


@pytest.mark.parametrize("form", ["npz", "npy", "h5"])
def test_the_command_line_takes_and_writes_text(tmp_path, form, capsys):
    files = {"age": "17\n40\n", "city": "Brno\nPlzeň\n", "days": "1,2,3\n4,5,6\n"}
    files |= {"job": "baker\nsmith\n", "visits": "1\n5\n"}
    said = []
    for name, text in files.items():
        path = tmp_path / f"{name}.{'txt' if name in ('city', 'job') else 'csv'}"
        path.write_text(text, encoding="utf-8")
        said += ["--input", f"{name}={path}"]
    out = tmp_path / "out"
    model = str(TABLE / "model.keras")
    assert cli.main(["activations", model, *said, "--out", str(out), "--format", form]) == 0
    assert "city_name" in capsys.readouterr().out
    if form == "npz":
        with np.load(out / "activations.npz") as arrays:
            assert arrays["city_name"].tolist() == [["Brno"], ["Plzeň"]]


def test_numbers_for_text_on_the_command_line_are_refused(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.zeros((2, 1)))
    assert cli.main(["activations", str(CLASSIFIER), str(tmp_path / "x.npy")]) == 2
    assert "takes text" in capsys.readouterr().err
