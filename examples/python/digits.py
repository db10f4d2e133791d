"""Trains a small network on handwritten digits for each activation, once with Actinium and once with what users write
today; hands the networks to a C++ program; and compares accuracy, predictions, time and memory.

scripts/demo makes the environment and runs this; where Actinium is installed it runs by itself.
"""

import argparse
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
from datetime import datetime
from functools import partial
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1]
RATE = 0.02  # of the single step of gradient descent


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=os.environ.get("DIGITS_PROGRAM"), description=__doc__.split("\n\n")[0])
    parser.add_argument("--epochs", type=int, default=15, metavar="N", help="of each training (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of every training (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=3, metavar="S", help="for measuring each activation (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=EXAMPLES.parent / "build" / "demo",
        metavar="FOLDER",
        help="where models, the C++ programs, table and picture go (default: build/demo in the source tree)",
    )
    given = parser.parse_args()
    if given.epochs < 1:
        parser.error(f"--epochs {given.epochs}: at least 1 is needed")
    return given


if __name__ == "__main__":
    arguments = options()  # before the imports, which take seconds, and an environment

import torch  # noqa: E402
from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from tqdm import tqdm  # noqa: E402

import actinium  # noqa: E402
import figure  # noqa: E402
import measure  # noqa: E402
import training  # noqa: E402
from networks import ACTIVATIONS  # noqa: E402


def heading(text: str) -> None:
    print(f"\n{text}", flush=True)


def machine() -> list[str]:
    """Where the figures come from."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].partition(":")[2].strip() if models else cpu
    return [
        f"{cpu}, {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} processors; {platform.platform()}",
        f"Python {platform.python_version()}, torch {torch.__version__}, actinium {actinium.__version__}; "
        f"{datetime.now():%Y-%m-%d %H:%M}",
    ]


def train_all(data: training.Digits, epochs: int, seed: int, folder: Path) -> dict[str, dict]:
    """Trains, saves, and writes what the C++ program compares itself with."""
    batch = data.train_images[: training.BATCH], data.train_labels[: training.BATCH]
    for_cpp = {
        "names": [activation.name for activation in ACTIVATIONS],
        **vars(data),
        "batch_images": batch[0],
        "batch_labels": batch[1],
        "rate": RATE,
        "seed": seed,
    }
    results = {}
    steps = len(ACTIVATIONS) * 2 * epochs * -(-len(data.train_labels) // training.BATCH)
    with tqdm(total=steps, unit="step", mininterval=0.2 if sys.stderr.isatty() else 10, smoothing=0) as bar:
        for activation in ACTIVATIONS:
            accuracies = []
            for name, module, loss in (
                ("actinium", activation.ours, actinium.functional.softmax_cross_entropy),
                (activation.builtin_name, activation.builtin, torch.nn.functional.cross_entropy),
            ):
                bar.set_description(f"{activation.name}: {name}", refresh=False)
                network = partial(activation.network, module)
                net = training.train(network, loss, data, epochs, seed, bar.update)
                predictions = training.predict(net, data.test_images)
                accuracies.append(training.accuracy(predictions, data.test_labels))
                if name == "actinium":
                    training.save(net, activation.name, folder)
                    step = training.one_step(net, *batch, RATE, seed)
                    for_cpp[activation.name] = {"predictions": predictions, **vars(step)}
            results[activation.name] = {"accuracy": dict(zip(("ours", "builtin"), accuracies, strict=True))}
        bar.set_description("trained", refresh=False)
    torch.save(for_cpp, folder / "digits.pt")
    return results


def build_cpp(folder: Path) -> Path:
    """Builds examples/cpp with the installed package and returns the folder with the programs."""
    cmake = shutil.which("cmake") or sys.exit("The C++ example needs CMake 3.22 or newer, and no cmake was found.")
    build = folder / "cpp"
    configure = [cmake, "-S", EXAMPLES / "cpp", "-B", build, "-U", "Actinium_DIR"]  # another Actinium may be there now
    if not (build / "CMakeCache.txt").exists() and shutil.which("ninja"):
        configure += ["-G", "Ninja"]
    configure += [f"-DCMAKE_PREFIX_PATH={actinium.cmake_prefix_path}"]
    for command in (configure, [cmake, "--build", build, "--parallel"]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"{done.stdout}\nThe C++ example could not be built.")
    return build


def run_cpp(programs: Path, folder: Path, results: dict[str, dict]) -> None:
    """What digits.cpp finds when it compares its predictions and gradients with ours; then train.cpp."""
    for program in ("digits", "train"):
        if shutil.which("ldd"):
            libraries = subprocess.run(["ldd", programs / program], capture_output=True, text=True).stdout
            if "libpython" in libraries:
                sys.exit(f"{programs / program} links Python:\n{libraries}")
        sys.stdout.flush()
        if subprocess.run([programs / program, folder]).returncode:
            sys.exit(f"The C++ example failed: {programs / program} {folder}")
    with (folder / "results.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            name = row.pop("activation")
            results[name]["cpp"] = {what: float(value) for what, value in row.items()}


def measure_all(seconds: float, results: dict[str, dict]) -> None:
    for activation in tqdm(ACTIVATIONS, unit="activation", mininterval=0.2 if sys.stderr.isatty() else 10):
        torch.manual_seed(0)
        ours, builtin = activation.ours(measure.FEATURES), activation.builtin(measure.FEATURES)
        forward, backward = measure.times(ours, builtin, seconds)
        results[activation.name] |= {
            "forward": forward.as_dict(),
            "backward": backward.as_dict(),
            "saved": {"ours": measure.saved_bytes(ours), "builtin": measure.saved_bytes(builtin)},
        }


def table(results: dict[str, dict]) -> Table:
    def times(cost: dict) -> str:
        return (
            f"{cost['ours']:.2f} / {cost['builtin']:.2f} = {cost['ratio']:.1f}x ({cost['low']:.1f}-{cost['high']:.1f})"
        )

    view = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    view.add_column("activation\n")
    view.add_column("compared with\n")
    view.add_column("test accuracy %\nours / builtin", justify="right")
    view.add_column("C++ predictions,\ndifference", justify="right")
    view.add_column("forward, ns/element\nours / builtin", justify="right")
    view.add_column("backward, ns/element\nours / builtin", justify="right")
    view.add_column("saved, bytes/element\nours / builtin", justify="right")
    for activation in ACTIVATIONS:
        of = results[activation.name]
        view.add_row(
            activation.name,
            activation.builtin_name,
            f"{100 * of['accuracy']['ours']:.1f} / {100 * of['accuracy']['builtin']:.1f}",
            f"{of['cpp']['prediction_difference']:.3g}",
            times(of["forward"]),
            times(of["backward"]),
            f"{of['saved']['ours']:.3g} / {of['saved']['builtin']:.3g}",
        )
    return view


def main() -> None:
    folder = arguments.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # networks and batches are small, and the C++ program must sum in the same order

    data = training.digits()
    heading(f"Training, {len(data.train_labels)} digits, {arguments.epochs} epochs")
    results = train_all(data, arguments.epochs, arguments.seed, folder)

    heading("C++: building with find_package(Actinium), then predictions and a step of training, without Python")
    run_cpp(build_cpp(folder), folder, results)

    heading("Time and memory")
    measure_all(arguments.seconds, results)
    found = figure.draw(folder / "activations.png")
    for name, error in found.items():
        results[name]["ulp"] = {"ours": error.ours.max().item(), "builtin": error.builtin.max().item()}

    tails = ", ".join(
        f"{name} {of['ulp']['ours']:.2f} / {of['ulp']['builtin']:.3g}" for name, of in results.items() if "ulp" in of
    )
    notes = [
        f"Accuracy: {len(data.test_labels)} test digits, one seed ({arguments.seed}). C++ predictions: the largest "
        "difference from Python's.",
        f"Time: median, float32, one thread, shape ({measure.ROWS}, {measure.FEATURES}), called as in training; "
        "in brackets the quartiles of the ratio.",
        "Saved: what the graph keeps for the backward, beside parameters and buffers.",
        f"Largest error seen in the left tail, ULP, ours / builtin: {tails}.",
        *machine(),
    ]
    console = Console(width=180, highlight=False)
    with (folder / "table.txt").open("w") as file:
        for out in (console, Console(file=file, width=180)):
            out.print(table(results))
            for note in notes:
                out.print(note, markup=False, soft_wrap=True)
    (folder / "results.json").write_text(json.dumps({"machine": machine(), "activations": results}, indent=1) + "\n")
    print(f"\nPicture: {folder / 'activations.png'}; table and figures: {folder}/table.txt, results.json")


if __name__ == "__main__":
    main()
