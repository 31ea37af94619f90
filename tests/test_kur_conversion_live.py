"""Models of Kur in genuine Keras 3: it opens what was written, and computes what Kur did.

pytest -m reference tests/test_kur_conversion_live.py        (needs the extra `reference`)
"""

from __future__ import annotations

import pytest
from test_conversion_live import check
from test_kur import golden
from test_kur_conversion import EXPRESSIBLE, WRITTEN, kur, shapes_of

import numpy as np
import npforward as npf

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]


def traced_as_keras_names(model, given):
    """Values by the names that calls have in Keras: a second one of a layer is `name@2`."""
    trace, seen, named = model.trace(given), {}, {}
    for node in model.graph.nodes:
        seen[node.layer] = seen.get(node.layer, 0) + 1
        name = npf.addresses.numbered(node.layer.name, seen[node.layer])
        named[name] = trace[node.address]
    return named


@pytest.mark.parametrize("folder", EXPRESSIBLE, ids=lambda path: path.name)
def test_keras_computes_what_kur_did(folder, tmp_path):
    found, manifest = golden(folder)
    model = npf.load_model(folder / "Kurfile.yml")
    done = npf.convert(model, tmp_path / "new.keras", shapes=shapes_of(found))
    inputs = [found["input"][spec.name] for spec in model.inputs]
    check(done.path, traced_as_keras_names(model, found["input"]), inputs)
    again = {node["name"] for node in manifest["nodes"] if node["type"] == "reuse"}
    genuine = {name: value for name, value in found["node"].items() if name not in again}
    check(done.path, {**found["input"], **genuine}, inputs)


@pytest.mark.parametrize("folder", WRITTEN, ids=lambda path: path.name)
def test_keras_computes_the_same_after_kur(folder, tmp_path):
    again = kur(folder / "model.keras", tmp_path)
    with np.load(folder / "evaluated.npz") as arrays:
        given = {k[6:]: arrays[k] for k in arrays.files if k.startswith("input:")}
    done = npf.convert(again, tmp_path / "back.keras")
    inputs = [given[spec.name] for spec in again.inputs]
    check(done.path, traced_as_keras_names(again, given), inputs)
