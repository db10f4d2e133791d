"""The gallery: formula, derivative, plot, parameters, source, use, accuracy and speed of each activation, and what is
said of it and is not so. scripts/gallery runs this, which writes docs/gallery.md and docs/gallery/*.svg.

An activation is one entry of ENTRIES. Parameters and defaults come from the operator's schema, their meaning from the
docstring in actinium.functional, accuracy and speed from docs/accuracy.md and docs/performance.md, the numbers of the
counter-examples from the operators; tests/python/test_gallery.py evaluates the formulas.
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
    dice,
    elu,
    gelu,
    gelu_tanh,
    leaky_relu,
    maxout,
    mish,
    prelu,
    quick_gelu,
    relu,
    selu,
    sigmoid,
    swish,
    tanh,
)
from markdown_table import markdown
from rows import OPS

ROOT = Path(__file__).parents[1]
DOCUMENT = "docs/gallery.md"
ACCURACY, PERFORMANCE = "docs/accuracy.md", "docs/performance.md"

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
    # A definition a line. f(x), f'(x) and ∂f/∂y are compared with the operator; the others are what these are made of.
    formula: str
    source: str
    use: str
    # The operator, element by element of vectors: of the inputs, and then of what a curve has.
    function: Callable[..., Tensor]
    speed: tuple[str, ...]  # rows of docs/performance.md
    inputs: Callable[[Tensor], dict[str, Tensor]] = lambda x: {"x": x}  # by their names in the formula
    curves: tuple[dict[str, float], ...] = ({},)  # the other names in the formula; each makes a curve of the plot
    by: str = "x"  # the plot beside that of f is the derivative by this
    accuracy: tuple[str, ...] = ()  # rows of docs/accuracy.md; none where the result is one of the inputs
    wrong: tuple[Wrong, ...] = ()
    note: str = ""  # what the formula does not say

    @property
    def key(self) -> str:
        return self.operator.replace(".", "_").lower()

    @property
    def schema(self) -> torch._C.FunctionSchema:
        packet, _, overload = self.operator.partition(".")
        return getattr(getattr(torch.ops.actinium, packet), overload or "default")._schema


def paper(authors: str, title: str, year: int, number: str, place: str) -> str:
    return f'{authors}, "{title}", {year}, [arXiv:{number}](https://arxiv.org/abs/{number}), {place}.'


GELU = paper("Hendrycks and Gimpel", "Gaussian Error Linear Units (GELUs)", 2016, "1606.08415", "section 2")
SWISH = paper("Ramachandran, Zoph and Le", "Searching for Activation Functions", 2017, "1710.05941", "section 4")

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
        "activations from one place: torch's own is as fast, and in place it keeps nothing but the result.",
        function=relu,
        accuracy=("relu",),
        speed=("relu",),
        wrong=(
            Wrong(
                said="It has no derivative at 0, and so no gradient.",
                counter="D(relu, x) < 1",
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
        accuracy=("leaky_relu",),
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
        use="For gates, and for the probability of one of two classes; there leave it to "
        "`F.binary_cross_entropy_with_logits`. In hidden layers its slope, 1/4 at most, makes gradients vanish.",
        function=sigmoid,
        accuracy=("sigmoid",),
        speed=("sigmoid",),
        wrong=(
            Wrong(
                said="Its values are in (−1, 1).",
                counter="sigmoid(x) > 0",
                right="In (0, 1). Those of tanh are in (−1, 1): tanh(x) = 2·s(2·x) − 1.",
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
        source=paper("Goodfellow et al.", "Maxout Networks", 2013, "1302.4389", "section 3"),
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


def measured(path: str, names: Iterable[str]) -> bool:
    """Whether the report holds the operators of an entry, which `scripts/accuracy` and `scripts/bench` know of."""
    unknown = [name for name in names if name not in OPS]
    return bool(unknown) or any(re.search(rf"^\| {re.escape(name)} ", report(path), re.MULTILINE) for name in names)


def accuracy(entry: Entry) -> list[str]:
    if not entry.accuracy:
        return ["Accuracy: the result is one of the inputs, and nothing is rounded.", ""]
    if not measured(ACCURACY, entry.accuracy):
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
    if not measured(PERFORMANCE, entry.speed):
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
The activations of Actinium, a section each:

- the formula and the derivatives, with s(x) = 1/(1 + e⁻ˣ). A test reads them and compares them with the operators;
- plots of f and f', drawn from the operators and their gradients;
- parameters, with the defaults of the operator's schema;
- the source, and where the function is of use;
- accuracy: the largest error over float32 inputs, in units in the last place of the exact result, and where it is; the
  builtin's, and for how many inputs it is beyond the bound that is set to ours. [accuracy.md](accuracy.md) explains
  these and has the other dtypes;
- speed: times as fast as the builtin with 64K elements, one thread / all processors. [performance.md](performance.md)
  has the other sizes and layouts;
- what is said of it in texts and programs, and is not so, with a counter-example. `D(f, x)` is the derivative of f at
  x, `variance(f, v)` the variance of f(x) for a normal x of mean 0 and variance v.

Accuracy: {accuracy}.\\
Speed: {performance}.
"""


def definitions(entry: Entry) -> dict[str, str]:
    """The left and right sides of the lines of the formula."""
    return dict(line.strip().split(" = ", 1) for line in entry.formula.strip().splitlines())


def derivative(entry: Entry) -> str:
    """What the second plot shows, as the formula writes it."""
    return "f'(x)" if entry.by == "x" else f"∂f/∂{entry.by}"


def meanings(entry: Entry) -> dict[str, str]:
    """What the docstring of the function says of each argument."""
    doc = inspect.getdoc(getattr(actinium.functional, entry.operator.partition(".")[0]))
    arguments = re.search(r"Args:\n(.*?)\n\n", doc, re.DOTALL)[1]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5}.*)*)", arguments, re.MULTILINE)
    return {
        {"input": "self"}.get(name, name): re.sub(r"\s+", " ", text).replace("``", "`").strip(".")
        for name, text in found
    }


def default(argument: torch._C.Argument) -> str:
    if not argument.has_default_value():
        return ""
    value = argument.default_value
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def parameters(entry: Entry) -> list[str]:
    said = meanings(entry)
    return markdown(
        ("parameter", "type", "default", ""),
        [(f"`{a.name}`", str(a.type), default(a), said[a.name]) for a in entry.schema.arguments],
    )


def section(entry: Entry) -> list[str]:
    names = ", ".join(argument.name for argument in entry.schema.arguments)
    lines = [
        f"## {entry.title}",
        "",
        f"`torch.ops.actinium.{entry.operator}({names})`",
        "",
        "```text",
        *(f"{left} = {right}" for left, right in definitions(entry).items()),
        "```",
        "",
        *([entry.note, ""] if entry.note else []),
        f"![f(x) and {derivative(entry)} of {entry.title}]({Path(DOCUMENT).stem}/{entry.key}.svg)",
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


def document() -> str:
    def anchor(title: str) -> str:
        return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")

    lines = [
        "# Gallery",
        "",
        "Written by `scripts/gallery`; do not edit.",
        HEAD.format(accuracy=measured_on(ACCURACY), performance=measured_on(PERFORMANCE)),
        *(f"- [{entry.title}](#{anchor(entry.title)})" for entry in ENTRIES),
        "",
    ]
    return "\n".join(lines + [line for entry in ENTRIES for line in section(entry)]).rstrip("\n") + "\n"


# -------------------------------------------------------------------------------------------------------- the figures


def draw(entry: Entry, file: Path) -> None:
    """f and f' beside each other, a line for each of the entry's curves."""
    import matplotlib  # here, since the tests need none

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "actinium", "font.size": 8}
    figure, (values, derivatives) = plt.subplots(1, 2, figsize=(7, 2.3), layout="constrained")
    # Only the names that tell the curves apart.
    varied = [name for name in entry.curves[0] if len({curve[name] for curve in entry.curves}) > 1]
    for curve in entry.curves:
        x = torch.linspace(-5, 4, 361, dtype=torch.float64)
        named = {"x": x} | {name: torch.full_like(x, value) for name, value in curve.items()}
        named[entry.by].requires_grad_()
        y = entry.function(*entry.inputs(x).values(), *[named[name] for name in curve])
        (dy,) = torch.autograd.grad(y.sum(), named[entry.by])
        dy[1:][dy.diff().abs() > 0.3] = torch.nan  # no line through a jump
        values.plot(x.detach(), y.detach(), label=", ".join(f"{name} = {curve[name]:g}" for name in varied))
        derivatives.plot(x.detach(), dy)
    for axes, title in ((values, "f(x)"), (derivatives, derivative(entry))):
        axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axes.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        axes.set_title(title)
        axes.set_xlim(-5, 4)
        axes.grid(alpha=0.25)
    if varied:
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
