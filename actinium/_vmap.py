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


def _parameter(op, x_at, p_at, outputs_like):
    """Ops with a parameter, such as swish with a tensor beta or a bias, or with several of one shape, such as Dice's
    gate: (x.., parameter.., .., dim[, mask]), with self and the parameters of the op itself last. `outputs_like` has x
    or p for each output."""
    self_at, parameter_at = max(x_at), max(p_at)
    dim_at = [arg.name for arg in op._schema.arguments].index("dim")

    def rule(info, in_dims, *args):
        args = list(args)
        shape = _sample_shape(args[parameter_at], in_dims[parameter_at])
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
    rule = _parameter(ops.swish.Tensor, (0,), (1,), "x")
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


def _checked(op, rule):
    """The rule, once the op has seen one sample: what it refuses it refuses in the sample's dims and shapes."""

    def checked(info, in_dims, *args):
        op(*(_sample(arg, b) if isinstance(arg, Tensor) else arg for arg, b in zip(args, in_dims, strict=True)))
        return rule(info, in_dims, *args)

    return checked


def _sample(x, bdim):
    """A tensor like one sample of x, without elements to compute."""
    shape = [n for i, n in enumerate(x.shape) if i != bdim]
    return torch.empty(shape, dtype=x.dtype, device="meta")


# ------------------------------------------------------------------------------------------- maxout, packed gates


def _packed(op, tensors):
    """(tensors.., .., dim, ..): the batch goes to the front, and a dim counted from there moves by one."""
    dim_at = [arg.name for arg in op._schema.arguments].index("dim")

    def rule(info, in_dims, *args):
        args = list(args)
        args[:tensors] = (_front(x, b, info.batch_size) for x, b in zip(args[:tensors], in_dims, strict=False))
        if args[dim_at] >= 0:
            args[dim_at] += 1
        outputs = op(*args)
        return outputs, _out_dims(outputs)

    return _checked(op, rule)


def _maxout_bias(info, in_dims, x, bias):
    """Rows are independent of each other, and share the bias, or have it added before."""
    x = _front(x, in_dims[0], info.batch_size)
    if in_dims[1] is None:
        return ops._maxout_bias(x, bias), (0, 0)
    bias = bias.movedim(in_dims[1], 0)
    rows = [info.batch_size, *(1 for _ in x.shape[1:-1]), x.size(-1)]
    return ops.maxout_with_indices(x + bias.reshape(rows), bias.size(1), -1, "piece"), (0, 0)


# --------------------------------------------------------------------------------------------------------- softmax


def _softmax(op, tensors):
    """(tensors.., dim): as maxout; a sample without dims gets one."""

    def rule(info, in_dims, *args):
        xs = [_front(x, b, info.batch_size) for x, b in zip(args[:tensors], in_dims, strict=False)]
        if xs[0].dim() == 1:
            return op(*(x.unsqueeze(-1) for x in xs), 1).squeeze(-1), 0
        return op(*xs, args[tensors] % (xs[0].dim() - 1) + 1), 0

    return _checked(op, rule)


def _rows(x, bdim, size, ndim):
    """Samples and the N of a sample of ndim dims in one dim; a sample that is one row has no N."""
    x = _front(x, bdim, size)
    return x.flatten(0, 1) if ndim > 1 else x


def _unfold_rows(x, size, sample):
    """Back, with the N of a sample."""
    return x if x is None or sample.dim() == 1 else x.unflatten(0, (size, sample.size(0)))


def _samples(op, rule, weight):
    """The rule, or, where each sample has a weight of its own, one call for each of them."""

    def either(info, in_dims, *args):
        if in_dims[weight] is None:
            return rule(info, in_dims, *args)
        if info.batch_size == 0:  # of any weight
            return rule(info, in_dims, *args[:weight], args[weight].sum(in_dims[weight]), *args[weight + 1 :])
        samples = [
            op(*(arg.select(b, i) if isinstance(b, int) else arg for arg, b in zip(args, in_dims, strict=True)))
            for i in range(info.batch_size)
        ]
        outputs = tuple(None if one[0] is None else torch.stack(one) for one in zip(*samples, strict=True))
        return outputs, _out_dims(outputs)

    return _checked(op, either)


def _cross_entropy_forward(info, in_dims, self, target, weight, reduce, *numbers):
    size, sample = info.batch_size, _sample(self, in_dims[0])
    x, y = (_rows(t, b, size, sample.dim()) for t, b in ((self, in_dims[0]), (target, in_dims[1])))
    loss, count, lse = (
        _unfold_rows(t, size, sample) for t in ops._softmax_cross_entropy_forward(x, y, weight, False, *numbers)
    )
    if reduce and sample.dim() > 1:  # each sample by itself
        loss, count = (t.flatten(1).sum(1) for t in (loss, count))
    return (loss, count, lse), (0, 0, 0)


def _cross_entropy_backward(info, in_dims, grad, self, target, weight, lse, reduce, *numbers):
    size, sample = info.batch_size, _sample(self, in_dims[1])
    grad, lse = _front(grad, in_dims[0], size), _front(lse, in_dims[4], size)
    if reduce:
        grad = grad.reshape(size, *(1 for _ in lse.shape[1:])).expand(lse.shape)
    x, y, grad, lse = (
        _rows(t, b, size, sample.dim()) for t, b in ((self, in_dims[1]), (target, in_dims[2]), (grad, 0), (lse, 0))
    )
    outputs = tuple(
        _unfold_rows(t, size, sample)
        for t in ops._softmax_cross_entropy_backward(grad, x, y, weight, lse, False, *numbers)
    )
    return outputs, _out_dims(outputs)


def _binary_cross_entropy(info, in_dims, self, target, weight, pos_weight, reduce):
    args = _beside(info, in_dims, self, target, weight, pos_weight)
    loss = ops._sigmoid_binary_cross_entropy(*args, False)
    # Summed in the type that it is computed in.
    wide = torch.float32 if loss.element_size() == 2 else loss.dtype
    return loss.flatten(1).sum(1, dtype=wide) if reduce and loss.dim() > 1 else loss.to(wide) if reduce else loss, 0


def _binary_cross_entropy_backward(info, in_dims, grad, self, target, weight, pos_weight, reduce, mask):
    args = _beside(info, in_dims[1:], self, target, weight, pos_weight)
    grad = _front(grad, in_dims[0], info.batch_size)
    if reduce:
        grad = grad.to(args[0].dtype).reshape(-1, *(1 for _ in args[0].shape[1:])).expand(args[0].shape)
    outputs = ops._sigmoid_binary_cross_entropy_backward(grad, *args, False, mask)
    return outputs, _out_dims(outputs)


def _beside(info, in_dims, self, target, *weights):
    """self and target with the batch in front, and the weights so that they broadcast to them."""
    self, target = (_front(t, b, info.batch_size) for t, b in zip((self, target), in_dims, strict=False))

    def weight(w, bdim):
        if w is None or bdim is None:
            return w
        w = w.movedim(bdim, 0)
        return w.reshape(w.size(0), *(1 for _ in range(self.dim() - w.dim())), *w.shape[1:])

    return self, target, *(weight(w, b) for w, b in zip(weights, in_dims[2:], strict=False))


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
        ops.swish.Tensor: _parameter(ops.swish.Tensor, (0,), (1,), "x"),
        ops.swish_.Tensor: _swish_,
        ops.swish_backward.Tensor: _parameter(ops.swish_backward.Tensor, (0, 1), (2,), "xp"),
        ops.swish_double_backward.Tensor: _parameter(ops.swish_double_backward.Tensor, (0, 2, 3), (1, 4), "xxp"),
        ops.prelu.default: _parameter(ops.prelu.default, (0,), (1,), "x"),
        ops.prelu_backward.default: _parameter(ops.prelu_backward.default, (0, 1), (2,), "xp"),
        ops._dice_forward.default: _dice(ops._dice_forward, (0,), (1, 2, 3), 1, 5, "xcc"),
        ops._dice_backward.default: _dice(ops._dice_backward, (0, 1), (2, 3, 4), 2, 7, "xp"),
        ops._dice_double_backward.default: _dice(ops._dice_double_backward, (0, 2, 3), (1, 4, 5, 6), 4, 9, "xxp"),
        ops._channel_stats.default: _channel_stats,
        ops._dice_gate.default: _parameter(ops._dice_gate.default, (0,), (1, 2, 3, 4), "x"),
        ops._dice_gate_backward.default: _parameter(ops._dice_gate_backward.default, (0, 1), (2, 3, 4, 5), "xpppp"),
        ops._maxout_bias.default: _maxout_bias,
        ops.bias_act.default: _parameter(ops.bias_act.default, (0,), (1,), "x"),
        ops.bias_act_backward.default: _parameter(ops.bias_act_backward.default, (0, 1), (2,), "xp"),
        ops.gated.packed: _packed(ops.gated.packed, 1),
        ops.gated_backward.packed: _packed(ops.gated_backward.packed, 2),
        ops.maxout.default: _packed(ops.maxout.default, 1),
        ops.maxout_with_indices.default: _packed(ops.maxout_with_indices.default, 1),
        ops.maxout_backward.default: _packed(ops.maxout_backward.default, 2),
        ops._maxout_gather.default: _packed(ops._maxout_gather.default, 2),
        ops._softmax.default: _softmax(ops._softmax.default, 1),
        ops._log_softmax.default: _softmax(ops._log_softmax.default, 1),
        ops.softmax_backward.default: _softmax(ops.softmax_backward.default, 2),
        ops.log_softmax_backward.default: _softmax(ops.log_softmax_backward.default, 2),
        ops._softmax_cross_entropy_forward.default: _samples(
            ops._softmax_cross_entropy_forward, _cross_entropy_forward, 2
        ),
        ops._softmax_cross_entropy_backward.default: _samples(
            ops._softmax_cross_entropy_backward, _cross_entropy_backward, 3
        ),
        ops._sigmoid_binary_cross_entropy.default: _checked(ops._sigmoid_binary_cross_entropy, _binary_cross_entropy),
        ops._sigmoid_binary_cross_entropy_backward.default: _checked(
            ops._sigmoid_binary_cross_entropy_backward, _binary_cross_entropy_backward
        ),
        ops._channel_stats_backward.default: _channel_stats_backward,
    }
    # An out= form writes where it is told to, and has no batch of its own.
    rules |= {op: _pointwise(op) for op in pointwise() if not any(arg.is_out for arg in op._schema.arguments)}
    for op, rule in rules.items():
        torch.library.register_vmap(op, _defaults(op, rule))
