"""What a case does to its layer once it is built: quantise it, put LoRA beside its kernel."""

from typing import NamedTuple

import keras
from keras.src.quantizers import awq, gptq
from keras.src.quantizers.quantization_config import validate_and_resolve_config

SCALES = ("inputs_scale", "outputs_grad_scale", "kernel_scale")


class Quantized(NamedTuple):
    """`model.quantize(mode, config)` for a layer and those in it; as in that, others are left."""

    mode: str
    options: dict
    said: str

    def __call__(self, layer, args, rng):
        config = None
        if self.mode in CONFIGS:
            config = CONFIGS[self.mode](**self.options)
        config = validate_and_resolve_config(self.mode, config)
        for part in layer._flatten_layers():
            if len(list(part._flatten_layers())) == 1:
                try:
                    part.quantize(self.mode, config=config)
                except NotImplementedError:  # of a layer that has nothing to quantise
                    continue
                self.calibrate(part, args[0], config, rng)
        return layer

    def calibrate(self, layer, x, config, rng):
        if self.mode == "float8":
            for variable in layer.weights:
                if variable.name in SCALES:  # about 1/448 of what it divides
                    variable.assign(rng.uniform(0.002, 0.02))
        if self.mode in ("gptq", "awq"):
            rows = (awq.AWQ if self.mode == "awq" else gptq.GPTQ)(layer, config).rows
            x = rng.standard_normal((4 * rows, rows), "float32") * rng.uniform(0.2, 2, rows)
            x = keras.ops.convert_to_tensor(x, "float32")
        if self.mode == "gptq":
            found = gptq.GPTQ(layer, config)
            found.update_hessian_with_batch(x)
            found.quantize_and_correct_layer()
        if self.mode == "awq":
            found = awq.AWQ(layer, config)
            found.update_activation_magnitudes(x)
            found.quantize_layer()
        if self.mode in ("gptq", "awq"):
            # Keras 3.15.1 forgets the zero points when it writes a `.keras` file, which it then
            # cannot read.  They belong between scales and groups, and are there in `.h5`.
            zero = layer.kernel_zero
            layer._get_kernel_with_merged_lora = lambda: (None, None, zero)

    def __str__(self):
        return self.said


CONFIGS = {
    "int8": keras.quantizers.Int8QuantizationConfig,
    "int4": keras.quantizers.Int4QuantizationConfig,
    "gptq": lambda **options: keras.quantizers.GPTQConfig(
        dataset=None, tokenizer=None, quantization_layer_structure={}, **options
    ),
    "awq": lambda **options: keras.quantizers.AWQConfig(
        dataset=None, tokenizer=None, quantization_layer_structure={}, **options
    ),
}


def quantized(mode, said="", **options):
    """Quantise by a mode with options of its config; `said` tells this case's id from others'."""
    return Quantized(mode, options, "-".join(filter(None, [mode, said])))


class Lora(NamedTuple):
    """`enable_lora`, after something else, with adapters that are not zeros.

    Keras merges them into the kernel when it writes a `.keras` file, and quantises it anew, so that
    what is recorded is what a layer computes that has been read from one.
    """

    rank: int
    alpha: float
    after: Quantized | None = None

    def __call__(self, layer, args, rng):
        if self.after:
            layer = self.after(layer, args, rng)
        layer.enable_lora(self.rank, lora_alpha=self.alpha)
        for variable in layer.weights:
            if variable.name.startswith("lora_"):
                variable.assign(0.3 * rng.standard_normal(variable.shape))
        kept = {}
        layer.save_own_variables(kept)
        read = type(layer).from_config(layer.get_config())
        read(*args)
        read.load_own_variables({key: keras.ops.convert_to_numpy(a) for key, a in kept.items()})
        read.lora_enabled = False  # else it is merged and quantised once more when it is written
        return read

    def __str__(self):
        return f"lora_{self.rank}_{self.alpha}" + (f"-{self.after}" if self.after else "")
