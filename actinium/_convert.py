"""Puts the modules of this package where a model has others that compute the same: :func:`actinium.convert`."""

import weakref
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Optional, Union, overload

import torch
from torch import Tensor, nn
from torch.nn import Module, Parameter
from torch.nn.utils import parametrize

from actinium.nn import (
    ELU,
    GELU,
    SELU,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    Dice,
    GELUTanh,
    LogSoftmax,
    Mish,
    PReLU,
    QuickGELU,
    Sigmoid,
    Softmax,
    Swish,
    Tanh,
)

__all__ = ["Left", "Replaced", "Report", "convert"]


class Replaced(NamedTuple):
    """A place of the model with a new module: its name, the class that was there, the module that is there now."""

    name: str
    old: str
    new: str


class Left(NamedTuple):
    """A place of the model with an activation that was left: its name, the class, and why."""

    name: str
    module: str
    reason: str


class Report(NamedTuple):
    """What :func:`convert` did, place by place; a module with two names stands here twice. To be printed."""

    replaced: list[Replaced]
    left: list[Left]

    def __str__(self) -> str:
        lines = [f"replaced: {len(self.replaced)}"]
        lines += [f"  {name or '(model)'}: {old} -> {new}" for name, old, new in self.replaced]
        lines += [f"left: {len(self.left)}"]
        lines += [f"  {name or '(model)'}: {module}: {reason}" for name, module, reason in self.left]
        return "\n".join(lines)


# ------------------------------------------------------------------------------------- what takes the place of what

# Gives the module that computes the same as this one, or says why there is none.
Rule = Callable[[Module], Union[Module, str]]


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _measure(module: Module) -> dict[str, Tensor]:
    """What a pointwise module does to numbers from -30 to 30. Hooks do not run."""
    with torch.inference_mode(False):  # and with gradients, even under no_grad
        x = torch.linspace(-30, 30, 601, dtype=torch.float64, device="cpu", requires_grad=True)
        input = x.clone()
        y = module.forward(input)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        return {"value": y.detach(), "gradient": gradient, "effect on the input": (input - x).detach()}


def _pointwise(make: Rule) -> Rule:
    """What `make` makes, if it computes the same. A name does not tell: every repository of a YOLO has its own
    utils.activations, stand-ins for mish_cuda have a wrong gradient, and some classes are in place without a word."""

    def rule(module: Module) -> Union[Module, str]:
        if module._parameters or module._buffers or module._modules:
            return "it holds parameters, buffers or modules"
        ours = make(module)
        if isinstance(ours, str):
            return ours
        try:
            theirs = _measure(module)
        except Exception as error:  # the forward may be anybody's
            return f"it cannot be compared with {ours}: {error}"
        if hasattr(ours, "inplace"):
            ours.inplace = bool(theirs["effect on the input"].any())
        for what, value in _measure(ours).items():
            # Half an ULP of float32 is no difference: the constant of a GELU may be written with ten digits.
            if not torch.allclose(theirs[what], value, rtol=2**-24, atol=1e-10):
                return f"its {what} is not that of {ours}"
        return ours

    return rule


def _swish_by_alpha(module: Module) -> Union[Module, str]:
    alpha = module.alpha
    return Swish(alpha) if isinstance(alpha, (int, float)) else "its alpha is not a number"


# Where parameters have another shape, or numbers are told by no attribute.
_PRESET = "Dice.preset({0!r}, C) is to be made by hand, and loaded by dice_state_dict({0!r}, ...)"


def _dice(preset: str, *modules: str) -> Rule:
    """`bn`, a BatchNorm1d, makes the gate, `alpha` is a slope per channel."""

    def rule(module: Module) -> Union[Module, str]:
        if (set(module._parameters), set(module._buffers), set(module._modules)) != ({"alpha"}, set(), {*modules}):
            return f"it holds more, or less, than alpha and {' and '.join(modules)}"
        alpha, bn = module.alpha, module.bn
        if type(bn) is not nn.BatchNorm1d or not bn.track_running_stats:
            return "its bn is not a BatchNorm1d with running statistics"
        if type(alpha) is not Parameter or alpha.shape != (bn.num_features,):
            return f"its alpha is not a parameter of shape [{bn.num_features}]; {_PRESET.format(preset)}"
        if "sigmoid" in modules and type(module.sigmoid) is not nn.Sigmoid:
            return "its sigmoid is not a Sigmoid"
        for name in modules:
            part = vars(module._modules[name])
            if part["training"] != module.training:
                return f"its {name} is in another mode"
            if "forward" in part or any(hooks for key, hooks in part.items() if key.endswith("_hooks")):
                return f"its {name} has hooks or a forward of its own"
        start = {"weight": 1.0, "bias": 0.0} if bn.affine else {"weight": None, "bias": None}
        ours = Dice.preset(preset, bn.num_features, eps=bn.eps, momentum=bn.momentum, device="meta", **start)
        ours.alpha, ours.weight, ours.bias = alpha, bn.weight, bn.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            setattr(ours, name, getattr(bn, name))
        return ours

    return rule


def _prelu(module: Module) -> Union[Module, str]:
    if (set(module._parameters), module._buffers, module._modules) != ({"weight"}, {}, {}):
        return "it holds more, or less, than weight"
    ours = PReLU(module.weight.numel(), device="meta")
    ours.weight = module.weight
    return ours


def _holding(make: Rule, *buffers: str) -> Rule:
    """What `make` makes, with the buffers of the module."""

    def rule(module: Module) -> Union[Module, str]:
        if (module._parameters, set(module._buffers), module._modules) != ({}, set(buffers), {}):
            return f"it holds more, or less, than {' and '.join(buffers) or 'its options'}"
        ours = make(module)
        if isinstance(ours, Module):
            ours._buffers.update(module._buffers)
        return ours

    return rule


def _along_dim(make: Callable[[int], Module]) -> Rule:
    none = "its dim is None, by which torch chooses one for the number of dims"
    return _holding(lambda module: none if module.dim is None else make(module.dim))


_MISH = _pointwise(lambda module: Mish())
_SILU = _pointwise(lambda module: Swish())
_GELU = _pointwise(lambda module: GELU())
_GELU_TANH = _pointwise(lambda module: GELUTanh())
_QUICK_GELU = _pointwise(lambda module: QuickGELU())
_SIGMOID = _pointwise(lambda module: Sigmoid())
_TANH = _pointwise(lambda module: Tanh())

# By full names, so that the packages need not be there; as read in CLIP 1.0.1, DeepCTR-Torch 0.2.9 to 0.3.0, diffusers
# 0.42.1, efficientnet_pytorch 0.6 to 0.7.1, ESPnet 202511, FuxiCTR 1.0 to 2.3.10, geffnet 1.0.2, mish-cuda, MMCV 1 to
# 2.2.0, MONAI 0.8.1 to 1.6.1, NeMo 3.0.0, open_clip 3.3.0, pytorchcv 0.0.74, RecBole 1.0.1 to 1.2.1, SpeechBrain 1.1.2,
# timm 0.4.12 to 1.0.31, TorchEasyRec, torch-rechub 0.0.5 to 0.9.0, transformers 4.30 to 5.23, WeNet, YOLOX, and the
# repositories of YOLOv3 to v7. A reason stands where a name that is used here is on another function. nn.ReLU and
# nn.LeakyReLU are not here: torch's are as fast, and in place they keep nothing but the result.
_KNOWN: dict[str, Union[Rule, str]] = {
    "torch.nn.modules.activation.GELU": _pointwise(
        lambda module: GELUTanh() if module.approximate == "tanh" else GELU()
    ),
    "torch.nn.modules.activation.PReLU": _prelu,
    "torch.nn.modules.activation.Softmax": _along_dim(Softmax),
    "torch.nn.modules.activation.LogSoftmax": _along_dim(LogSoftmax),
    "torch.nn.modules.loss.CrossEntropyLoss": _holding(
        lambda module: CrossEntropyLoss(None, module.ignore_index, module.reduction, module.label_smoothing), "weight"
    ),
    "torch.nn.modules.loss.BCEWithLogitsLoss": _holding(
        lambda module: BCEWithLogitsLoss(None, module.reduction), "weight", "pos_weight"
    ),
    "torch.nn.modules.activation.SELU": _pointwise(lambda module: SELU()),
    "torch.nn.modules.activation.ELU": _pointwise(lambda module: ELU(module.alpha)),
    **dict.fromkeys(
        (
            "torch.nn.modules.activation.Sigmoid",
            "geffnet.activations.activations.Sigmoid",
            "timm.layers.activations.Sigmoid",
            "timm.models.layers.activations.Sigmoid",
        ),
        _SIGMOID,
    ),
    **dict.fromkeys(
        (
            "torch.nn.modules.activation.Tanh",
            "geffnet.activations.activations.Tanh",
            "timm.layers.activations.Tanh",
            "timm.models.layers.activations.Tanh",
        ),
        _TANH,
    ),
    **dict.fromkeys(
        (
            "torch.nn.modules.activation.Mish",
            "actinium.compat.mish_cuda.MishCuda",
            "geffnet.activations.activations.Mish",
            "geffnet.activations.activations_jit.MishJit",
            "geffnet.activations.activations_me.MishMe",
            "mish_cuda.MishCuda",
            "monai.networks.blocks.activation.Mish",
            "nets.CSPdarknet.Mish",
            "timm.layers.activations.Mish",
            "timm.layers.activations_jit.MishJit",
            "timm.layers.activations_me.MishMe",
            "timm.models.layers.activations.Mish",
            "timm.models.layers.activations_jit.MishJit",
            "timm.models.layers.activations_me.MishMe",
            "tool.darknet2pytorch.Mish",
            "transformers.activations.MishActivation",
            "utils.activations.MemoryEfficientMish",
            "utils.activations.Mish",
            "yolov5.utils.activations.MemoryEfficientMish",
            "yolov5.utils.activations.Mish",
        ),
        _MISH,
    ),
    **dict.fromkeys(
        (
            "torch.nn.modules.activation.SiLU",
            "efficientnet.utils.MemoryEfficientSwish",
            "efficientnet.utils.Swish",
            "efficientnet_pytorch.utils.MemoryEfficientSwish",
            "efficientnet_pytorch.utils.Swish",
            "espnet.nets.pytorch_backend.conformer.swish.Swish",
            "geffnet.activations.activations.Swish",
            "geffnet.activations.activations_jit.SwishJit",
            "geffnet.activations.activations_me.SwishMe",
            "mmcv.cnn.bricks.swish.Swish",
            "monai.networks.blocks.activation.MemoryEfficientSwish",
            "nemo.collections.asr.parts.utils.activations.Swish",
            "nets.CSPdarknet.SiLU",
            "pytorchcv.models.common.activ.Swish",
            "timm.layers.activations.Swish",
            "timm.layers.activations_jit.SwishJit",
            "timm.layers.activations_me.SwishMe",
            "timm.models.layers.activations.Swish",
            "timm.models.layers.activations_jit.SwishJit",
            "timm.models.layers.activations_me.SwishMe",
            "transformers.activations.SiLUActivation",
            "utils.activations.MemoryEfficientSwish",
            "utils.activations.SiLU",
            "utils.activations.Swish",
            "utils.layers.MemoryEfficientSwish",
            "utils.layers.Swish",
            "wenet.transformer.swish.Swish",
            "yolov5.utils.activations.SiLU",
            "yolox.models.network_blocks.SiLU",
        ),
        _SILU,
    ),
    "monai.networks.blocks.activation.Swish": _pointwise(_swish_by_alpha),
    **dict.fromkeys(
        (
            "diffusers.models.transformers.t5_film_transformer.NewGELUActivation",
            "fuxictr.pytorch.layers.activations.GELU",
            "timm.layers.activations.GELUTanh",
            "transformers.activations.AccurateGELUActivation",
            "transformers.activations.FastGELUActivation",
            "transformers.activations.GELUTanh",
            "transformers.activations.NewGELUActivation",
            "transformers.activations.PytorchGELUTanh",
        ),
        _GELU_TANH,
    ),
    **dict.fromkeys(
        (
            "clip.model.QuickGELU",
            "diffusers.models.controlnets.controlnet_union.QuickGELU",
            "open_clip.transformer.QuickGELU",
            "timm.layers.activations.QuickGELU",
            "transformers.activations.QuickGELUActivation",
        ),
        _QUICK_GELU,
    ),
    **dict.fromkeys(
        (
            "timm.layers.activations.GELU",
            "timm.models.layers.activations.GELU",
            "transformers.activations.GELUActivation",
        ),
        _GELU,
    ),
    "fuxictr.pytorch.layers.activation.Dice": _dice("fuxictr", "bn"),
    "fuxictr.pytorch.layers.activations.Dice": _dice("fuxictr", "bn"),
    "deepctr_torch.layers.activation.Dice": _dice("deepctr-torch", "bn", "sigmoid"),
    "recbole.model.layers.Dice": "its gate is sigmoid(x), without a mean and a variance",
    "torch_rechub.basic.activation.Dice": f"it holds no number of channels; {_PRESET.format('torch-rechub')}",
    "tzrec.modules.activation.Dice": _dice("tzrec", "bn"),
    "speechbrain.nnet.activations.Swish": "it computes beta * x * sigmoid(beta * x)",
}
_FAMILIAR = {name.rpartition(".")[2] for name in _KNOWN}

# What those classes keep in their instances for a forward that is no longer used.
_THEIRS = {"act", "alpha", "approximate", "inplace", "precomputed_constant"}


def _replacement(module: Module, mapping: Mapping[type, Rule]) -> Union[Module, str, None]:
    """The module for its place, the reason why there is none, or None if it is not an activation."""
    cls = type(module)
    rule = mapping.get(cls)
    if rule is None:
        known = next((base for base in cls.__mro__ if _full_name(base) in _KNOWN), None)
        if known is None:
            if cls.__name__ in _FAMILIAR and not cls.__module__.startswith("actinium."):
                return "its class is not known; if it computes the same, name it in `mapping`"
            return None
        if known is not cls:
            return "it is parametrized" if parametrize.is_parametrized(module) else f"a subclass of {_full_name(known)}"
        rule = _KNOWN[_full_name(cls)]
        if isinstance(rule, str):
            return rule
    # Set by other libraries, and by module.compile().
    for name in ("forward", "_compiled_call_impl"):
        if name in vars(module):
            return f"its {name} is an attribute of the instance"
    return rule(module)


# ----------------------------------------------------------------------------------------------------------- convert

# What every module has: its mode and its hooks.
_BASE = set(vars(Module())) - {"_parameters", "_buffers", "_modules"}


def _take_over(new: Module, old: Module) -> None:
    """Mode, hooks, and what others have set on the old module. Handles of hooks point to the very dicts."""
    for name, value in vars(old).items():
        if name in _BASE or name not in vars(new).keys() | _THEIRS:
            vars(new)[name] = value
    for hook in new._load_state_dict_pre_hooks.values():
        if hook.with_module:
            hook.module = weakref.ref(new)


def _refuse(name: str, module: Module) -> None:
    name = name or "the model"
    if isinstance(module, torch.jit.ScriptModule):
        raise TypeError(f"convert: {name} is a ScriptModule; convert the model before it is scripted or traced")
    # Both kinds of FSDP remember which module a parameter is in.
    if any(base.__module__.startswith("torch.distributed.fsdp.") for base in type(module).__mro__):
        raise TypeError(f"convert: {name} is sharded by FSDP; convert the model before")


@overload
def convert(
    model: Module,
    mapping: Optional[Mapping[type, Rule]] = ...,
    *,
    return_report: Literal[False] = ...,
) -> Module: ...
@overload
def convert(
    model: Module,
    mapping: Optional[Mapping[type, Rule]] = ...,
    *,
    return_report: Literal[True],
) -> tuple[Module, Report]: ...
def convert(
    model: Module,
    mapping: Optional[Mapping[type, Rule]] = None,
    *,
    return_report: bool = False,
) -> Union[Module, tuple[Module, Report]]:
    r"""Replaces the activations of a model by those of :mod:`actinium.nn` that compute the same, in place.

    ``nn.Mish``, ``nn.SiLU``, ``nn.GELU``, ``nn.SELU``, ``nn.ELU``, ``nn.PReLU``, ``nn.Sigmoid``, ``nn.Tanh``,
    ``nn.Softmax`` and ``nn.LogSoftmax`` with a ``dim``, ``nn.CrossEntropyLoss``, ``nn.BCEWithLogitsLoss``, and the
    classes of other packages that compute one of these, Swish, QuickGELU, or Dice: those of timm, transformers, CLIP,
    FuxiCTR, DeepCTR-Torch, TorchEasyRec, MONAI, MMCV and the YOLO repositories among them. They are found by the full
    name of their class, and what they compute is compared before they are replaced. Subclasses, functions called in a
    ``forward``, and modules in plain lists are left; so are ``nn.ReLU`` and ``nn.LeakyReLU``, which are as fast in
    torch, unless ``mapping`` names them.

    Everything else stays: names, the order of modules, training mode, hooks and their handles, sharing, and the
    parameters and buffers themselves, so that an optimizer made before keeps training them. Only Dice changes keys of
    the state dict, from ``bn.running_mean`` to ``running_mean`` and so on: load checkpoints before.

    Convert a model before ``torch.jit.script``, ``torch.jit.trace`` and FSDP, and before or after ``torch.compile`` and
    ``DistributedDataParallel``. To keep the model as it was, convert a ``copy.deepcopy`` of it.

    Args:
        model: the model, or a single activation.
        mapping: for classes that are not known, what makes the replacement out of a module, which it is to be equal to:
            ``{MyMish: lambda module: actinium.nn.Mish()}``. It goes before what is known.
        return_report: return a report, too: what was replaced, what was left, and why.

    Returns:
        The model; if it is itself an activation, the module that takes its place. As
        ``nn.SyncBatchNorm.convert_sync_batchnorm``, for ``model = actinium.convert(model)``. With ``return_report``
        a tuple of that and of a :class:`Report`, which has two lists, ``replaced`` and ``left``, and can be printed.

    Raises:
        TypeError: ``model`` is not a module, or there is a ``ScriptModule`` or a module sharded by FSDP in it; nothing
            is replaced then.

    Example::

        >>> class Clipped(torch.nn.Mish):
        ...     def forward(self, x):
        ...         return super().forward(x).clamp(max=2)
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.SiLU(), Clipped())
        >>> model, report = actinium.convert(model, return_report=True)
        >>> print(report)
        replaced: 1
          1: torch.nn.modules.activation.SiLU -> Swish(beta=1.0)
        left: 1
          2: __main__.Clipped: a subclass of torch.nn.modules.activation.Mish
    """
    if not isinstance(model, Module):
        raise TypeError(f"convert: the model must be a torch.nn.Module, not {type(model).__name__}")
    mapping = mapping or {}
    report = Report([], [])
    found: dict[Module, Union[Module, str, None]] = {}
    places: list[tuple[Module, str, Module]] = []

    def visit(holder: Module, prefix: str) -> None:
        for key, module in holder._modules.items():
            if module is None:
                continue
            name = prefix + key
            _refuse(name, module)
            if module not in found:
                found[module] = _replacement(module, mapping)
            new = found[module]
            if isinstance(new, Module) and key == "_orig_mod":
                new = "torch.compile holds its forward; convert it before"
            if isinstance(new, Module):
                report.replaced.append(Replaced(name, _full_name(type(module)), repr(new)))
                places.append((holder, key, module))
                continue
            if new is not None:
                report.left.append(Left(name, _full_name(type(module)), new))
            visit(module, f"{name}." if name else "")

    root = Module()
    root._modules[""] = model
    visit(root, "")
    # Only now, so that an error leaves the model as it was.
    for holder, key, old in places:
        new = holder._modules[key] = found[old]
        _take_over(new, old)
    model = root._modules[""]
    return (model, report) if return_report else model
