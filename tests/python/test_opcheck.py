"""torch.library.opcheck, and whether the schemas say what they should, for every overload that is registered."""

import pytest
import torch
from torch.library import opcheck

from op_table import ops

X = torch.linspace(-3, 3, 2 * 6 * 4).reshape(2, 6, 4)
G = torch.linspace(1, -1, 2 * 6 * 4).reshape(2, 6, 4)
BETA = torch.linspace(0.5, 1.5, 6)
MEAN, VAR = torch.linspace(-1, 1, 6), torch.linspace(0.5, 2, 6)
VALUES = torch.linspace(-1, 1, 2 * 3 * 4).reshape(2, 3, 4)
WINNERS = (torch.arange(2 * 3 * 4) % 2).reshape(2, 3, 4).to(torch.uint8)
CLASSES = torch.arange(2 * 4).reshape(2, 4) % 6
PROBABILITIES = X.softmax(1)
ROWS, LSE = torch.ones(2, 4), X.double().logsumexp(1)
SUM_OF_ROWS = (True, -100, 0.1)


def wants(*tensors):
    return tuple(t.clone().requires_grad_() for t in tensors)


def registered():
    return sorted(
        schema.name.removeprefix("actinium::") + (f".{schema.overload_name}" if schema.overload_name else "")
        for schema in torch._C._jit_get_all_schemas()
        if schema.name.startswith("actinium::")
    )


def pointwise(name, *numbers):
    return {
        name: [wants(X) + numbers, (X,) + numbers, wants(X.mT) + numbers],
        f"{name}_": [(X.clone(), *numbers)],
        f"{name}.out": [(X, *numbers, {"out": torch.empty_like(X)})],
        f"{name}_backward": [wants(G, X) + numbers],
        f"{name}_backward.grad_input": [(G, X, *numbers, {"grad_input": torch.empty_like(X)})],
        f"{name}_double_backward": [(G, G, X, *numbers), (G, G, X, *numbers, [True, False])],
    }


# What each overload is called with; the last dict, if there is one, by name.
CALLS = {
    "_accelerate": [],
    "_accelerated": [],
    "_build_info": [],
    **pointwise("mish"),
    **pointwise("gelu"),
    **pointwise("gelu_tanh"),
    **pointwise("quick_gelu"),
    **pointwise("selu"),
    **pointwise("elu", 1.5),
    **pointwise("relu"),
    **pointwise("leaky_relu", -0.5),
    **pointwise("sigmoid"),
    **pointwise("tanh"),
    **pointwise("swish", 1.5),
    "swish.Tensor": [wants(X, BETA), wants(X, BETA[0]), wants(X.mT, BETA) + (2,)],
    "swish_.Tensor": [(X.clone(), BETA)],
    "swish.Tensor_out": [(X, BETA, {"out": torch.empty_like(X)})],
    "swish_backward.Tensor": [wants(G, X, BETA), wants(G, X, BETA[:1]), (G, X, BETA, 1, [True, False])],
    "swish_double_backward.Tensor": [(G, BETA, G, X, BETA), (G, None, G, X, BETA, 1, [False, True, True])],
    "dice": [
        wants(X, BETA) + (MEAN, VAR, True, 0.1, 1e-8, 1),
        wants(X, BETA) + (MEAN, VAR, False, 0.1, 1e-8, 1),
        wants(X, BETA[:1]) + (None, None, False),
        wants(X, BETA) + (MEAN, VAR, True, 0.1, 1e-8, 1, WINNERS[:, 0] == 0, *wants(BETA, MEAN), "both", False),
    ],
    "_channel_stats": [wants(X) + (1,), wants(X.mT) + (-1,)],
    "_channel_stats_backward": [(BETA, MEAN, X, MEAN, 1), (None, MEAN, X, BETA, 1), (MEAN, None, X.mT, BETA, -1)],
    "_dice_gate": [wants(X, BETA, MEAN, VAR, BETA) + (1,)],
    "_dice_gate_backward": [
        wants(G, X, BETA, MEAN, VAR, BETA) + (1, [True, True, True, True, True]),
        (G, X, BETA, MEAN, VAR, BETA, 1, [False, True, False, False, True]),
    ],
    "_dice_check": [(X, BETA[:1], MEAN, VAR, 0.1, 1e-8, 1, None, BETA, MEAN, "both")],
    "_dice_stats": [wants(X) + (None, 1), wants(X) + (WINNERS[:, 0] == 0, 1)],
    "_dice_with_stats": [wants(X, BETA[:1], MEAN, VAR, BETA, MEAN) + (1e-8, "outside", 1)],
    "_dice_forward": [wants(X, BETA) + (None, None, 1e-8, 1), wants(X, BETA) + (MEAN, VAR, 1e-8, 1)],
    "_dice_backward": [wants(G, X, BETA) + (MEAN, VAR, batch, 1e-8, 1, [True, True]) for batch in (True, False)]
    + [(G, X, BETA, MEAN, VAR, True, 1e-8, 1, [False, True])],
    "_dice_double_backward": [
        (G, BETA, G, X, BETA, MEAN, VAR, True, 1e-8, 1, [True, True, True]),
        (G, None, G, X, BETA[:1], MEAN, VAR, False, 1e-8, 1, [False, True, False]),
    ],
    "gated": [wants(X, G) + ("swish", [1.5]), (X, G, "swiglu_clamped")],
    "gated_backward": [wants(G, X, G) + ("swish", [1.5]), (G, X, G, "mish", [], [False, True])],
    "gated.packed": [wants(X) + ("elu", [1.5], 1, "interleaved"), wants(X.mT) + ("swiglu_clamped",)],
    "gated_backward.packed": [wants(G[..., :2], X) + ("elu", [1.5], -1, "gate_second"), (G[:1], X, "relu", [], 0)],
    "swiglu": [wants(X, G)],
    "swiglu.packed": [wants(X), wants(X) + (1, "interleaved")],
    "geglu": [wants(X, G) + ("tanh",)],
    "geglu.packed": [wants(X) + ("tanh", 1, "gate_second")],
    "reglu": [wants(X, G)],
    "reglu.packed": [wants(X)],
    "swiglu_clamped": [wants(X, G) + (2.0, 1.5)],
    "swiglu_clamped.packed": [wants(X)],
    "bias_act": [wants(X, BETA) + ("elu", [1.5]), wants(X.mT, BETA) + ("mish", [], -1)],
    "bias_act_backward": [wants(G, X, BETA) + ("swish",), (G, X, BETA, "mish", [], 1, [False, True])],
    "activate": [wants(X) + ("elu", [1.5])],
    "prelu": [wants(X, BETA), wants(X, BETA[:1]), wants(X.mT, BETA) + (2,)],
    "prelu_backward": [wants(G, X, BETA), (G, X, BETA[:1], 1, [True, False])],
    "linear_maxout": [wants(X, torch.linspace(-1, 1, 24).reshape(2, 3, 4), G[0, :2, :3])],
    "_maxout_bias": [wants(X, BETA[:4].reshape(2, 2))],
    "maxout": [wants(X) + (2,), wants(X) + (3, 1, "piece"), (X, 2, -1)],
    "maxout_with_indices": [wants(X) + (2,), wants(X) + (3, 1, "piece")],
    "maxout_backward": [wants(VALUES) + (WINNERS, 2, 1, "unit")],
    "_maxout_gather": [wants(X) + (WINNERS, 2, 1, "unit")],
    **{
        name: calls
        for base in ("softmax", "log_softmax")
        for name, calls in {
            base: [wants(X), wants(X.mT) + (1,), (X, 0, torch.float64)],
            f"{base}.out": [(X, 1, {"out": torch.empty_like(X)}), (X, 0, torch.float64, {"out": X.double()})],
            f"_{base}": [wants(X) + (1,), wants(X.mT) + (1,), (X, 0)],
            f"_{base}.out": [(X, 1, {"out": torch.empty_like(X)})],
            f"{base}_backward": [wants(G, PROBABILITIES) + (1,), (G.mT, PROBABILITIES.mT)],
            f"{base}_backward.grad_input": [(G, PROBABILITIES, 1, {"grad_input": torch.empty_like(X)})],
        }.items()
    },
    "softmax_cross_entropy": [wants(X) + (CLASSES,), wants(X, PROBABILITIES) + (BETA, "none")],
    "_softmax_cross_entropy_forward": [
        wants(X) + (CLASSES, BETA, *SUM_OF_ROWS),
        wants(X.mT.contiguous().mT) + (CLASSES, None, False, 3, 0.0),
        wants(X, PROBABILITIES) + (None, *SUM_OF_ROWS),
    ],
    "_softmax_cross_entropy_backward": [
        wants(torch.tensor(2.0), X) + (CLASSES, BETA, LSE, *SUM_OF_ROWS, [True, False]),
        wants(ROWS, X, PROBABILITIES) + (None, LSE, False, -100, 0.0),
    ],
    "sigmoid_binary_cross_entropy": [
        wants(X, PROBABILITIES),
        wants(X, PROBABILITIES) + (X.exp(), BETA[:, None], "none"),
    ],
    "_sigmoid_binary_cross_entropy": [
        wants(X, PROBABILITIES) + (None, BETA[:, None], True),
        wants(X.mT, PROBABILITIES.mT) + (X.mT.exp(), None, False),
    ],
    "_sigmoid_binary_cross_entropy_backward": [
        wants(torch.tensor(2.0), X, PROBABILITIES) + (None, BETA[:, None], True),
        wants(G, X, PROBABILITIES) + (X.exp(), None, False, [True, False]),
    ],
}


def split(call):
    return (call[:-1], call[-1]) if isinstance(call[-1], dict) else (call, {})


def test_every_overload_is_in_this_table():
    assert registered() == sorted(CALLS)


@pytest.mark.parametrize("name,call", [(name, call) for name, calls in CALLS.items() for call in calls])
def test_opcheck(name, call):
    base, _, overload = name.partition(".")
    args, kwargs = split(call)
    opcheck(getattr(getattr(ops, base), overload or "default"), args, kwargs)
