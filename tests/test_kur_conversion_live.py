"""Models of Kur in genuine Keras 3: it opens what was written, and computes what Kur did.

pytest -m reference tests/test_kur_conversion_live.py        (needs the extra `reference`)
"""

from __future__ import annotations

import numpy as np
import pytest
from test_conversion_live import check
from test_kur import golden
from test_kur_conversion import EXPRESSIBLE, WRITTEN, fed, keras_names, kur, shapes_of

import npforward as npf

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]


def by_keras_name(model, values):
    names = keras_names(model)
    return {names[at]: value for at, value in values.items() if at in names}


@pytest.mark.parametrize("folder", EXPRESSIBLE, ids=lambda path: path.name)
def test_keras_computes_what_kur_did(folder, tmp_path):
    found, _ = golden(folder)
    model = npf.load_model(folder / "Kurfile.yml")
    done = npf.convert(model, tmp_path / "new.keras", shapes=shapes_of(found))
    given = fed(model, found)
    nodes = {npf.addresses.escape(name): value for name, value in found["node"].items()}
    genuine = by_keras_name(model, {**model.trace(given), **nodes, **given})
    check(done.path, genuine, list(given.values()))


@pytest.mark.parametrize("folder", WRITTEN, ids=lambda path: path.name)
def test_keras_computes_the_same_after_kur(folder, tmp_path):
    again = kur(folder / "model.keras", tmp_path)
    with np.load(folder / "evaluated.npz") as arrays:
        given = {k[6:]: arrays[k] for k in arrays.files if k.startswith("input:")}
    done = npf.convert(again, tmp_path / "back.keras")
    inputs = [given[spec.name] for spec in again.inputs]
    check(done.path, by_keras_name(again, again.trace(given)), inputs)
