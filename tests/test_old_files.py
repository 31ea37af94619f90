"""Files of old frameworks: every layer of every one against the framework that wrote it.

A folder of `weights_fixtures/old/` is one framework: `made_with.json` says which.  `m.npz` holds
the inputs (`inputs/<name>`) and the output of every layer by address; the files that it is of are
`m.h5`, `m.keras`, `m.json` or `m.yaml` (whose weights are in `m.weights.h5`), and the folder `m`.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from cases import FIXTURES, predict_is_the_last_of_trace

import npforward as npf
from npforward.verify import difference

OLD = FIXTURES / "old"
FILES = sorted(
    str(path.relative_to(OLD))
    for golden in OLD.rglob("*.npz")
    for ending in (".h5", ".keras", ".json", ".yaml", "")
    if (path := golden.with_suffix(ending)).exists()
)


def opened(file):
    """The model, its inputs and what the framework computed."""
    path = OLD / file
    weights = path.with_suffix(".weights.h5") if path.suffix in (".json", ".yaml") else None
    with np.load(path.with_suffix(".npz")) as arrays:
        want = dict(arrays)
    inputs = {k.removeprefix("inputs/"): want.pop(k) for k in list(want) if k.startswith("inputs/")}
    # One input needs no name: that of a model without an InputLayer is Keras's own affair.
    x = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    return npf.load_model(path, weights), x, want


@pytest.mark.parametrize("file", FILES)
def test_every_layer_agrees(file):
    model, x, want = opened(file)
    trace = model.trace(x)
    own = {
        a for a, layer in trace.layers.items() if layer.type == "InputLayer" or "ops." in layer.type
    }
    assert set(trace) - own == set(want) - own
    found = {address: difference(trace[address], y) for address, y in want.items()}
    wrong = {address: d for address, d in found.items() if not d.within}
    assert not wrong, f"first: {next(iter(wrong.items()))} of {list(wrong)}"


@pytest.mark.parametrize("file", FILES)
def test_predict_is_the_last_of_trace(file):
    model, x, _ = opened(file)
    predict_is_the_last_of_trace(model, x)


@pytest.mark.parametrize("file", FILES)
def test_summary_and_weights(file):
    model, _, _ = opened(file)
    assert sum(w.size for w in model.weights.values()) == model.summary().total
    assert str(model.summary(nested=True))


@pytest.mark.parametrize("folder", sorted({file.split("/")[0] for file in FILES}))
def test_it_is_recorded_what_made_the_files(folder):
    made = json.loads((OLD / folder / "made_with.json").read_text())
    assert {"python", "numpy", "script"} <= made.keys()


LACKS = "Keras 3.15.1 has no layer that computes this"
BORDERS = "Keras 3.15.1 has nothing that acts as its padding='theano>same'"
MASKED = "Keras 3.15.1 has no option zero_output_for_mask for it"
# What has no equal in Keras 3, by file: whoever is told of it must know which layer it is.
REFUSED = {
    "keras-1.0.5-theano/early.json": f"layer 'highway_1' (Highway): {LACKS}",
    "keras-1.2.2-tensorflow/convnet_th.h5": f"layer 'maxoutdense_1' (MaxoutDense): {LACKS}",
    "keras-1.2.2-tensorflow/merged.json": f"layer 'highway_1' (Highway): {LACKS}",
    "keras-1.2.2-tensorflow/modes.h5": f"layer 'cos' (Merge): {LACKS}",
    "keras-1.2.2-tensorflow/text.h5": f"layer 'bidirectional_1' (Bidirectional): {MASKED}",
    "keras-1.2.2-tensorflow/unet_tf.h5": f"'locallyconnected2d_1' (LocallyConnected2D): {LACKS}",
    "keras-1.2.2-theano/convnet_tf.h5": f"layer 'maxoutdense_1' (MaxoutDense): {LACKS}",
    "keras-1.2.2-theano/frames.h5": "layer 'convlstm2d_1' (ConvLSTM2D): Keras 3.15.1 has no option "
    "recurrent_padding for it, which is 'theano>same' here",
    "keras-1.2.2-theano/signal.h5": f"layer 'srelu_1' (SReLU): {LACKS}",
    "keras-1.2.2-theano/unet_th.h5": f"'locallyconnected2d_1' (LocallyConnected2D): {LACKS}",
    "keras-1.2.2-theano/volume.h5": f"layer 'averagepooling3d_1' (AveragePooling3D): {BORDERS}",
    "keras-2.0.8-theano/flipped.h5": f"layer 'max' (MaxPooling2D): {BORDERS}",
    "keras-2.2.4/decoder.h5": "layer 'lstm' (LSTM): Keras 3.15.1 has no option state_before",
    "keras-2.2.4/later_pictures.h5": "layer 'bilinear' (UpSampling2D): Keras 3.15.1 has nothing "
    "that acts as its interpolation='keras2>bilinear'",
    "keras-2.3.1/directions.h5": f"layer 'sequence' (Bidirectional): {MASKED}",
    "tf.keras-1.13.1/directions.h5": f"layer 'last' (Bidirectional): {MASKED}",
    "tf.keras-2.2.3/operations.h5": f"'tf_op_layer_BatchMatMulV2' (ops.tf.matmul): {LACKS}",
    "tf.keras-2.4.4/operations.h5": f"layer 'tf.linalg.matmul' (ops.tf.matmul): {LACKS}",
    "tf.keras-2.4.4/time_major.h5": "layer 'lstm' (LSTM): Keras 3.15.1 has no option time_major",
}


@pytest.mark.parametrize("file", FILES)
def test_it_becomes_a_file_of_keras_3_or_it_is_said_which_layer_cannot(file, tmp_path):
    model, x, want = opened(file)
    if file in REFUSED:
        with pytest.raises(npf.errors.UnsupportedLayer, match=re.escape(REFUSED[file])):
            npf.convert(model, tmp_path / "new.keras")
        assert not list(tmp_path.iterdir())
        return
    npf.convert(model, tmp_path / "new.keras")
    again = npf.load_model(tmp_path / "new.keras")
    trace = again.trace(x if isinstance(x, dict) else [x])
    assert set(again.outputs) <= set(trace)
    found = {at: difference(trace[at], want[at]) for at in set(want) & set(trace)}
    assert {a.partition("@")[0] for a in model.outputs} <= {a.partition("@")[0] for a in found}
    assert not {address: d for address, d in found.items() if not d.within}


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", [file for file in FILES if file not in REFUSED])
def test_keras_3_computes_what_the_old_framework_did(file, tmp_path):
    from test_conversion_live import check

    model, x, want = opened(file)
    npf.convert(model, tmp_path / "new.keras")
    names = [spec.name for spec in model.inputs]
    inputs = [x[name] for name in names] if isinstance(x, dict) else [x]
    top = {at: y for at, y in want.items() if "/" not in at}
    check(tmp_path / "new.keras", dict(zip(names, inputs, strict=True)) | top, inputs)
