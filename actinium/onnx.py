"""Export to ONNX by ``torch.onnx.export``, which needs the packages onnx and onnxscript."""

from collections.abc import Callable

__all__ = ["translation_table"]


def translation_table() -> dict[Callable, Callable]:
    r"""The ``custom_translation_table`` by which ``torch.onnx.export`` knows Actinium's operators::

        torch.onnx.export(
            model.eval(), args, "model.onnx", dynamo=True, custom_translation_table=actinium.onnx.translation_table()
        )

    Where the opset that is exported to has them for the dtype, ONNX's own activations are used: ``Mish``, ``Selu``,
    ``Elu``, ``Relu``, ``LeakyRelu``, ``Sigmoid``, ``Tanh``, ``Gelu`` of either form (from opset 20 on) and
    ``Swish`` with beta as ``alpha`` (from 24 on; with 1.702 for QuickGELU), and ``Softmax``, ``LogSoftmax`` and, for
    indices without label smoothing, ``SoftmaxCrossEntropyLoss``. All else is composed of arithmetic, done as the
    operators do it: Swish with a tensor beta, Dice, Maxout, the other losses, and in float64 every activation but
    ``Relu``, ``Sigmoid`` and ``Tanh``, since the attributes of ONNX are float32.

    A runtime computes with elementary functions of its own, and an infinite input gives what the formula gives:
    :math:`-\infty \cdot \sigma(-\infty)` is NaN, where :func:`actinium.functional.swish` has the limit, 0. Dice in
    training takes the statistics of the batch; running ones are not updated by a graph.

    Returns:
        A new dict, to which translations of other operators may be added.

    Raises:
        ImportError: onnxscript is not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "actinium.onnx: the ONNX exporter of torch needs onnx and onnxscript; install them by "
            "`pip install onnx onnxscript`"
        ) from error
    from actinium._onnx import TABLE

    return dict(TABLE)
