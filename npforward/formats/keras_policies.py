"""What a Keras config and its arrays say of dtypes and of quantisation, as plain data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from npforward.errors import BadFile
from npforward.graph import Stored

PLAIN = ("DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1")
QUANTIZED = tuple(
    f"{kind}DTypePolicy" for kind in "Quantized QuantizedFloat8 Int4 GPTQ AWQ".split()
)
MAP = "DTypePolicyMap"
# What the numbers of "gptq/4/128" say, by the word before them.
NUMBERS = {"int4": ("group_size",), "gptq": ("bits", "group_size"), "awq": ("bits", "group_size")}
MODES = ("int8", "int4", "float8", "gptq", "awq")


def is_policy(tree: Mapping[str, Any]) -> bool:
    """Whether a config value is a dtype policy.

    Examples
    --------
    >>> is_policy({"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}})
    True
    """
    config = tree.get("config")
    known = tree.get("class_name") in (*PLAIN, *QUANTIZED, MAP)
    return known and isinstance(config, Mapping)


def read(policy: Any, path: str) -> tuple[str, dict[str, Any]]:
    """The dtype that a policy gives to the layer at `path`, and how that layer is quantised.

    Examples
    --------
    >>> read({"class_name": "Int4DTypePolicy",
    ...       "config": {"mode": "int4/128", "source_name": "float32"}}, "dense")
    ('float32', {'mode': 'int4', 'group_size': 128})
    """
    if policy is None:
        return "float32", {}
    if isinstance(policy, str):
        return _by_name(policy)
    kind, config = policy.get("class_name"), policy["config"]
    if kind == MAP:
        return read(_mapped(config, path), path)
    name = config.get("name")
    if kind in PLAIN or "mode" not in config:
        if not isinstance(name, (str, type(None))):
            raise BadFile(f"the name of its dtype policy is {name!r}, expected text")
        return _by_name(name or "float32")
    mode, source = config["mode"], config.get("source_name") or "float32"
    if not isinstance(mode, str) or not isinstance(source, str):
        raise BadFile(f"its dtype policy is of mode {mode!r} from {source!r}, expected text")
    found = _mode(mode)
    if "amax_history_length" in config:
        found["amax_history_length"] = _whole(config["amax_history_length"], "amax_history_length")
    return source, found


def _by_name(name: str) -> tuple[str, dict[str, Any]]:
    """`int8_from_mixed_bfloat16` is a quantised policy; other names are plain ones."""
    mode, source, of = name.partition("_from_")
    return (of, _mode(mode)) if source else (name, {})


def _mode(said: str) -> dict[str, Any]:
    mode, *numbers = said.split("/")
    names = NUMBERS.get(mode, ())
    if mode not in MODES or len(numbers) not in (0, len(names)):
        raise BadFile(f"its quantisation is {said!r}, expected one of {', '.join(MODES)}")
    whole = [int(n) if re.fullmatch(r"-?\d{1,9}", n) else n for n in numbers]
    return _sized({"mode": mode, **dict(zip(names, whole, strict=False))})


def _sized(found: dict[str, Any]) -> dict[str, Any]:
    """Groups of -1 are no groups; other sizes must be sizes."""
    if found.get("group_size") == -1:
        found["group_size"] = None
    if found.get("group_size") is not None:
        _whole(found["group_size"], "group size of its quantisation")
    if found.get("bits", 4) not in (2, 3, 4, 8):
        raise BadFile(f"its quantisation is to {found['bits']!r} bits, expected 2, 3, 4 or 8")
    return found


def _whole(value: Any, what: str) -> int:
    if type(value) is not int or value < 1:
        raise BadFile(f"the {what} is {value!r}, expected a whole number from 1")
    return value


def _mapped(config: Mapping[str, Any], path: str) -> Any:
    """The policy of a DTypePolicyMap for a layer: by its path, by a pattern, or the default."""
    policies = config.get("policy_map") or {}
    if not isinstance(policies, Mapping):
        raise BadFile(f"its policy_map is {policies!r}, expected an object")
    if path in policies:
        return policies[path]
    found = [policy for key, policy in policies.items() if _matches(str(key), path)]
    if len(found) > 1:
        raise BadFile(f"its policy_map has several patterns for {path!r}")
    return found[0] if found else config.get("default_policy")


def _matches(pattern: str, path: str) -> bool:
    """Whether a pattern of text and `.*` fits; no other is tried, as it might take for ever."""
    literal = [re.escape(text) for text in pattern.split(".*")]
    return len(literal) < 9 and re.fullmatch(".*".join(literal), path) is not None


def with_quantizers(found: dict[str, Any], said: Any) -> dict[str, Any]:
    """The quantisation of a layer with what its `quantization_config` adds.

    Examples
    --------
    >>> with_quantizers({"mode": "int8"},
    ...                 {"class_name": "Int8QuantizationConfig",
    ...                  "config": {"activation_quantizer": None}})
    {'mode': 'int8', 'inputs': None}
    """
    config = said.get("config") if isinstance(said, Mapping) else None
    if not found or not isinstance(config, Mapping):
        return found
    found = dict(found)
    if "activation_quantizer" in config:
        quantizer = config["activation_quantizer"]
        found["inputs"] = None
        if quantizer is not None:
            options = quantizer.get("config") if isinstance(quantizer, Mapping) else None
            if not isinstance(options, Mapping):
                raise BadFile(f"its activation_quantizer is {quantizer!r}, expected a quantizer")
            found["inputs"] = {**options, "class_name": quantizer.get("class_name")}
    elif said.get("class_name") in ("Int8QuantizationConfig", "Int4QuantizationConfig"):
        found["inputs"] = None
    mine = {"int4": "Int4", "gptq": "GPTQ", "awq": "AWQ"}.get(found["mode"], "-")
    if str(said.get("class_name")).startswith(mine):
        for key, name in (("block_size", "group_size"), ("group_size", "group_size")):
            if key in config:
                found[name] = config[key]
        if "weight_bits" in config:
            found["bits"] = config["weight_bits"]
        if mine == "Int4":
            found.setdefault("group_size", None)
    return _sized(found)


def of_sub_layers(arrays: Iterable[Stored], biased: bool) -> dict[str, dict[str, Any]]:
    """How each sub-layer of an attention is quantised, by its arrays: its config does not say.

    Keras quantises the dense layers in a MultiHeadAttention, and writes its config as before.  Of
    what quantises their inputs nothing is stored: it is taken to be what Keras takes by itself.
    """
    held: dict[str, list[Stored]] = {}
    for array in arrays:
        place = array.name.rpartition("/")[0].removesuffix("/vars").rpartition("/")[2].lstrip("_")
        if not place.endswith("_dense"):  # in .h5, the name of the layer
            place = "output_dense" if place == "attention_output" else f"{place}_dense"
        held.setdefault(place, []).append(array)
    found = {place: _by_arrays(several, biased) for place, several in held.items()}
    return {place: said for place, said in found.items() if said}


def _by_arrays(arrays: list[Stored], biased: bool) -> dict[str, Any]:
    """The mode of a dense layer of an attention, whose kernel has three axes, by what it keeps."""
    whole = [array for array in arrays if array.dtype.kind in "iu"]
    if not whole:
        lengths = Counter(array.shape[0] for array in arrays if len(array.shape) == 1)
        scalars = sum(array.shape == () for array in arrays)
        history = max(lengths, key=lambda n: (lengths[n], n), default=0)
        return {"mode": "float8", "amax_history_length": history} if scalars == 3 else {}
    kernel, *zero = whole
    if not zero:
        return {"mode": "int8" if len(kernel.shape) > 2 else "int4"}
    if kernel.dtype.name == "int8":
        return {"mode": "int4", "groups": zero[0].shape[0]}
    columns, groups = (*zero[0].shape, 1, 1)[:2]
    bits = 4 if kernel.shape[0] == -(-columns // 2) else 8
    mode = "awq" if len(arrays) - biased > 4 else "gptq"
    return {"mode": mode, "bits": bits, "groups": groups}
