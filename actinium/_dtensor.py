"""Sharding rules: what the operators do with the tensors of ``torch.distributed.tensor``.

For one dim of the device mesh, a rule lists the placements in which the operator itself computes each rank's shard;
DTensor brings the inputs into those that cost least. The functions are not linear: a partial input is reduced first.
Ops composed of others need no rule.
"""

from collections import defaultdict
from math import prod

import torch
import torch.distributed as dist

from actinium._lazy import when_imported
from actinium._vmap import pointwise

ops = torch.ops.actinium

# ----------------------------------------------------------------------------------------------------------- rules

# A rule is given the tensors of a call by kind, and all of its arguments by name. It gives placements by kind.
#   x  like self; of maxout, with one channel per unit; of a packed gate, with the size of the output
#   w  of maxout, with all pieces; of a packed gate, with gate and up
#   p  a parameter, one element or one per channel, and g its gradient
#   c  a statistic, one per channel
#   t  the target of a loss; l its loss, of every row or their sum, n what the rows count, r a number for each row
#   w, v of losses: their weights


def _placements(tensors):
    """Replicate, and what the tensors have but for partial ones; in the same order on every rank."""
    found = dict.fromkeys(p for t in tensors for p in t.placements)
    return [dist.tensor.Replicate(), *(p for p in found if not p.is_replicate() and not p.is_partial())]


def _pointwise(tensors, arguments):
    return [{"x": p} for p in _placements(tensors["x"])]


def _channelwise(x, dim, shared, batch_stats):
    """dim: of the channels, or None; shared: whether a parameter has one element for all of them."""
    shard, replicate, partial = dist.tensor.Shard(0), dist.tensor.Replicate(), dist.tensor.Partial()
    for p in _placements(x):
        if p.is_replicate():
            yield {"x": p, "p": p, "g": p, "c": p}
        elif p.dim != dim:
            if not batch_stats:
                yield {"x": p, "p": replicate, "g": partial, "c": replicate}
        elif p.is_shard():
            yield {"x": p, "c": shard} | ({"p": replicate, "g": partial} if shared else {"p": shard, "g": shard})


def _parameter(tensors, arguments):
    x, shared = tensors["x"], prod(tensors["p"][-1].shape) == 1
    return _channelwise(x, None if shared else arguments["dim"] % x[-1].ndim, shared, batch_stats=False)


def _dice(tensors, arguments):
    x, shared = tensors["x"], prod(tensors["p"][-1].shape) == 1
    batch_stats = arguments.get("batch_stats", not tensors["c"])
    return _channelwise(x, arguments["dim"] % x[-1].ndim, shared, batch_stats)


def _channel_stats(tensors, arguments):
    x = tensors["x"]
    return _channelwise(x, arguments["dim"] % x[0].ndim, shared=False, batch_stats=True)


def _maxout(tensors, arguments):
    """The channels may be split where that leaves the pieces of a unit together, and as many units to every rank."""
    wide, narrow = tensors["w"], tensors["x"]
    first = (narrow or wide)[0]
    dim = arguments["dim"] % first.ndim
    units = first.shape[dim] if narrow else first.shape[dim] // arguments["pieces"]
    splits = arguments["layout"] == "unit" and units % first.device_mesh.size() == 0
    for p in _placements(wide + narrow):
        if p.is_replicate() or p.dim != dim or (splits and p.is_shard()):
            yield {"x": p, "w": p}


def _maxout_bias(tensors, arguments):
    """The last dim holds the pieces as blocks, and stays whole."""
    (wide,) = tensors["w"]
    for p in _placements([wide]):
        if p.is_replicate() or p.dim != wide.ndim - 1:
            yield {"w": p, "x": p, "p": dist.tensor.Replicate()}


def _rows(tensors, arguments):
    """What softmax is taken along stays whole."""
    x = tensors["x"]
    dim = arguments["dim"] % max(x[-1].ndim, 1)
    return [{"x": p} for p in _placements(x) if p.is_replicate() or p.dim != dim]


def _cross_entropy(tensors, arguments):
    """Rows may be split; their sum is then a sum over the ranks."""
    (x,), (target,) = tensors["x"], tensors["t"]
    of_class, shard = min(1, x.ndim - 1), dist.tensor.Shard
    replicate = dist.tensor.Replicate()
    for p in _placements([x]):
        if p.is_replicate():
            yield dict.fromkeys("xtwlnr", p)
        elif p.is_shard() and p.dim != of_class:
            row = shard(p.dim - (p.dim > of_class))
            total = dist.tensor.Partial() if arguments["reduce"] else row
            # The gradient of a sum is a number that all ranks have.
            loss = replicate if "grad_loss" in arguments and arguments["reduce"] else total
            yield {"x": p, "t": p if target.ndim == x.ndim else row, "w": replicate, "l": loss, "n": total, "r": row}


def _binary_cross_entropy(tensors, arguments):
    """As the shape of the weights has it; a sum is one over the ranks."""
    x = tensors["x"]
    reduce, replicate = arguments["reduce"], dist.tensor.Replicate()
    for p in _placements(x):
        if p.is_replicate():
            yield dict.fromkeys("xlwv", p)
        elif p.is_shard():
            loss = p if not reduce else replicate if "grad_output" in arguments else dist.tensor.Partial()
            by_kind = {"x": p, "l": loss}
            for kind in "wv":
                for weight in tensors[kind]:
                    dim = p.dim - x[0].ndim + weight.ndim
                    splits = dim >= 0 and weight.shape[dim] != 1
                    by_kind[kind] = dist.tensor.Shard(dim) if splits else replicate
            yield by_kind


def _packed(tensors, arguments):
    """Gate and up stay together."""
    wide = tensors["w"]
    dim = arguments["dim"] % wide[-1].ndim
    for p in _placements(wide + tensors["x"]):
        if p.is_replicate() or p.dim != dim:
            yield {"x": p, "w": p}


def _bias(tensors, arguments):
    x = tensors["x"]
    return _channelwise(x, arguments["dim"] % x[-1].ndim, shared=False, batch_stats=False)


# ---------------------------------------------------------------------------------------------------- registration


def _register(op, rule, inputs, outputs):
    """inputs, outputs: the kind of each tensor that op takes and gives."""
    from torch.distributed.tensor import DTensor
    from torch.distributed.tensor.experimental import register_sharding

    schema = op._schema.arguments
    names = [arg.name for arg in schema if "Tensor" in str(arg.type)]

    def placements(*args, **kwargs):
        arguments = {arg.name: arg.default_value for arg in schema}
        arguments |= dict(zip(arguments, args, strict=False)) | kwargs
        given = [(k, arguments[name]) for k, name in zip(inputs, names, strict=True) if arguments[name] is not None]
        tensors = defaultdict(list)
        for kind, tensor in given:
            tensors[kind].append(tensor)
        # Outputs that were not asked for are None.
        asked = arguments.get("output_mask", [True] * len(outputs))
        return [
            ([by_kind[o] if a else None for o, a in zip(outputs, asked, strict=True)], [by_kind[k] for k, _ in given])
            for by_kind in rule(tensors, arguments)
        ]

    register_sharding(op)(placements)
    # DTensor keeps what a rule gave. register_sharding has it ask again for other tensors and integers only, but flags,
    # masks and where `out` lies matter as well.
    info = DTensor._op_dispatcher.sharding_propagator.op_to_schema_info[op]
    plain = ("Tensor", "Optional[Tensor]", "number", "float")
    info.static_argnum = next((i for i, arg in enumerate(schema) if str(arg.type) not in plain), len(schema))
    info.static_kwargkey = ["out"]


def _register_all():
    rules = {
        ops.swish.Tensor: (_parameter, "xp", "x"),
        ops.swish_.Tensor: (_parameter, "xp", "x"),
        ops.swish.Tensor_out: (_parameter, "xpx", "x"),
        ops.swish_backward.Tensor: (_parameter, "xxp", "xg"),
        ops.swish_double_backward.Tensor: (_parameter, "xpxxp", "xxg"),
        ops.prelu.default: (_parameter, "xp", "x"),
        ops.prelu_backward.default: (_parameter, "xxp", "xg"),
        ops._dice_forward.default: (_dice, "xpcc", "xcc"),
        ops._dice_backward.default: (_dice, "xxpcc", "xg"),
        ops._dice_double_backward.default: (_dice, "xpxxpcc", "xxg"),
        ops._channel_stats.default: (_channel_stats, "x", "cc"),
        ops._dice_gate.default: (_parameter, "xpppp", "x"),
        ops._dice_gate_backward.default: (_parameter, "xxpppp", "xgggg"),
        ops.bias_act.default: (_bias, "xp", "x"),
        ops.bias_act_backward.default: (_bias, "xxp", "xg"),
        ops.gated.packed: (_packed, "w", "x"),
        ops.gated_backward.packed: (_packed, "xw", "w"),
        ops._channel_stats_backward.default: (_channel_stats, "ccxc", "x"),
        ops._softmax.default: (_rows, "x", "x"),
        ops._softmax.out: (_rows, "xx", "x"),
        ops._log_softmax.default: (_rows, "x", "x"),
        ops._log_softmax.out: (_rows, "xx", "x"),
        ops.softmax_backward.default: (_rows, "xx", "x"),
        ops.log_softmax_backward.default: (_rows, "xx", "x"),
        ops._softmax_cross_entropy_forward.default: (_cross_entropy, "xtw", "lnr"),
        ops._softmax_cross_entropy_backward.default: (_cross_entropy, "lxtwr", "xt"),
        ops._sigmoid_binary_cross_entropy.default: (_binary_cross_entropy, "xxwv", "l"),
        ops._sigmoid_binary_cross_entropy_backward.default: (_binary_cross_entropy, "lxxwv", "xx"),
        ops.maxout.default: (_maxout, "w", "x"),
        ops.maxout_with_indices.default: (_maxout, "w", "xx"),
        ops.maxout_backward.default: (_maxout, "xx", "w"),
        ops._maxout_gather.default: (_maxout, "wx", "x"),
        ops._maxout_bias.default: (_maxout_bias, "wp", "xx"),
    }
    for op in pointwise():
        # DTensor tells an out= form by the overload's name, which grad_input is not.
        if op._overloadname != "grad_input":
            tensors = sum(str(arg.type) == "Tensor" for arg in op._schema.arguments)
            rules[op] = (_pointwise, "x" * tensors, "x" * len(op._schema.returns))
    for op, rule in rules.items():
        _register(op, *rule)


def register():
    when_imported("torch.distributed.tensor", _register_all)
