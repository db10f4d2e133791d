"""convert: what takes the place of what, that the model stays the same model, and what is left alone.

Classes of other packages stand here in our words, under the names that they have there.
"""

import copy
import functools
import io
import math
import pickle

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.utils import parametrize
from torch.testing import assert_close

import actinium
from actinium._convert import _KNOWN, convert
from op_table import BUILTINS


def named(full_name):
    """A class decorator: as if the class stood in another package."""

    def rename(cls):
        cls.__module__, _, cls.__qualname__ = full_name.rpartition(".")
        cls.__name__ = cls.__qualname__
        return cls

    return rename


def pointwise(full_name, forward, **attributes):
    """A module of a class of that name with that forward."""
    module = named(full_name)(type("Module", (nn.Module,), {"forward": lambda self, x: forward(x)}))()
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def mish(x):
    return x * torch.tanh(F.softplus(x))


class EfficientSwish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad * s * (1 + x * (1 - s))


class WrongMish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.mish(x)

    @staticmethod
    def backward(ctx, grad):
        return F.mish(ctx.saved_tensors[0]) * grad


@named("fuxictr.pytorch.layers.activations.Dice")
class FuxiDice(nn.Module):
    def __init__(self, features, **options):
        super().__init__()
        self.bn = nn.BatchNorm1d(features, **{"eps": 1e-9, "momentum": 0.01, "affine": False} | options)
        self.alpha = nn.Parameter(torch.linspace(-0.5, 0.5, features))

    def forward(self, x):
        p = torch.sigmoid(self.bn(x))
        return x * (p + self.alpha * (1 - p))


class Transposed(FuxiDice):
    """Three dims are transposed for the batch normalization."""

    def __init__(self, features, dim, **options):
        super().__init__(features, momentum=0.1, **options)
        self.dim = dim

    def forward(self, x):
        if self.dim == 2:
            return super().forward(x)
        x = x.transpose(1, 2)
        p = torch.sigmoid(self.bn(x))
        return (x * (p + self.alpha.view(-1, 1) * (1 - p))).transpose(1, 2)


@named("tzrec.modules.activation.Dice")
class EasyRecDice(Transposed):
    def __init__(self, features, dim=2, **options):
        super().__init__(features, dim, eps=1e-5, **options)


@named("deepctr_torch.layers.activation.Dice")
class DeepCTRDice(Transposed):
    def __init__(self, features, dim=2, sigmoid=nn.Sigmoid):
        super().__init__(features, dim, eps=1e-8, affine=True)
        self.sigmoid = sigmoid()
        if dim == 3:
            self.alpha = nn.Parameter(self.alpha.detach().unsqueeze(1))


def sqrt_2_over_pi(digits):
    return round(math.sqrt(2 / math.pi), digits)


# What is replaced, and the repr of what takes its place; by the operator.
TORCH = {
    "mish": ((nn.Mish(), "Mish()"), (nn.Mish(inplace=True), "Mish(inplace=True)")),
    "swish": ((nn.SiLU(), "Swish(beta=1.0)"), (nn.SiLU(inplace=True), "Swish(beta=1.0, inplace=True)")),
    "gelu": ((nn.GELU(), "GELU(approximate='none')"),),
    "gelu_tanh": ((nn.GELU(approximate="tanh"), "GELUTanh()"),),
    "selu": ((nn.SELU(), "SELU()"), (nn.SELU(inplace=True), "SELU(inplace=True)")),
    "elu": ((nn.ELU(1.5), "ELU(alpha=1.5)"), (nn.ELU(inplace=True), "ELU(alpha=1.0, inplace=True)")),
    "sigmoid": ((nn.Sigmoid(), "Sigmoid()"),),
    "tanh": ((nn.Tanh(), "Tanh()"),),
}
# What is replaced where a mapping says so.
LEFT_TO_TORCH = {
    "relu": (nn.ReLU(inplace=True), lambda module: actinium.nn.ReLU(module.inplace)),
    "leaky_relu": (nn.LeakyReLU(0.2), lambda module: actinium.nn.LeakyReLU(module.negative_slope, module.inplace)),
}
OTHERS = (
    (nn.PReLU(), "PReLU(num_parameters=1)"),
    (nn.PReLU(6, 0.5), "PReLU(num_parameters=6)"),
    (nn.Softmax(1), "Softmax(dim=1)"),
    (nn.LogSoftmax(0), "LogSoftmax(dim=0)"),
    # Says that it is in place, and is not; and the other way round.
    (pointwise("geffnet.activations.activations.Mish", mish, inplace=True), "Mish()"),
    (pointwise("utils.layers.Swish", lambda x: x.mul_(x.sigmoid())), "Swish(beta=1.0, inplace=True)"),
    (pointwise("transformers.activations.MishActivation", F.mish, act=F.mish), "Mish()"),
    (pointwise("efficientnet_pytorch.utils.MemoryEfficientSwish", EfficientSwish.apply), "Swish(beta=1.0)"),
    (pointwise("mmcv.cnn.bricks.swish.Swish", lambda x: x * torch.sigmoid(x)), "Swish(beta=1.0)"),
    (named("nemo.collections.asr.parts.utils.activations.Swish")(type("Swish", (nn.SiLU,), {}))(), "Swish(beta=1.0)"),
    (
        pointwise("monai.networks.blocks.activation.Swish", lambda x: x * torch.sigmoid(1.5 * x), alpha=1.5),
        "Swish(beta=1.5)",
    ),
    (pointwise("clip.model.QuickGELU", lambda x: x * torch.sigmoid(1.702 * x)), "QuickGELU()"),
    (pointwise("open_clip.transformer.QuickGELU", lambda x: x * torch.sigmoid(1.702 * x)), "QuickGELU()"),
    (pointwise("transformers.activations.QuickGELUActivation", lambda x: x * torch.sigmoid(1.702 * x)), "QuickGELU()"),
    (pointwise("timm.layers.activations.Sigmoid", torch.sigmoid, inplace=False), "Sigmoid()"),
    (pointwise("timm.layers.activations.Tanh", torch.tanh, inplace=False), "Tanh()"),
    (pointwise("transformers.activations.GELUActivation", F.gelu), "GELU(approximate='none')"),
    (
        pointwise("timm.layers.activations.GELU", lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))),
        "GELU(approximate='none')",
    ),
    (
        pointwise("transformers.activations.GELUTanh", functools.partial(F.gelu, approximate="tanh")),
        "GELUTanh()",
    ),
    (
        pointwise(
            "transformers.activations.NewGELUActivation",
            lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0)))),
        ),
        "GELUTanh()",
    ),
    # A constant with ten digits is the same float32.
    (
        pointwise(
            "transformers.activations.FastGELUActivation",
            lambda x: 0.5 * x * (1 + torch.tanh(x * sqrt_2_over_pi(10) * (1 + 0.044715 * x * x))),
        ),
        "GELUTanh()",
    ),
    (FuxiDice(6), repr(actinium.nn.Dice.preset("fuxictr", 6))),
    (EasyRecDice(6), repr(actinium.nn.Dice.preset("tzrec", 6))),
    (EasyRecDice(6, affine=True), repr(actinium.nn.Dice.preset("tzrec", 6, weight=1.0, bias=0.0))),
    (DeepCTRDice(6), repr(actinium.nn.Dice.preset("deepctr-torch", 6))),
)
REPLACED = [pair for pairs in TORCH.values() for pair in pairs] + list(OTHERS)
every_replaced = pytest.mark.parametrize(
    "old,text", REPLACED, ids=[f"{type(old).__module__}.{type(old).__qualname__}-{text}" for old, text in REPLACED]
)


def run(module):
    """Outputs and gradients, in training and in evaluation, and the state that is left."""
    random = torch.Generator(torch.get_default_device()).manual_seed(0)
    state = list(module.state_dict().values())
    dtype = state[0].dtype if state else torch.float32
    results = []
    for training in (True, True, False):
        module.train(training)
        x = (3 * torch.randn(8, 6, generator=random)).to(dtype).requires_grad_()
        y = module(x * 1)
        results += [y, *torch.autograd.grad(y.square().sum(), [x, *module.parameters()])]
    return results + state


# ------------------------------------------------------------------------------------------------- what is replaced


def test_every_operator_that_torch_has_is_replaced():
    assert TORCH.keys() | LEFT_TO_TORCH.keys() == {row.base for row in BUILTINS}


@every_replaced
def test_replaced(old, text):
    new, report = convert(copy.deepcopy(old), return_report=True)
    assert repr(new) == text and type(new).__module__.startswith("actinium.nn")
    assert report.replaced == [("", f"{type(old).__module__}.{type(old).__qualname__}", text)] and not report.left
    for got, want in zip(run(new), run(copy.deepcopy(old)), strict=True):
        assert_close(got, want)


@every_replaced
def test_nothing_of_the_old_class_stays(old, text):
    """Attributes are those that the class here has."""
    assert vars(convert(copy.deepcopy(old))).keys() == vars(eval(f"actinium.nn.{text}")).keys()


@every_replaced
def test_twice_is_once(old, text):
    new = convert(copy.deepcopy(old))
    again, report = convert(new, return_report=True)
    assert again is new and report == ([], [])


LOSSES = {
    "indices": lambda: nn.CrossEntropyLoss(torch.rand(6), ignore_index=2, label_smoothing=0.1),
    "sum": lambda: nn.CrossEntropyLoss(reduction="sum"),
    "binary": lambda: nn.BCEWithLogitsLoss(torch.rand(8, 1), reduction="none", pos_weight=torch.rand(6)),
    "one weight": lambda: nn.BCEWithLogitsLoss(pos_weight=torch.rand(6)),
    "integers": lambda: nn.BCEWithLogitsLoss(torch.tensor([2]), pos_weight=torch.arange(6)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    """With their weights, the very tensors, and their place in a state dict."""
    old = LOSSES[name]()
    new = convert(old)
    assert type(new) is getattr(actinium.nn, type(old).__name__)
    assert vars(new).keys() == vars(type(new)()).keys()
    assert new.state_dict().keys() == old.state_dict().keys()
    assert all(new.state_dict(keep_vars=True)[key] is t for key, t in old.state_dict(keep_vars=True).items())
    x = torch.randn(8, 6)
    target = torch.arange(8) % 6 if isinstance(old, nn.CrossEntropyLoss) else torch.rand(8, 6)
    assert_close(new(x, target), old(x, target))


@pytest.mark.parametrize("context", (torch.inference_mode, torch.no_grad, lambda: torch.device("meta")))
def test_wherever_it_is_called(context):
    with context():
        model, report = convert(nn.Sequential(nn.Linear(2, 2), nn.Mish(inplace=True)), return_report=True)
    assert isinstance(model[1], actinium.nn.Mish) and model[1].inplace and not report.left


# ---------------------------------------------------------------------------------------------- a network of all this


class Clipped(nn.Mish):
    """Not a Mish any more."""

    def forward(self, x):
        return super().forward(x).clamp(max=2.0)


class Network(nn.Module):
    """Every container, a module in three places, one that is called twice, a parametrization, and a subclass."""

    def __init__(self):
        super().__init__()
        shared = nn.SiLU()
        self.first = nn.Sequential(nn.Linear(6, 6), shared, nn.Linear(6, 6), nn.Mish(inplace=True))
        self.several = nn.ModuleList([nn.SELU(), shared, Clipped()])
        self.by_name = nn.ModuleDict({"exact": nn.GELU(), "tanh": nn.GELU(approximate="tanh")})
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))
        self.other = pointwise("yolox.models.network_blocks.SiLU", lambda x: x * torch.sigmoid(x))
        self.nothing = None
        self.register_module("none", None)
        self.dice = FuxiDice(6)
        self.slope = nn.PReLU()
        self.again = shared

    def forward(self, x):
        x = self.first(x)
        for module in (*self.several, *self.by_name.values()):
            x = x + module(x)
        x = self.again(self.other(self.normed(x)))
        return self.again(self.slope(self.dice(x)))


NEW = {
    "first.1": "Swish(beta=1.0)",
    "first.3": "Mish(inplace=True)",
    "several.0": "SELU()",
    "several.1": "Swish(beta=1.0)",
    "by_name.exact": "GELU(approximate='none')",
    "by_name.tanh": "GELUTanh()",
    "other": "Swish(beta=1.0)",
    "dice": repr(convert(FuxiDice(6))),
    "slope": "PReLU(num_parameters=1)",
    "again": "Swish(beta=1.0)",
}


def test_network():
    old = Network()
    model, report = convert(copy.deepcopy(old), return_report=True)
    assert {name: new for name, _, new in report.replaced} == NEW
    assert [(name, reason) for name, _, reason in report.left] == [
        ("several.2", "a subclass of torch.nn.modules.activation.Mish"),
    ]
    places = dict(model.named_modules(remove_duplicate=False))
    assert {name: repr(places[name]) for name in NEW} == NEW
    names = [name for name, _ in old.named_modules(remove_duplicate=False) if name != "dice.bn"]
    assert list(places) == names
    assert places["first.1"] is places["several.1"] is places["again"]


def test_network_computes_the_same():
    old = Network().double()
    new = convert(copy.deepcopy(old))
    assert [name for name, _ in new.named_parameters()] == [name for name, _ in old.named_parameters()]
    for got, want in zip(run(new), run(old), strict=True):
        assert_close(got, want)


def test_network_in_float32():
    """The errors of a chain of sums are larger than those of one module; they may not grow by the conversion."""
    old = Network()
    wanted = run(copy.deepcopy(old).double())

    def error(model):
        pairs = zip(run(model), wanted, strict=True)
        return max((got - want).abs().max() / want.abs().max() for got, want in pairs)

    assert error(convert(copy.deepcopy(old))) <= 2 * error(old) < 1e-3


def test_in_place_and_everything_is_kept():
    model = Network().double().eval()
    model.several.train()
    model.dice.alpha.requires_grad_(False)
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    modes = {name: module.training for name, module in model.named_modules()}
    assert convert(model) is model
    assert all(p is parameters[name] for name, p in model.named_parameters()) and not model.dice.alpha.requires_grad
    for name, buffer in model.named_buffers():
        assert buffer is buffers[name.replace("dice.", "dice.bn.")]
    assert {name: module.training for name, module in model.named_modules()} == {
        name: mode for name, mode in modes.items() if name != "dice.bn"
    }


def test_an_optimizer_goes_on():
    """Made and used before the conversion."""

    def trained(change):
        model = Network().double()
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        random = torch.Generator(torch.get_default_device()).manual_seed(0)
        for step in range(6):
            if step == 3:
                model = change(model)
            optimizer.zero_grad()
            x = torch.randn(16, 6, generator=random, dtype=torch.float64)
            (model(x) - x.flip(1)).square().mean().backward()
            optimizer.step()
        return list(model.state_dict().values())

    torch.manual_seed(0)
    wanted = trained(lambda model: model)
    torch.manual_seed(0)
    assert_close(trained(convert), wanted)


def test_meta():
    with torch.device("meta"):
        model = convert(Network())
    assert all(t.is_meta for t in model.state_dict().values())
    assert model(torch.empty(4, 6, device="meta")).shape == (4, 6)


def test_attributes_of_others_stay():
    """As torch.ao.quantization and the parsers of YOLO set them."""
    model = nn.Sequential(nn.Mish())
    model[0].qconfig, model[0].f, model[0].type = "a", -1, "nn.Mish"
    convert(model)
    assert (model[0].qconfig, model[0].f, model[0].type) == ("a", -1, "nn.Mish")


# --------------------------------------------------------------------------------------------------------------- hooks


def test_hooks():
    model = nn.Sequential(nn.Linear(6, 6), nn.SELU())
    old, seen = model[1], []

    def hook(name):
        return lambda module, *rest: seen.append((name, module))

    register = {
        "forward pre": old.register_forward_pre_hook,
        "forward": old.register_forward_hook,
        "backward pre": old.register_full_backward_pre_hook,
        "backward": old.register_full_backward_hook,
        "state_dict pre": old.register_state_dict_pre_hook,
        "state_dict post": old.register_state_dict_post_hook,
        "load pre": old.register_load_state_dict_pre_hook,
        "load post": old.register_load_state_dict_post_hook,
    }
    handles = [f(hook(name)) for name, f in register.items()]
    old.register_forward_hook(lambda module, args, kwargs, y: 2 * y, with_kwargs=True)
    x = torch.randn(2, 6)
    wanted = model(x)
    seen.clear()
    del old, register
    convert(model)

    def use():
        y = model(x)
        y.sum().backward()
        model.load_state_dict(model.state_dict())
        return y

    assert_close(use(), wanted)
    assert seen == [(handle_name, model[1]) for handle_name, _ in seen]
    assert [name for name, _ in seen] == [
        "forward pre",
        "forward",
        "backward pre",
        "backward",
        "state_dict pre",
        "state_dict post",
        "load pre",
        "load post",
    ]
    for handle in handles:
        handle.remove()
    seen.clear()
    use()
    assert not seen


def test_hooks_are_not_run_by_the_conversion():
    model = nn.Sequential(nn.Mish())
    model[0].register_forward_hook(lambda *args: pytest.fail("called"))
    convert(model)


# ------------------------------------------------------------------------------------------------------ copies, states


def saved(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("trip", (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), saved), ids=range(3))
def test_copies(trip):
    model = convert(nn.Sequential(nn.Linear(6, 6), nn.SiLU(inplace=True), FuxiDice(6)))
    model[1].register_load_state_dict_pre_hook(print)
    again = trip(model)
    assert repr(again) == repr(model)
    for got, want in zip(run(again), run(model), strict=True):
        assert torch.equal(got, want)


def test_state_dict_loads_into_the_original_and_back():
    old = nn.Sequential(nn.Linear(6, 6), nn.Mish(), nn.utils.parametrizations.weight_norm(nn.Linear(6, 6)), nn.SiLU())
    new = convert(copy.deepcopy(old))
    assert list(new.state_dict()) == list(old.state_dict())
    with torch.no_grad():
        for p in new.parameters():
            p.add_(0.1)
    old.load_state_dict(new.state_dict())
    for got, want in zip(run(old), run(new), strict=True):
        assert_close(got, want)
    new.load_state_dict(old.state_dict())


def test_dice_of_three_dims():
    old = EasyRecDice(6, dim=3)
    new = convert(copy.deepcopy(old))
    x = torch.randn(4, 5, 6)
    for _ in range(2):
        assert_close(new(x), old(x))
    assert_close(new.running_var, old.bn.running_var)
    left = convert(DeepCTRDice(6, dim=3), return_report=True)[1].left
    assert [entry.reason for entry in left] == [
        "its alpha is not a parameter of shape [6]; Dice.preset('deepctr-torch', C) is to be made by hand, and loaded "
        "by dice_state_dict('deepctr-torch', ...)"
    ]


def test_state_dict_of_dice():
    """The statistics move up by one name."""
    old = FuxiDice(6)
    new = convert(copy.deepcopy(old))
    state = {name.replace("bn.", ""): t for name, t in old.state_dict().items()}
    assert new.load_state_dict(state) and set(state) == set(new.state_dict())


# ------------------------------------------------------------------------------------------------------- what is left


def instance_forward():
    module = nn.Mish()
    module.forward = lambda x: x
    return module


def compiled_in_place():
    module = nn.Mish()
    module.compile(backend="eager")
    return module


def with_state(module):
    module.scale = nn.Parameter(torch.ones(1))
    return module


def parametrized():
    module = FuxiDice(6)
    parametrize.register_parametrization(module, "alpha", nn.Softsign())
    return module


def dice(change=lambda module: None, **options):
    module = FuxiDice(6, **options)
    change(module)
    return module


def scalar_alpha(module):
    module.alpha = nn.Parameter(torch.zeros(1))


NOT_DICE = "its bn is not a BatchNorm1d with running statistics"
LEFT = {
    "subclass": (Clipped(), "a subclass of torch.nn.modules.activation.Mish"),
    "forward": (instance_forward(), "its forward is an attribute of the instance"),
    "compile": (compiled_in_place(), "its _compiled_call_impl is an attribute of the instance"),
    "torch.compile": (torch.compile(nn.Mish(), backend="eager"), "torch.compile holds its forward"),
    "state": (with_state(nn.Mish()), "it holds parameters, buffers or modules"),
    "unknown": (
        pointwise("mine.Mish", F.mish),
        "its class is not known; if it computes the same, name it in `mapping`",
    ),
    "value": (pointwise("utils.activations.Mish", F.silu), "its value is not that of Mish()"),
    "nearly": (
        pointwise("utils.activations.SiLU", lambda x: x * torch.sigmoid(x) * (1 + 1e-6)),
        "its value is not that of Swish(beta=1.0)",
    ),
    "far out": (pointwise("utils.activations.Mish", lambda x: F.mish(x).clamp(max=20)), "its value is not that"),
    "gradient": (pointwise("mish_cuda.MishCuda", WrongMish.apply), "its gradient is not that of Mish()"),
    "effect": (
        pointwise("timm.layers.activations.GELUTanh", lambda x: x.copy_(F.gelu(x.clone(), approximate="tanh"))),
        "its effect on the input is not that of GELUTanh()",
    ),
    "in place": (
        pointwise("timm.layers.activations.Sigmoid", torch.sigmoid_, inplace=True),
        "its effect on the input is not that of Sigmoid()",
    ),
    "arguments": (
        pointwise("utils.activations.Mish", lambda x, y=None: y.mish()),
        "it cannot be compared with Mish(): 'NoneType' object has no attribute 'mish'",
    ),
    "softmax without dim": (nn.Softmax(), "its dim is None, by which torch chooses one for the number of dims"),
    "softmax, more": (with_state(nn.LogSoftmax(1)), "it holds more, or less, than its options"),
    "loss, more": (with_state(nn.CrossEntropyLoss()), "it holds more, or less, than weight"),
    "alpha": (
        pointwise("monai.networks.blocks.activation.Swish", F.silu, alpha=torch.ones(1)),
        "its alpha is not a number",
    ),
    "dice, parametrized": (parametrized(), "it is parametrized"),
    "dice, without statistics": (dice(track_running_stats=False), NOT_DICE),
    "dice, another norm": (dice(lambda m: setattr(m, "bn", nn.BatchNorm2d(6, affine=False))), NOT_DICE),
    "dice, one alpha": (dice(scalar_alpha), "its alpha is not a parameter of shape [6]"),
    "dice, frozen bn": (dice(lambda m: m.bn.eval()), "its bn is in another mode"),
    "dice, hook": (dice(lambda m: m.bn.register_forward_hook(print)), "its bn has hooks or a forward of its own"),
    "dice, forward": (dice(lambda m: setattr(m.bn, "forward", print)), "its bn has hooks or a forward of its own"),
    "dice, more": (dice(lambda m: m.register_buffer("b", torch.ones(1))), "it holds more, or less, than alpha and bn"),
    "DeepCTR-Torch": (DeepCTRDice(6, sigmoid=nn.Hardsigmoid), "its sigmoid is not a Sigmoid"),
    "torch-rechub": (
        named("torch_rechub.basic.activation.Dice")(type("Dice", (nn.Module,), {}))(),
        "it holds no number of channels; Dice.preset('torch-rechub', C) is to be made by hand",
    ),
    "RecBole": (
        named("recbole.model.layers.Dice")(type("Dice", (nn.Module,), {}))(),
        "its gate is sigmoid",
    ),
}


@pytest.mark.parametrize("module,reason", LEFT.values(), ids=LEFT.keys())
def test_left(module, reason):
    text = repr(module)
    model, report = convert(nn.Sequential(module), return_report=True)
    assert model[0] is module and repr(module) == text and not report.replaced
    ((_, _, why),) = report.left
    assert why.startswith(reason)


@pytest.mark.parametrize("full_name", sorted(name for name in _KNOWN if not name.startswith("torch.")))
def test_a_name_is_not_enough(full_name):
    """A class of the right name that computes something else."""
    _, report = convert(nn.Sequential(pointwise(full_name, F.relu, alpha=1.0)), return_report=True)
    assert not report.replaced and [left.module for left in report.left] == [full_name]


def test_activations_inside_of_what_is_left():
    """SpeechBrain's Swish is beta * x * sigmoid(beta * x) by means of an nn.SiLU."""
    module = pointwise("speechbrain.nnet.activations.Swish", F.silu)
    module.silu = nn.SiLU()
    _, report = convert(module, return_report=True)
    assert [entry.name for entry in report.left] == [""] and [entry.name for entry in report.replaced] == ["silu"]


def test_other_modules_are_not_mentioned():
    assert convert(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), return_report=True)[1] == ([], [])


@pytest.mark.parametrize("old,make", LEFT_TO_TORCH.values(), ids=LEFT_TO_TORCH.keys())
def test_left_to_torch(old, make):
    assert convert(old, return_report=True) == (old, ([], []))
    new = convert(copy.deepcopy(old), {type(old): make})
    assert repr(new) == repr(old) and type(new).__module__ == "actinium.nn"
    assert_close(run(new), run(old))


def test_mapping():
    mine = pointwise("mine.Mish", F.mish)
    mine.register_forward_hook(lambda module, args, y: y + 1)
    mapping = {type(mine): lambda module: actinium.nn.Mish(), nn.SiLU: lambda module: actinium.nn.Swish(2.0)}
    model = convert(nn.Sequential(mine, nn.SiLU()), mapping)
    assert repr(model) == repr(nn.Sequential(actinium.nn.Mish(), actinium.nn.Swish(2.0)))
    assert torch.equal(model[0](torch.zeros(1)), torch.ones(1))


# ------------------------------------------------------------------------------------------------ models in wrappers


@pytest.fixture
def group():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize(
    "script", (torch.jit.script, lambda m: torch.jit.trace(m, torch.ones(2))), ids=("script", "trace")
)
def test_script_modules_are_refused(script):
    model = nn.Sequential(nn.Mish(), nn.ModuleDict({"inner": script(nn.SiLU())}))
    with pytest.raises(
        TypeError, match=r"convert: 1\.inner is a ScriptModule; convert the model before it is scripted"
    ):
        convert(model)
    assert type(model[0]) is nn.Mish
    with pytest.raises(TypeError, match="convert: the model is a ScriptModule"):
        convert(script(nn.SiLU()))


@pytest.mark.cpu_only
def test_sharded_models_are_refused(group):
    model = nn.Sequential(nn.Mish(), fully_shard(nn.Linear(2, 2), mesh=init_device_mesh("cpu", (1,))))
    with pytest.raises(TypeError, match="convert: 1 is sharded by FSDP; convert the model before"):
        convert(model)
    assert type(model[0]) is nn.Mish


def test_only_modules():
    with pytest.raises(TypeError, match=r"convert: the model must be a torch.nn.Module, not type"):
        convert(nn.Mish)


@pytest.mark.cpu_only
def test_distributed(group):
    old = nn.Sequential(nn.Linear(6, 6), nn.SiLU(), FuxiDice(6))
    new = nn.parallel.DistributedDataParallel(copy.deepcopy(old))
    assert convert(new) is new and isinstance(new.module[2], actinium.nn.Dice)
    for got, want in zip(run(new), run(old), strict=True):
        assert_close(got, want)


def test_compiled():
    """A model that has been compiled and run takes the new modules up."""
    torch.compiler.reset()
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph.code)
        return graph.forward

    model = nn.Sequential(nn.Linear(6, 6), nn.Mish())
    compiled = torch.compile(model, backend=backend)
    x = torch.randn(8, 6)
    wanted = compiled(x)
    assert convert(compiled) is compiled and isinstance(model[1], actinium.nn.Mish)
    assert_close(compiled(x), wanted)
    assert len(graphs) == 2 and "actinium.mish" not in graphs[0] and "actinium.mish" in graphs[1]


def test_in_a_parametrization():
    model = nn.Linear(6, 6)
    parametrize.register_parametrization(model, "weight", nn.SELU())
    wanted = model.weight
    convert(model)
    assert isinstance(model.parametrizations.weight[0], actinium.nn.SELU)
    assert_close(model.weight, wanted)


def test_scripted_afterwards():
    model = convert(nn.Sequential(nn.Linear(6, 6), nn.GELU(approximate="tanh"), nn.SiLU()))
    assert torch.equal(torch.jit.script(model)(torch.ones(2, 6)), model(torch.ones(2, 6)))


# -------------------------------------------------------------------------------------------------------------- report


def test_report():
    shared = nn.SiLU()
    _, report = convert(nn.Sequential(shared, nn.ModuleList([shared]), Clipped()), return_report=True)
    assert report.replaced[1].name == "1.0" and report.left[0].name == "2"
    assert str(report) == (
        "replaced: 2\n"
        "  0: torch.nn.modules.activation.SiLU -> Swish(beta=1.0)\n"
        "  1.0: torch.nn.modules.activation.SiLU -> Swish(beta=1.0)\n"
        "left: 1\n"
        f"  2: {Clipped.__module__}.Clipped: a subclass of torch.nn.modules.activation.Mish"
    )
    assert "  (model): torch.nn.modules.activation.SiLU" in str(convert(nn.SiLU(), return_report=True)[1])
