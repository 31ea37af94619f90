"""What in an input speaks for a class: saliency, integrated gradients, Grad-CAM, occlusion, ...

Every method asks what a score hangs on: a class of the output, or anything else that
`Model.gradients` can differentiate.  Inputs go through in parts of `batch_size` samples, so memory
is that of one part.
"""

from npforward.attributions.averaged import integrated_gradients, smoothgrad
from npforward.attributions.class_maps import grad_cam, grad_cam_plus_plus
from npforward.attributions.covering import occlusion
from npforward.attributions.gradients import gradient_times_input, saliency
from npforward.attributions.maximisation import Maximised, activation_maximisation
from npforward.attributions.results import Attribution

__all__ = [
    "Attribution",
    "Maximised",
    "activation_maximisation",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient_times_input",
    "integrated_gradients",
    "occlusion",
    "saliency",
    "smoothgrad",
]
