"""The modules: state, copies, pickles, scripts, dtypes, and that they compute what their operators do."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import actinium

# Name: how it is made, its repr, its state.
MODULES = {
    "Mish": (lambda **k: actinium.nn.Mish(), "Mish()", []),
    "Mish inplace": (lambda **k: actinium.nn.Mish(inplace=True), "Mish(inplace=True)", []),
    "Swish": (lambda **k: actinium.nn.Swish(), "Swish(beta=1.0)", []),
    "Swish beta": (lambda **k: actinium.nn.Swish(1.5, inplace=True), "Swish(beta=1.5, inplace=True)", []),
    "Swish one": (
        lambda **k: actinium.nn.Swish(trainable=True, **k),
        "Swish(beta=1.0, trainable=True, num_parameters=1, dim=1)",
        ["beta"],
    ),
    "Swish channels": (
        lambda **k: actinium.nn.Swish(0.5, True, 6, dim=-1, **k),
        "Swish(beta=0.5, trainable=True, num_parameters=6, dim=-1)",
        ["beta"],
    ),
    "GELU": (lambda **k: actinium.nn.GELU(), "GELU(approximate='none')", []),
    "GELU tanh": (lambda **k: actinium.nn.GELU("tanh"), "GELU(approximate='tanh')", []),
    "GELUTanh": (lambda **k: actinium.nn.GELUTanh(), "GELUTanh()", []),
    "QuickGELU": (lambda **k: actinium.nn.QuickGELU(), "QuickGELU()", []),
    "SELU": (lambda **k: actinium.nn.SELU(), "SELU()", []),
    "SELU inplace": (lambda **k: actinium.nn.SELU(inplace=True), "SELU(inplace=True)", []),
    "ELU": (lambda **k: actinium.nn.ELU(), "ELU(alpha=1.0)", []),
    "ELU inplace": (lambda **k: actinium.nn.ELU(1.5, True), "ELU(alpha=1.5, inplace=True)", []),
    "ReLU": (lambda **k: actinium.nn.ReLU(), "ReLU()", []),
    "ReLU inplace": (lambda **k: actinium.nn.ReLU(inplace=True), "ReLU(inplace=True)", []),
    "LeakyReLU": (lambda **k: actinium.nn.LeakyReLU(), "LeakyReLU(negative_slope=0.01)", []),
    "LeakyReLU inplace": (
        lambda **k: actinium.nn.LeakyReLU(-0.5, True),
        "LeakyReLU(negative_slope=-0.5, inplace=True)",
        [],
    ),
    "PReLU": (lambda **k: actinium.nn.PReLU(**k), "PReLU(num_parameters=1)", ["weight"]),
    "PReLU channels": (
        lambda **k: actinium.nn.PReLU(6, 0.5, **k),
        "PReLU(num_parameters=6)",
        ["weight"],
    ),
    "Sigmoid": (lambda **k: actinium.nn.Sigmoid(), "Sigmoid()", []),
    "Tanh": (lambda **k: actinium.nn.Tanh(), "Tanh()", []),
    "Dice": (
        lambda **k: actinium.nn.Dice(6, **k),
        "Dice(6, eps=1e-08, momentum=0.1, alpha=0.0, shared_alpha=False, track_running_stats=True, dim=-1)",
        ["alpha", "running_mean", "running_var", "num_batches_tracked"],
    ),
    "Dice shared": (
        lambda **k: actinium.nn.Dice(6, 1e-3, 0.2, 0.25, True, dim=1, **k),
        "Dice(6, eps=0.001, momentum=0.2, alpha=0.25, shared_alpha=True, track_running_stats=True, dim=1)",
        ["alpha", "running_mean", "running_var", "num_batches_tracked"],
    ),
    "Dice without stats": (
        lambda **k: actinium.nn.Dice(6, track_running_stats=False, **k),
        "Dice(6, eps=1e-08, momentum=0.1, alpha=0.0, shared_alpha=False, track_running_stats=False, dim=-1)",
        ["alpha"],
    ),
    "Dice affine": (
        lambda **k: actinium.nn.Dice(6, weight=1.0, bias=0.5, eps_mode="both", unbiased=False, **k),
        "Dice(6, eps=1e-08, momentum=0.1, alpha=0.0, shared_alpha=False, track_running_stats=True, dim=-1, weight=1.0, "
        "bias=0.5, eps_mode=both, unbiased=False)",
        ["alpha", "weight", "bias", "running_mean", "running_var", "num_batches_tracked"],
    ),
    "Dice row": (
        lambda **k: actinium.nn.Dice(6, 1e-3, None, 0.25, True, statistics="row_norm", **k),
        "Dice(6, eps=0.001, momentum=None, alpha=0.25, shared_alpha=True, track_running_stats=False, dim=-1, "
        "statistics=row_norm)",
        ["alpha"],
    ),
    "Maxout": (lambda **k: actinium.nn.Maxout(2), "Maxout(pieces=2, dim=1)", []),
    "Softmax": (lambda **k: actinium.nn.Softmax(), "Softmax(dim=-1)", []),
    "LogSoftmax": (lambda **k: actinium.nn.LogSoftmax(1), "LogSoftmax(dim=1)", []),
    "Maxout piece": (
        lambda **k: actinium.nn.Maxout(3, dim=-1, layout="piece"),
        "Maxout(pieces=3, dim=-1, layout=piece)",
        [],
    ),
}


def one_graph(module):
    """In one graph; the other modules of its class, which have made their own, do not count."""
    torch._dynamo.reset()
    return torch.compile(module, fullgraph=True, backend="aot_eager")


every_module = pytest.mark.parametrize("make,text,state", MODULES.values(), ids=MODULES.keys())


def x(dtype=torch.float32):
    return torch.linspace(-3, 3, 8 * 6 * 6).sin().mul(3).reshape(8, 6, 6).to(dtype)


@every_module
def test_repr_and_state(make, text, state):
    module = make()
    assert repr(module) == text
    assert list(module.state_dict()) == state
    buffers = dict(module.named_buffers())
    assert [name for name, _ in module.named_parameters()] == [name for name in state if name not in buffers]


OF_TORCH = [text for _, text, _ in MODULES.values() if hasattr(nn, text.partition("(")[0])]


@pytest.mark.parametrize("text", OF_TORCH)
def test_arguments_are_those_of_torch(text):
    """Made by the same call, with the same repr and result."""
    theirs, ours = eval(f"nn.{text}"), eval(f"actinium.nn.{text}")
    assert repr(theirs) == repr(ours) == text
    torch.testing.assert_close(ours(x()), theirs(x()))


@every_module
def test_state_goes_round(make, text, state):
    trained, fresh = make(), make()
    for _ in range(3):
        trained(x())
    with torch.no_grad():
        for p in trained.parameters():
            p.add_(0.1)
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(fresh.eval()(x()), trained.eval()(x()))


def roundtrips():
    def saved(module):
        file = io.BytesIO()
        torch.save(module, file)
        file.seek(0)
        return torch.load(file, weights_only=False)

    return {"deepcopy": copy.deepcopy, "pickle": lambda m: pickle.loads(pickle.dumps(m)), "save": saved}


@every_module
@pytest.mark.parametrize("copied", roundtrips().values(), ids=roundtrips().keys())
def test_copies(make, text, state, copied):
    module = make()
    module(x())
    other = copied(module)
    assert repr(other) == text
    for training in (True, False):
        assert torch.equal(other.train(training)(x()), module.train(training)(x()))
    for name, value in other.state_dict().items():
        assert torch.equal(value, module.state_dict()[name])
        assert value.data_ptr() != module.state_dict()[name].data_ptr()


def compiled():
    def saved(module):
        file = io.BytesIO()
        torch.jit.save(torch.jit.script(module), file)
        file.seek(0)
        return torch.jit.load(file)

    return {
        "script": torch.jit.script,
        "trace": lambda m: torch.jit.trace(m, x(), check_trace=False),
        "saved script": saved,
        "frozen": lambda m: torch.jit.freeze(torch.jit.script(m)),
        "frozen for inference": lambda m: torch.jit.optimize_for_inference(torch.jit.script(m)),
        "compile": one_graph,
        "export": lambda m: torch.export.export(m, (x(),)).module(),
        "fx": torch.fx.symbolic_trace,
    }


@every_module
@pytest.mark.parametrize("how", compiled().values(), ids=compiled().keys())
def test_compiled_in_evaluation(make, text, state, how):
    module = make().eval()
    if state and "running_mean" in state:
        module.running_mean += 0.5
    want = module(x())
    run = how(module)
    for _ in range(3):
        assert torch.equal(run(x()), want)


@every_module
@pytest.mark.parametrize("how", [torch.jit.script, compiled()["compile"]], ids=("script", "compile"))
def test_compiled_in_training(make, text, state, how):
    """Outputs, gradients and running statistics as of the module itself."""
    module, twin = make(), make()
    run = how(twin)
    for _ in range(4):
        results = []
        for f, parameters in ((module, module.parameters()), (run, twin.parameters())):
            leaf = x().requires_grad_()
            y = f(leaf * 1)
            results.append([y, *torch.autograd.grad(y.square().sum(), [leaf, *parameters])])
        for got, want in zip(*results, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6)
    for name, value in twin.state_dict().items():
        torch.testing.assert_close(value, module.state_dict()[name])


@every_module
def test_dtype_and_device(make, text, state, dtype):
    for module in (make().to(dtype), make(dtype=dtype)):
        y = module(x(dtype))
        assert y.dtype == dtype and y.isfinite().all()
        floating = [t for t in module.state_dict().values() if t.is_floating_point()]
        assert all(t.dtype == dtype for t in floating)
    module = make(device="meta")
    assert all(t.is_meta for t in module.state_dict().values())
    assert module.to_empty(device="meta")(x().to("meta")).is_meta


@every_module
def test_in_a_network(make, text, state):
    """With hooks, in a Sequential, through an optimizer's step."""
    module = make()
    network = nn.Sequential(nn.Linear(6, 6), module)
    seen = []
    module.register_forward_hook(lambda m, i, o: seen.append(o.shape))
    module.register_full_backward_hook(lambda m, i, o: seen.append(o[0].shape)) if "inplace" not in text else None
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    before = [p.clone() for p in network.parameters()]
    network(x()).square().mean().backward()
    optimizer.step()
    assert seen and not any(map(torch.equal, before, network.parameters()))


AS_GIVEN = {
    "eager": lambda module: module,
    "script": torch.jit.script,
    "compile": one_graph,
}


@pytest.mark.parametrize("how", AS_GIVEN.values(), ids=AS_GIVEN.keys())
def test_dice_averages_over_all_batches_without_momentum(how):
    module, norm = how(actinium.nn.Dice(6, momentum=None)), nn.BatchNorm1d(6, momentum=None)
    for _ in range(4):
        batch = torch.randn(32, 6)
        module(batch)
        norm(batch)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        torch.testing.assert_close(getattr(module, name), getattr(norm, name))


def test_a_beta_per_channel_must_be_trainable():
    with pytest.raises(ValueError, match="Swish: num_parameters=6 needs trainable=True"):
        actinium.nn.Swish(num_parameters=6)


def test_gelu_has_two_forms():
    assert torch.equal(actinium.nn.GELU("tanh")(x()), actinium.nn.GELUTanh()(x()))
    with pytest.raises(ValueError, match="gelu: approximate='erf', expected 'none' or 'tanh'"):
        actinium.nn.GELU("erf")(x())
