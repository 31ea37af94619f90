"""Connectionist temporal classification: sequences of labels without a time for each.

A. Graves et al. (2006).  Every step gives a label or a blank; repeated labels count once, and
blanks nothing.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Any

import numpy as np

from npforward.errors import BadInput, UnsupportedOption
from npforward.ops.registry import op


def _log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


# What TensorFlow takes for the logarithm of the probability of ending too early.
NEVER = np.log(1e-307)


def _states(target, target_length, blank):
    """Labels with blanks between them, where a blank may be left out, and where it may end.

    Each (N, 2 L + 1); the last by its logarithm.
    """
    n, length = target.shape
    states = np.full((n, 2 * length + 1), blank, np.int64)
    states[:, 1::2] = target
    skips = np.zeros(states.shape, bool)
    skips[:, 3::2] = target[:, 1:] != target[:, :-1]
    place, last = np.arange(states.shape[1]), 2 * target_length[:, None]
    return states, skips, np.where((place == last) | (place == last - 1), 0, NEVER)


def _shifted(a, by):
    y = np.full(a.shape, -np.inf, a.dtype)
    if by > 0:
        y[:, by:] = a[:, :-by]
    else:
        y[:, :by] = a[:, -by:]
    return y


def _forward(scores, skips):
    """log p of all ways to be in a state at a time.  (T, N, S) scores -> (T, N, S)"""
    alphas = np.full(scores.shape, -np.inf, scores.dtype)
    if not len(scores):
        return alphas
    alphas[0, :, :2] = scores[0, :, :2]
    for t in range(1, len(scores)):
        before = alphas[t - 1]
        two = np.where(skips, _shifted(before, 2), -np.inf)
        alphas[t] = scores[t] + np.logaddexp(np.logaddexp(before, _shifted(before, 1)), two)
    return alphas


def _log_likelihood(target, output, target_length, output_length, blank):
    """Of each sample, and what its derivative needs."""
    n, _, classes = output.shape
    target_length, output_length = (np.asarray(a, np.int64) for a in (target_length, output_length))
    target, blank = target.astype(np.int64), blank % classes
    known = (target >= 0) & (target < classes)
    if not (known | (np.arange(target.shape[1]) >= target_length[:, None])).all():
        raise BadInput(f"a label is not in 0 to {classes - 1}")
    if blank:  # TensorFlow counts the blank as the first class: this is where such a label gets
        target = np.where(target == blank, blank - 1, target)
    states, skips, final = _states(np.where(known, target, 0), target_length, blank)
    logp = _log_softmax(output)
    scores = np.take_along_axis(logp, states[:, None, :], axis=-1).transpose(1, 0, 2)  # (T, N, S)
    alphas = _forward(scores, skips)
    final = final.astype(output.dtype)
    end = np.logaddexp.reduce(alphas[output_length - 1, np.arange(n)] + final, axis=-1)
    return end, (logp, states, skips, scores, alphas, final, output_length)


def _ctc_vjp(g, y, output, target, target_length, output_length, *, blank):
    end, kept = _log_likelihood(target, output, target_length, output_length, blank)
    logp, states, skips, scores, alphas, final, output_length = kept
    betas = np.full(alphas.shape, -np.inf, alphas.dtype)
    after = np.full(alphas.shape[1:], -np.inf, alphas.dtype)
    for t in reversed(range(len(alphas))):
        ahead = after + (scores[t + 1] if t + 1 < len(scores) else 0)
        two = _shifted(np.where(skips, ahead, -np.inf), -2)
        moved = np.logaddexp(np.logaddexp(ahead, _shifted(ahead, -1)), two)
        ends = (t == output_length - 1)[:, None]
        betas[t] = after = np.where(ends, final, moved)
    running = (np.arange(output.shape[1]) < output_length[:, None])[:, :, None]
    share = np.exp(alphas + betas - end[:, None]).transpose(1, 0, 2)  # (N, T, S)
    labels = np.zeros(output.shape, output.dtype)
    sample, time, _ = np.indices(share.shape, sparse=True)
    np.add.at(labels, (sample, time, states[:, None, :]), share)
    d = np.where(running & np.isfinite(end)[:, None, None], np.exp(logp) - labels, 0)
    return (g[:, None, None] * d).astype(output.dtype)


@op(
    _ctc_vjp,
    None,
    None,
    None,
    shape=lambda output, target, target_length, output_length, *, blank: output.shape[:1],
    dtype=lambda output, *args, **options: _wide(output.dtype),
)
def ctc_loss(output, target, target_length, output_length, *, blank):
    """-log of the probability of the labels.  (N, T, C), (N, L), (N,), (N,) -> (N,)"""
    wide = output.astype(_wide(output.dtype), copy=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        return -_log_likelihood(target, wide, target_length, output_length, blank)[0]


def _wide(dtype):
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def _decoded(inputs, lengths, *, blank, top_paths=1, **options):
    n, steps, _ = inputs.shape
    return [(top_paths, n, steps), (n, top_paths)]


def _decoded_dtypes(inputs, *args, **options):
    return [np.dtype(np.int32), _wide(inputs.dtype)]


@op(None, shape=_decoded, dtype=_decoded_dtypes)
def ctc_greedy(inputs, lengths, *, blank, merge_repeated=True):
    """The label that is likeliest at each step, as a sequence; and minus the sum of their scores.

    (N, T, C), (N,) -> (1, N, T) filled up with -1, (N, 1)
    """
    n, steps, classes = inputs.shape
    blank = classes - 1 if blank is None else blank % classes
    running = np.arange(steps) < np.asarray(lengths)[:, None]
    best = inputs.argmax(axis=-1)
    kept = running & (best != blank)
    if merge_repeated:
        kept[:, 1:] &= best[:, 1:] != best[:, :-1]
    y = np.full((1, n, steps), -1, np.int32)
    for i in range(n):
        found = best[i, kept[i]]
        y[0, i, : len(found)] = found
    wide = inputs.astype(_wide(inputs.dtype), copy=False)
    scores = np.where(running, wide.max(axis=-1), 0).sum(axis=-1, dtype=wide.dtype)
    return y, -scores[:, None]


def _grown(beams, leaves, step, blank, beam_width):
    """The best of `leaves`, what became of the beams in a step, and of the beams one label longer.

    As TensorFlow has it: where a beam fell out of the leaves and cannot return as another beam's
    longer one, it does not grow any more itself.
    """
    worst_first = [(np.logaddexp(*p), -i, prefix) for i, (prefix, p) in enumerate(leaves.items())]
    heapq.heapify(worst_first)
    age, lost = itertools.count(len(leaves)), set()
    for prefix, (in_blank, in_label) in beams.items():  # the likeliest first
        total = np.logaddexp(in_blank, in_label)
        if prefix in lost or (len(leaves) >= beam_width and total <= worst_first[0][0]):
            continue
        for label in range(len(step)):
            longer = (*prefix, label)
            if label == blank or longer in leaves:
                continue
            score = step[label] + (in_blank if prefix and prefix[-1] == label else total)
            if score == -np.inf or (len(leaves) >= beam_width and score <= worst_first[0][0]):
                lost.add(longer)
                continue
            if len(leaves) >= beam_width:
                del leaves[heapq.heappop(worst_first)[-1]]
            leaves[longer] = (-np.inf, score)
            heapq.heappush(worst_first, (score, -next(age), longer))
    return dict(sorted(leaves.items(), key=lambda item: -np.logaddexp(*item[1])))


def _searched(logp, blank, beam_width):
    """Prefixes and their log-probabilities, the likeliest first: (of those ending in a blank, not).

    One prefix may arise in many ways, which are summed up.
    """
    beams: dict[tuple[int, ...], tuple[Any, Any]] = {(): (0.0, -np.inf)}
    for step in logp:
        found = {}
        for prefix, (in_blank, in_label) in beams.items():
            total = np.logaddexp(in_blank, in_label)
            again = in_label
            if prefix and prefix[:-1] in beams:  # the last label may have come just now
                b, label = beams[prefix[:-1]]
                twice = len(prefix) > 1 and prefix[-1] == prefix[-2]
                again = np.logaddexp(again, b if twice else np.logaddexp(b, label))
            of_label = again + step[prefix[-1]] if prefix else -np.inf
            found[prefix] = (total + step[blank], of_label)
        beams = _grown(beams, found, step, blank, beam_width)
    return [(prefix, np.logaddexp(*p)) for prefix, p in beams.items()]


@op(None, shape=_decoded, dtype=_decoded_dtypes)
def ctc_beam_search(inputs, lengths, *, blank, beam_width, top_paths):
    """The likeliest sequences of labels, and the logarithms of their probabilities.

    (N, T, C), (N,) -> (top_paths, N, T) filled up with -1, (N, top_paths)
    """
    n, steps, classes = inputs.shape
    blank = classes - 1 if blank is None else blank % classes
    logp = _log_softmax(inputs.astype(_wide(inputs.dtype)))
    y = np.full((top_paths, n, steps), -1, np.int32)
    scores = np.zeros((n, top_paths), _wide(inputs.dtype))
    for i in range(n):
        found = _searched(logp[i, : int(lengths[i])], blank, beam_width)
        if len(found) < top_paths:
            raise BadInput(f"there are {len(found)} sequences, fewer than top_paths={top_paths}")
        for k, (prefix, score) in enumerate(found[:top_paths]):
            y[k, i, : len(prefix)] = prefix
            scores[i, k] = score
    return y, scores


def ctc_decode(
    inputs,
    lengths,
    *,
    strategy="greedy",
    beam_width=100,
    top_paths=1,
    merge_repeated=True,
    mask_index=0,
):
    """The likeliest sequences of labels, and their scores."""
    if strategy == "greedy":
        return list(ctc_greedy(inputs, lengths, blank=mask_index, merge_repeated=merge_repeated))
    if strategy != "beam_search":
        raise UnsupportedOption(f"strategy={strategy!r}, expected 'greedy' or 'beam_search'")
    if mask_index == -1:
        raise UnsupportedOption(
            "mask_index=-1 in a beam search: Keras 3.15 takes every label twice then (with "
            "TensorFlow, and has no blank with JAX), and which of the two it finds is chance.  "
            f"Say mask_index={inputs.shape[-1] - 1} or None for the last label"
        )
    found = ctc_beam_search(
        inputs, lengths, blank=mask_index, beam_width=beam_width, top_paths=top_paths
    )
    return list(found)
