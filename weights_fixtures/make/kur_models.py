"""Models that genuine Kur 0.7.0 trained, with every layer's output: `kur/<toolchain>_<name>/`.

    python weights_fixtures/make/kur_models.py [NAME ...]

Runs under Python 3.6 with Kur at commit fd0c120 (its version still says 0.7.0; under PyTorch the
release on PyPI takes every merge for `concat`).  The environment decides what is made:

    keras1_tensorflow   keras 1.2.2, tensorflow 1.15.5, numpy 1.16.2; KERAS_BACKEND=tensorflow
    keras1_theano       keras 1.2.2, theano 0.9.0, numpy 1.13.3; KERAS_BACKEND=theano
    keras2_tensorflow   keras 2.0.8, tensorflow 1.15.5, numpy 1.16.2; KERAS_BACKEND=tensorflow
    pytorch             torch 1.0.0, numpy 1.16.2, and no keras

Theano compiles for minutes: `groups` and `recurrents` were made with THEANO_FLAGS=mode=FAST_COMPILE,
`pools` with optimizer_excluding=conv_gemm besides, `convolutions` with Theano's own mode and before
runs were seeded; `norms` and `shapes` were not made.

Of each model: `kur train` trains it for a few epochs.  The weights are then moved by a seeded draw,
so that nothing in them is still 0 or 1, the statistics of batch normalisation, which Kur does not
train, among them; and saved by Kur's `Model.save`.  `Model.restore` reads them, and the outputs of
all nodes and hidden layers are taken at evaluation.  `kur evaluate` must give the same.

In a model a line that ends in `#: a b` is for the toolchains that have a or b in their name.
"""

import json
import os
import pickle
import platform
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
from kur import loggers
from kur.engine import JinjaEngine
from kur.kurfile import Kurfile
from kur.version import __version__

FOLDER = Path(__file__).resolve().parents[1] / "kur"
ROWS = 4  # The batch whose outputs are stored; batch normalisation takes its statistics from it.
TRAINED_ON = 24

HEAD = """---
# {about}
settings:
  backend: {{{backend}}}
"""
SECTIONS = """
train:
  data: [{numpy_dict: train.npy}]
  provider: {batch_size: 8}
  epochs: 3
  weights: {last: weights}
  optimizer: {name: adam, learning_rate: 0.01}
evaluate:
  data: [{numpy_dict: batch.npy}]
  weights: weights
  destination: results.pkl
"""

# ---- the models: what they show, their data, their Kurfile, and further files --------------------


class Ids:
    """The shape of an input of numbers below `count`."""

    def __init__(self, count, *shape):
        self.count, self.shape = count, shape


MODELS = {}
MODELS["convolutions"] = {
    "about": "Convolutions over 1 to 3 axes: odd and even sizes, strides, same and valid borders.",
    "inputs": {"line": (9, 3), "picture": (7, 8, 2), "cube": (5, 4, 6, 2)},
    "model": """
model:
  - input: {shape: [9, 3]}
    name: line
  - {convolution: {kernels: 4, size: 3}, name: line_same}
  - {convolution: {kernels: 3, size: 2, strides: 2, border: valid}, name: line_valid}
  - {convolution: {kernels: 3, size: [4]}, inputs: line, name: line_even}  #: keras
  - {convolution: {kernels: 3, size: 4, strides: 2}, inputs: line, name: line_even_strided}  #: keras
  - {convolution: {kernels: 2, size: 5, strides: [3], border: same}, inputs: line, name: line_strided}
  - {convolution: {kernels: 2, size: 4, border: valid}, inputs: line, name: line_even_valid}
  - input: picture
  - {convolution: {kernels: 3, size: [3, 3]}, name: picture_same}
  - {convolution: {kernels: 2, size: [2, 3], strides: [1, 2], border: valid}, name: picture_valid}
  - {convolution: {kernels: 3, size: [2, 4]}, inputs: picture, name: picture_even}  #: keras
  - {convolution: {kernels: 2, size: [4, 2], strides: [3, 2]}, inputs: picture, name: picture_even_strided}  #: keras
  - {convolution: {kernels: 3, size: [3, 5], strides: [2, 3]}, inputs: picture, name: picture_strided}
  - {convolution: {kernels: 3, size: [3, 3], strides: 2}, inputs: picture, name: picture_strided_by_one_number}
  - {convolution: {kernels: 2, size: [1, 1]}, inputs: picture, name: picture_one}
  - input: {shape: [5, null, 6, 2]}
    name: cube
  - {convolution: {kernels: 2, size: [3, 1, 3]}, name: cube_same}
  - {convolution: {kernels: 2, size: [2, 2, 3], strides: 2, border: valid}, name: cube_valid}
  - {convolution: {kernels: 2, size: [2, 3, 4]}, inputs: cube, name: cube_even}  #: keras
  - {convolution: {kernels: 2, size: [3, 3, 3], strides: [2, 1, 2]}, inputs: cube, name: cube_strided}
""",
}
MODELS["pools"] = {
    "about": "Pooling over 1 to 3 axes, maxima and averages, with every border; strides are 1 by default.",
    "inputs": {"line": (9, 3), "picture": (7, 6, 2), "cube": (5, 4, 6, 2)},
    "model": """
model:
  - {input: line}
  - {pool: 2, name: line_short}  #: keras2 pytorch
  - {pool: {size: 3, strides: 2, border: same}, inputs: line, name: line_same}  #: keras2 pytorch
  - {pool: {size: 3, strides: 2, border: same, type: average}, inputs: line, name: line_average_same}  #: keras2
  - {pool: {size: [4], strides: [3], type: average}, inputs: line, name: line_average}  #: keras2
  - {pool: {size: 4, border: same}, inputs: line, name: line_even}  #: keras2
  - {dense: 2, inputs: line, name: line_dense}
  - {input: picture}
  - {pool: [2, 2], name: picture_short}
  - {convolution: {kernels: 2, size: [2, 2], border: valid}, name: top}
  - {pool: {size: [3, 2], strides: 2}, name: deeper}
  - {pool: {size: [2, 3], strides: [2, 1]}, inputs: picture, name: picture_strided}
  - {pool: {size: [3, 3], border: same}, inputs: picture, name: picture_same}
  - {pool: {size: [3, 5], strides: 2, border: same}, inputs: picture, name: picture_same_strided}
  - {pool: {size: [2, 4], border: same}, inputs: picture, name: picture_even}  #: keras
  - {pool: {size: [4, 2], strides: [3, 2], border: same}, inputs: picture, name: picture_even_strided}  #: keras
  - {pool: {size: [2, 3], type: average}, inputs: picture, name: average}  #: keras
  - {pool: {size: [2, 2], strides: 2, type: Average}, inputs: picture, name: average_strided}  #: keras
  - {pool: {size: [3, 3], border: same, type: average}, inputs: picture, name: average_same}  #: keras
  - {pool: {size: [3, 5], strides: 2, border: same, type: average}, inputs: picture, name: average_same_strided}  #: keras
  - {pool: {size: [2, 4], strides: [1, 2], border: same, type: average}, inputs: picture, name: average_even}  #: keras
  - {input: cube}
  - {pool: [2, 2, 2], name: cube_short}
  - {pool: {size: [3, 1, 2], strides: [2, 1, 2]}, inputs: cube, name: cube_strided}
  - {pool: {size: [3, 3, 3], strides: 2, border: same}, inputs: cube, name: cube_same}
  - {pool: {size: [2, 2, 4], strides: [1, 2, 1], border: same}, inputs: cube, name: cube_even}  #: keras
  - {pool: {size: [2, 2, 3], strides: [1, 2, 1], type: average}, inputs: cube, name: cube_average}  #: keras
  - {pool: {size: [3, 2, 5], strides: 2, border: same, type: average}, inputs: cube, name: cube_average_same}  #: keras
""",
}
MODELS["norms"] = {
    "about": "Batch normalisation at every rank, dense layers in every form, every activation.",
    "inputs": {
        "flat": (6,),
        "steps": (4, 3),
        "picture": (3, 4, 2),
        "cube": (2, 3, 2, 2),
        "one": (),
    },
    "model": """
model:
  - input: flat
  - batch_normalization:
    name: normed
  - {activation: relu, inputs: normed, name: relu}
  - {activation: tanh, inputs: normed, name: tanh}
  - {activation: sigmoid, inputs: normed, name: sigmoid}
  - {activation: softmax, inputs: normed, name: softmax}
  - {activation: Softmax, inputs: normed, name: in_capitals}  #: pytorch
  - {activation: elu, inputs: normed, name: elu}  #: keras
  - {activation: softplus, inputs: normed, name: softplus}  #: keras
  - {activation: softsign, inputs: normed, name: softsign}  #: keras
  - {activation: hard_sigmoid, inputs: normed, name: hard_sigmoid}  #: keras
  - {activation: linear, inputs: normed, name: linear}  #: keras
  - {activation: none, inputs: normed, name: none}  #: keras
  - {activation: null, inputs: normed, name: empty}  #: keras
  - {activation: selu, inputs: normed, name: selu}  #: keras2
  - {dense: [5, 4, 3], inputs: normed, name: listed}
  - {dense: {size: [4]}, inputs: listed}
  - {dense: {size: [3, 2]}, name: again}
  - input: steps
  - {batch_normalization: {momentum: 0.5}, name: steps_normed}
  - {batch_normalization: {axis: 1}, name: steps_axis}
  - {activation: softmax, name: steps_softmax}
  - {dense: {size: 5}, name: steps_dense}
  - {dense: {size: [4, 2], flatten: yes}, inputs: steps_normed, name: flattened}
  - {input: picture}
  - batch_normalization
  - {convolution: {kernels: 3, size: [3, 3]}}
  - {batch_normalization: {axis: 3}, name: picture_last}
  - flatten
  - dense: 3
  - {dense: 2, inputs: picture_last, name: picture_dense}
  - {batch_normalization: {axis: 1}, inputs: picture, name: picture_rows}
  - {batch_normalization: {axis: -2}, inputs: picture, name: picture_columns}
  - {activation: softmax, inputs: picture_dense, name: picture_softmax}  #: keras2 pytorch
  - {flatten: , inputs: picture_rows, name: picture_flat}
  - input: cube
  - {batch_normalization: {}, name: cube_normed}
  - {flatten: , name: cube_flat}
  - {dense: 2, inputs: cube_normed, name: cube_dense}
  - input: one  #: keras
  - {dense: 3, name: from_a_number}  #: keras
""",
}
MODELS["recurrents"] = {
    "about": "GRU and LSTM: whole sequences and last steps, both directions merged in every way.",
    "inputs": {"steps": (5, 3)},
    "model": """
model:
  - input: steps
  - {recurrent: {size: 4}, name: gru}
  - {recurrent: {size: 3, type: gru, sequence: no}, name: gru_last}
  - {recurrent: {size: 3, type: lstm}, inputs: steps, name: lstm}
  - {recurrent: {size: 4, type: LSTM, sequence: no}, name: lstm_last}
  - {recurrent: {size: 3, outer_activation: tanh}, inputs: steps, name: gru_tanh}  #: keras
  - {recurrent: {size: 3, type: lstm, sequence: no, outer_activation: sigmoid}, inputs: steps, name: lstm_sigmoid}  #: keras
  - {recurrent: {size: 3, type: lstm, outer_activation: linear}, inputs: steps, name: lstm_linear}  #: keras
  - {recurrent: {size: 5, bidirectional: yes, merge: concat}, inputs: steps, name: gru_concat}
  - {recurrent: {size: 5, type: lstm, bidirectional: yes, merge: Concat, sequence: no}, inputs: steps, name: lstm_concat_last}
  - {recurrent: {size: 4, bidirectional: yes, merge: concat, sequence: no}, inputs: steps, name: gru_concat_last}
  - {recurrent: {size: 4, type: lstm, bidirectional: yes, merge: concat}, inputs: steps, name: lstm_concat}
  - {dense: 2, name: after}
  - {recurrent: {size: 3, bidirectional: yes, outer_activation: tanh}, inputs: steps, name: gru_average}  #: keras1
  - {recurrent: {size: 3, type: lstm, bidirectional: yes, merge: average, sequence: no}, inputs: steps, name: lstm_average_last}  #: keras1
  - {recurrent: {size: 3, bidirectional: yes, merge: multiply, sequence: no}, inputs: steps, name: gru_multiply_last}  #: keras1
  - {recurrent: {size: 2, type: lstm, bidirectional: yes, merge: multiply}, inputs: steps, name: lstm_multiply}  #: keras1
  - {recurrent: {size: 3, bidirectional: yes, merge: add}, inputs: steps, name: gru_add}  #: keras1
""",
}
MODELS["shapes"] = {
    "about": "Layers that move axes, merges, lookups, and parallel layers.",
    "inputs": {
        "words": Ids(7, 6),
        "flat": (4,),
        "left": (3, 4),
        "right": (3, 4),
        "pictures": (3, 4, 5, 2),
    },
    "model": """
model:
  - {input: words}
  - {embedding: {vocab_size: 7, size: 3}, name: looked_up}
  - {transpose: [1, 0], name: turned}
  - {expand: -1, name: expanded_last}
  - {squeeze: {dimension: 2}, name: squeezed}
  - {expand: {dimension: 1}, inputs: turned, name: expanded_middle}
  - {squeeze: -2, name: squeezed_middle}
  - {expand: 0, inputs: turned, name: expanded_first}
  - {expand: -3, inputs: turned, name: expanded_third_last}
  - {transpose: [2, 0, 1], name: turned_three}
  - {transpose: {axes: [1, 0, 2], include_batch: yes}, inputs: looked_up, name: batch_second}
  - {transpose: {axes: [2, 1, 0], include_batch: yes}, name: batch_last}
  - {transpose: {axes: [2, 1, 0], include_batch: yes}, name: batch_moved}
  - {transpose: {axes: [1, 0, 2], include_batch: yes}, name: batch_back}
  - {input: flat}
  - {repeat: 3, name: repeated}
  - {repeat: {count: 2}, inputs: flat, name: twice}
  - {input: left}
  - {input: right}
  - {merge: concat, inputs: [left, right], name: joined}
  - {merge: , inputs: [right, left], name: joined_by_default}
  - {merge: {mode: concat, axis: 1}, inputs: [left, right, left], name: joined_at_1}
  - {merge: {axis: -2}, inputs: [left, right], name: joined_before_last}
  - {merge: {mode: concat, axis: 0}, inputs: [left, right], name: joined_at_0}  #: pytorch
  - {merge: multiply, inputs: [left, right], name: product}  #: keras1 pytorch
  - {merge: add, inputs: [left, right], name: sum}  #: keras1 pytorch
  - {merge: {mode: average, axis: -1}, inputs: [left, right], name: mean}  #: keras1 pytorch
  - {merge: multiply, inputs: [left, right, left], name: product_of_three}  #: keras1
  - {merge: add, inputs: [left, right, left], name: sum_of_three}  #: keras1
  - {merge: average, inputs: [left, right, left], name: mean_of_three}  #: keras1
  - {merge: add, inputs: left, name: alone}  #: keras1
  - {input: pictures}
  - parallel:
      apply:
        - {convolution: {kernels: 3, size: [2, 3]}, name: small}  #: keras
        - {activation: tanh}
        - batch_normalization  #: keras
        - {pool: {size: [2, 2], strides: 2}}  #: keras
        - flatten:
        - {dense: [5, 4]}
        - for:  #: keras
            range: 2  #: keras
            with_index: i  #: keras
            iterate:  #: keras
              - {dense: "{{ i + 3 }}"}  #: keras
              - {activation: "{{ 'relu' if i else 'sigmoid' }}"}  #: keras
    name: each
  - {parallel: {apply: [{dense: 3}]}, inputs: left, name: each_step}
  - parallel:
      apply: [{recurrent: {size: 3, sequence: no}}]  #: keras
      apply: [{activation: relu}]  #: pytorch
    inputs: turned_three
    name: each_sequence
""",
}
MODELS["groups"] = {
    "about": "Loops, templates, conditions, groups with aliases, sinks, reuse, containers of outputs; an included file.",
    "inputs": {"first": (6, 3), "second": (4,), "whole": (3,)},
    "settings": """
  width: 4
  sizes: [5, 3]
  kinds: [tanh, sigmoid]
  deep: {count: 2, half: "{{ width // 2 }}"}
""",
    "model": """
include: templates.yml
model:
  - {input: {shape: [6, 3]}, name: first}
  - for:
      range: "{{ deep.count }}"
      with_index: i
      iterate:
        - {dense: "{{ sizes[i] }}", tag: wide}
        - {activation: "{{ kinds[i] }}"}
    name: encoder
  - for:
      range: 2
      iterate:
        - {dense: "{{ index + 3 }}"}
        - activation: relu
  - {block: {size: "{{ width }}", kind: relu}, name: blocked, sink: yes}
  - {block: {size: 3, kind: tanh}}
  - debug: "tags: {{ tags }}"
  - for_each:
      items: [{size: 4, kind: sigmoid}, {size: "{{ deep.half }}", kind: tanh}]
      loop_var: part
      iterate:
        - block: {size: "{{ part.size }}", kind: "{{ part.kind }}"}
        - {dropout: 0.5, when: "{{ width > 10 }}", name: "dropped_{{ part.size }}"}
    sink: yes
    name: parts
  - flatten
  - {output: summary}
  - input:
      shape: [4]
    name: second
  - assert: ["{{ width == 4 }}", "{{ sizes|length == 2 }}"]
  - {dense: [3, 4], name: shared}
  - {activation: tanh, name: shared_tanh, sink: yes}
  - {reuse: shared, name: shared_again}
  - {activation: relu, when: no, name: passed}
  - {reuse: {target: shared}}
  - {dense: 3, freeze: yes, name: frozen}
  - {activation: softmax, name: last}
  - {output: answer}
  - {nested: {depth: 2}, inputs: encoder, name: nest}
  - output: deepest
  - {reuse: encoder, inputs: first, name: encoder_again}
  - {reuse: later, inputs: shared_tanh, name: before}
  - {dense: 5, inputs: shared_tanh, name: later}
  - input: {shape: [3]}
    name: whole
  - {dense: 3, inputs: [whole]}
  - {merge: concat, inputs: [whole, last], name: both}
  - {dense: "{{ raw.settings.width + 1 }}", name: ends, tag: [a, b]}
""",
    "files": {
        "templates.yml": """---
templates:
  block:
    - {dense: "{{ args.size }}", tag: wide}
    - {activation: "{{ kind }}"}
  nested:
    for:
      range: "{{ depth }}"
      with_index: level
      iterate:
        - block: {size: "{{ depth + level }}", kind: tanh}
        - {block: {size: 2, kind: relu}, name: "level_{{ level }}"}
"""
    },
}
MODELS["highways"] = {
    "about": "What only PyTorch has: highways and separable convolutions; softmax that gives logarithms; a softmax as loss's target.",
    "only": "pytorch",
    "inputs": {"line": (7, 3), "picture": (5, 4, 3), "flat": (4,)},
    "model": """
model:
  - {input: line}
  - {convolution: {kernels: 3, size: 3, highway: yes}, name: line_highway}
  - {convolution: {kernels: 6, size: 3, separable: yes}, name: line_apart}
  - {convolution: {kernels: 3, size: 3, strides: 2, separable: yes, border: valid}, inputs: line, name: line_strided}
  - {dense: {size: 3, highway: yes}, inputs: line, name: line_dense}
  - {input: picture}
  - {convolution: {kernels: 3, size: [3, 3], highway: yes, bias: -2}, name: picture_highway}
  - {convolution: {kernels: 6, size: [3, 1], separable: yes}, name: picture_apart}
  - {activation: softmax, name: by_channel_of_4}
  - {convolution: {kernels: 6, size: [2, 3], strides: [1, 2], separable: yes, border: valid}, inputs: picture_highway}
  - {convolution: {kernels: 3, size: [3, 3], highway: yes, separable: yes, bias: 0.5}, inputs: picture, name: both}
  - {input: flat}
  - {dense: {size: 4, highway: yes}, name: highway}
  - {dense: {size: [7, 4], highway: yes, bias: -1.5}, name: biased}
  - {activation: softmax, name: classes}
""",
}
MODELS["ranks"] = {
    "about": "Kur's PyTorch takes what a dense layer gives for one axis, and counts axes by that.",
    "only": "pytorch",
    "inputs": {"steps": (4, 3)},
    "model": """
model:
  - {input: steps}
  - {dense: 4, name: steps_dense}
  - {batch_normalization: , name: by_second_axis}
  - {dense: 2, inputs: steps, name: other}
  - {merge: concat, inputs: [steps_dense, by_second_axis], name: joined}
  - {expand: -1, inputs: steps_dense, name: expanded}
  - {recurrent: {size: 3}, inputs: other, name: gru}
  - {dense: [9, 2], name: last}
""",
}

# ---- one model of Kur's, built -------------------------------------------------------------------


class Built:
    """The model of `Kurfile.yml` in this folder, as Kur builds it for evaluation."""

    def __init__(self):
        self.file = Kurfile("Kurfile.yml", JinjaEngine())
        self.file.parse()
        self.model = self.file.get_model(self.file.get_provider("evaluate")["default"])
        self.backend = self.model.backend
        self.keras = self.backend.get_name() == "keras"
        batch = np.load("batch.npy")[()]
        self.batch = {name: batch[name] for name in self.model.inputs}
        shapes = {name: node.container.shape() for name, node in self.model.inputs.items()}
        # Kur's own way with one axis too few.
        self.fed = {
            name: x[..., None] if x.ndim == len(shapes[name]) else x
            for name, x in self.batch.items()
        }

    def compiled(self):
        return self.backend.make_model(
            inputs=[node.value for node in self.model.inputs.values()],
            outputs=[node.value for node in self.model.outputs.values()],
        )

    def nodes(self):
        """The output of every node but inputs."""
        wanted = {
            name: node.value
            for name, node in self.model.network.items()
            if name not in self.model.inputs
        }
        return self.run(wanted)

    def run(self, wanted):
        if self.keras:
            import keras.backend as K

            first = self.backend.make_model(
                inputs=[node.value for node in self.model.inputs.values()],
                outputs=list(wanted.values()),
            )
            found = K.function([*first.inputs, K.learning_phase()], first.outputs)(
                [*self.fed.values(), 0]
            )
            return dict(zip(wanted, found))
        return {key: self.called(value).detach().numpy().copy() for key, value in wanted.items()}

    def called(self, value):
        """What PyTorch gives for a node's value."""
        import torch

        tensors = [torch.from_numpy(x).float() for x in self.fed.values()]
        return value["layer"](self.model.data.model, *tensors)

    def hidden(self):
        """The outputs of the framework's layers that are not those of nodes."""
        if not self.keras:
            return self.hidden_modules()
        wanted = {}
        taken = {id(node.value) for node in self.model.network.values()}
        for layer in self.compiled().layers:
            outputs = [layer.get_output_at(i) for i in range(len(layer.inbound_nodes))]
            for i, tensor in enumerate(outputs):
                if id(tensor) not in taken:
                    name = layer.name if len(outputs) == 1 else f"{layer.name}#{i}"
                    wanted["keras:" + name] = tensor
        return self.run(wanted) if wanted else {}

    def hidden_modules(self):
        """What the two modules of each highway give, with channels where PyTorch has them."""
        found = {}
        modules = dict(self.model.data.model.named_children())
        highways = [
            name
            for name, node in self.model.network.items()
            if getattr(node.container, "highway", False)
        ]
        for name in highways:
            for part in "HT":
                key = f"layer_{name}_{part}"
                seen = []
                hook = modules[key].register_forward_hook(
                    lambda module, inputs, output, seen=seen: seen.append(output.detach().numpy())
                )
                self.called(self.model.network[name].value)
                hook.remove()
                (found["torch:" + key],) = seen
        return found

    def weights(self):
        """Name -> array."""
        if self.keras:
            import keras.backend as K

            weights = []
            for weight in self.compiled().weights:
                if weight not in weights:
                    weights.append(weight)
            return {weight: (str(weight.name), K.get_value(weight)) for weight in weights}
        return {key: (key, w.numpy()) for key, w in self.model.data.model.state_dict().items()}

    def set_weights(self, values):
        if self.keras:
            import keras.backend as K

            K.batch_set_value(list(values.items()))
        else:
            import torch

            state = {key: torch.from_numpy(np.asarray(w)) for key, w in values.items()}
            self.model.data.model.load_state_dict(state)

    def restore(self):
        """`Model.restore`; Kur cannot read back the numbers that PyTorch's counters are saved as."""
        for path in Path("weights").glob("*num_batches_tracked.kur"):
            path.unlink()
        self.model.restore("weights")

    def manifest(self, name):
        versions = {
            "python": platform.python_version(),
            "kur": __version__,
            "numpy": np.__version__,
        }
        layers = []
        if self.keras:
            import keras
            import keras.backend as K

            toolchain = self.backend.get_toolchain()
            versions.update(keras=keras.__version__, toolchain=toolchain)
            versions[toolchain] = sys.modules[toolchain].__version__
            for layer in self.compiled().layers:
                weights = [[str(w.name), list(K.get_value(w).shape)] for w in layer.weights]
                layers.append(
                    {
                        "name": layer.name,
                        "class": type(layer).__name__,
                        "weights": weights,
                        "calls": len(layer.inbound_nodes),
                    }
                )
        else:
            import torch

            versions.update(torch=torch.__version__, toolchain="pytorch")
            for child, module in self.model.data.model.named_children():
                weights = [[key, list(w.shape)] for key, w in module.state_dict().items()]
                layers.append({"name": child, "class": type(module).__name__, "weights": weights})
        nodes = [
            {
                "name": key,
                "type": node.container.get_container_name(),
                "inputs": [each.container.name for each in node.inputs],
                "aliases": list(node.names),
                "built": bool(node.container.when),
            }
            for key, node in self.model.network.items()
        ]
        return {
            "fixture": name,
            "batch_rows": list(range(ROWS)),
            "nodes": nodes,
            "layers": layers,
            "versions": versions,
            "outputs": list(self.model.outputs),
        }


def moved(name, w, rng):
    """Trained weights moved by a draw; variances stay above zero."""
    if w.dtype.kind != "f":
        return w
    if any(word in name for word in ("running_var", "running_std", "moving_variance")):
        return rng.uniform(0.4, 1.6, w.shape).astype(w.dtype)
    return (w + rng.normal(0, 0.2, w.shape)).astype(w.dtype)


# ---- the steps, each in a process of its own: Keras counts its layers per process ----------------


def seed_of(text):
    return zlib.crc32(text.encode()) % 2**31


def step_shapes():
    """The shapes of the outputs that can be trained, for data to be drawn."""
    built = Built()
    outputs = built.model.outputs.items()
    if built.keras:  # Kur finds no Keras layer for a loss whose target is an alias.
        outputs = {key: node.value for key, node in outputs if node.container.name == key}
    else:  # PyTorch refuses a loss that no weight has a part in.
        outputs = {key: node.value for key, node in outputs}
        outputs = {
            key: value for key, value in outputs.items() if built.called(value).requires_grad
        }
    return {key: x.shape for key, x in built.run(outputs).items()}


def step_record(name):
    """Move the weights that `kur train` wrote, save them, and write `activations.npz`."""
    built = Built()
    built.restore()
    rng = np.random.RandomState(seed_of(name))
    built.set_weights({key: moved(*pair, rng=rng) for key, pair in built.weights().items()})
    built.model.save("weights")
    # As restored they must be as saved.
    saved = built.nodes()
    shutil.copytree("weights", "kept")
    built.set_weights({key: w * 0 for key, (_, w) in built.weights().items()})
    built.restore()
    nodes = built.nodes()
    shutil.rmtree("weights")
    shutil.move("kept", "weights")
    for key, x in nodes.items():
        assert np.array_equal(x, saved[key]), key
        assert np.isfinite(x).all(), key
    arrays = {"manifest": np.array(json.dumps(built.manifest(name)))}
    arrays.update({"input:" + key: x for key, x in built.batch.items()})
    arrays.update({"node:" + key: x.astype("float32") for key, x in nodes.items()})
    arrays.update({key: x.astype("float32") for key, x in built.hidden().items()})
    np.savez_compressed("activations.npz", **arrays)
    return {key: node.container.name for key, node in built.model.outputs.items()}


# What `kur` runs, after all that draws numbers has been seeded: Kur reads `settings.seed`, and leaves it.
SEEDED = """
import numpy
numpy.random.seed({0})
{1}
from kur.__main__ import main
main()
"""


def kur(toolchain, folder, *arguments):
    """What the command line of Kur prints."""
    seed = seed_of(folder.name)
    torch = f"import torch; torch.manual_seed({seed})" if toolchain == "pytorch" else ""
    return run("-c", SEEDED.format(seed, torch), *arguments, cwd=str(folder))


def run(*arguments, **options):
    """What a command prints; its errors are shown if it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ, PYTHONHASHSEED="0"),  # Python 3.6 draws the order of sets.
        **options,
    )
    if done.returncode:
        raise SystemExit("{}\n{}".format(" ".join(arguments), done.stderr.decode()[-6000:]))
    return done.stdout.decode()


def step(folder, *arguments):
    return json.loads(
        run(str(Path(__file__).resolve()), "--step", *arguments, cwd=str(folder)).splitlines()[-1]
    )


# ---- a folder ------------------------------------------------------------------------------------


def drawn(inputs, rows, rng):
    """A batch of each input."""
    return {
        key: rng.randint(0, each.count, (rows, *each.shape)).astype("float32")
        if isinstance(each, Ids)
        else rng.normal(0, 1, (rows, *each)).astype("float32")
        for key, each in inputs.items()
    }


def kept(text, toolchain):
    """The lines of this toolchain, without the marks."""
    lines = [line.partition("  #: ") for line in text.splitlines()]
    return "\n".join(
        line
        for line, _, marks in lines
        if not marks or any(mark in toolchain for mark in marks.split())
    )


def make(name, spec, toolchain, folder):
    """The fixture in `folder`."""
    rng = np.random.RandomState(seed_of(name))
    backend = "name: pytorch"
    if toolchain != "pytorch":
        backend = "name: keras, backend: {}".format(toolchain.partition("_")[2])
    head = HEAD.format(about=spec["about"], backend=backend)
    model = kept(spec["model"], toolchain)
    text = head + spec.get("settings", "").lstrip("\n") + SECTIONS.lstrip("\n") + model.lstrip("\n")
    kurfile = folder / "Kurfile.yml"
    kurfile.write_text(text + "\n...\n")
    for path, content in spec.get("files", {}).items():
        (folder / path).write_text(content)
    np.save(str(folder / "batch.npy"), drawn(spec["inputs"], ROWS, rng))

    shapes = step(folder, "shapes")
    data = drawn(spec["inputs"], TRAINED_ON, rng)
    for key, shape in shapes.items():
        data[key] = rng.normal(0, 1, [TRAINED_ON, *shape[1:]]).astype("float32")
    np.save(str(folder / "train.npy"), data)
    losses = "".join(f"\n  - {{target: {key}, name: mean_squared_error}}" for key in shapes)
    kurfile.write_text(text + "\nloss:" + losses + "\n...\n")

    kur(toolchain, folder, "train", "Kurfile.yml")
    names = step(folder, "record", f"{toolchain}_{name}")
    (folder / "dump.json").write_text(kur(toolchain, folder, "dump", "Kurfile.yml"))

    # `kur evaluate` cannot read what PyTorch's counters are saved as.
    shutil.copytree(str(folder / "weights"), str(folder / "kept"))
    for path in (folder / "weights").glob("*num_batches_tracked.kur"):
        path.unlink()
    kur(toolchain, folder, "evaluate", "Kurfile.yml")
    shutil.rmtree(str(folder / "weights"))
    shutil.move(str(folder / "kept"), str(folder / "weights"))
    with (folder / "results.pkl").open("rb") as f:
        found = pickle.load(f)["result"]
    golden = np.load(str(folder / "activations.npz"))
    worst = 0
    for key, node in names.items():
        expected = golden["node:" + node]
        error = np.abs(np.array(found[key]) - expected).max() / max(1, np.abs(expected).max())
        assert error < 1e-6, (key, error)
        worst = max(worst, error)
    for path in ("train.npy", "batch.npy", "results.pkl"):
        (folder / path).unlink()
    return worst


def this_toolchain():
    """From what is installed."""
    try:
        import keras
    except ImportError:
        return "pytorch"
    return "keras{}_{}".format(keras.__version__[0], os.environ["KERAS_BACKEND"])


def main(names):
    if not hasattr(loggers, "MemoryLogger"):
        raise SystemExit("this is Kur as on PyPI; install the commit that the docstring names")
    if names[:1] == ["--step"]:
        known = {"shapes": step_shapes, "record": step_record}
        print("\n" + json.dumps(known[names[1]](*names[2:])))
        return
    toolchain = this_toolchain()
    for name, spec in MODELS.items():
        if (names and name not in names) or spec.get("only", toolchain) not in toolchain:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / name
            folder.mkdir()
            worst = make(name, spec, toolchain, folder)
            target = FOLDER / f"{toolchain}_{name}"
            if target.exists():
                shutil.rmtree(str(target))
            shutil.copytree(
                str(folder), str(target), ignore=shutil.ignore_patterns("__pycache__", "best")
            )
        print(target.name, f"as `kur evaluate` to {worst:.0e}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
