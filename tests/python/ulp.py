"""Errors in units in the last place."""

import numpy as np
import torch

# Bits of the mantissa, the hidden one included, and the exponent of the smallest normal number.
FORMATS = {torch.float32: (24, -126), torch.float64: (53, -1022), torch.bfloat16: (8, -126), torch.float16: (11, -14)}


def numbers(t):
    """The values of a tensor with 64 bits of mantissa."""
    t = t.detach().cpu()
    return (t if t.dtype == torch.float64 else t.float()).numpy().astype(np.longdouble)


def spacing(want, dtype):
    """The distance between neighbours of dtype at want; that of subnormal numbers is the smallest."""
    bits, smallest = FORMATS[dtype]
    exponent = np.maximum(np.frexp(np.abs(want))[1] - 1, smallest)
    return np.ldexp(np.longdouble(1), exponent - (bits - 1))


def assert_ulps(got, want, bound, at=None, absolute=0.0):
    """Every element of got is within bound ULP of want (numbers of more precision than got's), or within absolute.

    at: where the ULP are counted instead of at want, for functions that add terms of opposite sign.
    """
    values = numbers(got)
    want = np.broadcast_to(want, values.shape)
    unit = spacing(want if at is None else np.maximum(np.abs(want), np.abs(at)), got.dtype)
    error = np.abs(values - want)
    bad = ~((error <= bound * unit) | (error <= absolute))
    if bad.any():
        worst = np.unravel_index(np.where(bad, np.nan_to_num(error / unit, nan=np.inf), -1).argmax(), values.shape)
        raise AssertionError(
            f"{bad.sum()} of {bad.size} off; {error[worst] / unit[worst]:.4g} ULP at {tuple(map(int, worst))}: "
            f"got {values[worst]!r}, want {want[worst]!r}, bound {bound} ULP"
        )
