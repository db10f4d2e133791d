"""The layouts that an operator meets: each takes a contiguous tensor and gives one of the same shape."""

import torch


def channels_last(x):
    return x.contiguous(memory_format={4: torch.channels_last, 5: torch.channels_last_3d}[x.dim()])


def permuted(x):
    return x.permute(*range(1, x.dim()), 0).contiguous().permute(-1, *range(x.dim() - 1))


def sliced(x):
    wide = x.new_full((*x.shape[:-1], 2 * x.size(-1)), 7.0)
    wide[..., ::2] = x
    return wide[..., ::2]


def sliced_transposed(x):
    """Neither dense nor in the order of its dims."""
    return sliced(x.transpose(0, -1)).transpose(0, -1)


def cropped(x):
    wide = x.new_full((*x.shape[:-1], x.size(-1) + 1), 7.0)
    wide[..., :-1] = x
    return wide[..., :-1]


def offset(x):
    return torch.cat([x.new_full((1,), 7.0), x.flatten()])[1:].view(x.shape)


def expanded(x):
    return x[:1].expand(x.shape)


def overlapping(x):
    """Rows that share all but one of their elements."""
    return x.as_strided(x.shape, [1] * x.dim())


LAYOUTS = {
    "contiguous": lambda x: x,
    "channels_last": channels_last,
    "channels_last_3d": lambda x: channels_last(x.unsqueeze(2).repeat(1, 1, 2, 1, 1)),
    "transposed": lambda x: x.transpose(0, -1).contiguous().transpose(0, -1),
    "permuted": permuted,
    "sliced": sliced,
    "sliced_transposed": sliced_transposed,
    "cropped": cropped,
    "offset": offset,
    "expanded": expanded,
    "overlapping": overlapping,
    "flipped": lambda x: x.flip(-1),
}

# Those in which every element has memory of its own.
WRITABLE = {name: layout for name, layout in LAYOUTS.items() if name not in ("expanded", "overlapping")}
