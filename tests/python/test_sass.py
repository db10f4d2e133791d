"""The machine code of the CUDA kernels: no register in memory, whole vectors, and so few instructions that memory is
what limits a kernel. It needs a build with CUDA and no GPU. How the code is read is tested on small listings."""

import dataclasses
import re
import sys
from itertools import product
from pathlib import Path

import pytest

import actinium

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import sass
from sass_report import DEVICES, JUDGED, budget, busiest, busy, occupancy, per_element, wrong

pytestmark = pytest.mark.cpu_only

# Some of the formulas with a parameter for each channel are not: for 16 bits they issue more instructions than a copy
# leaves time for. docs/cuda.md says of each by how much.
BOUND_BY_MEMORY = ("Pointwise", "Gated", "Maxout")
# Of what is small or odd, and the second steps of sums; the others have rows.
WITHOUT_ROWS = {"rows_kernel", "strided_kernel", "fold_kernel", "gather", "lanes_forward", "lanes_backward"}


@pytest.fixture(scope="module")
def kernels():
    number = JUDGED.architecture.removeprefix("sm_")
    if not any(name.startswith(number) for name in actinium.build_info()["cuda_architectures"]):
        pytest.skip(f"this actinium was built without CUDA kernels for {JUDGED.architecture}")
    return sass.read(Path(actinium.cuda_library_path), JUDGED.architecture)


@pytest.fixture
def rows(kernels, dtype):
    """The rows of one dtype, by group, op and direction."""
    name = str(dtype).removeprefix("torch.")
    return {row[:3] for kernel in kernels if (row := kernel.row) and row.dtype == name}


def listed(macro):
    """The names in one of the lists of csrc/math/activations.h."""
    text = (sass.ROOT / "csrc" / "math" / "activations.h").read_text()
    return re.findall(r"_\((\w+)\)", re.search(rf"#define {macro}\(_\)((?:.*\\\n)*.*)", text)[1])


ACTIVATIONS = ["silu", *(sass.spaced(name, "_") for name in listed("ACTINIUM_ACTIVATIONS"))]


def test_every_kernel_is_known(kernels):
    """One that is added comes into the report, or is named here as one that does not."""
    reported = {kernel.template for kernel in kernels if kernel.row}
    assert {kernel.template for kernel in kernels} <= reported | WITHOUT_ROWS


def test_every_pointwise_op_has_its_kernels(rows, pointwise):
    assert pointwise.base in ACTIVATIONS
    assert rows >= {("Pointwise", pointwise.base, way) for way in ("forward", "backward", "double backward")}


@pytest.mark.parametrize("gate", [*ACTIVATIONS, "swiglu_clamped"])
def test_every_gate_has_its_kernels(rows, gate):
    groups = ("Gated", "Gated, packed", "Gated, interleaved")
    assert rows >= set(product(groups, [gate], ("forward", "backward")))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_bias_has_its_kernels(rows, activation):
    groups = ("Bias, channels last", "Bias, channels first")
    assert rows >= set(product(groups, [activation], ("forward (elements)", "backward (elements and sums)")))


@pytest.mark.parametrize("name", listed("ACTINIUM_CHANNEL_FORMULAS"))
def test_every_channel_formula_has_its_kernels(rows, name):
    """Elements and sums, as far as the formula has them, alone and at once."""
    formula = sass.formula(f"{name}<float>")
    asked = ["elements"] * (formula.outputs > 0) + ["sums"] * (formula.sums > 0)
    asked += ["elements and sums"] * (len(asked) == 2)
    directions = [f"{formula.direction} ({what})" for what in asked]
    assert rows >= set(product(("Channels last", "Channels first"), [formula.op], directions))


def test_statistics_and_maxout_have_their_kernels(kernels, rows):
    assert rows >= {(group, "mean and variance", "") for group in ("Channels last", "Channels first")}
    ops = ["apart", *(f"{pieces} side by side" for pieces in (2, 3, 4, 5, 6, 8))]
    assert rows >= {("Maxout", op, "forward") for op in (*ops, "apart with bias")}
    backward = {row[1:] for kernel in kernels if (row := kernel.row) and row.group == "Maxout"}
    assert backward >= set(product(ops, ["backward"], ("16 bit", "32 bit", "64 bit")))


def test_softmax_and_losses_have_their_kernels(rows):
    ways = [f"{way}, {group}" for way in ("forward", "backward") for group in ("a warp", "a block", "side by side")]
    assert rows >= set(product(["Softmax"], ["softmax", "log_softmax"], ways))
    assert rows >= set(product(["Cross-entropy"], ["of indices", "of probabilities"], ways))


def test_formulas_are_told_from_kernels():
    assert sass.formula("PassFormula<Formula<Gated<GeluTanh>::type>::type, 4, float>") == (
        "Gated",
        "gelu_tanh",
        "backward",
        3,
        2,
        0,
    )
    assert sass.formula("PassFormula<Mish, 2, float>") == ("Pointwise", "mish", "double backward", 3, 2, 0)
    assert sass.formula("Bias<Gelu>::Backward<Coarse<true, float> >") == ("Bias", "gelu", "backward", 2, 1, 1)
    assert sass.formula("DiceGateForward<float>") == ("Channels", "dice gate", "forward", 1, 1, 0)
    assert sass.formula("BinaryCrossEntropyEachTargetBackward<float>")[1:3] == (
        "binary cross entropy",
        "each target backward",
    )


def test_no_register_is_in_memory_and_vectors_are_whole(kernels):
    assert [f"{kernel}: {what}" for kernel, what in wrong(kernels)] == []


def test_tiles_are_a_loop_of_whole_vectors_alone(kernels):
    """Not the loop over what is left beside them, which has whole vectors as well."""
    flat = [(kernel, *kernel.bodies) for kernel in kernels if kernel.template == "flat_kernel" and kernel.counted]
    assert flat and [str(kernel) for kernel, body in flat if not (body.loop and body.only)] == []


def test_passes_over_rows_are_loops(kernels):
    found = [kernel for kernel in kernels if kernel.row and kernel.row.group in ("Softmax", "Cross-entropy")]
    assert found and [str(kernel) for kernel in found if not all(body and body.loop for body in kernel.bodies)] == []


def test_budget_of_instructions(kernels):
    """No part of a multiprocessor may be busy for longer than a copy of the same bytes takes, with a margin."""
    over = []
    for kernel in kernels:
        if kernel.row and kernel.row.group in BOUND_BY_MEMORY and kernel.counted:
            part, load = busiest(kernel, JUDGED)
            if load > budget(kernel):
                over.append(f"{kernel.row}: {part} is busy for {load:.2f} of a copy's time, not {budget(kernel):.2f}")
    assert over == []


# ------------------------------------------------------------------------------------------------------------- reading

# A loop over vectors of four float32, whose division has a slow path; then one over what is left, element by element.
LISTING = """
	code for sm_90
		Function : _Z4loopPf
	.headerflags	@"EF_CUDA_SM90 EF_CUDA_VIRTUAL_SM(EF_CUDA_SM90)"
        /*0000*/                   LDC R1, c[0x0][0x28] ;                /* 0x00000a00ff017b82 */
                                                                         /* 0x000fe20000000800 */
        /*0010*/               @P0 BRA 0xe0 ;                            /* 0x0000000000540947 */
                                                                         /* 0x000fea0003800000 */
        /*0020*/                   LDG.E.128 R4, desc[UR4][R2.64] ;      /* 0x0000000402047981 */
        /*0030*/                   LDG.E.128 R8, desc[UR4][R2.64+0x10] ; /* 0x0000100402087981 */
        /*0040*/                   BSSY B0, 0x90 ;                       /* 0x0000000000007945 */
        /*0050*/                   MUFU.RCP R12, R4 ;                    /* 0x00000004000c7308 */
        /*0060*/              @!P1 BRA 0x80 ;                            /* 0x0000000000049947 */
        /*0070*/                   CALL.REL.NOINC 0x140 ;                /* 0x0000000000307944 */
        /*0080*/                   BSYNC B0 ;                            /* 0x0000000000007941 */
        /*0090*/                   FFMA R4, R4, R12, R5 ;                /* 0x0000000c04047223 */
        /*00a0*/                   STG.E.128 desc[UR4][R14.64], R4 ;     /* 0x000000040e007986 */
        /*00b0*/                   STG.E.128 desc[UR4][R14.64+0x10], R8 ; /* 0x000010080e007986 */
        /*00c0*/                   UISETP.GE.U32.AND UP0, UPT, UR6, UR8, UPT ; /* 0x000000080600728c */
        /*00d0*/                   BRA.U !UP0, 0x20 ;                    /* 0x0000000100508547 */
        /*00e0*/                   LDG.E R4, desc[UR4][R2.64] ;          /* 0x0000000402047981 */
        /*00f0*/                   FADD R4, R4, 1 ;                      /* 0x3f80000004047421 */
        /*0100*/                   STG.E desc[UR4][R14.64], R4 ;         /* 0x000000040e007986 */
        /*0110*/               @P2 BRA 0xe0 ;                            /* 0x0000000000f02947 */
        /*0120*/                   EXIT ;                                /* 0x000000000000794d */
        /*0130*/                   BRA 0x130;                            /* 0xfffffffc00fc7947 */
        /*0140*/                   RET.REL.NODEC R6 0x0 ;                /* 0x0000000006007950 */
"""
# One vector in each thread, or its elements if it is not all there.
PATH = """
		Function : _Z4pathPf
        /*0000*/               @P0 BRA 0x40 ;
        /*0010*/                   LDG.E.128 R4, desc[UR4][R2.64] ;
        /*0020*/                   STG.E.128 desc[UR4][R14.64], R4 ;
        /*0030*/                   EXIT ;
        /*0040*/                   LDG.E R4, desc[UR4][R2.64] ;
        /*0050*/                   STG.E desc[UR4][R14.64], R4 ;
        /*0060*/                   EXIT ;
"""
# A loop in which a load is waited for before the next one.
WAITS = """
		Function : _Z5waitsPf
        /*0000*/                   LDG.E.128 R4, desc[UR4][R2.64] ;
        /*0010*/                   FADD R7, R7, 1 ;
        /*0020*/                   LDG.E.128 R8, desc[UR4][R2.64+0x10] ;
        /*0030*/                   STG.E.128 desc[UR4][R14.64], R4 ;
        /*0040*/                   STG.E.128 desc[UR4][R14.64+0x10], R8 ;
        /*0050*/               @P0 BRA 0x0 ;
        /*0060*/                   EXIT ;
"""
COPY = sass.Traffic({("load", 16): 1, ("store", 16): 1}, elements=4)


def body(listing, traffic=COPY):
    (code,) = sass.listings(listing).values()
    return sass.vector_body(code, traffic)


def kernel(listing=LISTING, **changes):
    (code,) = sass.listings(listing).values()
    given = {"registers": 32, "spills": 0, "shared": 0, "threads": 256} | changes
    return sass.Kernel(
        "sm_90", "ptxas", "flat_kernel", ("PassFormula<Selu, 0, float>", "float", "false"), code, **given
    )


def test_listing_is_read():
    (name, code), *others = sass.listings(LISTING + PATH).items()
    assert name == "_Z4loopPf" and len(code) == 21 and len(others) == 1
    assert code[1] == sass.Instruction(0x10, "P0", "BRA", "0xe0") and code[1].conditional and code[1].target == 0xE0
    assert code[13].conditional and not code[19].conditional
    assert [i.access for i in code if i.access] == [("load", 16)] * 2 + [("store", 16)] * 2 + [
        ("load", 4),
        ("store", 4),
    ]


@pytest.mark.parametrize("opcode, size", [("LDG.E", 4), ("LDG.E.U16", 2), ("STG.E.U8", 1), ("LDG.E.64.CONSTANT", 8)])
def test_width_of_an_access(opcode, size):
    assert sass.Instruction(0, "", opcode, "").bytes == size


def test_loop_with_whole_vectors_is_found():
    found = body(LISTING)
    assert found.loop and found.only and found.units == 2 and found.in_flight == 32
    # From 0x20 to 0xd0 without the call.
    assert [i.address for i in found.code] == [a for a in range(0x20, 0xE0, 0x10) if a != 0x70]


def test_loop_that_waits_for_each_load():
    assert body(WAITS).units == 2 and body(WAITS).in_flight == 16


def test_path_with_whole_vectors_is_found():
    found = body(PATH)
    assert (
        not found.loop
        and not found.only
        and found.units == 1
        and [i.address for i in found.code] == [0, 0x10, 0x20, 0x30]
    )


@pytest.mark.parametrize("whole, parts", [("STG.E.128", "STG.E.64"), ("LDG.E.128", "LDG.E")])
def test_narrow_accesses_are_found(whole, parts):
    narrow = LISTING.replace(whole, parts, 1)
    assert body(narrow) is None
    assert "loads of 128 bits" in wrong([kernel(narrow)])[0][1]


def test_registers_in_memory_are_found():
    assert wrong([kernel()]) == []
    assert "8 bytes of memory stand in for registers" in wrong([kernel(spills=8)])[0][1]


def test_tables_of_branches_are_refused():
    with pytest.raises(ValueError, match="BRX at 0x130"):
        body(LISTING.replace("BRA 0x130", "BRX R4 -0x140"))


@pytest.mark.parametrize(
    "demangled, template, arguments",
    [
        (
            "void actinium::cuda::(anonymous namespace)::flat_kernel<actinium::cuda_target::PassFormula<"
            "actinium::math::cuda_target::Mish, (actinium::Pass)2, float>, __half, false>(float const*, int)",
            "flat_kernel",
            ("PassFormula<Mish, 2, float>", "__half", "false"),
        ),
        ("void units_backward<unsigned short, 2>(Units<kLanes, 2>, int)", "units_backward", ("unsigned short", "2")),
        ("plain(int)", "plain", ("",)),
    ],
)
def test_names_are_split(demangled, template, arguments):
    assert sass.split(demangled) == (template, arguments)


def test_operands_are_those_of_the_formulas():
    found = sass.operands()
    assert found["kForward"] == (1, 1, 0) and found["kDoubleBackward"] == (3, 2, 0)
    assert found["SwishForward"] == (1, 1, 0) and found["DiceMoments"] == (3, 0, 5)


# --------------------------------------------------------------------------------------------------------- expectations


def test_instructions_of_an_element():
    counts = per_element(kernel())
    # Eleven instructions for two vectors of four; four accesses of four words each.
    assert counts["issue"] == 11 / 8 and counts["XU"] == 1 / 8 and counts["FMA"] == 1 / 8 and counts["LSU"] == 2


def test_expected_limit():
    """A copy of 8 bytes takes 8 / 16.5 cycles of a multiprocessor of an H200, which issues for 128 threads in each."""
    assert JUDGED.copied == pytest.approx(0.9 * 4.8e12 / (132 * 1.98e9))
    assert busy(kernel(), JUDGED)["issue"] == pytest.approx(11 / 8 / 128 / (8 / JUDGED.copied))
    # With many more multiplications it is the multiplications.
    more = kernel(
        LISTING.replace("FFMA R4, R4, R12, R5 ;", "FFMA R4, R4, R12, R5 ;\n /*0099*/ FFMA R4, R4, R12, R5 ;" * 999)
    )
    part, load = busiest(more, JUDGED)
    assert part == "issue" and load > budget(more)


def test_budget_by_dtype():
    double = dataclasses.replace(kernel(), arguments=("PassFormula<Selu, 0, double>", "double", "false"))
    assert budget(kernel()) == pytest.approx(0.9 / 0.95) and budget(double) == pytest.approx(0.9 / 0.8)


@pytest.mark.parametrize(
    "registers, threads, shared, share",
    [
        (32, 128, 0, 1.0),
        (33, 128, 0, 0.75),
        (40, 256, 0, 0.75),
        (65, 256, 0, 0.375),
        (255, 256, 0, 0.125),
        (16, 64, 0, 1.0),
        (16, 32, 0, 0.5),
        (32, 256, 48 << 10, 0.5),
    ],
)
def test_occupancy(registers, threads, shared, share):
    """As the CUDA occupancy calculator says for compute capability 9.0."""
    assert occupancy(kernel(registers=registers, threads=threads, shared=shared)) == share


def test_devices():
    """What the numbers of the devices have been taken from: peaks of float32, in TFLOPS."""
    lanes = {"sm_80": 64, "sm_90": 128, "sm_100": 128}
    peaks = {d.name: 2e-3 * d.processors * lanes[d.architecture] * d.clock for d in DEVICES}
    assert peaks == pytest.approx({"A100": 19.5, "H100": 67, "H200": 67, "B200": 74.4}, rel=0.01)
