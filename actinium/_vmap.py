"""Batching rules: what ``torch.func.vmap`` does with the operators. They rearrange dims, and call the very operators
that they are for. Ops composed of others need no rule."""

import torch
from torch import Tensor

ops = torch.ops.actinium


def _front(x, bdim, size):
    """x with its batch as dim 0; expanded if it has none."""
    return x.expand(size, *x.shape) if bdim is None else x.movedim(bdim, 0)


def _out_dims(outputs):
    """Outputs that were not asked for are None, and have no batch dim."""
    if isinstance(outputs, Tensor):
        return 0
    return tuple(None if output is None else 0 for output in outputs)


# ------------------------------------------------------------------------------------------------------- pointwise


def _pointwise(op):
    """Every tensor has the same shape, so the batch is one more dim of it."""
    inplace = op._schema.is_mutable

    def rule(info, in_dims, *args):
        if inplace:
            return op(*args), in_dims[0]
        args = (
            _front(arg, bdim, info.batch_size) if isinstance(arg, Tensor) else arg
            for arg, bdim in zip(args, in_dims, strict=True)
        )
        outputs = op(*args)
        return outputs, _out_dims(outputs)

    return rule


# ----------------------------------------------------------------------------------------------------- channelwise


class _Channels:
    """Folds the batch into the channels: every sample has parameters, and gradients of them, of its own."""

    def __init__(self, size, x, bdim, dim):
        """dim: of the channels in one sample, or None where one parameter serves all elements."""
        shape = list(x.shape)
        if bdim is not None:
            del shape[bdim]
        self.size, self.shape = size, shape
        if dim is None:
            self.dim, self.view = 0, [1, -1]
        else:
            self.view = shape or [1]
            self.dim = dim % len(self.view) if -len(self.view) <= dim < len(self.view) else dim
        self.channels = self.view[self.dim]

    def fold(self, x, bdim):
        """A tensor like self: [size, *shape] to [.., size * channels, ..]."""
        if x is None:
            return None
        x = _front(x, bdim, self.size)
        count = x[0].numel()
        x = x.reshape(self.size, *(count if n == -1 else n for n in self.view)).movedim(0, self.dim)
        return x.flatten(self.dim, self.dim + 1)

    def unfold(self, x):
        if x is None:
            return None
        return x.unflatten(self.dim, (self.size, self.channels)).movedim(self.dim, 0).reshape(self.size, *self.shape)

    def fold_parameter(self, p, bdim):
        """A tensor of one element or one per channel to one of size * channels."""
        if p is None:
            return None
        p = _front(p, bdim, self.size).reshape(self.size, -1)
        return p.expand(self.size, self.channels).reshape(-1) if p.size(1) == 1 else p.reshape(-1)

    def unfold_gradient(self, g, shape):
        """The gradient of a parameter of that shape, which one element in the place of all channels gathers."""
        if g is None:
            return None
        g = g.reshape(self.size, self.channels)
        if shape.numel() == 1 and self.channels != 1:
            g = g.sum(1)
        return g.reshape(self.size, *shape)


def _sample_shape(p, bdim):
    return torch.Size(n for i, n in enumerate(p.shape) if i != bdim)


def _swish(op, x_at, p_at, outputs_like):
    """The forms of swish with a tensor beta: (x.., beta.., dim[, mask]). `outputs_like` has x or p for each output.
    Dice's gate is one with several parameters, all of one shape."""
    self_at, beta_at = max(x_at), max(p_at)
    dim_at = beta_at + 1

    def rule(info, in_dims, *args):
        args = list(args)
        shape = _sample_shape(args[beta_at], in_dims[beta_at])
        fold = _Channels(info.batch_size, args[self_at], in_dims[self_at], None if shape.numel() == 1 else args[dim_at])
        for i in x_at:
            args[i] = fold.fold(args[i], in_dims[i])
        for i in p_at:
            args[i] = fold.fold_parameter(args[i], in_dims[i])
        args[dim_at] = fold.dim
        outputs = op(*args)
        if isinstance(outputs, Tensor):
            return fold.unfold(outputs), 0
        outputs = tuple(
            fold.unfold(out) if like == "x" else fold.unfold_gradient(out, shape)
            for out, like in zip(outputs, outputs_like, strict=True)
        )
        return outputs, _out_dims(outputs)

    return rule


def _swish_(info, in_dims, self, beta, dim=1):
    if in_dims[0] is None:
        raise RuntimeError("swish_: vmap cannot write a result for each beta of the batch into a self without batch")
    rule = _swish(ops.swish.Tensor, (0,), (1,), "x")
    result, _ = rule(info, in_dims, self, beta, dim)
    self.copy_(result.movedim(0, in_dims[0]))
    return self, in_dims[0]


def _dice(op, x_at, p_at, alpha_at, dim_at, outputs_like):
    """The parts of dice; outputs are like x, like a parameter of C elements (c), or like alpha (p)."""
    self_at = max(x_at)

    def rule(info, in_dims, *args):
        args = list(args)
        shape = _sample_shape(args[alpha_at], in_dims[alpha_at])
        fold = _Channels(info.batch_size, args[self_at], in_dims[self_at], args[dim_at])
        for i in x_at:
            args[i] = fold.fold(args[i], in_dims[i])
        for i in p_at:
            args[i] = fold.fold_parameter(args[i], in_dims[i])
        args[dim_at] = fold.dim
        batched = in_dims[self_at] is not None
        outputs, out_dims = [], []
        for out, like in zip(op(*args), outputs_like, strict=True):
            if like == "c":
                # Statistics of a self without batch are the same for all, and may update what has none, either. They
                # are empty where they were given.
                out = out.reshape(fold.size, out.numel() // fold.size)
                outputs.append(out if batched else out[0])
                out_dims.append(0 if batched else None)
            else:
                outputs.append(fold.unfold(out) if like == "x" else fold.unfold_gradient(out, shape))
                out_dims.append(None if out is None else 0)
        return tuple(outputs), tuple(out_dims)

    return rule


def _channel_stats(info, in_dims, self, dim):
    fold = _Channels(info.batch_size, self, in_dims[0], dim)
    stats = ops._channel_stats(fold.fold(self, in_dims[0]), fold.dim)
    return tuple(t.reshape(fold.size, fold.channels) for t in stats), (0, 0)


def _channel_stats_backward(info, in_dims, grad_mean, grad_var, self, mean, dim):
    fold = _Channels(info.batch_size, self, in_dims[2], dim)
    grads = (fold.fold_parameter(grad_mean, in_dims[0]), fold.fold_parameter(grad_var, in_dims[1]))
    x, mean = fold.fold(self, in_dims[2]), fold.fold_parameter(mean, in_dims[3])
    return fold.unfold(ops._channel_stats_backward(*grads, x, mean, fold.dim)), 0


# ---------------------------------------------------------------------------------------------------------- maxout


def _maxout(op, tensors):
    """(tensors.., pieces, dim, layout): the batch goes to the front, and a dim counted from there moves by one."""

    def rule(info, in_dims, *args):
        args = list(args)
        args[:tensors] = (_front(x, b, info.batch_size) for x, b in zip(args[:tensors], in_dims, strict=False))
        if args[tensors + 1] >= 0:
            args[tensors + 1] += 1
        outputs = op(*args)
        return outputs, _out_dims(outputs)

    return rule


# ---------------------------------------------------------------------------------------------------- registration


def pointwise():
    """The overloads that are tagged pointwise; a new activation needs no line here or where this is used."""
    for name in torch._C._dispatch_get_all_op_names():
        namespace, _, rest = name.partition("::")
        base, _, overload = rest.partition(".")
        if namespace == "actinium":
            op = getattr(getattr(ops, base), overload or "default")
            if torch.Tag.pointwise in op.tags:
                yield op


def _defaults(op, rule):
    """The rule with every argument in its place, those with defaults included."""
    schema = op._schema.arguments

    def filled(info, in_dims, *args, **kwargs):
        rest = schema[len(args) :]
        args += tuple(kwargs.get(arg.name, arg.default_value) for arg in rest)
        return rule(info, (*in_dims, *(None for _ in rest)), *args)

    return filled


def register():
    rules = {
        ops.swish.Tensor: _swish(ops.swish.Tensor, (0,), (1,), "x"),
        ops.swish_.Tensor: _swish_,
        ops.swish_backward.Tensor: _swish(ops.swish_backward.Tensor, (0, 1), (2,), "xp"),
        ops.swish_double_backward.Tensor: _swish(ops.swish_double_backward.Tensor, (0, 2, 3), (1, 4), "xxp"),
        ops._dice_forward.default: _dice(ops._dice_forward, (0,), (1, 2, 3), 1, 5, "xcc"),
        ops._dice_backward.default: _dice(ops._dice_backward, (0, 1), (2, 3, 4), 2, 7, "xp"),
        ops._dice_double_backward.default: _dice(ops._dice_double_backward, (0, 2, 3), (1, 4, 5, 6), 4, 9, "xxp"),
        ops._channel_stats.default: _channel_stats,
        ops._channel_stats_backward.default: _channel_stats_backward,
        ops._dice_gate.default: _swish(ops._dice_gate, (0,), (1, 2, 3, 4), "x"),
        ops._dice_gate_backward.default: _swish(ops._dice_gate_backward, (0, 1), (2, 3, 4, 5), "xpppp"),
        ops.maxout.default: _maxout(ops.maxout, 1),
        ops.maxout_with_indices.default: _maxout(ops.maxout_with_indices, 1),
        ops.maxout_backward.default: _maxout(ops.maxout_backward, 2),
        ops._maxout_gather.default: _maxout(ops._maxout_gather, 2),
    }
    # An out= form writes where it is told to, and has no batch of its own.
    rules |= {op: _pointwise(op) for op in pointwise() if not any(arg.is_out for arg in op._schema.arguments)}
    for op, rule in rules.items():
        torch.library.register_vmap(op, _defaults(op, rule))
