"""The registry of layers: a decorated function is the only registration."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from npforward.errors import UnsupportedOption

LAYERS: dict[str, LayerDef] = {}

# What to do where the code of a layer or an activation is not in the file.
HOW = "Give the function: load_model(path, custom_layers={'name or class': function})"
# From config, inputs and the mask of the first input (a tree if that is one): the output's mask,
# or a list of one for each output.
MaskRule = Callable[[Mapping[str, Any], Any, Any], Any]


def keep(config: Mapping[str, Any], inputs: Any, mask: Any) -> Any:
    """The output has its input's mask: Keras's layers that only "support" masking."""
    return mask


def drop(config: Mapping[str, Any], inputs: Any, mask: Any) -> Any:
    """The output has no mask."""
    return None


# Keys of configs that no layer function needs: those without effect on inference, and `masks`,
# which rules for masks read.  An initializer, regularizer or constraint is known by its ending.
NO_EFFECT = frozenset(
    """name trainable dtype seed rate stddev noise_shape momentum synchronized renorm
    renorm_clipping renorm_momentum fused virtual_batch_size adjustment quantization_config
    lora_rank lora_alpha lora_apart gptq_unpacked_column_size autocast sparse encoding
    has_input_vocabulary implementation use_cudnn dropout recurrent_dropout
    unit_forget_bias flash_attention power_iterations init_values masks""".split()
)
NO_EFFECT_ENDINGS = ("_initializer", "_regularizer", "_constraint")
# What the shapes of the weights say already; the rules of `Weight` read and check these.
IN_WEIGHTS = frozenset(
    """units filters kernel_size depth_multiplier input_dim input_length
    projection_dim""".split()
)
# Arguments of a call without effect on inference.
CALL_NO_EFFECT = frozenset({"training"})


class Weight(NamedTuple):
    """One array that a layer needs, as its Keras class creates it."""

    name: str
    # Of the config and the input's shape; None is whatever the file has.
    shape: Callable[[Mapping[str, Any], Any], tuple[int, ...]] | None
    when: str | Callable[[Mapping[str, Any]], bool] = ""  # config key (absent: true) or predicate
    trainable: bool = True
    path: str = ""  # sub-layer that holds it: "cell", "query_dense"
    of: tuple[str, ...] = ()  # arguments whose shape it goes by: the first that is given
    training_only: bool = False  # stored, but inference never reads it
    of_child: bool = False  # the same array as one of a layer inside
    autocast: bool = True  # cast to the layer's compute dtype
    kind: str = "float"  # or the dtype of whole numbers
    part: str = ""  # argument of the layer function that it is one array of, if of several
    role: str = ""  # which: "values", "scale"
    whole: Callable[[Mapping[str, Any], Any], tuple[int, ...]] | None = None  # unpacked, its shape

    def exists(self, config: Mapping[str, Any]) -> bool:
        """Whether a layer of this config has it."""
        if callable(self.when):
            return self.when(config)
        return not self.when or bool(config.get(self.when, True))


@dataclass(frozen=True)
class Packed:
    """A weight that is kept in several arrays: a quantised kernel, one with LoRA beside it."""

    said: Mapping[str, Any]  # the layer's config, in which `quantization` is that of this weight
    arrays: Mapping[str, Any]  # by their roles
    shape: tuple[int, ...]  # of the weight itself

    ndim = property(lambda self: len(self.shape))


def quantization(config: Mapping[str, Any], path: str = "") -> Mapping[str, Any]:
    """How a layer, or its sub-layer at `path`, is quantised: {"mode": "int8"}; {} if it is not.

    Examples
    --------
    >>> quantization({"quantization": {"query_dense": {"mode": "int8"}}}, "query_dense")
    {'mode': 'int8'}
    """
    said = config.get("quantization") or {}
    return said.get(path, {}) if path else said


@dataclass(frozen=True)
class LayerDef:
    """A layer function with what its signature says."""

    fn: Callable[..., Any]
    weights: tuple[Weight, ...]
    arguments: tuple[str, ...]  # of call(), by Keras's names
    variadic: bool  # its one argument stands for any number of them
    options: Mapping[str, Any]  # config keys and their defaults
    policy: bool  # its class has a dtype policy: layers have one, operations do not
    autocast: bool  # inputs are cast to the layer's compute dtype
    ndim: int | None  # axes that its input must have, where that does not vary
    mask: MaskRule  # what becomes of its input's mask
    implicit: tuple[str, ...]  # masks that are taken from the inputs even if given otherwise
    further: bool = False  # its call takes further arguments, whatever they are called

    def declared(self, config: Mapping[str, Any]) -> tuple[Weight, ...]:
        """The weights that a layer of this config has, in Keras's order."""
        return tuple(w for w in self.weights if w.exists(config))

    def chosen(self, config: Mapping[str, Any], children: Collection[str] = ()) -> dict[str, Any]:
        """The options in a config, but those that `children` are for.

        One that would change the result unheard is an error.
        """
        unknown = [
            key
            for key in config
            if key not in self.options
            and key not in self.arguments
            and key not in NO_EFFECT
            and key not in IN_WEIGHTS
            and not (key == "quantization" and any(w.kind != "float" for w in self.weights))
            and not key.endswith(NO_EFFECT_ENDINGS)
        ]
        if unknown:
            raise UnsupportedOption(
                f"option {unknown[0]}={config[unknown[0]]!r} is not known. Options that are: "
                f"{', '.join(self.options) or 'none'}. It may come from a newer Keras; "
                "please report it with the model's config"
            )
        chosen: dict[str, Any] = {}
        for key, default in self.options.items():
            if key in children:
                continue
            value = config.get(key)
            if value is None and default is not _REQUIRED:
                if key in config and (isinstance(default, str) or not self.policy):
                    chosen[key] = None  # no activation, no merging; an operation's `axis=None`
                continue  # else Keras takes None for its default
            if value is None:
                raise UnsupportedOption(f"option {key} is missing")
            _check_kind(key, value, default)
            chosen[key] = value
        return chosen

    def apply(
        self, arrays: Mapping[str, Any], weights: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Any:
        """Call the function; `arrays` are its arguments by name, in their order."""
        # Ops know their arrays by place, so all are passed so up to the first that is not given.
        given = [arrays[name] for name in itertools.takewhile(arrays.__contains__, self.arguments)]
        named = {name: arrays[name] for name in list(arrays)[len(given) :]}
        if self.variadic:
            (given,) = given
        return self.fn(*given, **named, **weights, **options)


_REQUIRED = inspect.Parameter.empty


def _check_kind(key: str, value: Any, default: Any) -> None:
    """An option whose default is a number or a truth value must be one."""
    if isinstance(default, float):
        fits, kind = isinstance(value, (int, float)), "a number"
    elif isinstance(default, bool):
        fits, kind = isinstance(value, bool), "true or false"
    else:
        return
    if not fits:
        raise UnsupportedOption(f"option {key}={value!r}, expected {kind}")


def layer(
    *types: str,
    weights: tuple[Weight, ...] = (),
    policy: bool = True,
    autocast: bool = True,
    batch_axes: bool = False,
    mask: MaskRule = drop,
    implicit: tuple[str, ...] = (),
    also: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as the meaning of Keras layer classes.

    Its parameters are the arguments of ``call()``, then the weights, then keyword-only the config.

    Parameters
    ----------
    *types
        Names of the Keras classes that it stands for.
    weights
        What it needs from the file, in Keras's order.
    policy
        Whether the class has a dtype policy: a layer has one, an operation has not.
    autocast
        Whether floating inputs are cast to the layer's compute dtype, as Keras does for most.
    batch_axes
        Whether a layer over 1, 2 or 3 space axes takes several batch axes before them.
    mask
        What becomes of the mask of its input: `drop`, `keep`, or a rule of its own.
    implicit
        Mask arguments that Keras takes from the inputs alone, whatever the call says.
    also
        A function whose keyword-only parameters are options too; the layer function takes them as
        ``**kwargs`` and hands them on.

    Examples
    --------
    >>> from npforward.layers import LAYERS
    >>> LAYERS["Dense"].arguments, [w.name for w in LAYERS["Dense"].declared({"use_bias": False})]
    (('inputs',), ['kernel'])
    """

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        held = {w.part or w.name for w in weights}
        parameters = inspect.signature(fn).parameters.values()
        positional = [
            p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)
        ]
        arguments = tuple(p.name for p in positional if p.name not in held)
        variadic = any(p.kind is p.VAR_POSITIONAL for p in positional)
        further = not also and any(p.kind is p.VAR_KEYWORD for p in parameters)
        handed_on = inspect.signature(also).parameters.values() if also else ()
        options = {p.name: p.default for p in (*parameters, *handed_on) if p.kind is p.KEYWORD_ONLY}
        for type_ in types:
            space = re.search(r"([123])D(Transpose)?$", type_)  # "Conv2D": batch, 2 axes, channels
            ndim = int(space[1]) + 2 if space and not batch_axes else None
            LAYERS[type_] = LayerDef(
                fn,
                weights,
                arguments,
                variadic,
                options,
                policy,
                autocast and policy,
                ndim,
                mask,
                implicit,
                further,
            )
        return fn

    return decorate


def one_of(name: str, value: Any, *known: Any) -> Any:
    """`value`, which must be one of `known`.

    Examples
    --------
    >>> one_of("padding", "same", "valid", "same")
    'same'
    """
    if value not in known:
        raise UnsupportedOption(f"{name}={value!r}, expected one of {', '.join(map(repr, known))}")
    return value


def whole(name: str, value: Any) -> int:
    """`value`, which must be a whole number.

    Examples
    --------
    >>> whole("n", 3)
    3
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnsupportedOption(f"{name}={value!r}, expected a whole number")
    return value


def positive(name: str, value: Any) -> int:
    """`value`, which must be a whole number of at least 1.

    Examples
    --------
    >>> positive("height", 2)
    2
    """
    if whole(name, value) < 1:
        raise UnsupportedOption(f"{name}={value!r}, expected 1 or more")
    return value


def per_axis(name: str, value: Any, n: int) -> tuple[int, ...]:
    """An option for `n` space axes, given as one number or one for each.

    Examples
    --------
    >>> per_axis("strides", 2, 3), per_axis("strides", [1, 2], 2)
    ((2, 2, 2), (1, 2))
    """
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,) * n
    if len(values) != n or not all(isinstance(v, int) and v >= 0 for v in values):
        raise UnsupportedOption(f"{name}={value!r}, expected {n} whole numbers")
    return values
