"""The gallery: formula, derivative, plot, parameters, source, use, accuracy and speed of each activation, and what is
said of it and is not so. scripts/gallery runs this, which writes docs/gallery.md and docs/gallery/*.svg.

An activation is one entry of ENTRIES. Parameters and defaults come from the operator's schema, their meaning from the
docstring in actinium.functional, accuracy and speed from docs/accuracy.md and docs/performance-avx512.md, the numbers
of the counter-examples from the operators; tests/python/test_gallery.py evaluates the formulas.
"""
# ruff: noqa: RUF001  mathematical signs in the formulas

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from operator import gt, lt, ne
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import actinium
from actinium.functional import (
    activate,
    bias_act,
    dice,
    elu,
    gated,
    geglu,
    gelu,
    gelu_tanh,
    leaky_relu,
    linear_maxout,
    log_softmax,
    maxout,
    mish,
    prelu,
    quick_gelu,
    reglu,
    relu,
    selu,
    sigmoid,
    sigmoid_binary_cross_entropy,
    softmax,
    softmax_cross_entropy,
    swiglu,
    swiglu_clamped,
    swish,
    tanh,
)
from family_accuracy import cases
from markdown_table import markdown
from rows import OPS

ROOT = Path(__file__).parents[1]
DOCUMENT = "docs/gallery.md"
ACCURACY, PERFORMANCE = "docs/accuracy.md", "docs/performance-avx512.md"
FAMILIES = "Functions of several values"  # the title in docs/accuracy.md

# ----------------------------------------------------------------------------------------------------------- entries


@dataclass(frozen=True)
class Wrong:
    """Something that is said of an activation, a comparison that holds and contradicts it, and what is so."""

    said: str
    counter: str  # an expression, "!=", "<" or ">", and another one; of functions in SCOPE and the names in `at`
    right: str
    at: dict[str, float | tuple[float, ...]]


@dataclass(frozen=True)
class Entry:
    title: str
    operator: str  # torch.ops.actinium.<operator>, with the overload if it is not the default one
    # A definition a line, the function first. It, f'(x) and ∂f/∂y are compared with the operator; the others are what
    # these are made of. A line with i or j stands for one of each class or piece, act for the activation of a curve.
    formula: str
    source: str
    use: str
    # The operator, element by element of vectors: of the inputs, and then of what a curve has. A row for each f of the
    # formula where there are several.
    function: Callable[..., Tensor]
    speed: tuple[str, ...] = ()  # rows of PERFORMANCE
    also: tuple[str, ...] = ()  # other overloads of the operator
    inputs: Callable[[Tensor], dict[str, Tensor]] = lambda x: {"x": x}  # by their names in the formula
    # The other names in the formula, numbers and that of an activation; each makes a curve of the plot
    curves: tuple[dict[str, float | str], ...] = ({},)
    labels: tuple[str, ...] = ()  # of the lines of the plot, where the names in a curve are not enough
    by: str = "x"  # the plot beside that of f is the derivative by this
    slope: str = ""  # what that is called, where x is not the variable of the formula
    axis: str = ""  # and what x is
    accuracy: tuple[str, ...] = ()  # rows of docs/accuracy.md, of functions of one number
    families: tuple[str, ...] = ()  # and of functions of several values
    about_accuracy: str = ""  # what its figures do not say
    without_accuracy: str = "the result is one of the inputs, and nothing is rounded"
    without_speed: str = ""  # whose rows are near to those of this
    wrong: tuple[Wrong, ...] = ()
    note: str = ""  # what the formula does not say

    @property
    def key(self) -> str:
        return self.operator.replace(".", "_").lower()

    @property
    def schemas(self) -> dict[str, torch._C.FunctionSchema]:
        """By the names of the overloads."""

        def schema(operator: str) -> torch._C.FunctionSchema:
            packet, _, overload = operator.partition(".")
            return getattr(getattr(torch.ops.actinium, packet), overload or "default")._schema

        return {operator: schema(operator) for operator in (self.operator, *self.also)}


def paper(authors: str, title: str, year: int, number: str, place: str) -> str:
    return f'{authors}, "{title}", {year}, [arXiv:{number}](https://arxiv.org/abs/{number}), {place}.'


GELU = paper("Hendrycks and Gimpel", "Gaussian Error Linear Units (GELUs)", 2016, "1606.08415", "section 2")
SWISH = paper("Ramachandran, Zoph and Le", "Searching for Activation Functions", 2017, "1710.05941", "section 4")
GLU = paper("Shazeer", "GLU Variants Improve Transformer", 2020, "2002.05202", "equation 5")
MAXOUT = paper("Goodfellow et al.", "Maxout Networks", 2013, "1302.4389", "section 3")
SOFTMAX = (
    'Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs", 1990, '
    "[doi:10.1007/978-3-642-76153-9_28](https://doi.org/10.1007/978-3-642-76153-9_28), equation 10."
)

ENTRIES = (
    Entry(
        title="Mish",
        operator="mish",
        formula="""
            f(x) = x·t
            f'(x) = t + x·(1 − t²)·s(x)
            t = tanh(log(1 + eˣ))
        """,
        source=paper(
            "Misra", "Mish: A Self Regularized Non-Monotonic Activation Function", 2019, "1908.08681", "abstract"
        ),
        use="In place of ReLU or SiLU in convolutional networks, as in the backbone of YOLOv4. It is smooth, has a "
        "single dip, and is x on the far right.",
        function=mish,
        accuracy=("mish",),
        speed=("mish",),
        wrong=(
            Wrong(
                said="It is monotonic, a smooth ReLU.",
                counter="mish(5 * x) > mish(x)",
                right="It falls from 0 at minus infinity to its least value, the second one here, and rises from "
                "there on.",
                at={"x": -1.192},
            ),
            Wrong(
                said="Its gradient does not vanish for negative inputs.",
                counter="abs(D(mish, x)) < 1e-07",
                right="f'(x) goes to 0 as x·eˣ does. What does not vanish is the gradient at moderate negative inputs.",
                at={"x": -20.0},
            ),
            Wrong(
                said="f'(x) = sech²(softplus(x))·x·s(x) + f(x)/x.",
                counter="mish(x) / x != D(mish, x)",
                right="That is 0/0 at x = 0, where a program gets NaN. tanh(softplus(x)) in place of f(x)/x is right "
                "everywhere.",
                at={"x": 0.0},
            ),
        ),
    ),
    Entry(
        title="Swish",
        operator="swish",
        formula="""
            f(x) = x·s(β·x)
            f'(x) = s(β·x) + β·x·s(β·x)·(1 − s(β·x))
        """,
        source=SWISH,
        use="With β = 1 it is SiLU, the activation of EfficientNet and of the gate in SwiGLU. β = 0 is x/2, and with "
        "a growing β it goes to ReLU; β = 1.702 is the sigmoid form of GELU.",
        function=lambda x, β: swish(x, β[0].item()),
        curves=({"β": 0.5}, {"β": 1.0}, {"β": 2.0}),
        accuracy=("swish", "swish(beta=-1.5)", "swish(beta=1.702)"),
        speed=("swish",),
        wrong=(
            Wrong(
                said="Swish is silu(β·x).",
                counter="F.silu(β * x) != swish(x, 2)",
                right="That is β times too large: swish(x, β) = silu(β·x)/β.",
                at={"x": 1.0, "β": 2.0},
            ),
            Wrong(
                said="f'(x) = f(x) + s(β·x)·(1 − f(x)).",
                counter="swish(x, 2) + s(β * x) * (1 - swish(x, 2)) != D(lambda x: swish(x, 2), x)",
                right="Right for β = 1 alone. The paper has β·f(x) + s(β·x)·(1 − β·f(x)).",
                at={"x": 1.0, "β": 2.0},
            ),
            Wrong(
                said="It is never below -0.2785.",
                counter="swish(x, 0.5) < -0.2785",
                right="That is the least value for β = 1. For another one it is 1/β times that, at 1/β times the "
                "place.",
                at={"x": -2.557},
            ),
        ),
    ),
    Entry(
        title="Swish, trainable beta",
        operator="swish.Tensor",
        formula="""
            f(x) = x·s(β·x)
            f'(x) = s(β·x) + β·x·s(β·x)·(1 − s(β·x))
            ∂f/∂β = x²·s(β·x)·(1 − s(β·x))
        """,
        note="β is one number, or one for each channel; its gradient is summed over all that it is multiplied with.",
        source=SWISH,
        use="Where the network shall choose the shape, from linear to ReLU. swish(x, β) = silu(β·x)/β: between linear "
        "layers, whose weights can take β up, it changes how the network trains and not what it can express.",
        function=lambda x, β: swish(x, β, 0),
        curves=({"β": 0.5}, {"β": 1.0}, {"β": 2.0}),
        by="β",
        accuracy=("swish(beta=-1.5)", "swish(beta=1.702)"),
        speed=("swish_beta",),
        wrong=(
            Wrong(
                said="It is silu(β·x) with a trainable β.",
                counter="D(lambda β: F.silu(β * x), β) != D(lambda β: swish(x, β), β)",
                right="The value is β times too large, and the gradient of β is x·silu'(β·x), another function.",
                at={"x": 1.0, "β": 2.0},
            ),
            Wrong(
                said="It is x·silu(β·x).",
                counter="x * F.silu(β * x) != swish(x, β)",
                right="SiLU has the factor x already: x·silu(β·x) = β·x²·s(β·x) grows as x² does.",
                at={"x": 3.0, "β": 1.0},
            ),
        ),
    ),
    Entry(
        title="GELU",
        operator="gelu",
        formula="""
            f(x) = x·Φ
            f'(x) = Φ + x·φ
            Φ = (1 + erf(x/√(2)))/2
            φ = exp(−x²/2)/√(2·π)
        """,
        note="Φ is the distribution function of the normal distribution, φ its density.",
        source=GELU,
        use="In transformers: BERT, ViT and most of their successors were trained with this form, which is the default "
        "of `nn.GELU`.",
        function=gelu,
        accuracy=("gelu",),
        speed=("gelu",),
        wrong=(
            Wrong(
                said="x/2·(1 + erf(x/√2)) is how to compute it.",
                counter="x / 2 * (1 + torch.erf(x.float() / 2**0.5)) != gelu(x.float())",
                right="In the left tail 1 + erf cancels, and in float32 nothing is left of it below -5.6. "
                "x/2·erfc(−x/√2) keeps what it is.",
                at={"x": -6.0},
            ),
            Wrong(
                said="It is x·s(1.702·x).",
                counter="x * s(1.702 * x) != gelu(x)",
                right="That is an approximation, quick GELU, which is off by up to 0.02.",
                at={"x": -2.2},
            ),
            Wrong(
                said="It is monotonic.",
                counter="gelu(4 * x) > gelu(x)",
                right="It falls from 0 at minus infinity to its least value, the second one here, and rises from "
                "there on.",
                at={"x": -0.7518},
            ),
        ),
    ),
    Entry(
        title="GELU, tanh form",
        operator="gelu_tanh",
        formula="""
            f(x) = x/2·(1 + tanh(u))
            f'(x) = s(2·u) + x·s(2·u)·(1 − s(2·u))·2·du
            u = √(2/π)·(x + 0.044715·x³)
            du = √(2/π)·(1 + 3·0.044715·x²)
        """,
        source=GELU,
        use="For networks that were trained with this form: GPT-2 and its successors (`gelu_new`), Gemma, "
        '`nn.GELU("tanh")`. The form is part of a model: take that of its weights.',
        function=gelu_tanh,
        accuracy=("gelu_tanh",),
        speed=("gelu_tanh",),
        wrong=(
            Wrong(
                said="`F.gelu(x)` is this function.",
                counter="F.gelu(x) != gelu_tanh(x)",
                right='The default of torch is x·Φ(x), with erf. The tanh form is `F.gelu(x, approximate="tanh")`.',
                at={"x": -2.7},
            ),
            Wrong(
                said="x·s(1.702·x) is the same approximation.",
                counter="swish(x, 1.702) != gelu_tanh(x)",
                right="It is the paper's other approximation, known as quick GELU, and the coarser one.",
                at={"x": -2.2},
            ),
            Wrong(
                said="Its values are in [0, 1].",
                counter="gelu_tanh(x) < 0",
                right="Those of the gate Φ(x) are. Those of the function begin here and have no bound on the right.",
                at={"x": -0.7525},
            ),
        ),
    ),
    Entry(
        title="Quick GELU",
        operator="quick_gelu",
        formula="""
            f(x) = x·s(1.702·x)
            f'(x) = s(1.702·x) + 1.702·x·s(1.702·x)·(1 − s(1.702·x))
        """,
        source=GELU,
        use="For networks that were trained with this form: CLIP and what is built on it. It is Swish with β = 1.702.",
        function=quick_gelu,
        accuracy=("quick_gelu",),
        speed=("quick_gelu",),
        wrong=(
            Wrong(
                said="It is GELU, only faster.",
                counter="quick_gelu(x) != gelu(x)",
                right="It is off by up to 0.02, which every layer adds to. Take the form of the weights.",
                at={"x": 2.27},
            ),
            Wrong(
                said="It is silu(1.702·x).",
                counter="F.silu(1.702 * x) != quick_gelu(x)",
                right="That is 1.702 times too large.",
                at={"x": 1.0},
            ),
        ),
    ),
    Entry(
        title="SELU",
        operator="selu",
        formula="""
            f(x) = λ·x if x > 0, else λ·α·(eˣ − 1)
            f'(x) = λ if x > 0, else λ·α·eˣ
            λ = 1.0507009873554804934193349852946
            α = 1.6732632423543772848170429916717
        """,
        source=paper("Klambauer et al.", "Self-Normalizing Neural Networks", 2017, "1706.02515", "equation 2"),
        use="In deep feed-forward networks without normalization layers. Mean 0 and variance 1 are kept where the "
        "inputs are standardized, the weights come from `actinium.nn.init.lecun_normal_`, the biases are 0 and "
        "dropout is `actinium.nn.AlphaDropout`; ordinary dropout at p multiplies the variance by 1/(1 − p).",
        function=selu,
        accuracy=("selu",),
        speed=("selu",),
        wrong=(
            Wrong(
                said="Below 0 it is α·(eˣ − 1).",
                counter="1.67326 * (exp(x) - 1) != selu(x)",
                right="λ multiplies both sides; without it this is ELU with that α.",
                at={"x": -1.0},
            ),
            Wrong(
                said="It normalizes, whatever the weights.",
                counter="variance(selu, 2) != 1",
                right="With inputs of variance 1 its outputs have variance 1. He's initialization, made for ReLU, "
                "gives inputs of variance 2.",
                at={},
            ),
            Wrong(
                said='`nn.init.kaiming_normal_(weight, nonlinearity="selu")` is its initialization.',
                counter='torch.nn.init.calculate_gain("selu") != 1',
                right='Weights of variance 1/fan_in have gain 1, which is `nonlinearity="linear"`.',
                at={},
            ),
        ),
    ),
    Entry(
        title="ELU",
        operator="elu",
        formula="""
            f(x) = x if x > 0, else α·(eˣ − 1)
            f'(x) = 1 if x > 0, else α·eˣ
        """,
        source=paper(
            "Clevert, Unterthiner and Hochreiter",
            "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)",
            2015,
            "1511.07289",
            "equation 15",
        ),
        use="In place of ReLU, where the mean of the outputs shall be near 0 and no unit shall be off for good. With "
        "α = 1 the derivative is continuous.",
        function=lambda x, α: elu(x, α[0].item()),
        curves=({"α": 1.0}, {"α": 0.5}),
        accuracy=("elu",),
        speed=("elu",),
        wrong=(
            Wrong(
                said="It is smooth at 0.",
                counter="D(lambda x: elu(x, 2), -x) != D(lambda x: elu(x, 2), x)",
                right="With α = 1 the slope is continuous; with any other it jumps, from α to 1. The second derivative "
                "jumps in either case.",
                at={"x": 1e-9},
            ),
            Wrong(
                said="f'(x) = f(x) + α on the left, so that the result is all that a backward needs.",
                counter="elu(x.float()) + 1 != D(elu, x.float())",
                right="In float32 the sum has no digit left where eˣ is small beside α. An in-place `nn.ELU` of torch "
                "computes it so.",
                at={"x": -18.0},
            ),
            Wrong(
                said="SELU is ELU with α = 1.67326.",
                counter="elu(x, 1.67326) != selu(x)",
                right="SELU is λ times that, on both sides.",
                at={"x": 1.0},
            ),
        ),
    ),
    Entry(
        title="ReLU",
        operator="relu",
        formula="""
            f(x) = x if x > 0, else 0
            f'(x) = 1 if x > 0, else 0
        """,
        source='Nair and Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", 2010, '
        "[ICML](https://icml.cc/Conferences/2010/papers/432.pdf), section 2.",
        use="The default of convolutional networks, with He's initialization. A unit whose input is negative for every "
        "sample has no gradient any more; LeakyReLU, ELU and GELU have one. It is here for programs that take all "
        "activations from one place: torch's own is as fast, and keeps nothing but the result, too.",
        function=relu,
        accuracy=("relu",),
        about_accuracy="The inputs where the builtin's f' is beyond the bound are all NaN; it is 1 there.",
        speed=("relu",),
        wrong=(
            Wrong(
                said="Its gradient at 0 is 1/2, between those of the two sides.",
                counter="D(relu, x) < 0.5",
                right="Any number from 0 to 1 is a subgradient there. The convention, in torch and here, is 0.",
                at={"x": 0.0},
            ),
            Wrong(
                said="Weights of variance 1/fan_in keep the variance of a layer.",
                counter="variance(relu, 1) < 0.5",
                right="Half of the mean square is lost, which the 2/fan_in of He's initialization makes up for.",
                at={},
            ),
        ),
    ),
    Entry(
        title="LeakyReLU",
        operator="leaky_relu",
        formula="""
            f(x) = x if x > 0, else a·x
            f'(x) = 1 if x > 0, else a
        """,
        note="a is `negative_slope`.",
        source='Maas, Hannun and Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013, '
        "[ICML](https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf), section 2.",
        use="In place of ReLU, where no unit shall be without a gradient: discriminators of GANs, detectors such as "
        "YOLOv3.",
        function=lambda x, a: leaky_relu(x, a[0].item()),
        curves=({"a": 0.01}, {"a": 0.2}),
        accuracy=("leaky_relu",),
        about_accuracy="The inputs where the builtin's f' is beyond the bound are all NaN; it is a there.",
        speed=("leaky_relu",),
        wrong=(
            Wrong(
                said="It is max(a·x, x).",
                counter="torch.maximum(2 * x, x) != leaky_relu(x, 2)",
                right="For a ≤ 1 alone.",
                at={"x": -1.0},
            ),
            Wrong(
                said="Its slope is 0.2.",
                counter="leaky_relu(x) != leaky_relu(x, 0.2)",
                right="The default is 0.01, as in the paper and in torch. That of `tf.nn.leaky_relu` is 0.2, that of "
                "Keras 0.3: name the slope that weights were trained with.",
                at={"x": -1.0},
            ),
        ),
    ),
    Entry(
        title="PReLU",
        operator="prelu",
        formula="""
            f(x) = x if x > 0, else w·x
            f'(x) = 1 if x > 0, else w
            ∂f/∂w = 0 if x > 0, else x
        """,
        note="w is `weight`, one number, or one for each channel; its gradient is summed over all that it is "
        "multiplied with.",
        source=paper(
            "He, Zhang, Ren and Sun",
            "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet Classification",
            2015,
            "1502.01852",
            "equation 1",
        ),
        use="In place of LeakyReLU, where the network shall learn the slope: face recognition, super-resolution. "
        "Without weight decay, which would draw the slope to 0 and so to ReLU.",
        function=lambda x, w: prelu(x, w, 0),
        curves=({"w": 0.25}, {"w": -0.5}),
        by="w",
        families=("prelu",),
        speed=("prelu",),
        wrong=(
            Wrong(
                said="It is max(w·x, x).",
                counter="torch.maximum(w * x, x) != prelu(x, w)",
                right="For w ≤ 1 alone; nothing keeps a learned w there.",
                at={"x": -1.0, "w": 2.0},
            ),
        ),
    ),
    Entry(
        title="Sigmoid",
        operator="sigmoid",
        formula="""
            f(x) = 1/(1 + e⁻ˣ)
            f'(x) = s(x)·(1 − s(x))
        """,
        source='Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", 1986, '
        "[doi:10.1038/323533a0](https://doi.org/10.1038/323533a0), equation 2.",
        use="For gates, and for the probability of one of two classes; in training leave it to the loss, "
        "`sigmoid_binary_cross_entropy`. In hidden layers its slope, 1/4 at most, makes gradients vanish.",
        function=sigmoid,
        accuracy=("sigmoid",),
        speed=("sigmoid",),
        wrong=(
            Wrong(
                said="Its range is (−1, 1): left of 0 it is negative.",
                counter="sigmoid(x) > 0",
                right="It is (0, 1). That of tanh is (−1, 1): tanh(x) = 2·s(2·x) − 1.",
                at={"x": -4.0},
            ),
            Wrong(
                said="It is odd: s(−x) = −s(x).",
                counter="sigmoid(-x) != -sigmoid(x)",
                right="s(−x) = 1 − s(x), and its values are in (0, 1). Tanh is odd: tanh(x) = 2·s(2·x) − 1.",
                at={"x": -4.0},
            ),
            Wrong(
                said="f'(x) = x·(1 − x).",
                counter="x * (1 - x) != D(sigmoid, x)",
                right="If x stands for the result, and not for the input.",
                at={"x": 0.5},
            ),
            Wrong(
                said="1/(1 + exp(−x)) is how to compute it.",
                counter="1 / (1 + exp(-x.float())) != sigmoid(x.float())",
                right="exp(−x) overflows in float32 below -88.7, and what is left is 0. exp(x)/(1 + exp(x)) does not.",
                at={"x": -90.0},
            ),
        ),
    ),
    Entry(
        title="Tanh",
        operator="tanh",
        formula="""
            f(x) = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ)
            f'(x) = 1 − tanh(x)²
        """,
        source='LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, '
        "[doi:10.1007/3-540-49430-8_2](https://doi.org/10.1007/3-540-49430-8_2), section 4.4.",
        use="Where outputs shall be in (−1, 1) with mean 0: the states of recurrent networks, the actions of policies, "
        "the last layer of image generators.",
        function=tanh,
        accuracy=("tanh",),
        speed=("tanh",),
        wrong=(
            Wrong(
                said="f'(x) = 2·tanh(x)·(1 − tanh(x)).",
                counter="2 * tanh(x) * (1 - tanh(x)) != D(tanh, x)",
                right="f'(x) = 1 − tanh²(x). What is said mixes it up with the slope of the sigmoid, s·(1 − s).",
                at={"x": 1.0},
            ),
            Wrong(
                said="tanh(x) = 2·s(x) − 1.",
                counter="2 * s(x) - 1 != tanh(x)",
                right="That is tanh(x/2). tanh(x) = 2·s(2·x) − 1.",
                at={"x": 1.0},
            ),
            Wrong(
                said="1 − tanh²(x) is how to compute the derivative.",
                counter="1 - tanh(x.float()) ** 2 != D(tanh, x.float())",
                right="In float32 nothing is left of it beyond 9. 4·e⁻²ˣ/(1 + e⁻²ˣ)² has every digit there.",
                at={"x": 10.0},
            ),
        ),
    ),
    Entry(
        title="Dice",
        operator="dice",
        formula="""
            f(x) = p·x + (1 − p)·α·x
            f'(x) = p + (1 − p)·α + x·(1 − α)·p·(1 − p)/√(v + ε)
            ∂f/∂α = (1 − p)·x
            p = s((x − μ)/√(v + ε))
        """,
        note="α, the mean μ and the variance v are those of x's channel, ε is `eps`. These are the derivatives in "
        "evaluation. In training μ and v are those of the batch, and the gradient by x runs through them, too.",
        source=paper(
            "Zhou et al.",
            "Deep Interest Network for Click-Through Rate Prediction",
            2018,
            "1706.06978",
            "section 5.2, equation 9",
        ),
        use="In place of PReLU where the inputs of a layer have different distributions: click-through-rate models "
        "such as DIN. The kink of PReLU at 0 becomes a smooth one at the mean. In training it needs batches, as "
        "BatchNorm does.",
        function=lambda x, α, μ, v, ε: dice(x.unsqueeze(0), α, μ, v, eps=ε[0].item()).squeeze(0),
        curves=(
            {"α": 0.25, "μ": 0.0, "v": 1.0, "ε": 1e-8},
            {"α": 0.25, "μ": 1.0, "v": 1.0, "ε": 1e-8},
            {"α": 0.25, "μ": 1.0, "v": 0.05, "ε": 1e-8},
        ),
        accuracy=("dice",),
        speed=("dice", "dice_eval"),
        wrong=(
            Wrong(
                said="With mean 0 and variance 0 it is PReLU.",
                counter="dice(x, α, mean, var) != F.prelu(x, α)",
                right="ε is there, too, and the gate is s(x/√ε). It goes to that of PReLU in the limit, ε to 0.",
                at={"x": 1e-4, "α": 0.25, "mean": 0.0, "var": 0.0},
            ),
            Wrong(
                said="So it is where the batch has variance 0.",
                counter="dice(x, α, x, var) != F.prelu(x, α)",
                right="Then each value is the mean, the gate is 1/2, and f(x) = (1 + α)/2·x.",
                at={"x": 3.0, "α": 0.25, "var": 0.0},
            ),
            Wrong(
                said="Dice is 2·s(α·x) − 1.",
                counter="2 * s(α * x) - 1 != dice(x, α, mean, var)",
                right="That is tanh(α·x/2), bounded by 1. Dice has no bound on the right.",
                at={"x": 4.0, "α": 0.25, "mean": 0.0, "var": 1.0},
            ),
        ),
    ),
    Entry(
        title="Maxout",
        operator="maxout",
        formula="""
            f(x) = max(x₁, x₂, x₃)
            ∂f/∂x₁ = 1 if x₁ ≥ x₂ and x₁ ≥ x₃, else 0
            ∂f/∂x₂ = 1 if x₂ > x₁ and x₂ ≥ x₃, else 0
            ∂f/∂x₃ = 1 if x₃ > x₁ and x₃ > x₂, else 0
        """,
        note="Of a unit with three pieces: the first of the largest takes the gradient. The plot is that of the three "
        "lines -x/2 - 3/2, x/4 and 5x/4 - 3/2.",
        source=MAXOUT,
        use="After a linear layer with k times as many outputs, where the network shall learn the activation: a unit "
        "of k pieces is any convex function of k lines. Made for dropout.",
        function=lambda x1, x2, x3: maxout(torch.stack((x1, x2, x3)), 3, 0)[0],
        inputs=lambda x: {"x1": -x / 2 - 1.5, "x2": x / 4, "x3": 1.25 * x - 1.5},
        speed=("maxout2", "maxout4"),
        wrong=(
            Wrong(
                said="`unflatten(-1, (U, k)).amax(-1)` and `unflatten(-1, (k, U)).amax(-2)` are the same.",
                counter='maxout(x, 2, -1, "unit") != maxout(x, 2, -1, "piece")',
                right="They take other channels together, and weights that were trained with one fail with the other. "
                'The first is `layout="unit"`, the second `layout="piece"`, which `torch.chunk` gives as well.',
                at={"x": (1.0, 4.0, 2.0, 3.0)},
            ),
            Wrong(
                said="`amax` is the maximum, so it can be taken.",
                counter="D(lambda x: x.amax(-1), x) != D(lambda x: maxout(x, 2, -1), x)",
                right="The values are the same, but `amax` divides the gradient among equal pieces. `max(dim)` gives "
                "it to one.",
                at={"x": (1.0, 1.0)},
            ),
        ),
    ),
    Entry(
        title="Maxout of a linear layer",
        operator="linear_maxout",
        formula="""
            f(x) = max(z₁, z₂, z₃)
            zⱼ = Wⱼ·x + bⱼ
            f'(x) = W₁ if z₁ ≥ z₂ and z₁ ≥ z₃, else W₂ if z₂ ≥ z₃, else W₃
            ∂f/∂W₁ = x if z₁ ≥ z₂ and z₁ ≥ z₃, else 0
            ∂f/∂b₁ = 1 if z₁ ≥ z₂ and z₁ ≥ z₃, else 0
        """,
        note="Of a unit with one input and three pieces; W and b are `weight[:, unit]` and `bias[:, unit]`, and of "
        "more inputs W·x is a scalar product. The module is `actinium.nn.MaxoutLinear`.",
        source=MAXOUT,
        use="Where a Maxout follows a linear layer: the products of all pieces are one matrix product, and bias and "
        "maximum take one pass over it. A unit learns its activation, any convex function of its pieces, such as |x|, "
        "ReLU or a bowl; the difference of two such units comes near to any continuous function. It has k times the "
        "parameters and operations of a linear layer.",
        function=lambda x, *v: linear_maxout(  # a unit for each x
            x.unsqueeze(1), torch.stack(v[:3]).unsqueeze(2), torch.stack(v[3:])
        ).diagonal(),
        curves=(
            {"W1": -1.0, "W2": 1.0, "W3": 0.0, "b1": 0.0, "b2": 0.0, "b3": 0.0},
            {"W1": 0.0, "W2": 1.0, "W3": 0.0, "b1": 0.0, "b2": 0.0, "b3": -1.0},
            {"W1": -1.0, "W2": 0.0, "W3": 1.0, "b1": -1.0, "b2": 0.5, "b3": -1.0},
        ),
        labels=("|x|", "ReLU", "a bowl"),
        families=("linear_maxout",),
        speed=("maxout_linear",),
        wrong=(
            Wrong(
                said='Its weights, flattened, are those of a linear layer before `maxout(..., layout="unit")`.',
                counter='maxout(F.linear(x, W[:, None]), 2, -1, "unit") != linear_maxout(x, W.view(2, 2, 1))',
                right="They are of shape (k, m, d), piece by piece, as matrix products like them: before "
                '`maxout(..., layout="piece")`.',
                at={"x": (1.0,), "W": (1.0, 4.0, 2.0, 3.0)},
            ),
        ),
    ),
    Entry(
        title="Softmax",
        operator="softmax",
        formula="""
            fᵢ(x) = exp(xᵢ)/Σⱼ exp(xⱼ)
            ∂fᵢ/∂xⱼ = fᵢ·([i = j] − fⱼ)
        """,
        note="The gradient of a loss L is ∂L/∂xⱼ = fⱼ·(gⱼ − Σᵢ gᵢ·fᵢ) with gᵢ = ∂L/∂fᵢ. The backward keeps the output. "
        "The plot is that of three classes, of which the first has the logit x, the others 0 and 1.",
        source=SOFTMAX,
        use="For the weights of attention and of experts, and for the probabilities of classes, of which one is true. "
        "In training leave it to the loss, `softmax_cross_entropy`. Of two classes it is the sigmoid of the "
        "difference of their logits. A row of -inf alone is NaN, as in torch: in a mask, leave each row an element.",
        function=lambda x1, x2, x3: softmax(torch.stack((x1, x2, x3)), 0),
        inputs=lambda x: {"x1": x, "x2": 0 * x, "x3": 0 * x + 1},
        labels=("f₁", "f₂", "f₃"),
        slope="∂fᵢ/∂x₁",
        axis="x₁",
        families=("softmax",),
        speed=("softmax",),
        wrong=(
            Wrong(
                said="It is not differentiable at 0.",
                counter="abs(softmax(x + h) - softmax(x) - D(lambda x: softmax(x)[0], x) * h[0]).max() < 1e-09",
                right="It is differentiable everywhere, as often as one likes: with the step h in the first logit, the "
                "derivative times the step is the change.",
                at={"x": (0.0, 0.0), "h": (0.001, 0.0)},
            ),
            Wrong(
                said="Its derivative is f·(1 − f), as that of the sigmoid.",
                counter="g * softmax(x) * (1 - softmax(x)) != D(lambda x: g * softmax(x), x)",
                right="That is the diagonal of the matrix of derivatives alone. A logit lowers the other classes, by "
                "fᵢ·fⱼ.",
                at={"x": (1.0, 0.0, -1.0), "g": (1.0, 2.0, 3.0)},
            ),
            Wrong(
                said="exp(x)/Σ exp(x) is how to compute it.",
                counter="exp(x.float()) / exp(x.float()).sum() != softmax(x.float())",
                right="In float32 exp(x) is infinite from 88.8 on. A number that is taken from all logits changes "
                "nothing.",
                at={"x": (100.0, 0.0)},
            ),
            Wrong(
                said="With the maximum taken from the logits, nothing is lost.",
                counter="abs((x.float() - x.float()[1]).double() - (x.float().double() - x.float()[1]))[0] > 1e-06",
                right="The difference is rounded, and the exponential is off by as much of itself, some 40 ULP in "
                "float32. The operator divides by 2ᴺ instead, which is exact.",
                at={"x": (-0.3, 79.7)},
            ),
            Wrong(
                said="Only the differences of the logits count, so their scale does not matter.",
                counter="softmax(2 * x) != softmax(x)",
                right="softmax(x + c) = softmax(x), but a factor makes it sharper. It is 1/T for a temperature T.",
                at={"x": (1.0, 0.0)},
            ),
        ),
    ),
    Entry(
        title="Log-softmax",
        operator="log_softmax",
        formula="""
            fᵢ(x) = xᵢ − log(S)
            ∂fᵢ/∂xⱼ = [i = j] − exp(fⱼ)
            S = Σⱼ exp(xⱼ)
        """,
        note="The gradient of a loss L is ∂L/∂xⱼ = gⱼ − exp(fⱼ)·Σᵢ gᵢ with gᵢ = ∂L/∂fᵢ. The plot is that of three "
        "classes, of which the first has the logit x, the others 0 and 1.",
        source=SOFTMAX,
        use="For log-probabilities: beam search, policies, distillation, CTC. For the loss of classes take "
        "`softmax_cross_entropy`, which writes no tensor of this size in the forward.",
        function=lambda x1, x2, x3: log_softmax(torch.stack((x1, x2, x3)), 0),
        inputs=lambda x: {"x1": x, "x2": 0 * x, "x3": 0 * x + 1},
        labels=("f₁", "f₂", "f₃"),
        slope="∂fᵢ/∂x₁",
        axis="x₁",
        families=("log_softmax",),
        speed=("log_softmax",),
        wrong=(
            Wrong(
                said="log(softmax(x)) is how to compute it.",
                counter="torch.log(softmax(x.float()))[1] != log_softmax(x.float())[1]",
                right="In float32 a probability below 1e-45 is 0, and its logarithm is lost.",
                at={"x": (0.0, -200.0)},
            ),
            Wrong(
                said="x − logsumexp(x) is how to compute it.",
                counter="x.float()[0] - torch.logsumexp(x.float(), 0) != log_softmax(x.float())[0]",
                right="Beside a logit of 20 nothing is left of 2e-9. The logarithm of a probability near 1 is "
                "−log(1 + r), with the other exponentials over the largest one in r.",
                at={"x": (20.0, 0.0)},
            ),
            Wrong(
                said="Its derivative is 1 − softmax(x).",
                counter="1 - softmax(x) != D(lambda x: log_softmax(x)[0], x)",
                right="By its own logit. By the others it is −softmax(x).",
                at={"x": (0.0, 0.0, 0.0)},
            ),
        ),
    ),
    Entry(
        title="Cross-entropy of softmax",
        operator="softmax_cross_entropy",
        formula="""
            f(x) = −Σᵢ wᵢ·qᵢ·log(pᵢ)
            ∂f/∂xⱼ = pⱼ·Σᵢ wᵢ·qᵢ − wⱼ·qⱼ
            ∂f/∂tⱼ = −(1 − e)·wⱼ·log(pⱼ)
            pⱼ = exp(xⱼ)/Σᵢ exp(xᵢ)
            qⱼ = (1 − e)·tⱼ + e/3
        """,
        note="Of a row of three classes: t is `target`, 1 for one class and 0 for the others where that is the index "
        "of a class, w is `weight`, e `label_smoothing`, 3 the number of classes. The plot is that of the logits 0, -x "
        "and -x.",
        source="Bishop, *Pattern Recognition and Machine Learning*, 2006, equations 4.108 and 4.109. Smoothing: "
        + paper(
            "Szegedy et al.",
            "Rethinking the Inception Architecture for Computer Vision",
            2015,
            "1512.00567",
            "section 7",
        ),
        use="The loss where one of several classes is true: images, words. It takes logits, as `F.cross_entropy`, "
        "keeps one number a row beside its inputs, and writes nothing of the size of the logits but the gradient, "
        "where its inputs lie densely and have one dtype. With `label_smoothing` the least loss is at a finite margin, "
        "and logits do not grow without end.",
        function=lambda *v: softmax_cross_entropy(
            torch.stack(v[:3], 1),
            torch.stack(v[3:6], 1),
            torch.stack([w[0] for w in v[6:9]]).detach(),
            "none",
            label_smoothing=v[9][0].item(),
        ),
        inputs=lambda x: {"x1": 0 * x, "x2": -x, "x3": -x},
        curves=(
            {"t1": 1.0, "t2": 0.0, "t3": 0.0, "w1": 1.0, "w2": 1.0, "w3": 1.0, "e": 0.0},
            {"t1": 1.0, "t2": 0.0, "t3": 0.0, "w1": 1.0, "w2": 1.0, "w3": 1.0, "e": 0.1},
            {"t1": 0.5, "t2": 0.25, "t3": 0.25, "w1": 1.0, "w2": 0.5, "w3": 2.0, "e": 0.0},
        ),
        labels=("t = (1, 0, 0)", "e = 0.1", "t = (½, ¼, ¼), w = (1, ½, 2)"),
        slope="∂f/∂x₁",
        axis="margin of the first class",
        families=("softmax_cross_entropy",),
        speed=("cross_entropy",),
        wrong=(
            Wrong(
                said="It takes the output of a softmax.",
                counter="softmax_cross_entropy(softmax(x), t) != softmax_cross_entropy(x, t)",
                right="It takes logits. Of probabilities it makes softmax(softmax(x)), and the loss of C classes is "
                "never below log(1 + (C − 1)·exp(−1)).",
                at={"x": (30.0, 0.0, 0.0), "t": (1.0, 0.0, 0.0)},
            ),
            Wrong(
                said="Its gradient is softmax(x) − t.",
                counter="softmax(x) - t != D(lambda x: softmax_cross_entropy(x, t), x)",
                right="Where the targets of a row sum to 1 and no class has a weight. Else it is p·Σ w·t − w·t.",
                at={"x": (1.0, 0.0, 0.0), "t": (1.0, 1.0, 0.0)},
            ),
            Wrong(
                said='`reduction="mean"` divides by the number of rows.',
                counter='softmax_cross_entropy(x.view(2, 2), t.long(), w, "none").mean() != '
                "softmax_cross_entropy(x.view(2, 2), t.long(), w)",
                right="With indices it divides by the sum of the weights of the classes that they name, in which "
                "ignored rows do not count: parts of a batch are to be added with their weights.",
                at={"x": (2.0, 0.0, 1.0, 3.0), "t": (0.0, 0.0), "w": (0.5, 1.0)},
            ),
            Wrong(
                said="A smoothed target is 1 − e for the class and e/(C − 1) for each other one.",
                counter="softmax_cross_entropy(x, q) != softmax_cross_entropy(x, t, label_smoothing=0.1)",
                right="It is 1 − e + e/C and e/C, in the paper and in torch.",
                at={"x": (3.0, 0.0, 0.0), "t": (1.0, 0.0, 0.0), "q": (0.9, 0.05, 0.05)},
            ),
        ),
    ),
    Entry(
        title="Binary cross-entropy of the sigmoid",
        operator="sigmoid_binary_cross_entropy",
        formula="""
            f(x) = −w·(p·t·log(s(x)) + (1 − t)·log(s(−x)))
            f'(x) = w·((1 − t)·s(x) − p·t·s(−x))
            ∂f/∂t = −w·(p·log(s(x)) − log(s(−x)))
        """,
        note="t is `target`, w is `weight` and p is `pos_weight`.",
        source="Bishop, *Pattern Recognition and Machine Learning*, 2006, equations 4.90 and 4.91.",
        use="The loss of one of two classes, or of several labels that do not exclude each other, such as clicks: as "
        "`F.binary_cross_entropy_with_logits`. `pos_weight` makes up for few positives.",
        function=lambda x, t, w, p: sigmoid_binary_cross_entropy(x, t, w.detach(), p.detach(), "none"),
        curves=(
            {"t": 1.0, "w": 1.0, "p": 1.0},
            {"t": 0.0, "w": 1.0, "p": 1.0},
            {"t": 0.3, "w": 1.0, "p": 1.0},
            {"t": 0.5, "w": 0.5, "p": 3.0},
        ),
        families=("sigmoid_binary_cross_entropy",),
        speed=("binary_cross_entropy",),
        wrong=(
            Wrong(
                said="`nn.BCELoss` after a sigmoid is the same.",
                counter="F.binary_cross_entropy(s(x.float()), t.float()) != "
                "sigmoid_binary_cross_entropy(x.float(), t.float())",
                right="s(x) is rounded first: to 1 from 17 on, where log(1 − s(x)) is lost. torch puts 100 in its "
                "place, and the gradient is 0.",
                at={"x": 20.0, "t": 0.0},
            ),
            Wrong(
                said="Its gradient is s(x) − t.",
                counter="s(x) - t != D(lambda x: sigmoid_binary_cross_entropy(x, t, None, p), x)",
                right="Without `pos_weight` and `weight`.",
                at={"x": 0.0, "t": 1.0, "p": 3.0},
            ),
            Wrong(
                said="The best prediction has the loss 0.",
                counter="sigmoid_binary_cross_entropy(torch.logit(t), t) > 0",
                right="For targets of 0 and 1. For others the least loss is the entropy of the target.",
                at={"t": 0.3},
            ),
        ),
    ),
    Entry(
        title="Gated units",
        operator="gated",
        also=("gated.packed",),
        formula="""
            f(a, b) = act(a)·b
            ∂f/∂a = b·act'(a)
            ∂f/∂b = act(a)
        """,
        note="a is the gate, b is `up`. Of a packed tensor they are the first and the second half (`gate_first`), the "
        "second and the first (`gate_second`), or the even and the odd places (`interleaved`). The plot has b = 1.5.",
        source=paper(
            "Dauphin et al.", "Language Modeling with Gated Convolutional Networks", 2017, "1612.08083", "equation 1"
        )
        + " Of activations other than the sigmoid: "
        + GLU,
        use="With any activation as a gate, by its name. Sigmoid is GLU, which has convolutions in language and speech "
        "(Conformer); SwiGLU, GEGLU and ReGLU have names of their own. `actinium.nn.GatedLinear` has it with its "
        "projection, one matrix product for both halves. At 2/3 of the width, a block of three matrices has the "
        "parameters of one of two.",
        function=lambda a, b, act: gated(a, act, up=b),
        inputs=lambda x: {"a": x},
        curves=({"b": 1.5, "act": "sigmoid"}, {"b": 1.5, "act": "tanh"}, {"b": 1.5, "act": "mish"}),
        slope="∂f/∂a",
        axis="a",
        families=("gated, sigmoid",),
        without_speed="[SwiGLU](#swiglu) has the rows of the same loop with another activation",
        wrong=(
            Wrong(
                said="`F.glu` has the gate first.",
                counter='F.glu(x, -1) != gated(x, "sigmoid")',
                right='Its gate is the second half: `gated(x, "sigmoid", layout="gate_second")`.',
                at={"x": (1.0, 2.0, 3.0, 4.0)},
            ),
        ),
    ),
    Entry(
        title="SwiGLU",
        operator="swiglu",
        also=("swiglu.packed",),
        formula="""
            f(a, b) = a·s(a)·b
            ∂f/∂a = b·(s(a) + a·s(a)·(1 − s(a)))
            ∂f/∂b = a·s(a)
        """,
        note='a is the gate, b is `up`. For another β: `gated(a, "swish", [beta], up=b)`.',
        source=GLU,
        use="In the MLP of language models: PaLM, Llama, Mistral, Qwen. Their fused projections (`gate_up_proj`) have "
        "the gate first. The backward keeps its inputs alone, and makes both gradients in one pass.",
        function=lambda a, b: swiglu(a, b),
        inputs=lambda x: {"a": x},
        curves=({"b": 1.0}, {"b": 2.0}, {"b": -0.5}),
        slope="∂f/∂a",
        axis="a",
        families=("gated, swish",),
        speed=("swiglu", "swiglu_interleaved"),
        wrong=(
            Wrong(
                said="SwiGLU is a·s(a) + (1 − s(a))·b.",
                counter="a * s(a) + (1 - s(a)) * b != swiglu(a, b)",
                right="The two are multiplied: a·s(a)·b.",
                at={"a": 1.0, "b": 2.0},
            ),
            Wrong(
                said="Which half is the gate makes no difference.",
                counter='swiglu(x, layout="gate_second") != swiglu(x)',
                right="It does for weights that are there. Llama and its relatives have the gate first, `F.glu` and "
                "timm's "
                '`GluMlp` second (`layout="gate_second"`).',
                at={"x": (1.0, -2.0)},
            ),
            Wrong(
                said="The gate lets through a part of b, between nothing and all of it.",
                counter="swiglu(a, b) > b",
                right="That is GLU's sigmoid. Here the factor is a·s(a), which has no bound on the right and is "
                "negative on the left.",
                at={"a": 3.0, "b": 1.0},
            ),
        ),
    ),
    Entry(
        title="GEGLU",
        operator="geglu",
        also=("geglu.packed",),
        formula="""
            f(a, b) = a·Φ·b
            ∂f/∂a = b·(Φ + a·φ)
            ∂f/∂b = a·Φ
            Φ = (1 + erf(a/√(2)))/2
            φ = exp(−a²/2)/√(2·π)
        """,
        note='a is the gate, b is `up`. With `approximate="tanh"` GELU is that of [the tanh form](#gelu-tanh-form).',
        source=GLU,
        use="In T5 1.1 and Gemma, with the tanh form of GELU, and in the transformers of diffusion models, with erf "
        "and the "
        'gate in the second half (`layout="gate_second"`).',
        function=lambda a, b: geglu(a, b),
        inputs=lambda x: {"a": x},
        curves=({"b": 1.0}, {"b": 2.0}, {"b": -0.5}),
        slope="∂f/∂a",
        axis="a",
        families=("gated, gelu", "gated, gelu_tanh"),
        without_speed="[SwiGLU](#swiglu) has the rows of the same loop with another activation",
        wrong=(
            Wrong(
                said="Both forms of GELU give the same GEGLU.",
                counter='geglu(a, b, "tanh") != geglu(a, b)',
                right="They are up to 5e-4 apart, times b. Take the form that the weights were trained with.",
                at={"a": -2.7, "b": 10.0},
            ),
        ),
    ),
    Entry(
        title="ReGLU",
        operator="reglu",
        also=("reglu.packed",),
        formula="""
            f(a, b) = a·b if a > 0, else 0
            ∂f/∂a = b if a > 0, else 0
            ∂f/∂b = a if a > 0, else 0
        """,
        note="a is the gate, b is `up`.",
        source=GLU,
        use="Where zeros in the result shall be made use of: what meets a closed gate needs no product in the next "
        "layer.",
        function=lambda a, b: reglu(a, b),
        inputs=lambda x: {"a": x},
        curves=({"b": 1.0}, {"b": 2.0}, {"b": -0.5}),
        slope="∂f/∂a",
        axis="a",
        families=("gated, relu",),
        without_speed="[SwiGLU](#swiglu) has the rows of the same loop with another activation",
        wrong=(
            Wrong(
                said="It is ReLU of the product, and not negative.",
                counter="relu(a * b) != reglu(a, b)",
                right="The gate alone is cut off. The result has the sign of b.",
                at={"a": 1.0, "b": -2.0},
            ),
        ),
    ),
    Entry(
        title="SwiGLU, clamped",
        operator="swiglu_clamped",
        also=("swiglu_clamped.packed",),
        formula="""
            f(a, b) = A·s(α·A)·(B + 1)
            ∂f/∂a = (B + 1)·(s(α·A) + α·A·s(α·A)·(1 − s(α·A))) if a ≤ l, else 0
            ∂f/∂b = A·s(α·A) if −l ≤ b ≤ l, else 0
            A = min(a, l)
            B = max(−l, min(b, l))
        """,
        note="a is the gate, b is `up`, l is `limit` and α is `alpha`. A packed tensor is interleaved unless `layout` "
        "says another thing.",
        source=paper("OpenAI", "gpt-oss-120b & gpt-oss-20b Model Card", 2025, "2508.10925", "on its architecture")
        + " The formula is that of the model published with it.",
        use="In gpt-oss, and for its weights; `actinium.nn.SwiGLUClamped`, in C++ `actinium::nn::SwiGLUClamped`, is "
        "the whole unit, with the projections. The limits keep the values of 16-bit and 8-bit networks small.",
        function=lambda a, b, limit, α: swiglu_clamped(a, b, limit[0].item(), α[0].item()),
        inputs=lambda x: {"a": x},
        curves=(
            {"b": 1.0, "l": 7.0, "α": 1.702},
            {"b": 1.0, "l": 2.0, "α": 1.702},
            {"b": -3.0, "l": 2.0, "α": 1.0},
        ),
        slope="∂f/∂a",
        axis="a",
        families=("swiglu_clamped",),
        speed=("swiglu_clamped",),
        wrong=(
            Wrong(
                said="It is SwiGLU, clamped.",
                counter="swiglu(a, b) != swiglu_clamped(a, b)",
                right="Within the limits, too, it is another function: α is 1.702, and b + 1 takes the place of b.",
                at={"a": 1.0, "b": 1.0},
            ),
            Wrong(
                said="Gate and up are clamped on both sides.",
                counter="swiglu_clamped(a.clamp(-7, 7), b) != swiglu_clamped(a, b)",
                right="The gate is on the right side alone.",
                at={"a": -9.0, "b": 1.0},
            ),
            Wrong(
                said="The gate is the first half.",
                counter='swiglu_clamped(x, layout="gate_first") != swiglu_clamped(x)',
                right="In these models gate and up alternate.",
                at={"x": (1.0, 2.0, 3.0, 4.0)},
            ),
        ),
    ),
    Entry(
        title="Bias and activation",
        operator="bias_act",
        formula="""
            f(x, b) = act(x + b)
            f'(x) = act'(x + b)
            ∂f/∂b = act'(x + b)
        """,
        note="b is that of x's channel; its gradient is summed over all that it is added to. The plot has b = 1.",
        source="that of the activation; the bias is a layer's.",
        use="After a product or a convolution without a bias: one pass adds the bias and takes the activation, and "
        "another makes both gradients. `actinium.nn.LinearAct` and `actinium.nn.Conv2dAct` are layers made so.",
        function=lambda x, b, act: bias_act(x, b, act, None, 0),
        curves=({"b": 1.0, "act": "relu"}, {"b": 1.0, "act": "gelu"}, {"b": 1.0, "act": "tanh"}),
        families=("bias_act, tanh",),
        speed=("bias_gelu",),
        wrong=(
            Wrong(
                said="It is s(x + b), only faster.",
                counter='s(x.bfloat16() + b.bfloat16()) != bias_act(x.bfloat16(), b.bfloat16(), "sigmoid", dim=0)',
                right="In 16-bit types the sum is rounded before the activation if it is written. Here it is not, and "
                "the result is rounded once.",
                at={"x": -9.0, "b": 0.04},
            ),
        ),
    ),
    Entry(
        title="An activation by its name",
        operator="activate",
        formula="""
            f(x) = act(x)
            f'(x) = act'(x)
        """,
        note="The names are those of the operators of one number above.",
        source="that of the activation.",
        use="Where a configuration names the activation. It calls the operator of that name: results, gradients and "
        "speed are its own.",
        function=lambda x, act: activate(x, act),
        curves=tuple({"act": name} for name in ("relu", "selu", "mish", "gelu", "tanh")),
        without_accuracy="that of the operator of the name",
        without_speed="it calls the operator of the name",
    ),
)

# ------------------------------------------------------------------------------------------------- counter-examples


def D(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


def variance(function: Callable[[Tensor], Tensor], of: float) -> Tensor:
    """The variance of function(x) for a normal x of mean 0 and variance `of`."""
    z = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    weight = torch.exp(-z * z / 2)
    y = function(of**0.5 * z)
    mean = (weight * y).sum() / weight.sum()
    return (weight * (y - mean).square()).sum() / weight.sum()


SCOPE = {
    "D": D,
    "F": F,
    "torch": torch,
    "exp": torch.exp,
    "s": torch.sigmoid,
    "variance": variance,
    **{name: getattr(actinium.functional, name) for name in actinium.functional.__all__},
}
SIGNS = {"!=": ("≠", ne), "<": ("<", lt), ">": (">", gt)}


def numbers(value: Tensor | float) -> list[str]:
    return [f"{v:.4g}" for v in torch.as_tensor(value, dtype=torch.float64).reshape(-1).tolist()]


def listed(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"({', '.join(values)})"


def counter_example(wrong: Wrong) -> tuple[str, bool]:
    """Both sides with their values, and whether these contradict what is said, with as many digits as are shown."""
    names = {name: torch.tensor(value, dtype=torch.float64).reshape(-1) for name, value in wrong.at.items()}
    left, sign, right = re.split(" (!=|<|>) ", wrong.counter)
    values = [numbers(eval(side, SCOPE | names)) for side in (left, right)]
    shown = [
        f"`{side}`" if side == listed(value) else f"`{side}` = {listed(value)}"
        for side, value in zip((left, right), values, strict=True)
    ]
    written, holds = SIGNS[sign]
    at = ", ".join(f"{name} = {listed(numbers(value))}" for name, value in names.items())
    text = f"{f'At {at}: ' if at else ''}{shown[0]} {written} {shown[1]}"
    return text, holds(*[[float(v) for v in value] for value in values])


# ------------------------------------------------------------------------------------------- what the reports have

MACHINE = re.compile(r"[^.\n\\]+, \d+ processors \(.*?\), \w+; torch .*?; [\d-]+, commit \w+\+?")
TITLE = re.compile(r"#+ (.*)|(\w+), [\d,]+ inputs:")  # a heading, or the sentence over a sample of docs/accuracy.md


@cache
def report(path: str) -> str:
    return (ROOT / path).read_text()


def measured_on(path: str) -> str:
    """The machine, the versions and the day of a report."""
    if found := MACHINE.search(report(path)):
        return found[0].strip()
    raise LookupError(f"{path} does not name its machine")


def rows(path: str, title: str) -> Iterator[list[str]]:
    """The cells of each row of the tables under the title, the headers among them."""
    under = False
    for line in report(path).splitlines():
        if line.startswith("|"):
            if under:
                yield [cell.strip() for cell in line.strip("|").split("|")]
        elif found := TITLE.fullmatch(line):
            under = title in found.groups()


def row(path: str, title: str, *cells: str) -> dict[str, str]:
    """By their columns, the cells of the last row that begins so. Of columns with the same name, the first one."""
    found = list(rows(path, title))
    for candidate in reversed(found):
        if candidate[: len(cells)] == list(cells):
            return dict(reversed(list(zip(found[0], candidate, strict=True))))
    raise LookupError(f"{path} has no row {' '.join(cells)!r} under {title!r}")


def inputs() -> str:
    """Of what float32 inputs the figures of accuracy are."""
    whole = row(ACCURACY, "Accuracy", "float32")["inputs of each activation"]
    sample = re.search(r"[Ee]very\s(\d+th) float32", report(ACCURACY))
    others = f"; of Swish with another β and of Dice every {sample[1]}" if sample else ""
    return f"{whole}{others}; of functions of several values random ones"


def measured(path: str, names: Iterable[str], known: Iterable[str]) -> bool:
    """Whether the report holds the rows of an entry, which `scripts/accuracy` or `scripts/bench` know of."""
    unknown = [name for name in names if name not in known]
    return bool(unknown) or any(re.search(rf"^\| {re.escape(name)} ", report(path), re.MULTILINE) for name in names)


def accuracy(entry: Entry) -> list[str]:
    if not entry.accuracy and not entry.families:
        return [f"Accuracy: {entry.without_accuracy}.", ""]
    about = [entry.about_accuracy, ""] if entry.about_accuracy else []
    return accuracy_of_one_number(entry) + accuracy_of_several_values(entry) + about


def accuracy_of_several_values(entry: Entry) -> list[str]:
    if not entry.families:
        return []
    if not measured(ACCURACY, entry.families, [case.name for case in cases()]):
        return ["Accuracy: not measured yet (`scripts/accuracy`).", ""]
    header, *lines = list(rows(ACCURACY, FAMILIES)) or [[]]
    body = []
    for name in entry.families:
        found = [dict(zip(header[1:], line[1:], strict=True)) for line in lines if line[0] == name]
        of = [cells for cells in found if cells["dtype"] == "float32"]
        if not of:
            raise LookupError(f"{ACCURACY} has no row {name!r} of float32 under {FAMILIES!r}")
        body += [(name, *(cells[c] for c in ("", "ours, ULP", "bound, ULP", "builtin, ULP"))) for cells in of]
    return markdown(("accuracy, float32", "", "ULP", "bound", "builtin: ULP"), body)


def accuracy_of_one_number(entry: Entry) -> list[str]:
    if not entry.accuracy:
        return []
    if not measured(ACCURACY, entry.accuracy, OPS):
        return ["Accuracy: not measured yet on all inputs (`scripts/accuracy`).", ""]
    # The instruction sets are in the order of their age: the last row of a function is that of the best one.
    found = [(name, which, row(ACCURACY, "float32", name, which)) for name in entry.accuracy for which in ("f", "f'")]
    return markdown(
        ("accuracy, float32", "", "ULP", "at x", "builtin: ULP", "builtin beyond the bound"),
        [
            (name, which, *(cells[c] for c in ("ULP", "at x", "builtin: ULP", "inputs beyond the bound")))
            for name, which, cells in found
        ],
    )


def speed(entry: Entry) -> list[str]:
    if not entry.speed:
        return [f"Speed: not measured by itself; {entry.without_speed}.", ""]
    if not measured(PERFORMANCE, entry.speed, OPS):
        return ["Speed: not measured yet (`scripts/bench`).", ""]

    def builtin(name: str) -> str:
        if found := re.search(rf"^- {re.escape(name)}: (.*)$", report(PERFORMANCE), re.MULTILINE):
            return found[1]
        raise LookupError(f"{PERFORMANCE} does not say what the builtin of {name} is")

    return markdown(
        ("speed, float32", "forward", "backward", "builtin"),
        [
            (
                name,
                *(row(PERFORMANCE, which, f"{name} float32 contiguous")["64K"] for which in ("forward", "backward")),
                builtin(name),
            )
            for name in entry.speed
        ],
    )


# ------------------------------------------------------------------------------------------------------ the document

HEAD = """
The activations of Actinium and what is made with them, a section each:

- the formula and the derivatives, with s(x) = 1/(1 + e⁻ˣ), act for an activation and act' for its derivative, and
  [i = j] for 1 where i = j, else 0. A test reads them and compares them with the operators;
- plots of f and f', drawn from the operators and their gradients;
- parameters, with the defaults of the operator's schema;
- the source, and where the function is of use;
- accuracy: the largest error by the best instruction set, in units in the last place of the exact result, and where it
  is; the builtin's, and for how many inputs it is beyond the bound that is set to ours. [accuracy.md](accuracy.md)
  explains the figures and has the other dtypes. The inputs, float32:
  {inputs};
- speed: times as fast as the builtin with 64K elements of input, one thread / all processors.
  [performance-avx512.md](performance-avx512.md) has the other sizes and layouts;
- what is said of it in texts and programs, and is not so, with a counter-example. `D(f, x)` is the derivative of f at
  x, `variance(f, v)` the variance of f(x) for a normal x of mean 0 and variance v.

Accuracy: {accuracy}.\\
Speed: {performance}.
"""


def definitions(entry: Entry) -> dict[str, str]:
    """The left and right sides of the lines of the formula."""
    return dict(line.strip().split(" = ", 1) for line in entry.formula.strip().splitlines())


def plotted(entry: Entry) -> tuple[str, str]:
    """What the plots show, as the formula writes it."""
    function = next(iter(definitions(entry)))
    return function, entry.slope or ("f'(x)" if entry.by == "x" else f"∂f/∂{entry.by}")


PACKED = ", or, without `up`, "  # between what an input is beside another one and what it is alone


def meanings(entry: Entry) -> dict[str, str]:
    """What the docstring of the function says of each argument."""
    doc = inspect.getdoc(getattr(actinium.functional, entry.operator.partition(".")[0]))
    arguments = re.search(r"Args:\n(.*?)\n\n", doc, re.DOTALL)[1]
    found = re.findall(r"^ {4}([\w, ]+): (.*(?:\n {5}.*)*)", arguments, re.MULTILINE)
    said = {name: markup(text) for names, text in found for name in names.split(", ")}
    gate, _, alone = said.pop("input").partition(PACKED)
    return said | {"gate": gate, "self": alone or gate}


def markup(text: str) -> str:
    """A docstring's text as Markdown, in one line, with the operator's names of its arguments."""

    def link(found: re.Match) -> str:
        (entry,) = (entry for entry in ENTRIES if entry.operator == found[1])
        return f"[`{found[1]}`](#{anchor(entry)})"

    text = re.sub(r"\s+", " ", text).replace("``input``, which then is the gate", "``gate``")
    text = re.sub(r":func:`(\w+)`", link, re.sub(r":math:`(.*?)`", r"$\1$", text))
    return re.sub(r"(?<!\.)\.$", "", re.sub(r"\binput(?=`|\.size)", "self", text.replace("``", "`")))


def default(argument: torch._C.Argument) -> str:
    if not argument.has_default_value():
        return ""
    value = argument.default_value
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def kind(argument) -> str:
    """Its type; a schema takes a dtype's number for one."""
    return "Optional[torch.dtype]" if argument.name == "dtype" else str(argument.type)


def parameters(entry: Entry) -> list[str]:
    said = meanings(entry)
    arguments = {argument.name: argument for schema in entry.schemas.values() for argument in schema.arguments}
    return markdown(
        ("parameter", "type", "default", ""),
        [(f"`{a.name}`", kind(a), default(a), said[a.name]) for a in arguments.values()],
    )


def section(entry: Entry) -> list[str]:
    calls = {name: ", ".join(a.name for a in schema.arguments) for name, schema in entry.schemas.items()}
    lines = [
        f"## {entry.title}",
        "",
        "\\\n".join(f"`torch.ops.actinium.{name}({arguments})`" for name, arguments in calls.items()),
        "",
        "```text",
        *(f"{left} = {right}" for left, right in definitions(entry).items()),
        "```",
        "",
        *([entry.note, ""] if entry.note else []),
        f"![{' and '.join(plotted(entry))} of {entry.title}]({Path(DOCUMENT).stem}/{entry.key}.svg)",
        "",
        *parameters(entry),
        f"Source: {entry.source}",
        "",
        f"Use: {entry.use}",
        "",
        *accuracy(entry),
        *speed(entry),
        *(["Not so:", ""] if entry.wrong else []),
    ]
    for wrong in entry.wrong:
        text, holds = counter_example(wrong)
        if not holds:
            raise ValueError(f"{entry.operator}: {text} does not contradict {wrong.said!r}")
        lines.append(f'- "{wrong.said}" {text}. {wrong.right}')
    return [*lines, ""] if entry.wrong else lines


def anchor(entry: Entry) -> str:
    """Of its section."""
    return re.sub(r"[^\w -]", "", entry.title.lower()).replace(" ", "-")


def document() -> str:
    lines = [
        "# Gallery",
        "",
        "Written by `scripts/gallery`; do not edit.",
        HEAD.format(inputs=inputs(), accuracy=measured_on(ACCURACY), performance=measured_on(PERFORMANCE)),
        *(f"- [{entry.title}](#{anchor(entry)})" for entry in ENTRIES),
        "",
    ]
    return "\n".join(lines + [line for entry in ENTRIES for line in section(entry)]).rstrip("\n") + "\n"


# -------------------------------------------------------------------------------------------------------- the figures


def draw(entry: Entry, file: Path) -> None:
    """f and its derivative beside each other, a line for each of the entry's curves, or of the rows of its results."""
    import matplotlib  # here, since the tests need none

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "actinium", "font.size": 8}
    figure, panels = plt.subplots(1, 2, figsize=(7, 2.3), layout="constrained")
    values, derivatives = panels
    # Only the names that tell the curves apart.
    varied = [name for name in entry.curves[0] if len({curve[name] for curve in entry.curves}) > 1]
    labels = list(entry.labels) or [
        ", ".join(f"{n} = {v:g}" if isinstance(v, float) else v for n, v in curve.items() if n in varied)
        for curve in entry.curves
    ]
    for curve in entry.curves:
        x = torch.linspace(-5, 4, 361, dtype=torch.float64)
        named = {"x": x} | {n: v if isinstance(v, str) else torch.full_like(x, v) for n, v in curve.items()}
        named[entry.by].requires_grad_()
        for y in torch.atleast_2d(entry.function(*entry.inputs(x).values(), *[named[name] for name in curve])):
            (dy,) = torch.autograd.grad(y.sum(), named[entry.by], retain_graph=True)
            dy[1:][dy.diff().abs() > 0.3] = torch.nan  # no line through a jump
            values.plot(x.detach(), y.detach(), label=labels.pop(0))
            derivatives.plot(x.detach(), dy)
    for axes, title in zip(panels, plotted(entry), strict=True):
        axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axes.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        axes.set_title(title)
        axes.set_xlabel(entry.axis)
        axes.set_xlim(-5, 4)
        axes.grid(alpha=0.25)
    if varied or entry.labels:
        values.legend()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    output = ROOT / DOCUMENT
    folder = output.with_suffix("")
    folder.mkdir(exist_ok=True)
    for entry in ENTRIES:
        draw(entry, folder / f"{entry.key}.svg")
    output.write_text(document())
    print(f"{output}: {len(ENTRIES)} activations")


if __name__ == "__main__":
    main()
