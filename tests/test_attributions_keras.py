"""A CNN that finds digits in photographs: what explains it, against Keras and where digits are."""

import json

import numpy as np
import pytest
from cases import FIXTURES
from PIL import Image

import npforward as npf

CLUTTER = FIXTURES / "attributions"
META = json.loads((CLUTTER / "meta.json").read_text())


def picture(path):
    with Image.open(path) as opened:
        return np.asarray(opened, "float32")


PICTURES = np.stack([picture(CLUTTER / name) for name in META["boxes"]])


@pytest.fixture(scope="module")
def clutter():
    return npf.load_model(CLUTTER / "model.keras")


@pytest.fixture(scope="module")
def golden():
    with np.load(CLUTTER / "golden.npz") as held:
        return dict(held)


def close(found, want, share=1e-3):
    """Within a share of the largest number."""
    assert np.abs(found - want).max() <= share * np.abs(want).max()


def test_gradients_are_those_of_keras(clutter, golden):
    x = PICTURES[:3]
    found = npf.saliency(clutter, x, channels=None)
    assert found.classes == tuple(golden["classes"])
    close(found.map, np.abs(golden["gradient"]))
    np.testing.assert_allclose(found.score, golden["score"], rtol=1e-4)
    close(npf.saliency(clutter, x).map, np.abs(golden["gradient"]).max(axis=-1))
    close(npf.gradient_times_input(clutter, x).map, x * golden["gradient"])
    found = npf.integrated_gradients(clutter, x, steps=16, rule="riemann")
    close(found.map, golden["integrated"])


@pytest.mark.parametrize("ending", ["", "_logit"])
@pytest.mark.parametrize("name", ["conv4", "relu2"])
def test_class_activation_maps_are_those_of_keras(clutter, golden, name, ending):
    x, logits = PICTURES[:3], bool(ending)
    found = npf.grad_cam(clutter, x, layer=name, logits=logits, upsample=False)
    close(found.map, golden[f"grad_cam/{name}{ending}"])
    found = npf.grad_cam(clutter, x, layer=name, logits=logits)
    close(found.map, golden[f"grad_cam_upsampled/{name}{ending}"])
    found = npf.grad_cam_plus_plus(clutter, x, layer=name, logits=logits, upsample=False)
    close(found.map, golden[f"grad_cam++/{name}{ending}"])
    assert npf.grad_cam(clutter, x).layer == "conv4"


def shares(heat):
    """The mean heat in each object's box as a multiple of that outside."""
    for one, (top, left, h, w) in zip(heat, META["boxes"].values(), strict=True):
        inside = np.zeros(one.shape, bool)
        inside[top : top + h, left : left + w] = True
        yield one[inside].mean() / max(one[~inside].mean(), 1e-12)


@pytest.mark.parametrize(("method", "least"), [(npf.grad_cam, 8), (npf.saliency, 4)])
def test_the_heat_is_where_the_object_is(clutter, method, least):
    found = method(clutter, PICTURES, logits=True)
    times = np.array(list(shares(found.heat)))
    assert len(times) == 20
    assert np.median(times) > least and (times > 1).mean() >= 0.95, times.round(1)
