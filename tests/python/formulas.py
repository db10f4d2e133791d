"""The activations once more, in a form that keeps its digits, over any namespace of elementary functions."""

from types import SimpleNamespace

import mpmath
import numpy as np
import torch

MP = mpmath.MPContext()


def erfc(x):
    """For numpy, which has none. By the series of erf near 0, and by the continued fraction of erfc in the tails."""
    t = np.minimum(abs(x), 200)
    near, far = np.minimum(t, 1.5), np.maximum(t, 1.5)
    total = term = near
    for k in range(1, 60):
        term = term * (2 * near * near / (2 * k + 1))
        total = total + term
    fraction = far
    for k in range(400, 0, -1):
        fraction = far + k / (2 * fraction)
    root = np.sqrt(np.longdouble("3.14159265358979323846264338327950288"))
    tail = np.where(t < 1.5, 1 - 2 / root * np.exp(-near * near) * total, np.exp(-far * far) / (root * fraction))
    return np.where(x < 0, 2 - tail, tail)


def _namespace(module, number, erfc):
    elementary = {name: getattr(module, name) for name in ("exp", "expm1", "log1p", "sqrt", "tanh")}
    return SimpleNamespace(number=number, erfc=erfc, **elementary)


# float64 and differentiable; 64 bits of mantissa; as many digits as asked for.
TORCH = _namespace(torch, float, torch.erfc)
LONG = _namespace(np, np.longdouble, erfc)
EXACT = _namespace(MP, MP.mpf, MP.erfc)


def mish(m, x):
    return x * m.tanh(m.log1p(m.exp(x)))


def swish(m, x, beta=1.0):
    return x / (1 + m.exp(-beta * x))


def gelu(m, x):
    return x * m.erfc(x * m.number("-0.70710678118654752440084436210484903928")) / 2


def gelu_tanh(m, x):
    # (1 + tanh u) / 2 = 1 / (1 + exp(-2u)); the left side has no digits left where u < -20.
    u = m.number("0.79788456080286535587989211986876373695") * (x + m.number("0.044715") * x * x * x)
    return x / (1 + m.exp(-2 * u))


def selu(m, x):
    above, below = (x + abs(x)) / 2, (x - abs(x)) / 2
    scale, alpha = m.number("1.0507009873554804934193349852946"), m.number("1.6732632423543772848170429916717")
    return scale * (above + alpha * m.expm1(below))


def elu(m, x, alpha=1.0):
    above, below = (x + abs(x)) / 2, (x - abs(x)) / 2
    return above + alpha * m.expm1(below)


def leaky_relu(m, x, negative_slope=0.01):
    above, below = (x + abs(x)) / 2, (x - abs(x)) / 2
    return above + negative_slope * below


def relu(m, x):
    return (x + abs(x)) / 2


def sigmoid(m, x):
    return 1 / (1 + m.exp(-x))


def tanh(m, x):
    return m.tanh(x)


def quick_gelu(m, x):
    return x / (1 + m.exp(m.number("-1.702") * x))


def dice(m, x, alpha, mean, var, eps=1e-8):
    p = 1 / (1 + m.exp((mean - x) / m.sqrt(var + eps)))
    return p * x + (1 - p) * alpha * x


def derivative(formula, order, x):
    """f, f' or f'' at the number x, as exact as anyone needs."""
    # f' and f'' come from differences of f, and may be 0 or 1e-82 where f is 100.
    with MP.workdps(400 if order else 60):
        return MP.diff(lambda t: formula(EXACT, t), MP.mpf(float(x)), order)
