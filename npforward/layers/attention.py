"""Attention: scores of queries against keys, their softmax, and a weighted sum of values."""

from __future__ import annotations

import functools
import math

from npforward import ops
from npforward.errors import BadInput, UnsupportedOption
from npforward.inner import tap
from npforward.layers.normalization import wide
from npforward.layers.quantization import Layout, affine, kernel_weights
from npforward.layers.registry import Weight, keep, layer, one_of

LETTERS = "abcdefghijklmnopqrstuvwxyz"


# ---- one head, given vectors --------------------------------------------------------------------


def _query_mask(config, inputs, mask):
    """The output is masked where the query is."""
    return mask[0] if isinstance(mask, (list, tuple)) else None


def _attend(inputs, mask, scores_of, return_attention_scores, use_causal_mask):
    if not isinstance(inputs, (list, tuple)) or not 2 <= len(inputs) <= 3:
        raise BadInput("expected a list of query and value, or of query, value and key")
    query, value = inputs[:2]
    key = inputs[2] if len(inputs) == 3 else value
    query_mask, value_mask = (mask[0], mask[1]) if mask else (None, None)
    scores = tap("scores", scores_of(tap("query", query), tap("key", key)))  # (N, Tq, Tv)
    allowed = value_mask
    if allowed is not None:
        allowed = ops.expand_dims(ops.cast(allowed, dtype="bool"), axis=-2)
    if use_causal_mask:
        causal = ops.causal_mask(*scores.shape[-2:])[None]
        allowed = causal if allowed is None else ops.logical_and(allowed, causal)
    if allowed is not None:
        far = 65504.0 if scores.dtype == "float16" else 1e9
        scores = ops.where(allowed, scores, scores - far)
    weights = tap("weights", ops.softmax(scores))
    y = ops.matmul(weights, tap("value", value))
    if query_mask is not None:
        y = ops.where(ops.expand_dims(ops.cast(query_mask, dtype="bool"), axis=-1), y, 0.0)
    return [y, weights] if return_attention_scores else y


def _pairs(query, key):
    """Every query beside every key: (N, Tq, 1, D) and (N, 1, Tv, D)."""
    return ops.expand_dims(query, axis=-2), ops.expand_dims(key, axis=-3)


def _scalar(c, x):
    return ()


@layer(
    "Attention",
    weights=(
        Weight("scale", _scalar, when=lambda c: c.get("use_scale", False)),
        Weight("concat_score_weight", _scalar, when=lambda c: c.get("score_mode") == "concat"),
    ),
    mask=_query_mask,
)
def attention(
    inputs,
    mask=None,
    return_attention_scores=False,
    use_causal_mask=False,
    scale=None,
    concat_score_weight=None,
    *,
    use_scale=False,
    score_mode="dot",
):
    """softmax(q kᵀ) v (M.-T. Luong et al., 2015), or with Σ tanh(q + k) as the score."""
    one_of("score_mode", score_mode, "dot", "concat")

    def scores(query, key):
        if score_mode == "dot":
            axes = (*range(key.ndim - 2), key.ndim - 1, key.ndim - 2)
            s = ops.matmul(query, ops.transpose(key, axes=axes))
            return s if scale is None else s * scale
        q, k = _pairs(query, key)
        s = q + k if scale is None else scale * (q + k)
        return concat_score_weight * ops.sum(ops.tanh(s), axis=-1)

    return _attend(inputs, mask, scores, return_attention_scores, use_causal_mask)


@layer(
    "AdditiveAttention",
    weights=(Weight("scale", lambda c, x: (x[0][-1],), when="use_scale"),),
    mask=_query_mask,
)
def additive_attention(
    inputs,
    mask=None,
    return_attention_scores=False,
    use_causal_mask=False,
    scale=None,
    *,
    use_scale=True,
):
    """softmax(Σ scale tanh(q + k)) v (D. Bahdanau et al., 2015)."""

    def scores(query, key):
        q, k = _pairs(query, key)
        s = ops.tanh(q + k)
        return ops.sum(s if scale is None else scale * s, axis=-1)

    return _attend(inputs, mask, scores, return_attention_scores, use_causal_mask)


# ---- several heads ------------------------------------------------------------------------------


def _allowed(
    query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask, window
):
    """Which keys each query may see, by true and false; None is all."""
    parts = []
    if query_mask is not None:
        parts.append(ops.expand_dims(ops.cast(query_mask, dtype="bool"), axis=-1))
    for mask in (value_mask, key_mask):
        if mask is not None:
            parts.append(ops.expand_dims(ops.cast(mask, dtype="bool"), axis=-2))
    if use_causal_mask:
        parts.append(ops.causal_mask(query.shape[1], value.shape[1])[None])
    if window is not None:
        parts.append(ops.sliding_window_mask(query.shape[1], value.shape[1], window)[None])
    if attention_mask is not None:
        parts.append(ops.cast(attention_mask, dtype="bool"))
    return functools.reduce(ops.logical_and, parts) if parts else None


def _softmax(scores, allowed, axes, fused):
    """The weights of values.  A query that may see nothing sees all alike if `fused`, else none.

    Keras computes the two forms in different functions; which one depends on the call.
    """
    if allowed is None:
        return ops.softmax(scores, axis=axes)
    while allowed.ndim < scores.ndim:
        allowed = ops.expand_dims(allowed, axis=-2 * len(axes) - 1)
    if fused:
        lowest = -45850.0 if scores.dtype == "float16" else -2.372671e38
        return ops.softmax(ops.where(allowed, scores, lowest), axis=axes)
    lowest = -3e4 if scores.dtype == "float16" else -1e9
    return ops.where(allowed, ops.softmax(ops.where(allowed, scores, lowest), axis=axes), 0.0)


def _projected(x, kernel, bias, summed=1):
    """The last axes of x by a kernel, which sums over its first axes: one matrix product."""
    free, made = x.ndim - summed, kernel.ndim - summed
    a, z, c = LETTERS[:free], LETTERS[free : x.ndim], LETTERS[x.ndim : x.ndim + made]
    return affine(x, kernel, bias, f"{a}{z},{z}{c}->{a}{c}")


def _equations(rank, axes):
    """Scores of keys against queries, and weighted sums of values, along `axes`."""
    query = LETTERS[:rank]
    batch = [i for i in range(rank - 1) if i not in axes]
    fresh = iter(LETTERS[rank:])
    key = "".join(next(fresh) if i in axes else query[i] for i in range(rank))
    scores = "".join([*(query[i] for i in (*batch, *axes)), *(key[i] for i in axes)])
    return f"{key},{query}->{scores}", f"{scores},{key}->{query}"


def _biased(config):
    return config.get("use_bias", True)


def _heads(name, heads, size, of=(), when=None):
    """Kernel and bias of one projection: (D, heads, size) and (heads, size)."""

    def layout(c, x):
        made = c[heads], size(c)
        return Layout((x[-1], *made), x[-1], (1,) * (len(x) - 1) + made)

    return kernel_weights(
        layout,
        lambda c, x: (c[heads], size(c)),
        _biased,
        name=f"{name}_",
        path=f"{name}_dense",
        of=of,
        when=when,
    )


def _together(heads, size, out):
    """Kernel and bias of the heads' way out: (heads, size, *out) and (*out)."""

    def layout(c, x):
        summed, made = (c[heads], size(c)), out(c, x)
        return Layout((*summed, *made), math.prod(summed), (1,) * (len(x) - 1) + made)

    return kernel_weights(layout, out, _biased, name="output_", path="output_dense")


def _gated(config):
    return config.get("use_gate", False)


def _key_size(config):
    return config["key_dim"]


def _value_size(config):
    return config.get("value_dim") or config["key_dim"]


def _out(config, shape):
    """What the layer puts out for each query."""
    given = config.get("output_shape")
    if given is None:
        return (shape[-1],)
    return (given,) if isinstance(given, int) else tuple(given)


def _supported(config, inputs, mask):
    """That of the query, unless the layer is older than its support of masks."""
    return None if config.get("masks") == "as given" else mask


@layer(
    "MultiHeadAttention",
    weights=(
        *_heads("query", "num_heads", _key_size),
        *_heads("key", "num_heads", _key_size, of=("key", "value")),
        *_heads("gate", "num_heads", _value_size, when=_gated),
        *_heads("value", "num_heads", _value_size, of=("value",)),
        *_together("num_heads", _value_size, _out),
    ),
    mask=_supported,
    implicit=("query_mask",),
)
def multi_head_attention(
    query,
    value,
    key=None,
    query_mask=None,
    value_mask=None,
    key_mask=None,
    attention_mask=None,
    return_attention_scores=False,
    use_causal_mask=False,
    query_kernel=None,
    query_bias=None,
    key_kernel=None,
    key_bias=None,
    gate_kernel=None,
    gate_bias=None,
    value_kernel=None,
    value_bias=None,
    output_kernel=None,
    output_bias=None,
    *,
    num_heads,
    key_dim,
    value_dim=None,
    use_bias=True,
    use_gate=False,
    output_shape=None,
    attention_axes=None,
    sliding_window=None,
    dropout=0.0,
):
    """softmax(q kᵀ / √key_dim) v for each head, and the heads together (A. Vaswani et al., 2017).

    (N, T, D), (N, S, E) -> (N, T, D)
    """
    key = value if key is None else key
    allowed = _allowed(
        query,
        value,
        query_mask,
        value_mask,
        key_mask,
        attention_mask,
        use_causal_mask,
        sliding_window,
    )
    axes = attention_axes
    return _multi_head(
        query,
        value,
        key,
        allowed,
        {
            "query": (query_kernel, query_bias),
            "key": (key_kernel, key_bias),
            "gate": (gate_kernel, gate_bias),
            "value": (value_kernel, value_bias),
            "output": (output_kernel, output_bias),
        },
        axes=[axes] if isinstance(axes, int) else axes,
        share=1,
        dropout=dropout,
        return_scores=return_attention_scores,
    )


def _multi_head(query, value, key, allowed, kernels, axes, share, dropout, return_scores):
    """Queries, keys and values for each head, their attention over `axes`, the heads together.

    `kernels` has kernel and bias for each part; `share` queries use the same key and value.
    """

    def part(name, x):
        return tap(name, _projected(x, *kernels[name]))  # (N, T, heads, size)

    gate = None
    if kernels["gate"][0] is not None:
        gate = tap("gate", ops.sigmoid(_projected(query, *kernels["gate"])))
    q, k, v = part("query", query), part("key", key), part("value", value)
    if share > 1:
        k, v = ops.repeat(k, repeats=share, axis=2), ops.repeat(v, repeats=share, axis=2)
    axes = tuple(range(1, q.ndim - 2)) if axes is None else axes
    axes = tuple(a if a >= 0 else q.ndim - 1 + a for a in axes)
    of_scores, of_values = _equations(q.ndim, axes)
    fused = not (dropout > 0 or return_scores) and q.ndim == 4
    scale = 1.0 / math.sqrt(q.shape[-1])
    scores = tap("scores", ops.einsum(k, q * scale, equation=of_scores))  # (N, heads, T, S)
    last = tuple(range(scores.ndim - len(axes), scores.ndim))
    weights = tap("weights", _softmax(scores, allowed, last, fused))
    y = ops.einsum(weights, v, equation=of_values)
    y = y if gate is None else y * gate
    kernel, bias = kernels["output"]
    y = _projected(y, kernel, bias, summed=2)
    return [y, weights] if return_scores else y


def dot_product_attention(
    query,
    key,
    value,
    bias=None,
    mask=None,
    scale=None,
    *,
    is_causal=False,
    flash_attention=None,
    attn_logits_soft_cap=None,
):
    """softmax(q kᵀ scale + bias) v for heads that are there already.  (N, T, heads, size)

    Keras on TensorFlow never caps the scores.
    """
    if query.ndim != 4:
        raise BadInput(f"it takes queries of 4 axes, but has {query.shape}")
    groups = query.shape[2] // key.shape[2]
    if groups > 1:
        key, value = (ops.repeat(x, repeats=groups, axis=2) for x in (key, value))
    of_scores, of_values = _equations(4, (1,))
    scale = 1.0 / math.sqrt(key.shape[-1]) if scale is None else scale
    scores = wide(ops.einsum(key, query, equation=of_scores)) * scale
    if bias is not None:
        scores = scores + bias
    allowed = None if mask is None else ops.cast(mask, dtype="bool")
    if is_causal:
        causal = ops.causal_mask(*scores.shape[-2:])[None, None]
        allowed = causal if allowed is None else ops.logical_and(allowed, causal)
    weights = _softmax(tap("scores", scores), allowed, (3,), fused=True)
    weights = tap("weights", ops.cast(weights, dtype=key.dtype))
    return ops.einsum(weights, value, equation=of_values)


def _head_size(config):
    return config["head_dim"]


@layer(
    "GroupQueryAttention",
    weights=(
        *_heads("query", "num_query_heads", _head_size),
        *_heads("key", "num_key_value_heads", _head_size, of=("key", "value")),
        *_heads("gate", "num_query_heads", _head_size, when=_gated),
        *_heads("value", "num_key_value_heads", _head_size, of=("value",)),
        *_together("num_query_heads", _head_size, lambda c, x: (x[-1],)),
    ),
    mask=keep,
)
def group_query_attention(
    query,
    value,
    key=None,
    query_mask=None,
    value_mask=None,
    key_mask=None,
    attention_mask=None,
    return_attention_scores=False,
    use_causal_mask=False,
    query_kernel=None,
    query_bias=None,
    key_kernel=None,
    key_bias=None,
    gate_kernel=None,
    gate_bias=None,
    value_kernel=None,
    value_bias=None,
    output_kernel=None,
    output_bias=None,
    *,
    head_dim,
    num_query_heads,
    num_key_value_heads,
    use_bias=True,
    use_gate=False,
    sliding_window=None,
    dropout=0.0,
):
    """Multi-head attention whose queries share keys and values in groups (J. Ainslie et al., 2023).

    (N, T, D), (N, S, E) -> (N, T, D)
    """
    key = value if key is None else key
    if num_query_heads % num_key_value_heads:
        raise UnsupportedOption(
            f"num_query_heads={num_query_heads} is no multiple of "
            f"num_key_value_heads={num_key_value_heads}"
        )
    allowed = _allowed(
        query,
        value,
        query_mask,
        value_mask,
        key_mask,
        attention_mask,
        use_causal_mask,
        sliding_window,
    )
    return _multi_head(
        query,
        value,
        key,
        allowed,
        {
            "query": (query_kernel, query_bias),
            "key": (key_kernel, key_bias),
            "gate": (gate_kernel, gate_bias),
            "value": (value_kernel, value_bias),
            "output": (output_kernel, output_bias),
        },
        axes=(1,),
        share=num_query_heads // num_key_value_heads,
        dropout=dropout,
        return_scores=return_attention_scores,
    )
