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
    "activate",
    "bias_act",
    "dice",
    "elu",
    "gated",
    "geglu",
    "gelu",
    "gelu_tanh",
    "leaky_relu",
    "linear_maxout",
    "log_softmax",
    "maxout",
    "mish",
    "prelu",
    "quick_gelu",
    "reglu",
    "relu",
    "selu",
    "sigmoid",
    "sigmoid_binary_cross_entropy",
    "softmax",
    "softmax_cross_entropy",
    "swiglu",
    "swiglu_clamped",
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


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    r"""GELU: :math:`x \, \Phi(x) = \frac{x}{2} (1 + \operatorname{erf}(x / \sqrt{2}))`.

    Args:
        input: of any shape, ``(*)``.
        approximate: ``"none"``, or ``"tanh"`` for :func:`gelu_tanh`.

    Returns:
        A tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: ``approximate`` is neither of these.

    From Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, arXiv:1606.08415, section 2.
    """
    if approximate == "none":
        return torch.ops.actinium.gelu(input)
    if approximate != "tanh":
        raise ValueError(f"gelu: approximate='{approximate}', expected 'none' or 'tanh'")
    return torch.ops.actinium.gelu_tanh(input)


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


def prelu(input: Tensor, weight: Tensor, dim: int = 1) -> Tensor:
    r"""PReLU: :math:`x` for :math:`x > 0`, else :math:`w x` with a learned :math:`w`. That is
    :math:`\max(x, w x)` only for :math:`w \le 1`.

    The gradients by ``input`` and ``weight`` are made in one pass.

    Args:
        input: of any shape, ``(*)``.
        weight: one element, or one for each channel, that is of shape ``(C,)`` where ``C = input.size(dim)``; of the
            dtype of ``input``, or float32 beside a 16-bit input.
        dim: the dim of the channels, for a ``weight`` of more than one element.

    Returns:
        A tensor of the shape and dtype of ``input``.

    Raises:
        TypeError, ValueError, IndexError: ``weight`` has another dtype or shape, or ``dim`` is out of range.

    From He, Zhang, Ren and Sun, "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet
    Classification", 2015, arXiv:1502.01852, eq. 1.
    """
    return torch.ops.actinium.prelu(input, weight, dim)


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
    mask: Optional[Tensor] = None,
    weight: Optional[Tensor] = None,
    bias: Optional[Tensor] = None,
    eps_mode: str = "inside",
    unbiased: bool = True,
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
        mask: bool, of the shape of ``input`` without ``dim``: which values make the statistics. The others have an
            output, too.
        weight: factor of the standardised input in the gate, of 1 or ``C`` elements; None for 1.
        bias: what is added to that, of 1 or ``C`` elements; None for 0.
        eps_mode: the standardised input is divided by :math:`\sqrt{\mathrm{Var}[x] + \epsilon}` (``"inside"``),
            :math:`\sqrt{\mathrm{Var}[x]} + \epsilon` (``"outside"``) or
            :math:`\sqrt{\mathrm{Var}[x] + \epsilon} + \epsilon` (``"both"``).
        unbiased: ``running_var`` takes the unbiased variance of the batch; else the biased one.

    Returns:
        A tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: ``alpha``, ``weight`` or ``bias`` has neither 1 nor ``C`` elements, a running statistic has not
            ``C``, only one of them is given, ``mask`` has another shape, ``eps_mode`` is unknown, or a channel has a
            single value to make statistics of.
        TypeError: ``mask`` is not bool, or a parameter has not the dtype of ``input``, nor is it float32 beside a
            16-bit ``input``.
        IndexError: ``dim`` is out of range.
        RuntimeError: in training ``mask`` leaves fewer than two values per channel.

    From Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", 2018, arXiv:1706.06978, equation 9.
    """
    return torch.ops.actinium.dice(
        input,
        alpha,
        running_mean,
        running_var,
        training,
        momentum,
        eps,
        dim,
        mask,
        weight,
        bias,
        eps_mode,
        unbiased,
    )


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


def linear_maxout(input: Tensor, weight: Tensor, bias: Optional[Tensor] = None) -> Tensor:
    r"""A Maxout layer: :math:`\max_j (W_j x + b_j)` for each unit.

    The products of all pieces are one matrix product; the bias is added where the pieces are compared, in float32 for
    16-bit types. The backward keeps the input, the weight and one byte per output.

    Args:
        input: of shape ``(*, d)``.
        weight: of shape ``(k, m, d)``: ``k`` pieces, 1 to 256, of each of ``m`` units.
        bias: of shape ``(k, m)``.

    Returns:
        A tensor of shape ``(*, m)``.

    Raises:
        TypeError, ValueError: a dtype or shape does not fit.

    From Goodfellow, Warde-Farley, Mirza, Courville and Bengio, "Maxout Networks", 2013, arXiv:1302.4389, section 3.
    """
    return torch.ops.actinium.linear_maxout(input, weight, bias)


# ----------------------------------------------------------------------------------------------------- gated units


def gated(
    input: Tensor,
    activation: str,
    params: Optional[list[float]] = None,
    up: Optional[Tensor] = None,
    dim: int = -1,
    layout: str = "gate_first",
) -> Tensor:
    r"""A gated unit: :math:`\mathrm{act}(a) \, b` with the gate :math:`a` and the up value :math:`b`.

    Gate and up are two tensors, or the halves of one that holds both, as one matrix product makes them. The backward
    keeps its inputs alone, and gives both gradients in one pass.

    Args:
        input: the gate, or, without ``up``, gate and up packed along ``dim``, of shape ``(*, 2 H, *)``.
        activation: the name of an activation of one number: ``"swish"``, ``"gelu_tanh"``, ``"relu"``, ``"sigmoid"``,
            ...; or ``"swiglu_clamped"``, the unit of :func:`swiglu_clamped`, whose own ``layout`` is another.
        params: the activation's numbers in their order (``beta`` of swish, ``negative_slope`` of leaky_relu,
            ``alpha`` of elu); those that are left out have their defaults.
        up: of the shape and dtype of ``input``, which then is the gate.
        dim: the dim along which gate and up are packed.
        layout: ``"gate_first"`` or ``"gate_second"``, the first half is the gate or the second is, or
            ``"interleaved"``, the gate is at even places and up at odd ones.

    Returns:
        A tensor of the dtype of ``input``: of its shape, or of ``(*, H, *)`` where it is packed.

    Raises:
        ValueError: the activation or the layout is unknown, ``params`` has more numbers than it takes, gate and up
            differ in shape, or a packed dim is odd.
        TypeError: gate and up differ in dtype.
        IndexError: ``dim`` is out of range.

    From Dauphin et al., "Language Modeling with Gated Convolutional Networks", 2017, arXiv:1612.08083, equation 1, and
    Shazeer, "GLU Variants Improve Transformer", 2020, arXiv:2002.05202, equation 5.
    """
    numbers: list[float] = [] if params is None else params
    if torch.jit.is_scripting():
        if up is not None:
            return torch.ops.actinium.gated(input, up, activation, numbers)
        return torch.ops.actinium.gated(input, activation, numbers, dim, layout)
    if up is not None:
        return torch.ops.actinium.gated.default(input, up, activation, numbers)
    return torch.ops.actinium.gated.packed(input, activation, numbers, dim, layout)


def swiglu(input: Tensor, up: Optional[Tensor] = None, dim: int = -1, layout: str = "gate_first") -> Tensor:
    r"""SwiGLU: :math:`a \, \sigma(a) \, b`, the gated unit of SiLU.

    Args:
        input: the gate, or, without ``up``, gate and up packed along ``dim``.
        up: of the shape and dtype of ``input``, which then is the gate.
        dim, layout: how a packed input holds gate and up; see :func:`gated`.

    Returns:
        A tensor of the dtype of ``input``: of its shape, or of half its size along ``dim`` where it is packed.

    Raises:
        ValueError, TypeError, IndexError: as :func:`gated`.

    From Shazeer, "GLU Variants Improve Transformer", 2020, arXiv:2002.05202, equation 5.
    """
    if torch.jit.is_scripting():
        if up is not None:
            return torch.ops.actinium.swiglu(input, up)
        return torch.ops.actinium.swiglu(input, dim, layout)
    if up is not None:
        return torch.ops.actinium.swiglu.default(input, up)
    return torch.ops.actinium.swiglu.packed(input, dim, layout)


def geglu(
    input: Tensor,
    up: Optional[Tensor] = None,
    approximate: str = "none",
    dim: int = -1,
    layout: str = "gate_first",
) -> Tensor:
    r"""GEGLU: :math:`\mathrm{GELU}(a) \, b`, the gated unit of GELU.

    Args:
        input: the gate, or, without ``up``, gate and up packed along ``dim``.
        up: of the shape and dtype of ``input``, which then is the gate.
        approximate: ``"none"``, GELU with erf, or ``"tanh"``, :func:`gelu_tanh`.
        dim, layout: how a packed input holds gate and up; see :func:`gated`.

    Returns:
        A tensor of the dtype of ``input``: of its shape, or of half its size along ``dim`` where it is packed.

    Raises:
        ValueError: ``approximate`` is unknown.
        ValueError, TypeError, IndexError: as :func:`gated`.

    From Shazeer, "GLU Variants Improve Transformer", 2020, arXiv:2002.05202, equation 5.
    """
    if torch.jit.is_scripting():
        if up is not None:
            return torch.ops.actinium.geglu(input, up, approximate)
        return torch.ops.actinium.geglu(input, approximate, dim, layout)
    if up is not None:
        return torch.ops.actinium.geglu.default(input, up, approximate)
    return torch.ops.actinium.geglu.packed(input, approximate, dim, layout)


def reglu(input: Tensor, up: Optional[Tensor] = None, dim: int = -1, layout: str = "gate_first") -> Tensor:
    r"""ReGLU: :math:`\max(0, a) \, b`, the gated unit of ReLU.

    Args:
        input: the gate, or, without ``up``, gate and up packed along ``dim``.
        up: of the shape and dtype of ``input``, which then is the gate.
        dim, layout: how a packed input holds gate and up; see :func:`gated`.

    Returns:
        A tensor of the dtype of ``input``: of its shape, or of half its size along ``dim`` where it is packed.

    Raises:
        ValueError, TypeError, IndexError: as :func:`gated`.

    From Shazeer, "GLU Variants Improve Transformer", 2020, arXiv:2002.05202, equation 5.
    """
    if torch.jit.is_scripting():
        if up is not None:
            return torch.ops.actinium.reglu(input, up)
        return torch.ops.actinium.reglu(input, dim, layout)
    if up is not None:
        return torch.ops.actinium.reglu.default(input, up)
    return torch.ops.actinium.reglu.packed(input, dim, layout)


def swiglu_clamped(
    input: Tensor,
    up: Optional[Tensor] = None,
    limit: float = 7.0,
    alpha: float = 1.702,
    dim: int = -1,
    layout: str = "interleaved",
) -> Tensor:
    r"""The gated unit of gpt-oss: :math:`a \, \sigma(\alpha a) \, (b + 1)`, with the gate :math:`a` clamped to
    :math:`a \le l` and :math:`b` to :math:`-l \le b \le l`.

    Args:
        input: the gate, or, without ``up``, gate and up packed along ``dim``.
        up: of the shape and dtype of ``input``, which then is the gate.
        limit: :math:`l`, not negative; infinity clamps nothing. What is cut off has no gradient.
        alpha: the slope of the sigmoid.
        dim, layout: how a packed input holds gate and up; see :func:`gated`. In those models they are interleaved.

    Returns:
        A tensor of the dtype of ``input``: of its shape, or of half its size along ``dim`` where it is packed.

    Raises:
        ValueError: ``limit`` is negative.
        ValueError, TypeError, IndexError: as :func:`gated`.

    From OpenAI, "gpt-oss-120b & gpt-oss-20b Model Card", 2025, arXiv:2508.10925, and the model published with it.
    """
    if torch.jit.is_scripting():
        if up is not None:
            return torch.ops.actinium.swiglu_clamped(input, up, limit, alpha)
        return torch.ops.actinium.swiglu_clamped(input, limit, alpha, dim, layout)
    if up is not None:
        return torch.ops.actinium.swiglu_clamped.default(input, up, limit, alpha)
    return torch.ops.actinium.swiglu_clamped.packed(input, limit, alpha, dim, layout)


# ------------------------------------------------------------------------------------------------------------- bias


def activate(input: Tensor, activation: str, params: Optional[list[float]] = None) -> Tensor:
    r"""An activation by its name.

    Args:
        input: of any shape, ``(*)``.
        activation: the name of an activation of one number: ``"swish"``, ``"mish"``, ``"relu"``, ...
        params: its numbers in their order; those that are left out have their defaults.

    Returns:
        A tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: the activation is unknown, or ``params`` has more numbers than it takes.
    """
    numbers: list[float] = [] if params is None else params
    return torch.ops.actinium.activate(input, activation, numbers)


def bias_act(
    input: Tensor, bias: Tensor, activation: str, params: Optional[list[float]] = None, dim: int = 1
) -> Tensor:
    r"""An activation of the sum with a bias: :math:`\mathrm{act}(x + b_c)` for channel :math:`c`.

    One pass over ``input``, in which the sum of 16-bit values is not rounded. The backward keeps ``input``, and gives
    the gradient of the bias in the same pass as that of ``input``.

    Args:
        input: of shape ``(N, C, *)``, with the ``C`` channels along ``dim``.
        bias: of shape ``(C,)``, of the dtype of ``input``, or float32 beside a 16-bit ``input``.
        activation: the name of an activation of one number: ``"swish"``, ``"mish"``, ``"relu"``, ...
        params: its numbers in their order; those that are left out have their defaults.
        dim: the dim of the channels.

    Returns:
        A tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: the activation is unknown, ``params`` has more numbers than it takes, or ``bias`` is not of shape
            ``(C,)``.
        TypeError: ``bias`` has not the dtype of ``input``, nor is it float32 beside a 16-bit ``input``.
        IndexError: ``dim`` is out of range.
    """
    numbers: list[float] = [] if params is None else params
    return torch.ops.actinium.bias_act(input, bias, activation, numbers, dim)


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
    Logits that are neither contiguous nor have their classes last in memory, as in ``channels_last``, are copied first,
    and so is what has a smaller dtype than logits or probabilities beside it.

    Args:
        input: logits of shape ``(C,)``, ``(N, C)`` or ``(N, C, *)``.
        target: the index of a class for every row, of shape ``()``, ``(N,)`` or ``(N, *)`` and dtype int64 or
            uint8; or probabilities, of the shape of ``input``, which may have a gradient.
        weight: of the classes, of shape ``(C,)`` and the dtype of ``input``, or float32 beside a 16-bit ``input``; of
            any dtype beside probabilities.
        reduction: ``"none"``, ``"sum"``, or ``"mean"``: the sum over the sum of the weights of the classes that indices
            name, or over the number of rows for probabilities.
        ignore_index: the index of rows that do not count.
        label_smoothing: the share of ``target``, 0 to 1, that is taken from it and given to all classes evenly.

    Returns:
        A number, or with ``reduction="none"`` a tensor of the shape of indices.

    Raises:
        IndexError: ``target`` has an index that is not one of a class; on CUDA, such a row is NaN.
        TypeError: indices have another dtype, or ``weight`` has.
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
