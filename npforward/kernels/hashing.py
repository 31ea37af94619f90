"""Hash functions of strings, as TensorFlow has them: fingerprint, keyed hash, fingerprint of pairs.

Each works on many strings at once, those of one length together, as a matrix of bytes; uint64
arithmetic wraps around, as it must.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

BITS = 2**64 - 1
# FarmHash's multipliers: primes between 2^63 and 2^64.
K0, K1, K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def fingerprint64(text: np.ndarray) -> np.ndarray:
    """FarmHash's Fingerprint64 of each string's utf-8 bytes.  (...) of strings -> (...) of uint64

    Examples
    --------
    >>> fingerprint64(np.array(["", "cat"]))
    array([11160318154034397263, 15118465453979963096], dtype=uint64)
    """
    return _by_length(text, _farm)


def siphash24(text: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """SipHash-2-4 of each string's utf-8 bytes under a key.  (...) of strings -> (...) of uint64

    Examples
    --------
    >>> siphash24(np.array(["cat"]), (133, 137))
    array([10897243442693824584], dtype=uint64)
    """
    return _by_length(text, lambda s: _sip(s, key[0] & BITS, key[1] & BITS))


def fingerprint_pair(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One fingerprint of two, which may be any 64 bits.  (...) of uint64, twice -> (...) of uint64

    Examples
    --------
    >>> fingerprint_pair(np.array([1], np.uint64), np.array([2], np.uint64))
    array([14454907135238785252], dtype=uint64)
    """
    k = _u(0xC6A4A7935BD1E995)
    h = a ^ k ^ (_mixed(b * k) * k)
    return _mixed(_mixed(h * k) * k)


# ---- strings as matrices of bytes ------------------------------------------------------------


def _by_length(text: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply a function of (strings, bytes) to all strings of each length."""
    flat, inverse = np.unique(text.reshape(-1), return_inverse=True)  # categories repeat
    encoded = np.char.encode(flat, "utf-8") if flat.dtype.kind == "U" else flat
    lengths = np.char.str_len(encoded)
    hashes = np.empty(len(flat), np.uint64)
    for n in np.unique(lengths):
        same = lengths == n
        joined = np.frombuffer(b"".join(encoded[same].tolist()), np.uint8)
        hashes[same] = function(joined.reshape(np.count_nonzero(same), n))
    return hashes[inverse.reshape(text.shape)]


def _u(n: int) -> np.uint64:
    return np.uint64(n & BITS)


def _word(s: np.ndarray, at: int, size: int = 8) -> np.ndarray:
    """The little-endian number in `size` bytes of each string, counted from the end if negative."""
    at = at if at >= 0 else s.shape[1] + at
    part = np.ascontiguousarray(s[:, at : at + size])
    return part.view(f"<u{size}")[:, 0].astype(np.uint64)


def _rotated(x: np.ndarray, bits: int) -> np.ndarray:
    """Bits turned to the right."""
    return (x >> _u(bits)) | (x << _u(64 - bits))


def _mixed(x: np.ndarray) -> np.ndarray:
    """High bits brought back into low ones."""
    return x ^ (x >> _u(47))


# ---- FarmHash: one recipe for each range of lengths ------------------------------------------


def _farm(s: np.ndarray) -> np.ndarray:
    """(strings, bytes) -> (strings,)"""
    n = s.shape[1]
    if n > 64:
        return _farm_long(s)
    if n > 32:
        return _farm_64(s)
    if n > 16:
        return _farm_32(s)
    if n >= 8:
        m = _u(K2 + 2 * n)
        a, b = _word(s, 0) + _u(K2), _word(s, -8)
        return _pair(_rotated(b, 37) * m + a, (_rotated(a, 25) + b) * m, m)
    if n >= 4:
        return _pair(_u(n) + (_word(s, 0, 4) << _u(3)), _word(s, -4, 4), _u(K2 + 2 * n))
    if n:
        a, b, c = (_word(s, at, 1) for at in (0, n // 2, n - 1))
        y, z = a + (b << _u(8)), _u(n) + (c << _u(2))
        return _mixed(y * _u(K2) ^ z * _u(K0)) * _u(K2)
    return np.full(len(s), K2, np.uint64)


def _pair(u: np.ndarray, v: np.ndarray, m: Any) -> np.ndarray:
    """One number of two, by Murmur's multiplications."""
    a = _mixed((u ^ v) * m)
    return _mixed((v ^ a) * m) * m


def _farm_32(s: np.ndarray) -> np.ndarray:
    m = _u(K2 + 2 * s.shape[1])
    a, b, c, d = _word(s, 0) * _u(K1), _word(s, 8), _word(s, -8) * m, _word(s, -16) * _u(K2)
    u = _rotated(a + b, 43) + _rotated(c, 30) + d
    return _pair(u, a + _rotated(b + _u(K2), 18) + c, m)


def _farm_64(s: np.ndarray) -> np.ndarray:
    m = _u(K2 + 2 * s.shape[1])
    a, b, c, d = _word(s, 0) * _u(K2), _word(s, 8), _word(s, -8) * m, _word(s, -16) * _u(K2)
    y = _rotated(a + b, 43) + _rotated(c, 30) + d
    z = _pair(y, a + _rotated(b + _u(K2), 18) + c, m)
    e, f = _word(s, 16) * m, _word(s, 24)
    g, h = (y + _word(s, -32)) * m, (z + _word(s, -24)) * m
    return _pair(_rotated(e + f, 43) + _rotated(g, 30) + h, e + _rotated(f + a, 18) + g, m)


def _farm_long(s: np.ndarray) -> np.ndarray:
    """56 bytes of state, mixed with 64 bytes of the string at a time, the last 64 at the end."""
    k1, k2, n = _u(K1), _u(K2), s.shape[1]
    zero = np.zeros(len(s), np.uint64)
    state = (
        _word(s, 0) + _u(81 * K2),
        zero + _u(81 * K1 + 113),
        _mixed(zero + _u((81 * K1 + 113) * K2 + 113)) * k2,
        (zero, zero),
        (zero, zero),
    )
    for at in range(0, n - 64, 64):
        state = _round(s, at, state, k1, _u(1))
    x, y, z, v, w = state
    m = k1 + ((z & _u(0xFF)) << _u(1))
    w = (w[0] + _u((n - 1) & 63), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    x, y, z, v, w = _round(s, n - 64, (x, y, z, v, w), m, _u(9))
    first = _pair(v[0], w[0], m) + _mixed(y) * _u(K0) + z
    return _pair(first, _pair(v[1], w[1], m) + x, m)


def _round(s, at, state, m, weight):
    """Mix 64 bytes into the state."""
    x, y, z, v, w = state
    x = _rotated(x + y + v[0] + _word(s, at + 8), 37) * m
    y = _rotated(y + v[1] + _word(s, at + 48), 42) * m
    x = x ^ (w[1] * weight)
    y = y + v[0] * weight + _word(s, at + 40)
    z = _rotated(z + w[0], 33) * m
    v = _halves(s, at, v[1] * m, x + w[0])
    w = _halves(s, at + 32, z + w[1], y + _word(s, at + 16))
    return z, y, x, v, w


def _halves(s, at, a, b):
    """Mix 32 bytes into two numbers."""
    a = a + _word(s, at)
    c = a
    b = _rotated(b + a + _word(s, at + 24), 21)
    a = a + _word(s, at + 8) + _word(s, at + 16)
    b = b + _rotated(a, 44)
    return a + _word(s, at + 24), b + c


# ---- SipHash ---------------------------------------------------------------------------------


def _sip(s: np.ndarray, k0: int, k1: int) -> np.ndarray:
    """(strings, bytes) -> (strings,)"""
    n = s.shape[1]
    last = np.zeros((len(s), 8 - n % 8), np.uint8)
    last[:, -1] = n % 256
    s = np.concatenate([s, last], axis=1)
    zero = np.zeros(len(s), np.uint64)
    # "somepseudorandomlygeneratedbytes"
    v = [zero + _u(k0 ^ 0x736F6D6570736575), zero + _u(k1 ^ 0x646F72616E646F6D),
         zero + _u(k0 ^ 0x6C7967656E657261), zero + _u(k1 ^ 0x7465646279746573)]  # fmt: skip
    for at in range(0, s.shape[1], 8):
        m = _word(s, at)
        v[3] = v[3] ^ m
        v = _sip_round(_sip_round(v))
        v[0] = v[0] ^ m
    v[2] = v[2] ^ _u(0xFF)
    for _ in range(4):
        v = _sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sip_round(v: list[np.ndarray]) -> list[np.ndarray]:
    a, b, c, d = v
    a, c = a + b, c + d
    b, d = _rotated(b, 64 - 13) ^ a, _rotated(d, 64 - 16) ^ c
    a, c = _rotated(a, 32) + d, c + b
    b, d = _rotated(b, 64 - 17) ^ c, _rotated(d, 64 - 21) ^ a
    return [a, b, _rotated(c, 32), d]
