"""Compiles a model with every activation by AOTInductor: compile_package.py MODEL.pt2 DATA.pt [--kernels]

DATA holds an input and what the model gives for it. --kernels: calls of the operators in the place of fused loops.
"""

import sys

import torch
from torch import nn

import actinium


def main(package, data, fused):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(6, 12),
        actinium.nn.Mish(),
        actinium.nn.Swish(trainable=True, num_parameters=12),
        actinium.nn.GELUTanh(),
        nn.Linear(12, 12),
        actinium.nn.Dice(12),
        actinium.nn.SELU(),
        actinium.nn.Maxout(3),
    ).eval()
    x = torch.randn(5, 6)
    batch = torch.export.Dim("batch", min=2, max=1024)
    with torch.no_grad(), actinium.fuse(fused):
        exported = torch.export.export(model, (x,), dynamic_shapes=({0: batch},))
        torch._inductor.aoti_compile_and_package(exported, package_path=package)
        x = torch.randn(33, 6)
        torch.save((x, model(x)), data)


if __name__ == "__main__":
    main(*sys.argv[1:3], fused="--kernels" not in sys.argv)
