"""Builds Actinium for the GPU of this machine, tests it there, and measures accuracy and speed, against a clock.

The stages are build; tests, sanitizer and accuracy, at the same time; bench, alone. A stage that fails or runs out of
time is reported, and the next one runs. What is found is in the folder at once: check.json, check.md, check.log.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
import xml.etree.ElementTree as ElementTree
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO

import cuda_rows
import gpu_report

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "gpu-check"
SITE = BUILD / "site"  # holds the package that is built here
STAGES = ("build", "tests", "sanitizer", "accuracy", "bench")

# Of the time that is left when they start.
BUILD_SHARE, CHECKS_SHARE, BENCH_SHARE = 0.6, 0.55, 0.85
CLOSING = 5  # seconds for what comes after the last stage
GRACE = 10  # seconds that a process has to write down what it knows, when it is told to stop
TOLD = 20  # failures that are named
ROOMY = 40  # GiB of a device that more than 2^31 elements are tried on
COMPILERS = 4  # processes that fill torch.compile's caches while the tests run

# That the package which was built works on the device.
SMOKE = """
import torch
import actinium
print(actinium.build_info())
x = torch.linspace(-8, 8, 1001, requires_grad=True)
y = x.detach().cuda().requires_grad_()
for t in (x, y):
    torch.ops.actinium.mish(t).sum().backward()
torch.testing.assert_close(y.grad.cpu(), x.grad)
"""
SANITIZED = 99  # compute-sanitizer's exit status for an error that it found
COUNTED = 6  # rows whose counters are read
METRICS = {
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "DRAM",
    "sm__inst_issued.avg.pct_of_peak_sustained_active": "issue slots",
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=os.environ.get("GPU_CHECK_PROGRAM"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit status: 0 all that ran is right, whether or not it is fast enough, 1 a stage failed or ran out of "
        "time, 2 an error, 130 stopped.",
    )
    parser.add_argument("output", type=Path, metavar="FOLDER", help="takes the report")
    parser.add_argument(
        "--stages", default=",".join(STAGES), metavar="NAMES", help="of %(default)s (default: all); without build, "
        "the package of the last build here or the installed one",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=9, metavar="M", help="for all (default: %(default)s)")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, in small, with the installed package")
    given = parser.parse_args()
    given.stages = given.stages.split(",")
    if unknown := set(given.stages) - set(STAGES):
        parser.error(f"--stages {','.join(unknown)}: there are {', '.join(STAGES)}")
    return given


def tool(name: str) -> str | None:
    """A program of the CUDA toolkit."""
    toolkit = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin"
    return shutil.which(name) or shutil.which(name, path=str(toolkit))


def describe(rehearsal: bool) -> dict:
    import torch

    import machine

    found = machine.describe() | {"cuda": torch.version.cuda}
    if rehearsal:
        return found | {"device": found["processor"], "driver": "none", "memory_gib": 0, "architecture": ""}
    if not torch.cuda.is_available():
        print("torch finds no CUDA device; --rehearse does without one", file=sys.stderr)
        sys.exit(2)
    properties = torch.cuda.get_device_properties(0)
    driver = "?"
    if program := shutil.which("nvidia-smi"):
        query = [program, "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
        driver = subprocess.run(query, capture_output=True, text=True).stdout.strip() or "?"
    return found | {
        "device": properties.name,
        "driver": driver,
        "memory_gib": properties.total_memory / 2**30,
        "architecture": f"{properties.major}.{properties.minor}",
    }


# ------------------------------------------------------------------------------------------------------------ processes


class Log:
    """check.log: what every process says, line by line."""

    def __init__(self, path: Path) -> None:
        self.file, self.lock = path.open("w"), threading.Lock()

    def __call__(self, name: str, line: str) -> None:
        with self.lock:
            print(f"[{name}] {line}", file=self.file, flush=True)


class Job:
    """A process. JSON objects on its stdout are its results, the rest goes to the log."""

    def __init__(self, name: str, command: list, log: Log, environment: dict[str, str]) -> None:
        self.name, self.log = name, log
        self.command = [str(argument) for argument in command]
        self.results: list[dict] = []
        self.tail: deque[str] = deque(maxlen=30)
        self.begin, self.end, self.stopped = time.monotonic(), 0.0, False
        log(name, shlex.join(self.command))
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self.process.stdout, self.process.stderr)
        ]
        for reader in self.readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            if line.startswith("{"):
                with contextlib.suppress(json.JSONDecodeError):
                    self.results.append(json.loads(line))
                    continue
            self.tail.append(line.rstrip())
            self.log(self.name, line.rstrip())

    def finished(self) -> bool:
        if not self.end and self.process.poll() is not None:
            self.end = time.monotonic()
        return bool(self.end)

    def interrupt(self) -> None:
        """As Ctrl-C does: pytest writes its report then."""
        self.stopped = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)

    def close(self) -> None:
        """Ends what is left of it, with its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.finished()
        for reader in self.readers:
            reader.join(timeout=5)

    @property
    def status(self) -> int:
        return self.process.returncode

    @property
    def seconds(self) -> float:
        return self.end - self.begin

    @property
    def end_of_log(self) -> list[str]:
        return [line for line in self.tail if line.strip()][-TOLD + 1 :]

    @property
    def last(self) -> str:
        """Its last words."""
        return (self.end_of_log or [""])[-1]


def running(jobs: list[Job]) -> list[Job]:
    return [job for job in jobs if not job.finished()]


# --------------------------------------------------------------------------------------------------------------- stages


class Check:
    def __init__(self, given: argparse.Namespace) -> None:
        self.given, self.rehearsal = given, given.rehearse
        self.device = "cpu" if given.rehearse else "cuda"
        self.end = time.monotonic() + 60 * given.minutes - CLOSING
        given.output.mkdir(parents=True, exist_ok=True)
        self.log = Log(given.output / "check.log")
        self.jobs: list[Job] = []
        self.run: dict = {
            "rehearsal": given.rehearse,
            "command": shlex.join([os.environ.get("GPU_CHECK_PROGRAM", "benchmarks/gpu_check.py"), *sys.argv[1:]]),
            "machine": describe(given.rehearse),
            "stages": {},
            "accuracy": [],
            "bench": [],
            "unmeasured": [],
            "counters": [],
        }

    def save(self) -> None:
        for name, text in (
            ("check.json", json.dumps(self.run, indent=1) + "\n"),
            ("check.md", gpu_report.document(self.run)),
        ):
            new = self.given.output / f".{name}"
            new.write_text(text)
            new.replace(self.given.output / name)

    def left(self) -> float:
        return max(0.0, self.end - time.monotonic())

    def start(self, name: str, command: list, **environment: str) -> Job:
        here = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "python")] * (name != "tests")
        if SITE.exists() and not self.rehearsal:
            here.insert(0, str(SITE))
        given = os.environ.get("PYTHONPATH")
        job = Job(name, command, self.log, {
            "PYTHONPATH": os.pathsep.join([*here, *([given] if given else [])]),
            "PYTHONSAFEPATH": "1",  # the source tree must not be imported
            "PYTHONUNBUFFERED": "1",
            "TORCHINDUCTOR_CACHE_DIR": str(BUILD / "inductor"),
            "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no pool of idle processes
            "TRITON_CACHE_DIR": str(BUILD / "triton"),
            **environment,
        })  # fmt: skip
        self.jobs.append(job)
        return job

    def wait(self, jobs: list[Job], seconds: float) -> None:
        """Until all have ended, or the time is over and they are made to."""
        end = time.monotonic() + seconds
        while (late := running(jobs)) and time.monotonic() < end:
            time.sleep(0.1)
            self.collect()
        for job in late:
            job.interrupt()
        end = time.monotonic() + GRACE
        while running(late) and time.monotonic() < end:
            time.sleep(0.1)
        for job in jobs:
            job.close()
        self.collect()

    def collect(self) -> None:
        """Takes the results that have come, and writes them down."""
        new = False
        for job in self.jobs:
            while job.results and job.name in ("accuracy", "bench"):
                result, new = job.results.pop(0), True
                self.run["unmeasured"] += result.get("unmeasured", [])
                if "unmeasured" not in result:
                    self.run[job.name].append(result)
        if new:
            self.save()

    def put(self, stage: str, status: str, seconds: float = 0, notes: list[str] | None = None) -> None:
        self.run["stages"][stage] = {"status": status, "seconds": round(seconds, 1), "notes": notes or []}
        self.save()
        told = f": {notes[0]}" if notes else ""
        print(f"{stage}: {status}, {seconds:.0f} s{told}", flush=True)
        for note in (notes or [])[1:]:
            print(f"  {note}", flush=True)

    @contextlib.contextmanager
    def guard(self, stage: str) -> Iterator[None]:
        """A mistake in a stage must not keep the next one from running."""
        try:
            yield
        except Exception as error:
            self.log(stage, traceback.format_exc())
            self.put(stage, "failed", notes=[f"{type(error).__name__}: {error}"])

    def judge(
        self, stage: str, jobs: list[Job], problems: list[str], notes: list[str], otherwise: str = "passed"
    ) -> None:
        """A stage failed if there is a problem; it is out of time if that is all that is wrong."""
        status = "failed" if problems else "out of time" if any(job.stopped for job in jobs) else otherwise
        notes = [*notes, *problems[:TOLD], *([f"and {len(problems) - TOLD} more"] if len(problems) > TOLD else [])]
        self.put(stage, status, max(job.seconds for job in jobs), notes)

    # ---- build

    def build(self) -> bool:
        """Whether there is something to go on with."""
        if self.rehearsal:
            self.put("build", "not run", notes=[f"{gpu_report.REHEARSAL}: the package that is installed"])
            return True
        torch = Path(importlib.util.find_spec("torch").submodule_search_locations[0])
        script = """
            cmake -S . -B "$0" -G Ninja -DCMAKE_BUILD_TYPE=Release -DACTINIUM_BUILD_TESTS=OFF -DACTINIUM_CUDA=ON \
              -DLibTorch_ROOT="$1" -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_INCLUDEDIR=include
            cmake --build "$0" --target actinium_libraries --parallel "$2"
            rm -rf "$0/site"
            cmake --install "$0" --prefix "$0/site/actinium"
            cp --parents actinium/{,*/}*.py actinium/py.typed "$0/site"
            cp "$0/build_info.py" "$0/site/actinium/_build_info.py"
            PYTHONPATH="$0/site${PYTHONPATH:+:$PYTHONPATH}" "$3" -c "$4"
        """
        parallel = os.environ.get("MAX_JOBS", os.cpu_count())
        command = ["bash", "-exc", script, BUILD, torch, parallel, sys.executable, SMOKE]
        job = self.start("build", command, TORCH_CUDA_ARCH_LIST=self.run["machine"]["architecture"])
        self.wait([job], BUILD_SHARE * self.left())
        problems = [f"exit status {job.status}", *job.end_of_log] if job.status and not job.stopped else []
        self.judge("build", [job], problems, [f"for {self.run['machine']['architecture']}"])
        return job.status == 0

    # ---- tests, sanitizer and accuracy

    def tests(self) -> dict[str, Job]:
        pytest = [sys.executable, "-m", "pytest"]
        cores = os.cpu_count() or 1
        workers = ["-n", max(1, 3 * cores // 4)] if importlib.util.find_spec("xdist") else []
        if self.rehearsal:
            pytest.append("tests/python/test_special_values.py")
        else:
            pytest.append("tests/python")
        pytest += ["--device", self.device, "-q"]
        common = ["-p", "no:cacheprovider", "--continue-on-collection-errors"]
        jobs = {"tests": self.start("tests", [*pytest, *workers, *common, f"--junitxml={self.xml('tests')}"])}
        # Beside the other stages it needs ten GiB.
        if not self.rehearsal and self.run["machine"]["memory_gib"] >= ROOMY:
            huge = [*pytest, *common, "-m", "huge", f"--junitxml={self.xml('huge')}"]
            jobs["huge"] = self.start("tests", huge)
        return jobs

    def xml(self, name: str) -> Path:
        path = self.given.output.resolve() / f"{name}.xml"
        path.unlink(missing_ok=True)
        return path

    def judge_tests(self, jobs: dict[str, Job]) -> None:
        problems, counts = [], []
        for name, job in jobs.items():
            path = self.given.output / f"{name}.xml"
            if not path.exists():
                problems.append(f"{name}: no report, exit status {job.status}: {job.last}")
                continue
            cases = list(ElementTree.parse(path).iter("testcase"))
            bad = [case for case in cases if any(case.find(kind) is not None for kind in ("failure", "error"))]
            skipped = sum(case.find("skipped") is not None for case in cases)
            counts.append(f"{name}: {len(cases) - len(bad) - skipped} passed, {len(bad)} failed, {skipped} skipped")
            for case in bad:
                element = case.find("failure") if case.find("failure") is not None else case.find("error")
                message = (element.get("message") or "").partition("\n")[0]
                problems.append(f"{case.get('classname')}::{case.get('name')}: {message[:200]}")
            if job.status and not bad and not job.stopped:
                problems.append(f"{name}: exit status {job.status}: {job.last}")
        self.judge("tests", list(jobs.values()), problems, ["; ".join(counts)])

    def sanitizer(self) -> dict[str, Job]:
        touch = [sys.executable, ROOT / "benchmarks" / "cuda_touch.py", "--device", self.device]
        jobs = {"without a tool": self.start("sanitizer", touch)}
        program = tool("compute-sanitizer")
        if program and not self.rehearsal:
            # Our kernels alone, each tensor in memory of its own.
            watch = ["--error-exitcode", SANITIZED, "--kernel-name", "kns=actinium", "--report-api-errors", "no"]
            for name in ("memcheck", "racecheck"):
                command = [program, "--tool", name, *watch, *touch]
                jobs[name] = self.start("sanitizer", command, PYTORCH_NO_CUDA_MEMORY_CACHING="1")
        return jobs

    def judge_sanitizer(self, jobs: dict[str, Job]) -> None:
        problems, ran, silent = [], [], []
        for name, job in jobs.items():
            failed = [result["failed"].strip().splitlines()[-1] for result in job.results if "failed" in result]
            if failed:
                problems.append(f"{name}: {failed[0]}")
            elif job.status == SANITIZED:
                problems += [f"{name}: errors", *job.end_of_log]
            elif job.status == 0:
                ran.append(f"{name}: {job.last.strip('= ') or 'done'}")
            elif name == "without a tool" and not job.stopped:
                problems.append(f"{name}: exit status {job.status}: {job.last}")
            else:  # such as a device that the tool does not support
                silent.append(f"{name} did not run, exit status {job.status}: {job.last.strip('= ')}")
        if len(jobs) == 1:
            silent.append(
                "memcheck, racecheck: " + (gpu_report.REHEARSAL if self.rehearsal else "no compute-sanitizer")
            )
        watched = any(name in line for line in ran for name in ("memcheck", "racecheck"))
        self.judge("sanitizer", list(jobs.values()), problems, [*silent, *ran], "passed" if watched else "not run")

    def accuracy(self) -> dict[str, Job]:
        counts = ["--float32", 20_000, "--float64", 2_000, "--rows", 16] if self.rehearsal else []
        command = [sys.executable, ROOT / "benchmarks" / "cuda_accuracy.py", "--device", self.device, *counts]
        threads = max(1, (os.cpu_count() or 1) // 4)
        return {"accuracy": self.start("accuracy", command, OMP_NUM_THREADS=str(threads))}

    def judge_accuracy(self, jobs: dict[str, Job]) -> None:
        job = jobs["accuracy"]
        problems = [
            f"{result['dtype']} {result['function']} {result['pass']}: {float(result['ours']['ulp']):.4g} ULP, "
            f"{float(result['ours']['share']):.4g} of the bound"
            + (f", at {result['ours']['x']}" if "x" in result["ours"] else "")
            for result in self.run["accuracy"]
            if gpu_report.inexact(result)
        ]
        if job.status and not job.stopped:
            problems.append(f"exit status {job.status}: {job.last}")
        self.judge("accuracy", [job], problems, [f"{len(self.run['accuracy'])} functions and dtypes"])

    def checks(self) -> None:
        """All that need not run alone; beside it torch.compile fills its caches for the bench."""
        stages = {
            "tests": (self.tests, self.judge_tests),
            "sanitizer": (self.sanitizer, self.judge_sanitizer),
            "accuracy": (self.accuracy, self.judge_accuracy),
        }
        started: dict[str, dict[str, Job]] = {}
        for stage, (start, _) in stages.items():
            if stage in self.given.stages:
                with self.guard(stage):
                    started[stage] = start()
        everything = [job for jobs in started.values() for job in jobs.values()]
        if "bench" in self.given.stages and not self.rehearsal:
            parts = [self.bench_command("--prepare", f"{i}/{COMPILERS}") for i in range(COMPILERS)]
            everything += [self.start("compile", part) for part in parts]
        self.wait(everything, CHECKS_SHARE * self.left())
        for stage, jobs in started.items():
            with self.guard(stage):
                stages[stage][1](jobs)

    # ---- bench

    def bench_command(self, *arguments: object) -> list:
        return [sys.executable, ROOT / "benchmarks" / "cuda_bench.py", "--device", self.device, *arguments]

    def bench(self) -> None:
        seconds = BENCH_SHARE * self.left()
        small = ["--full", 1 << 16, "--row-seconds", 1e-4] if self.rehearsal else []
        job = self.start("bench", self.bench_command("--seconds", max(1, seconds - GRACE), *small))
        self.wait([job], seconds)
        errors = [result for result in self.run["bench"] if "error" in result]
        problems = [f"{gpu_report.row_of(result)}: {result['error']}" for result in errors]
        if job.status and not job.stopped:
            problems.append(f"exit status {job.status}: {job.last}")
        unmeasured = len(self.run["unmeasured"])
        notes = [f"{len(self.run['bench'])} rows" + (f", {unmeasured} not measured" if unmeasured else "")]
        self.judge("bench", [job], problems, notes)

    def slow(self) -> list[cuda_rows.Row]:
        """The rows that miss a bar, of those that one kernel makes."""
        return list(dict.fromkeys(row for row, _, _ in gpu_report.missed(self.run) if row.group == "full"))

    def counters(self, rows: list[cuda_rows.Row]) -> None:
        """What the device did in the rows that are too slow. Where ncu is missing or may not count, there is no more to
        be said, and nothing has failed."""
        program = tool("ncu")
        if not program:
            return self.put("counters", "not run", notes=["there is no ncu"])
        ncu = [program, "--clock-control", "none", "--csv", "--metrics", ",".join(METRICS), "--kernel-name-base",
               "mangled", "--kernel-name", "regex:actinium", "--launch-count", len(rows)]  # fmt: skip
        job = self.start("counters", [*ncu, *self.bench_command("--once", json.dumps([asdict(row) for row in rows]))])
        self.wait([job], max(0, self.left() - GRACE))
        values: dict[str, list[str]] = {name: [] for name in METRICS}
        for line in job.tail:
            for name in METRICS:
                if f'"{name}"' in line:
                    values[name].append(line.rsplit('","', 1)[-1].strip('"'))
        if any(len(found) != len(rows) for found in values.values()):
            return self.put("counters", "not run", job.seconds, [job.last])
        for i, row in enumerate(rows):
            metrics = {said: f"{values[name][i]} %" for name, said in METRICS.items()}
            self.run["counters"].append({"row": asdict(row), "metrics": metrics})
        self.put("counters", "passed", job.seconds)

    # ---- all

    def __call__(self) -> None:
        stages = self.given.stages
        ready = True
        if "build" in stages:
            ready = False
            with self.guard("build"):
                ready = self.build()
        if not ready:
            for stage in stages:
                if stage != "build":
                    self.put(stage, "not run", notes=["there is no build"])
            return
        self.checks()
        if "bench" in stages:
            with self.guard("bench"):
                self.bench()
            if not self.rehearsal and (rows := self.slow()):
                with self.guard("counters"):
                    self.counters(rows[:COUNTED])


def main() -> int:
    given = options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops as Ctrl-C does
    check = Check(given)
    stopped = False
    try:
        check()
    except KeyboardInterrupt:
        stopped = True
    finally:
        for job in check.jobs:
            job.close()
        check.save()
    for line in gpu_report.bars(check.run) if check.run["bench"] else ():
        print(line)
    failed = gpu_report.failures(check.run)
    print(f"FAILED: {', '.join(failed)}" if failed else "Everything that ran is right.")
    print(f"report: {given.output / 'check.md'}")
    return 130 if stopped else 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
