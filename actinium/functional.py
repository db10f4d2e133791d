"""The activations as functions. All of them work in eager mode, under autograd (reverse, forward and second order),
``torch.func``, ``torch.compile`` and ``torch.jit``.

The dtypes are float32, float64, bfloat16 and float16; 16-bit types are computed in float32 and rounded once. Inputs may
have any shape and any strides; the result has the memory layout that a builtin's would have. Wrong arguments raise
``TypeError`` (dtype), ``ValueError`` (shape, value), ``IndexError`` (dim) or ``RuntimeError`` (device).
"""

from typing import Optional, Union

import torch
from torch import Tensor

__all__ = [
    "dice",
    "elu",
    "gelu_tanh",
    "leaky_relu",
    "maxout",
    "mish",
    "quick_gelu",
    "relu",
    "selu",
    "sigmoid",
    "swish",
    "tanh",
]


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    r"""Mish: :math:`x \tanh(\ln(1 + e^x))`.

    Args:
        input: of any shape, ``(*)``.
        inplace: write the result into ``input``.

    Returns:
        A tensor of the shape and dtype of ``input``.

    From Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", 2019, arXiv:1908.08681.
    """
    if inplace:
        return torch.ops.actinium.mish_(input)
    return torch.ops.actinium.mish(input)


def swish(input: Tensor, beta: Union[int, float, Tensor] = 1.0, dim: int = 1, inplace: bool = False) -> Tensor:
    r"""Swish: :math:`x \, \sigma(\beta x)`; with :math:`\beta = 1` it is SiLU.

    Args:
        input: of any shape, ``(*)``.
        beta: a number, or a tensor with a gradient of its own: one element, or one for each channel, that is of shape
            ``(C,)`` where ``C = input.size(dim)``.
        dim: the dim of the channels, for a ``beta`` of more than one element.
        inplace: write the result into ``input``.

    Returns:
        A tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: ``beta`` has neither 1 nor ``C`` elements.
        TypeError: ``beta`` has not the dtype of ``input``, nor is it float32 beside a 16-bit ``input``.
        IndexError: ``dim`` is out of range.

    From Ramachandran et al., "Searching for Activation Functions", 2017, arXiv:1710.05941.
    """
    if torch.jit.is_scripting():
        if isinstance(beta, Tensor):
            if inplace:
                return torch.ops.actinium.swish_(input, beta, dim)
            return torch.ops.actinium.swish(input, beta, dim)
        if inplace:
            return torch.ops.actinium.swish_(input, beta)
        return torch.ops.actinium.swish(input, beta)
    # An overload by its name, which TorchScript does not know: without it Python tries one after the other, and a
    # failed try takes longer than the call.
    op = torch.ops.actinium.swish_ if inplace else torch.ops.actinium.swish
    if isinstance(beta, (Tensor, torch.fx.Proxy)):  # a proxy stands for the parameter while torch.fx traces
        return op.Tensor(input, beta, dim)
    return op.default(input, beta)


def gelu_tanh(input: Tensor) -> Tensor:
    r"""GELU by its tanh form: :math:`\frac{x}{2} (1 + \tanh(\sqrt{2/\pi} (x + 0.044715 x^3)))`.

    Args:
        input: of any shape, ``(*)``.

    Returns:
        A tensor of the shape and dtype of ``input``.

    From Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, arXiv:1606.08415.
    """
    return torch.ops.actinium.gelu_tanh(input)


def quick_gelu(input: Tensor) -> Tensor:
    r"""GELU by its sigmoid form: :math:`x \, \sigma(1.702 x)`.

    Args:
        input: of any shape, ``(*)``.

    Returns:
        A tensor of the shape and dtype of ``input``.

    From Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, arXiv:1606.08415, section 2.
    """
    return torch.ops.actinium.quick_gelu(input)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    r"""SELU: :math:`\lambda x` for :math:`x > 0`, else :math:`\lambda \alpha (e^x - 1)`.

    :math:`\lambda = 1.0507...` and :math:`\alpha = 1.6732...` are those that keep mean 0 and variance 1.

    Args:
        input: of any shape, ``(*)``.
        inplace: write the result into ``input``.

    Returns:
        A tensor of the shape and dtype of ``input``.

    From Klambauer et al., "Self-Normalizing Neural Networks", 2017, arXiv:1706.02515.
    """
    if inplace:
        return torch.ops.actinium.selu_(input)
    return torch.ops.actinium.selu(input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    r"""ELU: :math:`x` for :math:`x > 0`, else :math:`\alpha (e^x - 1)`.

    Args:
        input: of any shape, ``(*)``.
        alpha: minus the value on the far left. The derivative at 0 is ``alpha``, too.
        inplace: write the result into ``input``.

    Returns:
        A tensor of the shape and dtype of ``input``.

    From Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)", 2015,
    arXiv:1511.07289.
    """
    if inplace:
        return torch.ops.actinium.elu_(input, alpha)
    return torch.ops.actinium.elu(input, alpha)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    r"""ReLU: :math:`\max(0, x)`; the derivative at 0 is 0.

    Args:
        input: of any shape, ``(*)``.
        inplace: write the result into ``input``.

    Returns:
        A tensor of the shape and dtype of ``input``.

    From Nair and Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", 2010.
    """
    if inplace:
        return torch.ops.actinium.relu_(input)
    return torch.ops.actinium.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    r"""Leaky ReLU: :math:`x` for :math:`x > 0`, else :math:`s x` with the slope :math:`s`.

    Args:
        input: of any shape, ``(*)``.
        negative_slope: the slope on the left, and the derivative at 0. It may be negative.
        inplace: write the result into ``input``.

    Returns:
        A tensor of the shape and dtype of ``input``.

    From Maas et al., "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.
    """
    if inplace:
        return torch.ops.actinium.leaky_relu_(input, negative_slope)
    return torch.ops.actinium.leaky_relu(input, negative_slope)


def sigmoid(input: Tensor) -> Tensor:
    r"""Sigmoid: :math:`\sigma(x) = 1 / (1 + e^{-x})`.

    Args:
        input: of any shape, ``(*)``.

    Returns:
        A tensor of the shape and dtype of ``input``.

    From Rumelhart et al., "Learning representations by back-propagating errors", 1986, equation 2.
    """
    return torch.ops.actinium.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    r"""Tanh: :math:`(e^x - e^{-x}) / (e^x + e^{-x})`.

    Args:
        input: of any shape, ``(*)``.

    Returns:
        A tensor of the shape and dtype of ``input``.

    As an activation from LeCun et al., "Efficient BackProp", 1998, section 4.4.
    """
    return torch.ops.actinium.tanh(input)


def dice(
    input: Tensor,
    alpha: Tensor,
    running_mean: Optional[Tensor] = None,
    running_var: Optional[Tensor] = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-8,
    dim: int = -1,
) -> Tensor:
    r"""Dice: :math:`p x + (1 - p) \alpha x` with the gate
    :math:`p = \sigma((x - \mathrm{E}[x]) / \sqrt{\mathrm{Var}[x] + \epsilon})`.

    Mean and variance are taken for each channel over every dim but ``dim``. In training they are those of the batch,
    the gradient runs through them, and the running statistics, if given, are updated as ``batch_norm`` does it: biased
    variance in the gate, unbiased variance into ``running_var``. Otherwise the running statistics are used, or those of
    the batch if there are none.

    Args:
        input: of shape ``(N, *, C)`` with the ``C`` channels along ``dim``.
        alpha: the slope where the gate is closed: of 1 or ``C`` elements.
        running_mean: of shape ``(C,)``, or None.
        running_var: of shape ``(C,)``, or None; given exactly if ``running_mean`` is.
        training: use the statistics of the batch, and update the running ones.
        momentum: weight of the batch in the update, 0 to 1.
        eps: added to the variance; not negative.
        dim: the dim of the channels.

    Returns:
        A tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: ``alpha`` has neither 1 nor ``C`` elements, a running statistic has not ``C``, only one of them is
            given, or a channel has a single value to make statistics of.
        IndexError: ``dim`` is out of range.

    From Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", 2018, arXiv:1706.06978, section 5.2.
    """
    return torch.ops.actinium.dice(input, alpha, running_mean, running_var, training, momentum, eps, dim)


def maxout(input: Tensor, pieces: int, dim: int = 1, layout: str = "unit") -> Tensor:
    r"""Maxout: the largest of each ``pieces`` channels.

    With ``U = input.size(dim) / pieces`` units, channel ``u`` of the result is

    - ``layout="unit"``: :math:`\max_j x[u \cdot k + j]`, the pieces of a unit lie together;
    - ``layout="piece"``: :math:`\max_j x[j \cdot U + u]`, the units of a piece lie together.

    The first of equal pieces wins and takes the gradient. NaN propagates.

    Args:
        input: with a number of channels along ``dim`` that ``pieces`` divides.
        pieces: how many channels make a unit, 1 to 256.
        dim: the dim of the channels.
        layout: ``"unit"`` or ``"piece"``.

    Returns:
        A tensor of the dtype of ``input`` with ``U`` channels along ``dim``.

    Raises:
        ValueError: ``pieces`` is not from 1 to 256 or does not divide the channels, or ``layout`` is unknown.
        IndexError: ``dim`` is out of range.

    From Goodfellow et al., "Maxout Networks", 2013, arXiv:1302.4389.
    """
    return torch.ops.actinium.maxout(input, pieces, dim, layout)


def softmax(input: Tensor, dim: int = -1, dtype: Optional[int] = None) -> Tensor:
    r"""Softmax: :math:`e^{x_i} / \sum_j e^{x_j}` along ``dim``.

    Args:
        input: of any shape, ``(*)``.
        dim: the dim along which the result sums to 1.
        dtype: what ``input`` is converted to first, such as ``torch.float32``.

    Returns:
        A tensor of the shape of ``input``, and of its dtype or ``dtype``. A row of ``-inf`` alone, or with ``inf`` or
        NaN, is NaN.

    Raises:
        IndexError: ``dim`` is out of range.

    From Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs", 1990, equation 10.
    """
    return torch.ops.actinium.softmax(input, dim, dtype)


def log_softmax(input: Tensor, dim: int = -1, dtype: Optional[int] = None) -> Tensor:
    r"""The logarithm of softmax: :math:`x_i - \log \sum_j e^{x_j}` along ``dim``, accurate near 0 as well.

    Args:
        input: of any shape, ``(*)``.
        dim: the dim along which softmax sums to 1.
        dtype: what ``input`` is converted to first, such as ``torch.float32``.

    Returns:
        A tensor of the shape of ``input``, and of its dtype or ``dtype``.

    Raises:
        IndexError: ``dim`` is out of range.

    Softmax is from Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs", 1990,
    equation 10.
    """
    return torch.ops.actinium.log_softmax(input, dim, dtype)


def softmax_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Optional[Tensor] = None,
    reduction: str = "mean",
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Cross-entropy of the softmax of ``input``, :math:`-\sum_j t_j w_j \log \mathrm{softmax}(x)_j`, as
    ``F.cross_entropy``.

    The probabilities are never written: the forward keeps one number a row, and the backward writes the gradient.

    Args:
        input: logits of shape ``(C,)``, ``(N, C)`` or ``(N, C, *)``.
        target: the index of a class for every row, of shape ``()``, ``(N,)`` or ``(N, *)`` and dtype int64; or
            probabilities, of the shape of ``input``, which may have a gradient.
        weight: of the classes, of shape ``(C,)``.
        reduction: ``"none"``, ``"sum"``, or ``"mean"``: the sum over the sum of the weights of the classes that indices
            name, or over the number of rows for probabilities.
        ignore_index: the index of rows that do not count.
        label_smoothing: the share of ``target``, 0 to 1, that is taken from it and given to all classes evenly.

    Returns:
        A number, or with ``reduction="none"`` a tensor of the shape of indices.

    Raises:
        IndexError: ``target`` has an index that is not one of a class; on CUDA, such a row is NaN.
        ValueError: a shape does not fit, ``reduction`` is unknown, or ``label_smoothing`` is not from 0 to 1.

    Label smoothing is from Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2015,
    arXiv:1512.00567, section 7.
    """
    return torch.ops.actinium.softmax_cross_entropy(input, target, weight, reduction, ignore_index, label_smoothing)


def sigmoid_binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Optional[Tensor] = None,
    pos_weight: Optional[Tensor] = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Binary cross-entropy of the sigmoid of ``input``,
    :math:`-w (p \, t \log \sigma(x) + (1 - t) \log \sigma(-x))`, as ``F.binary_cross_entropy_with_logits``.

    The probabilities are never written, nor is, where it is reduced, the loss of every element.

    Args:
        input: logits of any shape, ``(*)``.
        target: of the shape of ``input``, 0 to 1. It may have a gradient.
        weight: of the elements, of any shape that broadcasts to that of ``input``.
        pos_weight: of the term of ``target``, of any shape that broadcasts to that of ``input``.
        reduction: ``"none"``, ``"mean"`` over all elements, or ``"sum"``.

    Returns:
        A number, or with ``reduction="none"`` a tensor of the shape of ``input``.

    Raises:
        ValueError: a shape does not fit, or ``reduction`` is unknown.
    """
    return torch.ops.actinium.sigmoid_binary_cross_entropy(input, target, weight, pos_weight, reduction)
