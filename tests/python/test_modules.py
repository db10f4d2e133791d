"""What torch does to modules: files, conversions, shared memory, reparametrization, calls with other parameters."""

import copy
import io
from contextlib import contextmanager

import pytest
import torch
from torch import multiprocessing, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.utils import parametrize, prune
from torch.nn.utils.parametrizations import weight_norm
from torch.testing import assert_close

from test_nn import MODULES, every_module, x

# Those with a parameter, and its name.
LEARNED = {name: (make, state[0]) for name, (make, _, state) in MODULES.items() if state}
every_learned = pytest.mark.parametrize("make,parameter", LEARNED.values(), ids=LEARNED.keys())


def used(make):
    """A module whose state is not what it starts with."""
    module = make()
    module(x())
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.linspace(0.25, 1.5, p.numel()))
    return module


def outcome(module, call=None):
    """The output, the gradients of the input and of what is learned, and the state afterwards."""
    leaf = x().requires_grad_()
    y = (call or module)(leaf * 1)
    return [y, *torch.autograd.grad(y.square().sum(), [leaf, *module.parameters()]), *module.state_dict().values()]


def assert_same(module, other):
    """In training and then in evaluation, which sees what the first has left."""
    for training in (True, False):
        assert_close(outcome(other.train(training)), outcome(module.train(training)), rtol=0.0, atol=0.0)


def saved(value):
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return file


# ------------------------------------------------------------------------------------------------------------- files


@every_module
@pytest.mark.parametrize("device,assign", ((None, False), (None, True), ("meta", True)))
def test_state_from_a_file(make, text, state, device, assign):
    """Tensors alone, into a module with and without memory."""
    module = used(make)
    other = make(device=device)
    loaded = torch.load(saved(module.state_dict()), weights_only=True)
    assert str(other.load_state_dict(loaded, assign=assign)) == "<All keys matched successfully>"
    assert_same(module, other)


@every_module
def test_module_from_a_file(make, text, state):
    """A whole module with weights_only, once its class is allowed."""
    module = used(make)
    file = saved(module)
    name = f"{type(module).__module__}.{type(module).__name__}"
    assert name in torch.serialization.get_unsafe_globals_in_checkpoint(file)
    file.seek(0)
    with pytest.raises(Exception, match=name):
        torch.load(file, weights_only=True)
    file.seek(0)
    with torch.serialization.safe_globals([type(module), set]):
        assert_same(module, torch.load(file, weights_only=True))


@every_module
def test_keys_are_checked(make, text, state):
    module = make()
    for wrong in ({"other": torch.ones(1)}, dict.fromkeys(state, torch.ones(7))):
        if wrong:
            with pytest.raises(RuntimeError, match=f"Error.* in loading state_dict for {type(module).__name__}"):
                module.load_state_dict(wrong)


# ------------------------------------------------------------------------------------------------------- conversions


@contextmanager
def swapping(enabled):
    torch.__future__.set_swap_module_params_on_conversion(enabled)
    try:
        yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


@every_module
@pytest.mark.parametrize("swap", (False, True), ids=("data", "swap"))
def test_conversion(make, text, state, dtype, swap):
    """To a dtype and back; counters keep theirs. A gradient is of the parameter's dtype."""
    module = used(make)
    parameters = list(module.parameters())
    with swapping(swap):
        narrow = copy.deepcopy(module).to(dtype)
        leaf = x(dtype).requires_grad_()
        narrow(leaf * 1).square().sum().backward()
        assert all(t.grad.dtype == dtype and t.grad.isfinite().all() for t in (leaf, *narrow.parameters()))
        for name, value in narrow.state_dict().items():
            assert value.dtype == (dtype if module.state_dict()[name].is_floating_point() else torch.long)
        assert_same(module, copy.deepcopy(module).double().float())
        module.to(dtype)
    # An optimizer made before still holds what the module learns.
    assert all(mine is theirs for mine, theirs in zip(parameters, module.parameters(), strict=True))


@every_module
def test_made_without_memory(make, text, state):
    """to_empty and reset_parameters give what a new module is."""
    with torch.device("meta"):
        module = make()
    assert all(t.is_meta for t in module.state_dict().values())
    module.to_empty(device=torch.get_default_device())
    with torch.no_grad():
        for t in module.state_dict().values():
            t.fill_(7)
    if state:
        module.reset_parameters()
    assert_same(make(), module)


# ----------------------------------------------------------------------------------------------------- shared memory


def train_all(modules):
    for module in modules:
        with torch.no_grad():
            module.train()(x())
            for p in module.parameters():
                p.add_(1)


@pytest.mark.cpu_only
def test_shared_memory():
    """What another process learns and counts is seen here."""
    modules, expected = ([make() for make, _, _ in MODULES.values()] for _ in range(2))
    for module in modules:
        assert all(t.is_shared() for t in module.share_memory().state_dict().values())
    process = multiprocessing.get_context("spawn").Process(target=train_all, args=(modules,))
    process.start()
    process.join()
    assert process.exitcode == 0
    train_all(expected)
    for module, want in zip(modules, expected, strict=True):
        assert_same(want, module)


# ------------------------------------------------------------------------------------------------ reparametrizations


class Softplus(nn.Module):
    def forward(self, x):
        return nn.functional.softplus(x)

    def right_inverse(self, y):
        return y.expm1().log()


def pruned(module, name):
    prune.l1_unstructured(module, name, amount=1)


REPARAMETRIZATIONS = {
    "parametrize": lambda module, name: parametrize.register_parametrization(module, name, Softplus()),
    "weight_norm": lambda module, name: weight_norm(module, name, dim=None),
    "prune": pruned,
}


@every_learned
@pytest.mark.parametrize("change", REPARAMETRIZATIONS.values(), ids=REPARAMETRIZATIONS.keys())
def test_reparametrization(make, parameter, change):
    """The module computes with what its parameter has become, and the gradient arrives at what that is made of."""
    module, plain = used(make), used(make)
    change(module, parameter)
    with torch.no_grad():
        getattr(plain, parameter).copy_(getattr(module, parameter))
    y, want = module(x()), plain(x())
    assert_close(y, want, rtol=0.0, atol=0.0)
    sources = [p for name, p in module.named_parameters() if parameter in name]
    gradients = torch.autograd.grad(y.square().sum(), sources, retain_graph=True)
    of_parameter = torch.autograd.grad(want.square().sum(), getattr(plain, parameter))
    assert_close(gradients, torch.autograd.grad(getattr(module, parameter), sources, of_parameter))
    assert_close(module.eval()(x()), plain.eval()(x()), rtol=0.0, atol=0.0)


# ------------------------------------------------------------------------------------------------- other parameters


@every_module
def test_functional_call(make, text, state):
    """With the state of another module, which alone changes."""
    module, other = make(), used(make)
    before = copy.deepcopy(module.state_dict())
    twin = copy.deepcopy(other)

    def call(t):
        return functional_call(module, dict(other.named_parameters()) | dict(other.named_buffers()), t)

    assert_close(outcome(other, call), outcome(twin), rtol=0.0, atol=0.0)
    assert_close(module.state_dict(), before, rtol=0.0, atol=0.0)


@every_learned
@pytest.mark.parametrize("training", (True, False), ids=("train", "eval"))
def test_ensemble(make, parameter, training):
    """vmap over the states of several modules."""
    modules = [used(make).train(training) for _ in range(3)]
    with torch.no_grad():
        for i, module in enumerate(modules):
            getattr(module, parameter).mul_(1 + i)
    parameters, buffers = stack_module_state(modules)
    got = vmap(lambda *state: functional_call(modules[0], state, x()))(parameters, buffers)
    for i, module in enumerate(modules):
        assert_close(got[i], module(x()))
        for name, buffer in module.named_buffers():
            assert_close(buffers[name][i], buffer)


class Tracer(torch.fx.Tracer):
    """Without it, torch.fx does what a module does to its buffers alone once, while it traces."""

    proxy_buffer_attributes = True


@every_module
def test_symbolic_trace_in_training(make, text, state):
    """torch.fx sees the operators; outputs, gradients and statistics are those of the module."""
    module = used(make)
    twin = copy.deepcopy(module)
    traced = torch.fx.GraphModule(twin, Tracer().trace(twin))
    assert "torch.ops.actinium" in traced.code
    for _ in range(2):
        assert_close(outcome(twin, traced), outcome(module), rtol=0.0, atol=0.0)
