"""The published variants of Dice, each against its formula written out, and what dice takes for them."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import grad, jvp, vmap
from torch.testing import assert_close

from actinium.nn import Dice, dice_state_dict
from op_table import SHAPE, along, opmath, ops, running
from ulp import assert_ulps, numbers

C = 6


def mixed(p, alpha, x):
    return p * x + (1 - p) * alpha * x


# ------------------------------------------------------------------------------------------- the published formulas


class OfBatchNorm(nn.Module):
    """TorchEasyRec, FuxiCTR, DeepCTR-Torch: a BatchNorm1d makes the gate; three dims are transposed for it."""

    def __init__(self, dims, column=False, **options):
        super().__init__()
        self.bn = nn.BatchNorm1d(C, **options)
        self.alpha = nn.Parameter(torch.zeros(C, 1) if column and dims == 3 else torch.zeros(C))

    def forward(self, x):
        if x.dim() == 2:
            return mixed(torch.sigmoid(self.bn(x)), self.alpha, x)
        x = x.transpose(1, 2)
        return mixed(torch.sigmoid(self.bn(x)), self.alpha.view(C, 1), x).transpose(1, 2)


class Keras(nn.Module):
    """DeepCTR: a BatchNormalization without center and scale; momentum 0.99 and a biased moving variance."""

    def __init__(self):
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(C))
        self.mean, self.variance = torch.zeros(C).double(), torch.ones(C).double()

    def forward(self, x):
        mean, variance = self.mean, self.variance
        if self.training:
            rows = x.flatten(0, -2)
            mean, variance = rows.mean(0), rows.var(0, unbiased=False)
            self.mean = 0.99 * self.mean + 0.01 * mean.detach()
            self.variance = 0.99 * self.variance + 0.01 * variance.detach()
        return mixed(torch.sigmoid((x - mean) / (variance + 1e-9).sqrt()), self.alpha, x)

    def state_dict(self):
        return {
            "dice/dice_alpha:0": self.alpha.detach().numpy(),
            "dice/batch_normalization/moving_mean:0": self.mean.numpy(),
            "dice/batch_normalization/moving_variance:0": self.variance.numpy(),
        }


class Dien(nn.Module):
    """mouna99/dien: the batch's statistics, in evaluation too; epsilon in the root and beside it."""

    def __init__(self):
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(C))

    def forward(self, x):
        others = tuple(range(x.dim() - 1))
        mean = x.mean(others)
        std = ((x - mean).square() + 1e-9).mean(others).sqrt()
        return mixed(torch.sigmoid((x - mean) / (std + 1e-9)), self.alpha, x)

    def state_dict(self):
        return {"dice_1/alphadice_1": self.alpha.detach().numpy()}


class Din(nn.Module):
    """zhougr1993/DeepInterestNetwork: a trained factor, and moving statistics that nothing moves."""

    def __init__(self):
        super().__init__()
        self.alpha, self.beta = nn.Parameter(torch.zeros(C)), nn.Parameter(torch.zeros(C))

    def forward(self, x):
        return mixed(torch.sigmoid(self.beta * (x / math.sqrt(1 + 1e-3))), self.alpha, x)

    def state_dict(self):
        return {
            "alphadice_1": self.alpha.detach().numpy(),
            "betadice_1": self.beta.detach().numpy(),
            "dice_1/moving_mean": torch.zeros(C).numpy(),
            "dice_1/moving_variance": torch.ones(C).numpy(),
        }


class Rechub(nn.Module):
    """torch-rechub: the statistics of dim 1, with a sum for the variance, and one alpha."""

    def __init__(self):
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        deviations = x - x.mean(1, keepdim=True)
        p = torch.sigmoid(deviations / (deviations**2 + 1e-3).sum(1, keepdim=True).sqrt())
        return mixed(p, self.alpha, x)


class Paper(OfBatchNorm):
    """Equation 3; the averages that are for evaluation are those of batch normalization."""

    def __init__(self, dims):
        super().__init__(dims, eps=1e-8, affine=False)


PUBLISHED = {
    "paper": Paper,
    "din": lambda dims: Din(),
    "dien": lambda dims: Dien(),
    "deepctr": lambda dims: Keras(),
    "deepctr-torch": lambda dims: OfBatchNorm(dims, column=True, eps=1e-8),
    "tzrec": lambda dims: OfBatchNorm(dims, affine=False),
    "fuxictr": lambda dims: OfBatchNorm(dims, eps=1e-9, momentum=0.01, affine=False),
    "torch-rechub": lambda dims: Rechub(),
}
every_preset = pytest.mark.parametrize("name", PUBLISHED)


def both(name, dims):
    """The published module in float64, with numbers of its own for what it learns, and ours, loaded from it."""
    theirs = PUBLISHED[name](dims).double()
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(torch.linspace(-0.75, 1.5, p.numel(), dtype=torch.float64).view_as(p))
    # Whose channels are those of dim 1.
    ours = Dice.preset(name, 4 if (name, dims) == ("torch-rechub", 3) else C).double()
    state = theirs.state_dict()
    ours.load_state_dict(dice_state_dict("fuxictr" if name == "paper" else name, state))
    return theirs, ours


def results(module, x):
    """Output, gradients, and the gradients of these."""
    x = x.clone().requires_grad_()
    inputs = [x, *module.parameters()]
    y = module(x)
    weights = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)
    first = torch.autograd.grad((y * weights).sum(), inputs, create_graph=True)
    second = torch.autograd.grad(sum(t.square().sum() for t in first), inputs)
    return [t.reshape(-1) for t in (y, *first, *second)]


def batch(dims, step):
    x = torch.randn((32, C) if dims == 2 else (8, 4, C), generator=torch.Generator("cpu").manual_seed(step))
    return (1 + step * torch.linspace(-1, 1, C) + 2 * x).double()


@pytest.mark.parametrize(
    "name,dims", [(name, dims) for name in PUBLISHED for dims in (2, 3) if (name, dims) != ("fuxictr", 3)]
)
def test_presets_are_the_published_formulas(name, dims):
    """In five training steps, and in evaluation after them."""
    theirs, ours = both(name, dims)
    for step in range(5):
        x = batch(dims, step)
        assert_close(results(ours, x), results(theirs, x))
    for key, value in dice_state_dict("fuxictr" if name == "paper" else name, theirs.state_dict()).items():
        if key != "num_batches_tracked" or name not in ("din", "deepctr"):  # TensorFlow counts nothing
            assert_close(getattr(ours, key).detach(), value, check_dtype=False)
    x = batch(dims, 5)
    assert_close(results(ours.eval(), x), results(theirs.eval(), x))


@every_preset
def test_presets_start_where_the_published_ones_do(name):
    torch.manual_seed(3)
    ours = Dice.preset(name, C)
    torch.manual_seed(3)
    alpha = torch.randn(1) if name == "torch-rechub" else torch.zeros(C)
    assert torch.equal(ours.alpha, alpha)
    torch.manual_seed(3)
    ours.reset_parameters()
    assert torch.equal(ours.alpha, alpha)
    if ours.weight is not None:
        assert torch.equal(ours.weight, torch.full((C,), 0.0 if name == "din" else 1.0))
    if ours.bias is not None:
        assert torch.equal(ours.bias, torch.zeros(C))


def test_options_go_before_those_of_a_preset():
    module = Dice.preset("deepctr-torch", C, dim=1, eps=1e-2, dtype=torch.float64)
    assert (module.dim, module.eps, module.alpha.dtype, module.initial_weight) == (1, 1e-2, torch.float64, 1.0)


def test_tzrec_with_weight_and_bias():
    """As its first version had it."""
    theirs = OfBatchNorm(2).double()
    ours = Dice.preset("tzrec", C, weight=1.0, bias=0.0).double()
    with torch.no_grad():
        theirs.bn.weight.uniform_()
    ours.load_state_dict(dice_state_dict("tzrec", theirs.state_dict()))
    assert_close(results(ours, batch(2, 1)), results(theirs, batch(2, 1)))


def test_a_state_is_found_by_its_prefix():
    model = nn.Sequential(nn.Linear(C, C), OfBatchNorm(2), OfBatchNorm(2))
    state = dice_state_dict("tzrec", model.state_dict(), "2.")
    assert sorted(state) == ["alpha", "bias", "num_batches_tracked", "running_mean", "running_var", "weight"]
    assert state["alpha"].data_ptr() == model[2].alpha.data_ptr()
    with pytest.raises(KeyError, match="expected one name for alpha that ends with 'dice_alpha', found none"):
        dice_state_dict("deepctr", model.state_dict())
    names = "alphadice_1", "betadice_1", "dice_1/moving_mean", "alphadice_1/Adam", "beta1_power"
    variables = {name.replace("dice_1", f"dice_{layer}"): torch.full((C,), layer) for name in names for layer in (1, 2)}
    state = dice_state_dict("din", {f"{name}:0": value for name, value in variables.items()}, "dice_2")
    assert state.keys() == {"alpha", "weight", "running_mean", "num_batches_tracked"}
    assert all((t == 2).all() for t in state.values() if t.dim())
    with pytest.raises(KeyError, match="found 'a/alpha_1', 'b/alpha_2'"):
        dice_state_dict("dien", {"a/alpha_1": torch.zeros(C), "b/alpha_2": torch.zeros(C)})


# ------------------------------------------------------------------------------------------------------- the options


def by_formula(x, alpha, mean, var, training, momentum, eps, dim, mask=None, weight=None, bias=None, eps_mode="inside"):
    """Written out, over the values that a mask leaves."""
    if training or mean is None:
        rows = x.movedim(dim, -1)
        rows = rows.reshape(-1, rows.size(-1)) if mask is None else rows[mask]
        mean, var = rows.mean(0), rows.var(0, unbiased=False)
    deviation = (var if eps_mode == "outside" else var + eps).sqrt() + (0 if eps_mode == "inside" else eps)
    z = (x - along(mean, x, dim)) / along(deviation, x, dim)
    z = z if weight is None else z * along(weight, x, dim)
    z = z if bias is None else z + along(bias, x, dim)
    return mixed(torch.sigmoid(z), along(alpha, x, dim), x)


def channels(x, dim, low, high):
    return torch.linspace(low, high, x.size(dim), dtype=x.dtype)


def masked(x, dim):
    """About two of three values count, and the others are far away."""
    mask = torch.arange(x.numel() // x.size(dim)) % 3 != 1
    return mask.view([n for i, n in enumerate(x.shape) if i != dim % x.dim()])


# What dice is given after dim, and which of them are learned.
VARIANTS = {
    "affine": lambda x, dim: (None, channels(x, dim, -1, 2), channels(x, dim, -0.5, 1)),
    "one weight": lambda x, dim: (None, x.new_full((1,), 0.75), None),
    "bias": lambda x, dim: (None, None, x.new_full((1,), 0.25)),
    "outside": lambda x, dim: (None, None, None, "outside"),
    "both": lambda x, dim: (None, None, None, "both"),
    "mask": lambda x, dim: (masked(x, dim),),
    "all": lambda x, dim: (masked(x, dim), channels(x, dim, -1, 2), channels(x, dim, -0.5, 1), "both"),
}
every_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
every_mode = pytest.mark.parametrize("mode", ("train", "batch", "running"))


def call(variant, x, dim, mode):
    """dice as a function of what has a gradient, and that; f(ops.dice) is the operator's."""
    learned = [channels(x, dim, -0.5, 1.5)]
    rest = list(variant(x, dim))
    places = [i for i in (1, 2) if i < len(rest) and rest[i] is not None]
    learned += [rest[i] for i in places]

    def f(dice, x, alpha, *learned):
        given = rest.copy()
        for i, t in zip(places, learned, strict=True):
            given[i] = t
        mean, var = (None, None) if mode == "batch" else running(x, dim)
        return dice(x, alpha, mean, var, mode == "train", 0.1, 1e-3, dim, *given)

    return f, [t.detach().requires_grad_() for t in (x, *learned)]


def sample(layout=lambda x: x, dtype=torch.float64, shape=SHAPE):
    return layout(torch.randn(shape, dtype=torch.float64).to(dtype))


@every_mode
@every_variant
def test_values_and_derivatives(variant, mode, layout):
    for dim in (1, -1):
        f, inputs = call(variant, sample(layout), dim, mode)
        got, want = [], []
        for dice, found in ((ops.dice, got), (by_formula, want)):
            y = f(dice, *inputs)
            weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y).requires_grad_()
            first = torch.autograd.grad(y, inputs, weights, create_graph=True)
            second = torch.autograd.grad(sum(t.square().sum() for t in first), [*inputs, weights], create_graph=True)
            third = torch.autograd.grad(sum(t.sin().sum() for t in second), inputs)
            found += [y, *first, *second, *third]
        assert_close(got, want)


@every_mode
@every_variant
def test_gradients_by_differences(variant, mode):
    f, inputs = call(variant, sample(shape=(2, 3, 2)), 1, mode)
    dice = partial(f, ops.dice)
    assert gradcheck(dice, inputs, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(dice, inputs, check_fwd_over_rev=True)


@every_mode
@every_variant
def test_function_transforms(variant, mode):
    f, inputs = call(variant, sample(), 1, mode)
    x, *learned = (t.detach() for t in inputs)
    many = torch.stack((x, -2 * x, x + 1))

    def loss(x, *learned):
        return f(ops.dice, x, *learned).sin().sum()

    def wanted(x, *learned):
        return f(by_formula, x, *learned).sin().sum()

    everything = tuple(range(len(inputs)))
    for of, by in ((loss, wanted), (grad(loss), grad(wanted))):
        assert_close(of(x, *learned), by(x, *learned))
        tangents = [torch.linspace(-1, 1, t.numel(), dtype=t.dtype).view_as(t) for t in (x, *learned)]
        assert_close(jvp(of, (x, *learned), tuple(tangents)), jvp(by, (x, *learned), tuple(tangents)))
    got = vmap(grad(loss, everything), (0, *(None for _ in learned)))(many, *learned)
    want = [grad(wanted, everything)(one, *learned) for one in many]
    assert_close(got, tuple(map(torch.stack, zip(*want, strict=True))))


@every_mode
@every_variant
def test_half_types_are_rounded_once(variant, mode, dtype):
    f, inputs = call(variant, sample(dtype=dtype), 1, mode)
    got = f(ops.dice, *inputs)
    want = f(by_formula, *(t.double() for t in inputs))
    assert got.dtype == dtype
    # The rounding of z, which has the mean in it, counts in the gate.
    assert_ulps(got, numbers(want), 0.501 if opmath(dtype) != dtype else 16, at=numbers(inputs[0]) * 4, absolute=1e-30)
    weights = torch.linspace(-1, 1, got.numel()).view_as(got).to(dtype)
    first = torch.autograd.grad(got, inputs, weights)
    assert [t.dtype for t in first] == [dtype] * len(inputs)
    for g, w in zip(first, torch.autograd.grad(want, inputs, weights.double()), strict=True):
        assert_close(g, w, rtol=4 * torch.finfo(dtype).eps, atol=40 * torch.finfo(opmath(dtype)).eps, check_dtype=False)


def test_half_types_beside_single_parameters():
    x, f = sample(dtype=torch.bfloat16), VARIANTS["affine"]
    alpha = channels(x.float(), 1, -0.5, 1.5)
    _, weight, bias = f(x.float(), 1)
    got = ops.dice(x, alpha, None, None, True, 0.1, 1e-8, 1, None, weight, bias)
    want = ops.dice(x.float(), alpha, None, None, True, 0.1, 1e-8, 1, None, weight, bias)
    assert torch.equal(got, want.bfloat16())


@every_variant
def test_compilers(variant):
    """One graph, with sizes that are symbols, and meta tensors."""
    for mode in ("running", "train"):
        torch._dynamo.reset()
        f, inputs = call(variant, sample(), 1, mode)
        compiled = torch.compile(partial(f, ops.dice), fullgraph=True, dynamic=True, backend="aot_eager")
        want, got = f(ops.dice, *inputs), compiled(*inputs)
        assert_close(got, want, rtol=0.0, atol=0.0)
        assert_close(torch.autograd.grad(got.sum(), inputs), torch.autograd.grad(want.sum(), inputs))
        meta = [t.to("meta") for t in inputs]
        if mode == "train" and variant not in (VARIANTS["mask"], VARIANTS["all"]):
            assert f(ops.dice, *meta).shape == want.shape


def make(dtype=torch.float64, **options):
    torch.manual_seed(0)
    module = Dice(C, **options).to(dtype)
    with torch.no_grad():
        for p in module.parameters():
            p.uniform_(-1, 2)
    return module


OPTIONS = {
    "affine": {"weight": 1.0, "bias": 0.0},
    "average": {"weight": 1.0, "momentum": None, "unbiased": False},
    "both": {"eps_mode": "both", "dim": 1},
    "running": {"weight": 0.5, "statistics": "running"},
    "row": {"statistics": "row", "shared_alpha": True, "dim": 1},
    "row_norm": {"statistics": "row_norm", "shared_alpha": True},
}
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


@every_option
def test_modules_script_compile_export_and_copy(options):
    x = sample(shape=(4, C, C))
    want = make(**options)
    modules = {
        "script": torch.jit.script(make(**options)),
        "compile": torch.compile(make(**options), fullgraph=True, backend="aot_eager"),
        "copy": copy.deepcopy(make(**options)),
    }
    y = want(x)
    for how, module in modules.items():
        assert_close(module(x), y, msg=lambda m, how=how: f"{how}: {m}")
        state = {name.removeprefix("_orig_mod."): t for name, t in module.state_dict().items()}
        assert_close(state, dict(want.state_dict()), msg=lambda m, how=how: f"{how}: {m}")
    want.eval()
    exported = torch.export.export(want, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)).module()
    assert_close(exported(x[:3]), want(x[:3]))
    again = Dice(C, **options).double()
    again.load_state_dict(want.state_dict())
    assert_close(again.eval()(x), want(x))


@every_option
def test_modules_in_half_types(options, dtype):
    module = make(dtype, **options)
    x = sample(dtype=dtype, shape=(4, C, C))
    want = copy.deepcopy(module).to(torch.float64)(x.double())
    assert_close(
        module(x),
        want,
        rtol=2 * torch.finfo(dtype).eps,
        atol=2e-3 if dtype in (torch.bfloat16, torch.float16) else 1e-5,
        check_dtype=False,
    )


@pytest.mark.parametrize("dim", (0, 1, 2, -1))
@pytest.mark.parametrize("statistics", ("row", "row_norm"))
def test_rows(statistics, dim, layout):
    x = sample(layout).detach().requires_grad_()
    module = Dice(x.size(dim), eps=1e-3, dim=dim, alpha=0.3, shared_alpha=True, statistics=statistics).double()
    mean = x.mean(dim, keepdim=True)
    squares = (x - mean).square() + 1e-3
    over = squares.mean(dim, keepdim=True) if statistics == "row" else squares.sum(dim, keepdim=True)
    want = mixed(torch.sigmoid((x - mean) / over.sqrt()), 0.3, x)
    assert_close(module(x), want)
    assert_close(torch.autograd.grad(module(x).sin().sum(), x), torch.autograd.grad(want.sin().sum(), x))
    assert not list(module.buffers())


@pytest.mark.parametrize("statistics", ("row", "row_norm"))
def test_a_row_alone_and_no_rows(statistics):
    module = Dice(C, shared_alpha=True, statistics=statistics)
    x = torch.randn(3, C)
    assert_close(module(x)[1], module(x[1]))
    assert module(x[:0]).shape == (0, C)
    assert Dice(0, shared_alpha=True, statistics=statistics)(x[:, :0]).shape == (3, 0)
    assert_close(torch.fx.symbolic_trace(module)(x), module(x))


# ---------------------------------------------------------------------------------------------------------- the mask


@pytest.mark.parametrize("momentum", (0.1, None))
@pytest.mark.parametrize("unbiased", (True, False))
@pytest.mark.parametrize("weight", (None, 1.0))
def test_running_statistics_are_those_of_what_counts(weight, unbiased, momentum):
    """The padding is infinite or not a number, and its output is computed as that of any value."""
    masked, short = (Dice(C, momentum=momentum, unbiased=unbiased, weight=weight).double() for _ in range(2))
    for step in range(3):
        x = batch(3, step)
        mask = torch.arange(4) < torch.arange(8).remainder(5)[:, None]
        padded = torch.where(mask[..., None], x, float("inf") if step else float("nan"))
        got, want = masked(padded, mask), short(x[mask])
        assert_close(got[mask], want)
        assert (got[~mask].isinf() if step else got[~mask].isnan()).all()
        rows = x[mask]
        assert rows.size(0) == mask.sum()
    assert_close(masked.state_dict(), short.state_dict())
    if momentum is None:
        mean = torch.stack([batch(3, i)[mask].var(0, unbiased=unbiased) for i in range(3)]).mean(0)
        assert_close(masked.running_var, mean)


@pytest.mark.parametrize("training", (True, False))
@pytest.mark.parametrize("options", ({}, {"weight": 1.0, "eps_mode": "both"}), ids=("plain", "affine"))
@pytest.mark.parametrize("padding", (1e30, math.nan, math.inf, -math.inf))
def test_padding_takes_no_part_in_the_gradients_of_the_others(padding, options, training):
    module, mask = make(**options).train(training), masked(batch(3, 1), -1)

    def derivatives(x):
        inputs = [x.requires_grad_(), *module.parameters()]
        y = module(x, mask)[mask]
        first = torch.autograd.grad(y.square().sum(), inputs, create_graph=True)
        return [y, *first, *torch.autograd.grad(sum(t.square().sum() for t in first), inputs)]

    got = derivatives(torch.where(mask[..., None], batch(3, 1), padding))
    assert_close(got, derivatives(batch(3, 1)))
    assert not got[1][~mask].any() and got[1][mask].all()


def test_a_mask_of_all_is_none():
    x = sample()
    alpha = channels(x, 1, -1, 1)
    mask = torch.ones(SHAPE[0], *SHAPE[2:], dtype=torch.bool)
    statistics = [running(x, 1) for _ in range(2)]
    ys = [ops.dice(x, alpha, *s, True, 0.1, 1e-8, 1, m) for s, m in zip(statistics, (None, mask), strict=True)]
    assert_close(*ys)
    assert_close(*statistics)


def test_a_mask_for_each_of_a_batch():
    xs = torch.stack((sample(), 2 * sample()))
    masks = torch.stack((masked(xs[0], 1), ~masked(xs[0], 1)))
    alpha = channels(xs[0], 1, -1, 1)

    def f(x, mask):
        return ops.dice(x, alpha, None, None, True, 0.1, 1e-8, 1, mask)

    assert_close(vmap(f)(xs, masks), torch.stack([f(x, mask) for x, mask in zip(xs, masks, strict=True)]))


# ------------------------------------------------------------------------------------------------------------ errors

X, ALPHA = torch.randn(2, C, 4), torch.zeros(C)
MASK = torch.ones(2, 4, dtype=torch.bool)


def dice(mask=None, weight=None, bias=None, eps_mode="inside", x=X, training=True):
    return ops.dice(x, ALPHA, None, None, training, 0.1, 1e-8, 1, mask, weight, bias, eps_mode)


by_row = partial(Dice, shared_alpha=True, statistics="row")


@pytest.mark.parametrize(
    "wrong,error,message",
    (
        (lambda: dice(MASK.float()), TypeError, "dice: mask has dtype Float, expected Bool"),
        (lambda: dice(MASK.to("meta")), RuntimeError, f"dice: mask is on meta, but self is on {X.device}"),
        (
            lambda: dice(MASK[:, :3]),
            ValueError,
            "dice: mask has shape [2, 3], expected [2, 4], the shape of self without",
        ),
        (lambda: dice(MASK[:1]), ValueError, "dice: mask has shape [1, 4], expected [2, 4]"),
        (
            lambda: dice(torch.zeros_like(MASK)),
            RuntimeError,
            "dice: expected more than 1 value per channel when training",
        ),
        (lambda: dice(MASK.cumsum(0).cumsum(1) == 1), RuntimeError, "mask leaves fewer"),
        (lambda: dice(weight=ALPHA[:5]), ValueError, "dice: weight has shape [5], expected one element or [6]"),
        (lambda: dice(bias=ALPHA[:2]), ValueError, "dice: bias has shape [2], expected one element or [6]"),
        (lambda: dice(bias=ALPHA.double()), TypeError, "dice: bias has dtype Double, but self has Float"),
        (lambda: dice(eps_mode="in"), ValueError, "dice: eps_mode='in', expected 'inside', 'outside' or 'both'"),
        (
            lambda: dice(weight=ALPHA, x=X[:1, :, :1]),
            ValueError,
            "dice: expected more than 1 value per channel when training, got self of shape [1, 6, 1]",
        ),
        (lambda: Dice(C, eps_mode="in"), ValueError, "Dice: eps_mode='in', expected 'inside', 'outside' or 'both'"),
        (lambda: Dice(C, statistics="rows"), ValueError, "Dice: statistics='rows', expected 'batch', 'running', 'row'"),
        (lambda: Dice(C, statistics="row"), ValueError, "Dice: statistics='row' takes one slope (shared_alpha=True)"),
        (
            lambda: Dice(C, statistics="running", track_running_stats=False),
            ValueError,
            "Dice: statistics='running' takes track_running_stats=True",
        ),
        (lambda: Dice(C, eps=-1.0), ValueError, "Dice: eps=-1.0, expected a number that is not negative"),
        (lambda: Dice(C, momentum=7), ValueError, "Dice: momentum=7, expected 0 to 1, or None for the average of all"),
        (lambda: by_row(C)(X, MASK), ValueError, "Dice: statistics of rows take no"),
        (lambda: by_row(C, dim=3)(X), IndexError, "Dice: dim=3 is out of range for input with 3 dimensions"),
        (lambda: by_row(1)(X.sum()), IndexError, "Dice: dim=-1 is out of range for input with 0 dimensions"),
        (lambda: by_row(5, dim=1)(X), ValueError, "Dice: input has 6 values along dim=1, expected num_features=5"),
        (
            lambda: Dice.preset("keras", C),
            ValueError,
            "Dice.preset: name='keras', expected one of 'paper', 'din', 'dien'",
        ),
        (lambda: dice_state_dict("paper", {}), ValueError, "dice_state_dict: preset='paper', expected one of 'din'"),
        (lambda: ops._dice_gate(X, ALPHA[:5], *[ALPHA] * 3, 1), ValueError, "_dice_gate: alpha has shape [5]"),
        (lambda: ops._dice_gate(X, *[ALPHA] * 3, ALPHA.double(), 1), TypeError, "_dice_gate: bias has dtype Double"),
        (lambda: ops._channel_stats(X, 3), IndexError, "_channel_stats: dim=3 is out of range for self"),
    ),
)
def test_errors(wrong, error, message):
    with pytest.raises(error) as caught:
        wrong()
    assert message in str(caught.value)
