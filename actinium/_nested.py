"""Calls of three jagged nested tensors. The others need nothing: torch applies an op that is tagged pointwise and has
one tensor or two to what holds all components. A double backward has three, and so has the backward of a gated unit."""

import torch

from actinium._vmap import pointwise


def _of_values(op):
    def rule(a, b, self, *rest):
        outputs = op(a._values, b._values, self._values, *rest)
        like = {"offsets": self.offsets(), "lengths": self.lengths(), "jagged_dim": self._ragged_idx}
        return tuple(t if t is None else torch.nested.nested_tensor_from_jagged(t, **like) for t in outputs)

    return rule


_library = torch.library.Library("actinium", "IMPL")  # it takes its kernels with it when it goes


def register():
    for op in pointwise():
        if sum(str(arg.type) == "Tensor" for arg in op._schema.arguments) == 3 and len(op._schema.returns) == 2:
            _library.impl(op, _of_values(op), "CompositeImplicitAutogradNestedTensor")
