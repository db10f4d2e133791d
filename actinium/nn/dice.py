"""Dice, its published variants by name, and Dice over the processes of a group."""

import re
from collections.abc import Mapping
from typing import Any, Optional

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Module, Parameter

from actinium import functional as F


class Dice(Module):
    r"""Dice, the data adaptive activation of the Deep Interest Network; see :func:`actinium.functional.dice`.

    As :class:`torch.nn.BatchNorm1d`, it normalizes by the batch in training and by running statistics in evaluation.

    Args:
        num_features: the number of channels ``C``.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics; None for the average over all batches.
        alpha: the value that the slopes start from; None for standard normal numbers.
        shared_alpha: one slope for all channels.
        track_running_stats: keep running statistics; without, the batch's are used in evaluation, too.
        dim: the dim of the channels.
        weight: the value that the factors of the standardised input start from; None for 1, which stays.
        bias: the value that what is added to it starts from; None for 0, which stays.
        eps_mode: where ``eps`` is added: ``"inside"`` the root, ``"outside"``, or ``"both"``.
        unbiased: the running variance takes the unbiased variance of a batch.
        statistics: whose mean and variance make the gate.

            - ``"batch"``: those of the channel, in evaluation the running ones;
            - ``"running"``: the running ones in training, too, where nothing updates them;
            - ``"row"``: those of the ``C`` values along ``dim``, for each place of the other dims. There is one slope,
              no weight, no bias and nothing to keep running.
            - ``"row_norm"``: the same, with the sum of the squared deviations in the place of their mean.

    Attributes:
        alpha: the slopes, a parameter of shape ``(num_features,)`` or ``(1,)``.
        weight, bias: parameters of shape ``(num_features,)``, or None.
        running_mean, running_var, num_batches_tracked: buffers, or None.

    Shape:
        ``(N, *, C)``, with the channels along ``dim``, to the same; a ``mask`` is of that shape without ``dim``.
    """

    __constants__ = [
        "dim",
        "eps",
        "eps_mode",
        "initial_alpha",
        "initial_bias",
        "initial_weight",
        "momentum",
        "num_features",
        "shared_alpha",
        "statistics",
        "track_running_stats",
        "unbiased",
    ]
    num_features: int
    eps: float
    momentum: Optional[float]
    initial_alpha: Optional[float]
    shared_alpha: bool
    track_running_stats: bool
    dim: int
    initial_weight: Optional[float]
    initial_bias: Optional[float]
    eps_mode: str
    unbiased: bool
    statistics: str

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-8,
        momentum: Optional[float] = 0.1,
        alpha: Optional[float] = 0.0,
        shared_alpha: bool = False,
        track_running_stats: bool = True,
        dim: int = -1,
        device=None,
        dtype=None,
        *,
        weight: Optional[float] = None,
        bias: Optional[float] = None,
        eps_mode: str = "inside",
        unbiased: bool = True,
        statistics: str = "batch",
    ) -> None:
        factory = {"device": device, "dtype": dtype}
        super().__init__()
        if statistics not in ("batch", "running", "row", "row_norm"):
            raise ValueError(f"Dice: {statistics=}, expected 'batch', 'running', 'row' or 'row_norm'")
        if eps_mode not in ("inside", "outside", "both"):
            raise ValueError(f"Dice: {eps_mode=}, expected 'inside', 'outside' or 'both'")
        by_row = statistics in ("row", "row_norm")
        if by_row and not (shared_alpha and weight is None and bias is None):
            raise ValueError(f"Dice: {statistics=} takes one slope (shared_alpha=True), no weight and no bias")
        if not eps >= 0:
            raise ValueError(f"Dice: {eps=}, expected a number that is not negative")
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(f"Dice: {momentum=}, expected 0 to 1, or None for the average of all batches")
        if statistics == "running" and not track_running_stats:
            raise ValueError("Dice: statistics='running' takes track_running_stats=True")
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.initial_alpha = None if alpha is None else float(alpha)
        self.shared_alpha = shared_alpha
        self.track_running_stats = track_running_stats and not by_row
        self.dim = dim
        self.initial_weight = None if weight is None else float(weight)
        self.initial_bias = None if bias is None else float(bias)
        self.eps_mode = eps_mode
        self.unbiased = unbiased
        self.statistics = statistics
        self.alpha = Parameter(torch.empty(1 if shared_alpha else num_features, **factory))
        for name, value in (("weight", weight), ("bias", bias)):
            self.register_parameter(name, None if value is None else Parameter(torch.empty(num_features, **factory)))
        if self.track_running_stats:
            self.register_buffer("running_mean", torch.zeros(num_features, **factory))
            self.register_buffer("running_var", torch.ones(num_features, **factory))
            self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long, device=device))
        else:
            self.register_buffer("running_mean", None)
            self.register_buffer("running_var", None)
            self.register_buffer("num_batches_tracked", None)
        self.reset_parameters()

    @classmethod
    def preset(cls, name: str, num_features: int, **options: Any) -> "Dice":
        """The Dice of a paper or a library, with its initial values, formula and running statistics.

        =================  ==========================================================================================
        ``"paper"``        Zhou et al. 2018, arXiv:1706.06978, equation 9
        ``"din"``          zhougr1993/DeepInterestNetwork, ``din/Dice.py``
        ``"dien"``         mouna99/dien, ``script/Dice.py``
        ``"deepctr"``      shenweichen/DeepCTR, ``deepctr/layers/activation.py``, for inputs of 2 and 3 dims
        ``"deepctr-torch"``  shenweichen/DeepCTR-Torch, ``deepctr_torch/layers/activation.py``
        ``"tzrec"``        alibaba/TorchEasyRec, ``tzrec/modules/activation.py``
        ``"fuxictr"``      reczoo/FuxiCTR, ``fuxictr/pytorch/layers/activations.py``, for 2 dims
        ``"torch-rechub"``  datawhalechina/torch-rechub, ``torch_rechub/basic/activation.py``
        =================  ==========================================================================================

        Args:
            name: one of these.
            num_features: the number of channels ``C``.
            options: of :class:`Dice`, which go before those of the preset.

        Raises:
            ValueError: ``name`` is unknown.
        """
        if name not in _PRESETS:
            raise ValueError(f"Dice.preset: {name=}, expected one of {', '.join(map(repr, _PRESETS))}")
        return cls(num_features, **(_PRESETS[name] | options))

    def reset_running_stats(self) -> None:
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        if self.initial_alpha is None:
            torch.nn.init.normal_(self.alpha)
        else:
            torch.nn.init.constant_(self.alpha, self.initial_alpha)
        if self.weight is not None:
            torch.nn.init.constant_(self.weight, self.initial_weight)
        if self.bias is not None:
            torch.nn.init.constant_(self.bias, self.initial_bias)

    def forward(self, input: Tensor, mask: Optional[Tensor] = None) -> Tensor:
        if self.statistics == "row" or self.statistics == "row_norm":
            if isinstance(mask, Tensor):  # and not what stands for any argument while torch.fx traces
                raise ValueError("Dice: statistics of rows take no mask")
            return self._by_row(input)
        mean, var, batches = self.running_mean, self.running_var, self.num_batches_tracked
        training = self.training and self.statistics == "batch"
        if training and batches is not None:
            batches.add_(1)
        momentum = 0.0 if self.momentum is None else self.momentum
        if not training or self.momentum is not None or mean is None or var is None or batches is None:
            return self._dice(input, mean, var, training, momentum, mask)
        # The share of a batch is a tensor, so that nothing waits for a device or is compiled for one number.
        before = mean.clone(), var.clone()
        output = self._dice(input, mean, var, True, 1.0, mask)
        with torch.no_grad():
            share = (1.0 / batches).to(mean.dtype)
            mean.copy_(before[0].lerp(mean, share))
            var.copy_(before[1].lerp(var, share))
        return output

    def _dice(
        self,
        input: Tensor,
        mean: Optional[Tensor],
        var: Optional[Tensor],
        training: bool,
        momentum: float,
        mask: Optional[Tensor],
    ) -> Tensor:
        return F.dice(
            input,
            self.alpha,
            mean,
            var,
            training,
            momentum,
            self.eps,
            self.dim,
            mask,
            self.weight,
            self.bias,
            self.eps_mode,
            self.unbiased,
        )

    def _by_row(self, input: Tensor) -> Tensor:
        """Rows are channels along dim 0 of a matrix."""
        dims = input.dim()
        if isinstance(dims, int) and not -dims <= self.dim < dims:  # and not what stands for it while torch.fx traces
            raise IndexError(f"Dice: dim={self.dim} is out of range for input with {dims} dimensions")
        channels = input.size(self.dim)
        if isinstance(channels, int) and channels != self.num_features:
            raise ValueError(
                f"Dice: input has {channels} values along dim={self.dim}, expected num_features={self.num_features}"
            )
        rows = input.movedim(self.dim, -1)
        weight: Optional[Tensor] = None
        if self.statistics == "row_norm":
            # In float32 for a 16-bit input, to which its digits would be rounded.
            weight = (rows.new_ones((1,), dtype=torch.float32) * rows.new_ones((1,)) * rows.size(-1)).rsqrt()
        output = F.dice(
            rows.unsqueeze(0).flatten(0, -2),
            self.alpha,
            eps=self.eps,
            dim=0,
            weight=weight,
            eps_mode=self.eps_mode,
        )
        return output.reshape(rows.size()).movedim(-1, self.dim)

    def extra_repr(self) -> str:
        text = (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, alpha={self.initial_alpha}, "
            f"shared_alpha={self.shared_alpha}, track_running_stats={self.track_running_stats}, dim={self.dim}"
        )
        if self.initial_weight is not None:
            text += f", weight={self.initial_weight}"
        if self.initial_bias is not None:
            text += f", bias={self.initial_bias}"
        if self.eps_mode != "inside":
            text += f", eps_mode={self.eps_mode}"
        if not self.unbiased:
            text += ", unbiased=False"
        if self.statistics != "batch":
            text += f", statistics={self.statistics}"
        return text


# What the published variants are; docs/dice.md has their formulas beside one another. Keras' momentum is the weight of
# what was there before.
_PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    # TensorFlow 1 takes the moving statistics where `training` is not given, and leaves them at 0 and 1.
    "din": {"eps": 1e-3, "momentum": 0.01, "weight": 0.0, "statistics": "running"},
    "dien": {"eps": 1e-9, "eps_mode": "both", "track_running_stats": False},
    "deepctr": {"eps": 1e-9, "momentum": 0.01, "unbiased": False},
    "deepctr-torch": {"weight": 1.0, "bias": 0.0},
    "tzrec": {"eps": 1e-5},
    "fuxictr": {"eps": 1e-9, "momentum": 0.01, "dim": 1},
    "torch-rechub": {"eps": 1e-3, "dim": 1, "shared_alpha": True, "statistics": "row_norm", "alpha": None},
}

# The last part of the names under which they keep what we do.
_BATCH_NORM = {
    "running_mean": r"bn\.running_mean",
    "running_var": r"bn\.running_var",
    "num_batches_tracked": r"bn\.num_batches_tracked",
}
_KERAS = {"running_mean": "moving_mean", "running_var": "moving_variance"}
_NAMES: dict[str, dict[str, str]] = {
    "din": {"alpha": "alpha.*", "weight": r"beta(?!\d_power).*"} | _KERAS,  # and not what Adam keeps
    "dien": {"alpha": "alpha.*"},
    "deepctr": {"alpha": "dice_alpha"} | _KERAS,
    "deepctr-torch": {"alpha": "alpha", "weight": r"bn\.weight", "bias": r"bn\.bias"} | _BATCH_NORM,
    "tzrec": {"alpha": "alpha", "weight": r"bn\.weight", "bias": r"bn\.bias"} | _BATCH_NORM,
    "fuxictr": {"alpha": "alpha"} | _BATCH_NORM,
    "torch-rechub": {"alpha": "alpha"},
}


def dice_state_dict(preset: str, state_dict: Mapping[str, Any], prefix: str = "") -> dict[str, Tensor]:
    """What another library's Dice has learned, for ``Dice.preset(preset, C).load_state_dict``.

    Args:
        preset: the library, as :meth:`Dice.preset` names it.
        state_dict: tensors, or arrays as TensorFlow gives them, by name; that of a whole model, too.
        prefix: how the names of this Dice begin, such as ``"dnn.1."`` or ``"dice_1/"``; of ``"din"`` and ``"dien"`` the
            name of the layer, ``"dice_1"``, whose variables are ``alphadice_1``, ``betadice_1`` and ``dice_1/...``.

    Returns:
        Tensors under the names of :class:`Dice`.

    Raises:
        ValueError: ``preset`` has no state of another form.
        KeyError: there is no alpha, or more than one tensor has a name that fits.
    """
    if preset not in _NAMES:
        raise ValueError(f"dice_state_dict: {preset=}, expected one of {', '.join(map(repr, _NAMES))}")
    if preset in ("din", "dien") and prefix:
        layer, prefix = prefix.rstrip("/"), ""
        own = re.compile(rf"(.*/)?((alpha|beta){re.escape(layer)}|{re.escape(layer)}/.*)(:\d+)?")
        state_dict = {key: value for key, value in state_dict.items() if own.fullmatch(key)}
    # "dice/batch_normalization/moving_mean:0" ends with what says what it is.
    ends = {
        key: re.sub(r":\d+$", "", key[len(prefix) :]).split("/")[-1] for key in state_dict if key.startswith(prefix)
    }
    result = {}
    for ours, theirs in _NAMES[preset].items():
        found = [key for key, end in ends.items() if re.fullmatch(theirs, end)]
        if len(found) > 1 or (ours == "alpha" and not found):
            names = ", ".join(map(repr, found)) or "none"
            raise KeyError(f"dice_state_dict: expected one name for {ours} that ends with {theirs!r}, found {names}")
        for key in found:
            value = torch.as_tensor(state_dict[key])
            result[ours] = value if value.dim() == 0 else value.reshape(-1)  # (C, 1) in three dims
    if "running_mean" in result:
        result.setdefault("num_batches_tracked", torch.tensor(0))
    return result


# ----------------------------------------------------------------------------------------------- many processes


class _AllReduce(torch.autograd.Function):
    """The sum over all processes of a group, differentiable any number of times.

    Each process has a loss of its own, and gradients are those of the sum of the losses.
    """

    @staticmethod
    def forward(ctx, rows, group):
        ctx.group = group
        total = rows.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, grad):
        return _AllReduce.apply(grad, ctx.group), None


def _group_statistics(input: Tensor, mask: Optional[Tensor], dim: int, group: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, biased variance and number of the values that all processes of a group have in a channel."""
    mean, var, count = torch.ops.actinium._dice_stats(input, mask, dim)
    # A row of one all-reduce for each process: sums of squares would not merge without a loss of digits.
    row = torch.cat((mean, var, count.detach().reshape(1))).double()
    rows = row.new_zeros(dist.get_world_size(group), row.numel())
    # A process without values has no mean.
    rows = rows.index_copy(
        0, torch.tensor([dist.get_rank(group)], device=row.device), torch.where(count > 0, row, 0).unsqueeze(0)
    )
    means, variances, counts = _AllReduce.apply(rows, group).split((mean.numel(), mean.numel(), 1), dim=1)
    counts = counts.detach()
    total = counts.sum()
    # Chan, Golub and LeVeque 1979: what is between the processes adds to what is within.
    center = (counts * means).sum(0) / total
    spread = (counts * (variances + (means - center).square())).sum(0) / total
    return center.to(mean.dtype), spread.to(var.dtype), total


class SyncDice(Dice):
    r"""Dice with the statistics of the batches of all processes, as :class:`torch.nn.SyncBatchNorm` is to
    :class:`torch.nn.BatchNorm1d`; see :func:`convert_sync_dice`.

    In training it computes what one process with all batches would: their sizes may differ, and some may be empty. It
    takes one all-reduce in the forward and one in the backward, which all processes must come to; derivatives of any
    order are there. In evaluation, with statistics other than ``"batch"``, and without ``torch.distributed`` it is
    :class:`Dice`. It cannot be scripted, and with a process group neither copied nor pickled, as the group cannot be.

    Args:
        num_features, options: as :class:`Dice` takes them.
        process_group: whose batches are one; None for all processes.

    Shape:
        as :class:`Dice`, with a dim for the channels and one more.
    """

    def __init__(self, num_features: int, *args: Any, process_group: Any = None, **options: Any) -> None:
        super().__init__(num_features, *args, **options)
        self.process_group = process_group

    def forward(self, input: Tensor, mask: Optional[Tensor] = None) -> Tensor:
        if not (self.training and self.statistics == "batch" and dist.is_available() and dist.is_initialized()):
            return super().forward(input, mask)
        torch.ops.actinium._dice_check(
            *(input, self.alpha, self.running_mean, self.running_var, self.momentum or 0.0, self.eps, self.dim),
            *(mask, self.weight, self.bias, self.eps_mode),
        )
        given = input
        if mask is not None:
            # As in dice: padding that is not finite goes past the gate.
            gated = mask.unsqueeze(self.dim) | given.isfinite()
            input = torch.where(gated, given, 0)
        # The gradients of the gate and of the statistics meet before they are rounded.
        wide = input.to(torch.promote_types(input.dtype, torch.float32))
        mean, var, total = _group_statistics(wide, mask, self.dim, self.process_group)
        torch._assert_async(
            total > 1,
            "SyncDice: expected more than 1 value per channel when training, got input of shape "
            f"{list(input.shape)} with channels along dim {self.dim}, and no more in other processes",
        )
        output = torch.ops.actinium._dice_with_stats(
            wide, self.alpha, mean, var, self.weight, self.bias, self.eps, self.eps_mode, self.dim
        ).to(input.dtype)
        if self.running_mean is not None:
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                correction = total / (total - 1) if self.unbiased else torch.ones_like(total)
                for kept, new in ((self.running_mean, mean), (self.running_var, var * correction.to(var.dtype))):
                    if self.momentum is None:
                        kept.lerp_(new.to(kept.dtype), (1.0 / self.num_batches_tracked).to(kept.dtype))
                    else:
                        kept.mul_(1 - self.momentum).add_(new, alpha=self.momentum)
        return output if mask is None else torch.where(gated, output, given)

    def __prepare_scriptable__(self) -> Module:
        raise TypeError("SyncDice cannot be scripted; script a Dice with its state dict")


def convert_sync_dice(module: Module, process_group: Any = None) -> Module:
    """Makes a :class:`SyncDice` of each :class:`Dice` in a model.

    Args:
        module: the model, or a Dice; it is changed.
        process_group: whose batches are one; None for all processes.

    Returns:
        The model, or the SyncDice. Modules, their parameters, buffers and hooks are the very ones that they were; only
        the class of each Dice is another. Subclasses of Dice, which may compute something else, stay as they are.
    """
    for part in module.modules():
        if type(part) is Dice:
            part.__class__ = SyncDice
            part.process_group = process_group
    return module
