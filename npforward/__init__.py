"""Open a saved neural network and get every number it computes, with numpy only.

>>> import npforward as npf
>>> model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
>>> model.type
'Sequential'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Loaded when first used: importing npforward costs no more than importing numpy.
_HOME = {
    "load_model": "model",
    "Model": "model",
    "Trace": "model",
    "Limits": "limits",
    "NpforwardError": "errors",
    "read_idx": "formats.idx",
    "write_idx": "formats.idx",
    "convert": "conversion",
    "dead_units": "activity",
    "first_nonfinite": "nonfinite",
    "receptive_field": "receptive",
    "ablation": "interventions",
    "over_epochs": "epochs",
    "saliency": "attributions",
    "gradient_times_input": "attributions",
    "integrated_gradients": "attributions",
    "smoothgrad": "attributions",
    "grad_cam": "attributions",
    "grad_cam_plus_plus": "attributions",
    "occlusion": "attributions",
    "activation_maximisation": "attributions",
    "numpy_only": "kernels",
    "get_activations": "keract",
    "display_activations": "keract",
    "display_heatmaps": "keract",
    "display_gradients_of_trainable_weights": "keract",
    "get_gradients_of_activations": "keract",
    "get_gradients_of_trainable_weights": "keract",
    "persist_to_json_file": "keract",
    "load_activations_from_json_file": "keract",
}
_MODULES = (
    "addresses",
    "errors",
    "kernels",
    "keract",
    "layers",
    "ops",
    "plots",
    "statistics",
    "verify",
)

__all__ = [*_HOME, *_MODULES]

if TYPE_CHECKING:
    from npforward import addresses, errors, keract, kernels, layers, ops, plots, statistics, verify
    from npforward.activity import dead_units
    from npforward.attributions import (
        activation_maximisation,
        grad_cam,
        grad_cam_plus_plus,
        gradient_times_input,
        integrated_gradients,
        occlusion,
        saliency,
        smoothgrad,
    )
    from npforward.conversion import convert
    from npforward.epochs import over_epochs
    from npforward.errors import NpforwardError
    from npforward.formats.idx import read_idx, write_idx
    from npforward.interventions import ablation
    from npforward.keract import (
        display_activations,
        display_gradients_of_trainable_weights,
        display_heatmaps,
        get_activations,
        get_gradients_of_activations,
        get_gradients_of_trainable_weights,
        load_activations_from_json_file,
        persist_to_json_file,
    )
    from npforward.kernels import numpy_only
    from npforward.limits import Limits
    from npforward.model import Model, Trace, load_model
    from npforward.nonfinite import first_nonfinite
    from npforward.receptive import receptive_field


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"npforward.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"npforward.{name}")
    raise AttributeError(f"module 'npforward' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
