"""Second derivatives of jagged nested tensors. The other calls need nothing: torch applies an op that is tagged
pointwise and has one tensor or two to what holds all components. A double backward has three."""

import torch

from actinium._vmap import pointwise


def _of_values(op):
    def rule(grad_grad, grad, self, *rest):
        outputs = op(grad_grad._values, grad._values, self._values, *rest)
        like = {"offsets": self.offsets(), "lengths": self.lengths(), "jagged_dim": self._ragged_idx}
        return tuple(t if t is None else torch.nested.nested_tensor_from_jagged(t, **like) for t in outputs)

    return rule


_library = torch.library.Library("actinium", "IMPL")  # it takes its kernels with it when it goes


def register():
    for op in pointwise():
        if op._schema.name.endswith("_double_backward"):
            _library.impl(op, _of_values(op), "CompositeImplicitAutogradNestedTensor")
