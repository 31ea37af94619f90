"""What the same words meant otherwise in an older Keras: steps that say so in an entry.

A layer function has an option for each such meaning, which no file of today has.
"""

from __future__ import annotations

from npforward.formats.keras_entry import MODELS, RECURRENT, Entry, Step, with_config

MERGES = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"}


def steps(release: tuple[int, int], own: bool, theano: bool) -> tuple[Step, ...]:
    """What Keras computed otherwise than today, up to version 2.15.

    `own` is Keras as a package of its own, as it was until 2.3, and `theano` what it ran on.

    >>> [step.__name__ for step in steps((2, 2), own=False, theano=False)][-4:]
    ['zeroed_masked', 'reversed_samples', 'unmasked_softmax', 'unmasked_attention']
    """
    in_tensorflow = release < (2, 4) and not own
    when = {
        hard_sigmoid: True,
        resizing_crop: True,
        reset_after: True,
        masks: True,
        categories: True,
        kept_masked: own,
        state_before: own and release < (2, 3) and not theano,
        theano_pixels: theano,
        corner_pixels: own,
        zeroed_masked: in_tensorflow,
        reversed_samples: in_tensorflow,
        unmasked_softmax: release < (2, 4),
        unmasked_attention: release < (2, 10),
    }
    return tuple(step for step, so in when.items() if so)


def hard_sigmoid(entry: Entry) -> Entry:
    """Keras 1 and 2: `hard_sigmoid` is clip(0.2x + 0.5), in Keras 3 it is relu6(x + 3) / 6.

    >>> hard_sigmoid({"class_name": "Dense", "config": {"activation": "hard_sigmoid"}})["config"]
    {'activation': 'keras2>hard_sigmoid'}
    """
    config = entry["config"]
    keys = ("activation", "recurrent_activation")
    changed = {key: "keras2>hard_sigmoid" for key in keys if config.get(key) == "hard_sigmoid"}
    return with_config(entry, **changed) if changed else entry


def resizing_crop(entry: Entry) -> Entry:
    """Before Keras 3.6, RandomCrop resized at inference; since then it leaves images alone.

    >>> resizing_crop({"class_name": "RandomCrop", "config": {}})["config"]
    {'resizes': True}
    """
    return with_config(entry, resizes=True) if entry["class_name"] == "RandomCrop" else entry


def reset_after(entry: Entry) -> Entry:
    """Before Keras 2.1.3 had `reset_after`, a GRU did not; today's default is that it does.

    >>> reset_after({"class_name": "GRU", "config": {"units": 2}})["config"]
    {'units': 2, 'reset_after': False}
    """
    if entry["class_name"] not in ("GRU", "GRUCell") or "reset_after" in entry["config"]:
        return entry
    return with_config(entry, reset_after=False)


def masks(entry: Entry) -> Entry:
    """What Keras 2 does with masks: merges need all of them, and a layer gets that of its input.

    Keras 3 lets one mask of a merge do, and gives a layer with several tensors as arguments none.

    >>> masks({"class_name": "Add", "config": {}})["config"]
    {'masks': 'all'}
    """
    if entry["class_name"] in MERGES:
        return with_config(entry, masks="all")
    if entry["class_name"] in MODELS and isinstance(entry["config"], dict):
        return with_config(entry, masks="of the first input")
    return entry


def categories(entry: Entry) -> Entry:
    """Keras 2 counts tokens in floats and numbers bins in int64; Keras 3 has int64 and int32.

    An entry may say already what it gives.

    >>> categories({"class_name": "Discretization", "config": {"output_mode": "int"}})["config"]
    {'output_mode': 'int', 'output_dtype': 'int64'}
    """
    kind, counts = entry["class_name"], entry["config"].get("output_mode", "int") != "int"
    if "output_dtype" in entry["config"]:
        return entry
    if kind in ("StringLookup", "IntegerLookup", "TextVectorization") and counts:
        return with_config(entry, output_dtype="float32")
    if kind == "Discretization" and not counts:
        return with_config(entry, output_dtype="int64")
    return entry


def kept_masked(entry: Entry) -> Entry:
    """Keras 2.0 to 2.3: what a Bidirectional gives for a masked step is the step before.

    >>> kept_masked({"class_name": "Bidirectional", "config": {}})["config"]
    {'zero_output_for_mask': False}
    """
    if entry["class_name"] != "Bidirectional":
        return entry
    return with_config(entry, zero_output_for_mask=False)


def state_before(entry: Entry) -> Entry:
    """Keras 1 to 2.2 on TensorFlow: what comes before the first output is the initial state.

    A recurrent layer gives it for masked steps at the beginning, where later ones give zeros, which
    is the same unless it is given a state or has one of its own.

    >>> state_before({"class_name": "LSTM", "config": {"stateful": True}})["config"]
    {'stateful': True, 'state_before': True}
    """
    config, nodes = entry["config"], entry.get("inbound_nodes")
    nodes = nodes if isinstance(nodes, list) else []
    calls = [node.get("kwargs") for node in nodes if isinstance(node, dict)]
    given = any(isinstance(kwargs, dict) and "initial_state" in kwargs for kwargs in calls)
    if entry["class_name"] not in RECURRENT or config.get("unroll"):
        return entry
    if not (given or config.get("stateful")):
        return entry
    if entry["class_name"] != "Bidirectional":
        return with_config(entry, state_before=True)
    inner = config.get("layer")
    if not isinstance(inner, dict) or not isinstance(inner.get("config"), dict):
        return entry
    return with_config(entry, layer=with_config(inner, state_before=True))


def theano_pixels(entry: Entry) -> Entry:
    """Keras 2 on Theano: it interpolates in a way of its own, which is not supported here.

    >>> theano_pixels({"class_name": "UpSampling2D", "config": {"interpolation": "bilinear"}})
    {'class_name': 'UpSampling2D', 'config': {'interpolation': 'theano>bilinear'}}
    """
    return _bilinear(entry, "theano>bilinear")


def corner_pixels(entry: Entry) -> Entry:
    """Keras 2.2 and 2.3: pixels to interpolate between lie at their corners.

    >>> corner_pixels({"class_name": "UpSampling2D", "config": {"interpolation": "bilinear"}})
    {'class_name': 'UpSampling2D', 'config': {'interpolation': 'keras2>bilinear'}}
    """
    return _bilinear(entry, "keras2>bilinear")


def _bilinear(entry: Entry, interpolation: str) -> Entry:
    config = entry["config"]
    if entry["class_name"] != "UpSampling2D" or config.get("interpolation") != "bilinear":
        return entry
    return with_config(entry, interpolation=interpolation)


def zeroed_masked(entry: Entry) -> Entry:
    """tf.keras 1.13: a Bidirectional gives zeros for masked steps, also for the last one.

    It writes so of the layer within; what came later gives zeros in a sequence alone.

    >>> inner = {"class_name": "LSTM", "config": {"zero_output_for_mask": True}}
    >>> zeroed_masked({"class_name": "Bidirectional", "config": {"layer": inner}})["config"]
    {'layer': {'class_name': 'LSTM', 'config': {'zero_output_for_mask': True}}, \
'zero_output_for_mask': True}
    """
    inner = entry["config"].get("layer")
    said = inner.get("config") if isinstance(inner, dict) else None
    if entry["class_name"] != "Bidirectional" or not isinstance(said, dict):
        return entry
    return (
        with_config(entry, zero_output_for_mask=True) if said.get("zero_output_for_mask") else entry
    )


def reversed_samples(entry: Entry) -> Entry:
    """tf.keras 1.x to 2.2: with `time_major`, a Bidirectional turned the samples round, not times.

    >>> inner = {"class_name": "LSTM", "config": {"time_major": True}}
    >>> reversed_samples({"class_name": "Bidirectional", "config": {"layer": inner}})["config"]
    {'layer': {'class_name': 'LSTM', 'config': {'time_major': True}}, 'reversed_axis': 1}
    """
    inner = entry["config"].get("layer")
    said = inner.get("config") if isinstance(inner, dict) else None
    if entry["class_name"] != "Bidirectional" or not isinstance(said, dict):
        return entry
    return with_config(entry, reversed_axis=1) if said.get("time_major") else entry


def unmasked_softmax(entry: Entry) -> Entry:
    """Before tf.keras 2.4, a Softmax did not look at its mask.

    >>> unmasked_softmax({"class_name": "Softmax", "config": {}})["config"]
    {'masked': False}
    """
    is_layer = entry["class_name"] == "Softmax" and entry.get("module") != "keras.ops"
    return with_config(entry, masked=False) if is_layer else entry


def unmasked_attention(entry: Entry) -> Entry:
    """tf.keras up to 2.9: a MultiHeadAttention knows no masks but those that its call names.

    >>> unmasked_attention({"class_name": "MultiHeadAttention", "config": {}})["config"]
    {'masks': 'as given'}
    """
    known = entry["class_name"] != "MultiHeadAttention"
    return entry if known else with_config(entry, masks="as given")
