"""Real handwritten digits, and how a network learns them."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

BATCH = 64

Loss = Callable[[Tensor, Tensor], Tensor]  # of logits and labels


@dataclass(frozen=True)
class Digits:
    """Images (N, 1, 8, 8), standardized by the training set; labels (N,)."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


def digits() -> Digits:
    data = load_digits()
    parts = train_test_split(data.images, data.target, test_size=0.25, random_state=0, stratify=data.target)
    train_images, test_images = (torch.tensor(part, dtype=torch.float32).unsqueeze(1) for part in parts[:2])
    train_labels, test_labels = (torch.tensor(part) for part in parts[2:])
    mean, deviation = train_images.mean(), train_images.std()
    return Digits((train_images - mean) / deviation, train_labels, (test_images - mean) / deviation, test_labels)


def train(
    make: Callable[[], nn.Module], loss: Loss, data: Digits, epochs: int, seed: int, step: Callable[[], None]
) -> nn.Module:
    """A trained network. The seed sets its initial values, the order of the images, and what dropout drops."""
    torch.manual_seed(seed)
    net = make().train()
    batches = -(-len(data.train_labels) // BATCH)
    optimizer = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=epochs * batches)
    for _ in range(epochs):
        for batch in torch.randperm(len(data.train_labels)).split(BATCH):
            optimizer.zero_grad()
            loss(net(data.train_images[batch]), data.train_labels[batch]).backward()
            optimizer.step()
            schedule.step()
            step()
    return net.eval()


@torch.no_grad()
def predict(net: nn.Module, images: Tensor) -> Tensor:
    return net.eval()(images)


def accuracy(predictions: Tensor, labels: Tensor) -> float:
    return (predictions.argmax(1) == labels).double().mean().item()


def save(net: nn.Module, name: str, folder: Path) -> None:
    """Writes <name>.pt, frozen: for inference; and <name>-training.pt, with parameters, for training to go on."""
    torch.jit.freeze(torch.jit.script(net.eval())).save(folder / f"{name}.pt")
    torch.jit.script(copy.deepcopy(net).train()).save(folder / f"{name}-training.pt")


@dataclass(frozen=True)
class Step:
    """One step of gradient descent: the loss before and after it, and the gradients, in the order of the parameters."""

    before: Tensor
    after: Tensor
    gradients: list[Tensor]


def one_step(net: nn.Module, images: Tensor, labels: Tensor, rate: float, seed: int) -> Step:
    """Of a copy of the network, with torch's loss; what dropout drops is the same before and after. digits.cpp does the
    same."""
    net = copy.deepcopy(net).train()
    optimizer = torch.optim.SGD(net.parameters(), rate)
    torch.manual_seed(seed)
    before = cross_entropy(net(images), labels)
    before.backward()
    gradients = [parameter.grad.clone() for parameter in net.parameters()]
    optimizer.step()
    torch.manual_seed(seed)
    with torch.no_grad():
        after = cross_entropy(net(images), labels)
    return Step(before.detach(), after, gradients)
