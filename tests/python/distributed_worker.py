"""What test_distributed.py has both ranks do: each compares what they compute together with what it computes alone."""

import copy
from datetime import timedelta
from unittest import mock

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, set_model_state_dict
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_module, distribute_tensor
from torch.distributed.tensor.debug import CommDebugMode
from torch.distributed.tensor.experimental import implicit_replication
from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

import actinium
from op_table import ROWS, ops
from test_nn import MODULES, x

RANKS = 2
TABLE = {row.name: row for row in ROWS}


def start(rank, store):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=RANKS, timeout=timedelta(seconds=60)
    )


def whole(tensors):
    return [t.full_tensor() if isinstance(t, DTensor) else t for t in tensors]


# --------------------------------------------------------------------------------------------------------- DTensor

# One dim is not even, and one of the maxouts has an odd number of units.
SHAPE = (4, 6, 3, 12)
PLACEMENTS = (Replicate(), *map(Shard, range(len(SHAPE))), Partial())


def mesh(*shape):
    return dist.init_device_mesh("cpu", shape or (RANKS,))


def distributed(t, device_mesh, *placements):
    """t, which every rank has, as a leaf."""
    local = distribute_tensor(t.detach(), device_mesh, placements, src_data_rank=None)
    return local.requires_grad_(t.requires_grad)


def leaves(row, device_mesh, *placements):
    """x in these placements, and what is learned on every rank."""
    everywhere = [Replicate()] * device_mesh.ndim
    first, *learned = row.inputs(shape=SHAPE)
    return [distributed(first, device_mesh, *placements), *(distributed(t, device_mesh, *everywhere) for t in learned)]


def weights(row, t, seed):
    """Numbers to weigh t with, distributed as t is."""
    w = row.sample(t.shape, seed=seed).requires_grad_()
    if not isinstance(t, DTensor):
        return w
    return distributed(w, t.device_mesh, *(Replicate() if p.is_partial() else p for p in t.placements))


def derivatives(row, inputs):
    """The output, its gradients, and the gradients of these by one input after the other and by all at once."""
    y = row(*inputs)
    g = weights(row, y, 1)
    first = torch.autograd.grad(y, inputs, g, create_graph=True)
    everything = [*inputs, g]
    results = [y, *first]
    for asked in (*([t] for t in everything), everything):
        results += torch.autograd.grad(first, asked, [weights(row, t, 2) for t in first], True, allow_unused=True)
    return results


def stays(row, placement):
    """Whether each rank can compute on its own."""
    along = row.dim is not None and placement.is_shard(row.dim % len(SHAPE))
    if row.base == "maxout" and along:
        return row.arguments(None)[-1] == "unit" and SHAPE[placement.dim] // row.group % RANKS == 0
    return placement.is_replicate() or (placement.is_shard() and (along or not row.batch_stats))


def dtensor(name, placements, shape=(RANKS,)):
    row = TABLE[name]
    inputs = leaves(row, mesh(*shape), *placements)
    with implicit_replication(), CommDebugMode() as communication:
        got = derivatives(row, inputs)
    if all(stays(row, p) for p in placements):
        # The table's running statistics are on all ranks, and want the batch's there.
        updates = [t for t in row.arguments(*row.inputs()) if isinstance(t, torch.Tensor)][len(inputs) - 1 :]
        sharded = row.batch_stats and any(p.is_shard() for p in placements)
        assert communication.get_total_counts() == (len(updates) if sharded else 0)
        assert got[0].placements == got[1].placements == tuple(placements)
    if row.formula and len(placements) == 1:
        assert got[0].placements == F.silu(inputs[0]).placements
    assert not any(p.is_partial() for p in got[0].placements)
    assert_close(whole(got), derivatives(row, row.inputs(shape=SHAPE)))


def dtensor_inplace(name, placement):
    row = TABLE[name]
    inputs = leaves(row, mesh(), placement)

    def results(inputs):
        y = inputs[0] * 1
        assert row.inplace(y, *inputs[1:]) is y
        return [y, *torch.autograd.grad(y, inputs, weights(row, y, 1))]

    got = results(inputs)
    assert got[0].placements == (placement,)
    assert_close(whole(got), results(row.inputs(shape=SHAPE)))


def dtensor_inplace_partial(name):
    with torch.no_grad():
        TABLE[name].inplace(*leaves(TABLE[name], mesh(), Partial()))


def dtensor_out(name, placement):
    """Into every placement, which out keeps."""
    row = TABLE[name]
    inputs = [t.detach() for t in leaves(row, mesh(), placement)]
    for wanted in PLACEMENTS[:-1]:
        out = distributed(torch.zeros(SHAPE, dtype=torch.float64), mesh(), wanted)
        assert row.out(*inputs, out=out) is out and out.placements == (wanted,)
        assert torch.equal(out.full_tensor(), row(*whole(inputs)))


def dtensor_compile(placement):
    """Every row in one graph."""
    inputs = [leaves(row, mesh(), placement) for row in ROWS]

    def every_row(inputs):
        return [row(*some) for row, some in zip(ROWS, inputs, strict=True)]

    def results(f):
        ys = f(inputs)
        return [*ys, *torch.autograd.grad([y.square().sum() for y in ys], [t for some in inputs for t in some])]

    with implicit_replication():
        want = results(every_row)
        got = results(torch.compile(every_row, fullgraph=True, backend="aot_eager"))
    assert [t.placements for t in got] == [t.placements for t in want]
    assert_close(whole(got), whole(want), rtol=0.0, atol=0.0)


def dtensor_softmax(name, placement):
    """Along every dim, as a result and into an out. What is whole along the dim stays as it is."""
    f, t = getattr(ops, name), torch.linspace(-3, 3, 864, dtype=torch.float64).mul(17).sin().view(SHAPE)
    for dim in range(len(SHAPE)):
        x = distributed(t.requires_grad_(), mesh(), placement)
        with CommDebugMode() as communication:
            y = f(x, dim)
            (got,) = torch.autograd.grad(y, x, y * 2)
        if not (placement.is_partial() or placement.is_shard(dim)):
            assert y.placements == got.placements == (placement,) and communication.get_total_counts() == 0
        z = f(t, dim)
        assert_close(whole([y, got]), [z, *torch.autograd.grad(z, t, z * 2)])
        for wanted in PLACEMENTS[:-1]:
            if wanted.is_shard(dim):  # out stays as it is, and is to be whole along dim
                continue
            out = distributed(torch.zeros_like(t), mesh(), wanted).detach()
            assert f(x.detach(), dim, out=out) is out and out.placements == (wanted,)
            assert_close(out.full_tensor(), z, rtol=0.0, atol=0.0)


# Of logits, indices of rows, probabilities, and numbers for each class and for each element.
LOSSES = {
    "indices": lambda x, i, p, c, e, r: ops.softmax_cross_entropy(x, i, None, r, 2),
    "weighted indices": lambda x, i, p, c, e, r: ops.softmax_cross_entropy(x, i, c, r, 2, 0.1),
    "probabilities": lambda x, i, p, c, e, r: ops.softmax_cross_entropy(x, p, c, r, -100, 0.1),
    "binary": lambda x, i, p, c, e, r: ops.sigmoid_binary_cross_entropy(x, p, None, None, r),
    "weighted binary": lambda x, i, p, c, e, r: ops.sigmoid_binary_cross_entropy(x, p, e, c[:, None, None], r),
}


def dtensor_loss(name, reduction, placement):
    """Where rows are split no row is sent, and nothing but the numbers of a mean."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(SHAPE, dtype=torch.float64, generator=random, requires_grad=True)
    p = torch.rand(SHAPE, dtype=torch.float64, generator=random).requires_grad_()
    i = torch.randint(SHAPE[1], (SHAPE[0], *SHAPE[2:]), generator=random)
    c = torch.rand(SHAPE[1], dtype=torch.float64, generator=random)
    e = torch.rand(1, SHAPE[1], 1, SHAPE[3], dtype=torch.float64, generator=random)
    dim = placement.dim if placement.is_shard() else 1
    of_rows = Replicate() if dim == 1 else Shard(dim - (dim > 1))
    places = (placement, of_rows, Replicate() if placement.is_partial() else placement, Replicate(), Replicate())

    def results(x, i, p, c, e):
        loss = LOSSES[name](x, i, p, c, e, reduction)
        inputs = [x] if "indices" in name else [x, p]
        return [loss, *torch.autograd.grad(loss, inputs, torch.ones_like(loss))]

    inputs = [distributed(t, mesh(), place) for t, place in zip((x, i, p, c, e), places, strict=True)]
    with CommDebugMode() as communication:
        got = results(*inputs)
    if ("binary" in name and placement.is_shard()) or of_rows.is_shard():
        assert all(t.placements == (placement,) for t in got[1:])
        assert got[0].placements == (
            (placement if "binary" in name else of_rows) if reduction == "none" else Partial(),
        )
        counts = communication.get_comm_counts()
        assert sum(counts.values()) == (2 if reduction == "mean" and "binary" not in name else 0)
    assert_close(whole(got), results(x, i, p, c, e))


# --------------------------------------------------------------------------------------------------------- modules


def network(name):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 6), MODULES[name][0]())


def loss(y):
    return y.square().mean()


def alone(model, batch):
    """A copy of model after forward and backward."""
    model = copy.deepcopy(model)
    loss(model(batch)).backward()
    return model


def gradients(model):
    return [p.grad for p in model.parameters()]


def state_of(model):
    return [*model.parameters(), *model.buffers()]


def tensor_parallel(name):
    """The channels of the linear layer are split, and with them what the activation does."""
    model = network(name)
    want = alone(model, x())
    parallel = parallelize_module(copy.deepcopy(model), mesh(), {"0": ColwiseParallel(use_local_output=False)})
    distribute_module(parallel[1], mesh())
    y = parallel(x())
    loss(y).backward()
    assert_close(y.full_tensor(), model(x()))
    assert_close(whole(gradients(parallel)), gradients(want))
    assert_close(whole(parallel.buffers()), list(want.buffers()))


def data_parallel(wrap, name, training):
    """Gradients are the mean of the ranks', which is that of the whole batch where a sample does not depend on the
    others. Where statistics are taken of a batch, a rank's are those of its own part, as they are with BatchNorm."""
    model = network(name).train(training)
    batch_stats = isinstance(model[1], actinium.nn.Dice) and (training or model[1].running_mean is None)
    batch = x()
    parts = [alone(model, part) for part in batch.chunk(RANKS)]
    mean = [sum(of_parts) / RANKS for of_parts in zip(*map(gradients, parts), strict=True)]
    if not batch_stats:
        assert_close(mean, gradients(alone(model, batch)))

    parallel = WRAPPERS[wrap](copy.deepcopy(model))
    loss(parallel(batch.chunk(RANKS)[dist.get_rank()])).backward()
    assert_close(whole(gradients(parallel)), mean)
    for got, want in zip(parallel.buffers(), parts[dist.get_rank()].buffers(), strict=True):
        assert_close(got, want)

    # The state after a step, into a network of its own and into one that is wrapped in the same way.
    torch.optim.SGD(parallel.parameters(), 0.1).step()
    options = StateDictOptions(full_state_dict=True)
    state = get_model_state_dict(parallel, options=options)
    single, other = network(name), WRAPPERS[wrap](network(name))
    single.load_state_dict(state)
    for got, before, gradient in zip(single.parameters(), model.parameters(), mean, strict=True):
        assert_close(got, before - 0.1 * gradient)
    set_model_state_dict(other, state, options=options)
    for got, want in zip(whole(state_of(other)), state_of(single), strict=True):
        assert torch.equal(got, want)


def sharded(model, **policy):
    for module in (*model, model):
        fully_shard(module, mesh=mesh(), **policy)
    return model


WRAPPERS = {"DistributedDataParallel": DistributedDataParallel, "fully_shard": sharded}


def mixed_precision(name):
    """Parameters and inputs in bfloat16 beside statistics and gradients in float32."""
    model = network(name)
    parts = []
    for part in x().chunk(RANKS):
        narrow = copy.deepcopy(model)
        for p in narrow.parameters():
            p.data = p.data.bfloat16()
        loss(narrow(part.bfloat16())).backward()
        parts.append(gradients(narrow))
    mean = [sum(g.float() for g in of_parts) / RANKS for of_parts in zip(*parts, strict=True)]
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    parallel = sharded(model, mp_policy=policy)
    loss(parallel(x().chunk(RANKS)[dist.get_rank()])).backward()
    assert_close(whole(gradients(parallel)), mean)


# -------------------------------------------------------------------------------------------------------- SyncDice


def sync_batch(sizes, step, mean, dtype):
    """The batch of all ranks."""
    random = torch.Generator().manual_seed(step)
    return ((step + 1) * torch.randn(sum(sizes), 3, 6, generator=random, dtype=torch.float64) + mean * step).to(dtype)


def sync_dice(options, sizes, masked=False, mean=100, dtype=torch.float64):
    """Steps of training and an evaluation: what one process computes with the whole batch."""
    rank = dist.get_rank()
    alone = actinium.nn.Dice(6, **options).to(dtype)
    with torch.no_grad():
        for p in alone.parameters():
            p.copy_(torch.linspace(-0.5, 1.5, p.numel()))
    together = actinium.nn.convert_sync_dice(nn.Sequential(copy.deepcopy(alone)))[0]
    assert type(together) is actinium.nn.SyncDice
    for step in range(3):
        batch = sync_batch(sizes, step, mean, dtype).requires_grad_()
        mask = torch.arange(sum(sizes) * 3).view(-1, 3) % 5 != step if masked else None
        part = batch.detach().split(sizes)[rank].requires_grad_()
        weights = torch.linspace(-1, 1, batch.numel()).view_as(batch).to(dtype)
        with mock.patch.object(dist, "all_reduce", wraps=dist.all_reduce) as all_reduce:
            got = together(part, None if mask is None else mask.split(sizes)[rank])
            assert all_reduce.call_count == 1
            got_grads = torch.autograd.grad((got * weights.split(sizes)[rank]).sum(), [part, *together.parameters()])
            assert all_reduce.call_count == 2
        want = alone(batch, mask)
        want_grads = torch.autograd.grad((want * weights).sum(), [batch, *alone.parameters()])
        assert_close(got, want.split(sizes)[rank])
        assert_close(got_grads[0], want_grads[0].split(sizes)[rank])
        for mine, whole_grad in zip(got_grads[1:], want_grads[1:], strict=True):
            dist.all_reduce(mine)
            assert_close(mine, whole_grad)
    assert_close(together.state_dict(), alone.state_dict())
    together.load_state_dict(alone.state_dict())
    with mock.patch.object(dist, "all_reduce") as all_reduce:
        assert_close(together.eval()(part), alone.eval()(part), rtol=0.0, atol=0.0)
        assert not all_reduce.called


def sync_dice_twice(padding):
    """A gradient of gradients, by autograd.grad with inputs, where an error of a node beside them would go unseen; of a
    channel without variance, too."""
    alone = actinium.nn.Dice(6, alpha=0.3, weight=1.0, eps=1e-2, eps_mode="outside").double()
    together = actinium.nn.convert_sync_dice(copy.deepcopy(alone))
    batch = sync_batch((5, 2), 0, 1, torch.float64)
    batch[..., 0] = 1
    mask = None
    if padding is not None:
        mask = torch.arange(21).view(7, 3) % 4 != 1
        batch[~mask] = padding
    part = batch.split((5, 2))[dist.get_rank()].clone()

    def twice(module, x, mask):
        y = module(x.requires_grad_(), mask)
        (once,) = torch.autograd.grad((y if mask is None else y[mask]).sin().sum(), x, create_graph=True)
        return torch.autograd.grad(once.square().sum(), [x, *module.parameters()])

    got = twice(together, part, None if mask is None else mask.split((5, 2))[dist.get_rank()])
    want = twice(alone, batch, mask)
    assert all(t.isfinite().all() for t in want)
    assert_close(got[0], want[0].split((5, 2))[dist.get_rank()])
    for mine, whole in zip(got[1:], want[1:], strict=True):
        dist.all_reduce(mine)
        assert_close(mine, whole)


def sync_dice_errors():
    """The words of dice, before anything is sent."""
    x, SyncDice = torch.randn(4, 3, 6), actinium.nn.SyncDice
    mask = torch.ones(4, 3, dtype=torch.bool)
    for error, message, module, given in (
        (ValueError, "dice: mask has shape [4, 1], expected [4, 3]", SyncDice(6), (x, mask[:, :1])),
        (ValueError, "dice: mask has shape [1, 3], expected [4, 3]", SyncDice(6), (x, mask[:1])),
        (TypeError, "dice: mask has dtype Byte, expected Bool", SyncDice(6), (x, mask.byte())),
        (TypeError, "dice: self has dtype Long, expected Float", SyncDice(6), (x.long(),)),
        (ValueError, "dice: alpha has shape [5]", SyncDice(5), (x,)),
        (TypeError, "dice: alpha has dtype Double, but self has Float", SyncDice(6).double(), (x,)),
    ):
        with mock.patch.object(dist, "all_reduce") as all_reduce:
            try:
                module(*given)
            except error as raised:
                assert message in str(raised), raised
            else:
                raise AssertionError(f"no error: {message}")
            assert not all_reduce.called


def sync_dice_one_value():
    together = actinium.nn.SyncDice(6)
    part = torch.ones(1, 6)[: 1 - dist.get_rank()]
    try:
        together(part)
    except RuntimeError as error:
        message = f"SyncDice: expected more than 1 value per channel when training, got input of shape {[*part.shape]}"
        assert message in str(error)
    else:
        raise AssertionError("one value made statistics")


def sync_dice_data_parallel():
    """Gradients are the mean of the ranks'; the loss is a mean, too, and so they are those of the whole batch."""
    model = network("Dice")
    want = alone(model, x())
    parallel = DistributedDataParallel(actinium.nn.convert_sync_dice(copy.deepcopy(model)))
    loss(parallel(x().chunk(RANKS)[dist.get_rank()])).backward()
    assert_close(gradients(parallel), gradients(want))
    assert_close(list(parallel.buffers()), list(want.buffers()))


def sync_dice_of_a_group():
    """Each rank alone in a group of its own is a Dice."""
    groups = [dist.new_group([rank]) for rank in range(RANKS)]
    together = actinium.nn.convert_sync_dice(actinium.nn.Dice(6), groups[dist.get_rank()])
    part = sync_batch((4,), dist.get_rank(), 1, torch.float32)
    assert_close(together(part), actinium.nn.Dice(6)(part))
