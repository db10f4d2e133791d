#pragma once
// The kernels of every pass of a pointwise activation or gate: contiguous operands, rows with contiguous elements, any
// strides.
#include "csrc/cuda/device.h"
#include "csrc/cuda/launch.h"
#include "csrc/cuda/pointwise_map.h"
#include "csrc/passes.h"

namespace actinium::cuda {
namespace {

constexpr int kThreads = kPointwiseThreads;

template <class F>
constexpr int kOperands = F::kOutputs + F::kInputs;

// Base addresses, outputs first.
template <class F>
struct Operands {
  char* data[kOperands<F>];
};

template <class S>
constexpr int kLanes = kVectorBytes / sizeof(S);
template <class S>
using Full = Vector<S, kLanes<S>>;

// The formula for every element of a vector.
template <class F, class S>
__device__ __forceinline__ void apply(const F& formula, const Full<S> (&in)[F::kInputs], Full<S> (&out)[F::kOutputs]) {
  using T = compute_t<S>;
  opmath_t<S> y[F::kOutputs][kLanes<S>];
#pragma unroll
  for (int e = 0; e < kLanes<S>; ++e) {
    T one_in[F::kInputs], one_out[F::kOutputs];
#pragma unroll
    for (int i = 0; i < F::kInputs; ++i) one_in[i] = T(widen(in[i].at[e]));
    formula(one_in, one_out);
#pragma unroll
    for (int o = 0; o < F::kOutputs; ++o) y[o][e] = static_cast<opmath_t<S>>(one_out[o]);
  }
#pragma unroll
  for (int o = 0; o < F::kOutputs; ++o) out[o] = narrow<S, kLanes<S>>(y[o]);
}

// A vector at any address, from the two aligned ones that overlap it.
template <class S>
__device__ __forceinline__ Full<S> load_shifted(const char* p) {
  const int shift = misalignment(p);
  const uint4 a = *reinterpret_cast<const uint4*>(p - shift), b = *reinterpret_cast<const uint4*>(p - shift + 16);
  // As 32-bit words, of which the wanted ones start `shift` bytes into them.
  uint32_t w[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
#pragma unroll
  for (int i = 0; i < 6; ++i) w[i] = shift & 8 ? w[i + 2] : w[i];
  if constexpr (sizeof(S) < 8) {
#pragma unroll
    for (int i = 0; i < 5; ++i) w[i] = shift & 4 ? w[i + 1] : w[i];
  }
  if constexpr (sizeof(S) < 4) {
    const int bit = (shift & 3) * 8;
#pragma unroll
    for (int i = 0; i < 4; ++i) w[i] = __funnelshift_r(w[i], w[i + 1], bit);
  }
  return bits<Full<S>>(make_uint4(w[0], w[1], w[2], w[3]));
}

// A vector anywhere in a run of elements at `run`, wherever the run starts.
template <class S>
__device__ __forceinline__ Full<S> load_clipped(const char* run, Clip<kLanes<S>> clip) {
  const char* const p = run + clip.begin * static_cast<int64_t>(sizeof(S));
  if (misalignment(p) == 0 && clip.whole()) return load<Full<S>>(p);
  if (clip.inner()) return load_shifted<S>(p);
  Full<S> v;
#pragma unroll
  for (int e = 0; e < kLanes<S>; ++e) {
    v.at[e] = narrow<S>(0);
    if (clip.contains(e)) v.at[e] = reinterpret_cast<const S*>(p)[e];
  }
  return v;
}

template <class S>
__device__ __forceinline__ void store_clipped(char* run, Clip<kLanes<S>> clip, const Full<S>& v) {
  char* const p = run + clip.begin * static_cast<int64_t>(sizeof(S));
  if (misalignment(p) == 0 && clip.whole()) return store(p, v);
#pragma unroll
  for (int e = 0; e < kLanes<S>; ++e) {
    if (clip.contains(e)) reinterpret_cast<S*>(p)[e] = v.at[e];
  }
}

// To keep the memory busy takes 48 KiB that are being read on a multiprocessor (H200; B200: 64). Each thread therefore
// reads 64 bytes or more before it computes, and the compiler is held to registers for as many threads as that takes;
// without this it would read one vector after the other, to save registers for more threads.
template <class F>
constexpr int kPerThread = F::kInputs == 1 ? 4 : 2;
template <class F, class S, bool kShifted>
constexpr int kMinBlocks = sizeof(S) == 8                 ? 4
                           : F::kInputs == 1              ? (kShifted ? 6 : 8)
                           : F::kInputs == 2 && !kShifted ? 7
                           : sizeof(S) == 2 && !kShifted  ? 4
                                                          : 5;

// kShifted: inputs may stand elsewhere than the output.
template <class F, class S, bool kShifted>
__global__ void __launch_bounds__(kThreads, kMinBlocks<F, S, kShifted>)
    flat_kernel(const F formula, const Flat<kLanes<S>, kPerThread<F>> map, const Operands<F> operands) {
  constexpr int64_t kSize = sizeof(S);
  for (int64_t tile = blockIdx.x; tile < map.tiles; tile += gridDim.x) {
    const int64_t from = map.begin(map.in_tile(tile, 0, threadIdx.x)) * kSize;
    Full<S> in[kPerThread<F>][F::kInputs];
#pragma unroll
    for (int k = 0; k < kPerThread<F>; ++k) {
#pragma unroll
      for (int i = 0; i < F::kInputs; ++i) {
        const char* const p = operands.data[F::kOutputs + i] + from + k * kThreads * kVectorBytes;
        in[k][i] = kShifted ? load_shifted<S>(p) : load<Full<S>>(p);
      }
    }
#pragma unroll
    for (int k = 0; k < kPerThread<F>; ++k) {
      Full<S> out[F::kOutputs];
      apply<F, S>(formula, in[k], out);
#pragma unroll
      for (int o = 0; o < F::kOutputs; ++o) {
        if (F::kOutputs > 1 && operands.data[o] == nullptr) continue;
        store(operands.data[o] + from + k * kThreads * kVectorBytes, out[o]);
      }
    }
  }
  for (int64_t i = map.rest_begin(blockIdx.x, gridDim.x, threadIdx.x); i < map.rest;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const Clip<kLanes<S>> clip{map.begin(map.in_rest(i)), map.count};
    Full<S> in[F::kInputs], out[F::kOutputs];
#pragma unroll
    for (int k = 0; k < F::kInputs; ++k) in[k] = load_clipped<S>(operands.data[F::kOutputs + k], clip);
    apply<F, S>(formula, in, out);
#pragma unroll
    for (int o = 0; o < F::kOutputs; ++o) {
      if (F::kOutputs > 1 && operands.data[o] == nullptr) continue;
      store_clipped<S>(operands.data[o], clip, out[o]);
    }
  }
}

template <class F, class S>
__global__ void __launch_bounds__(kThreads, 4)
    rows_kernel(const F formula, const __grid_constant__ Rows<kLanes<S>, kOperands<F>> map, const Operands<F> operands,
                const unsigned same /* bit k: operand k is one value for a row */, const char* const output) {
  constexpr int V = kLanes<S>;
  uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= map.vectors) return;
  uint32_t row[1] = {map.across.divmod(index)}, offset[1][kOperands<F>];
  map.offsets.of(row, offset);
  const int lead = misalignment(output + offset[0][0]) / static_cast<int>(sizeof(S));
  const Clip<V> clip{static_cast<int64_t>(index) * V - lead, map.inner};
  if (clip.begin >= clip.count) return;
  Full<S> in[F::kInputs], out[F::kOutputs];
#pragma unroll
  for (int i = 0; i < F::kInputs; ++i) {
    constexpr int first = F::kOutputs;
    const char* const run = operands.data[first + i] + offset[0][first + i];
    if (same >> (first + i) & 1) {
      const S value = *reinterpret_cast<const S*>(run);
#pragma unroll
      for (int e = 0; e < V; ++e) in[i].at[e] = value;
    } else {
      in[i] = load_clipped<S>(run, clip);
    }
  }
  apply<F, S>(formula, in, out);
#pragma unroll
  for (int o = 0; o < F::kOutputs; ++o) {
    if (F::kOutputs > 1 && operands.data[o] == nullptr) continue;
    store_clipped<S>(operands.data[o] + offset[0][o], clip, out[o]);
  }
}

// Elements of a thread where every one has an address of its own.
constexpr int kScattered = 4;

template <class F, class S>
__global__ void __launch_bounds__(kThreads)
    strided_kernel(const F formula, const __grid_constant__ Offsets<kOperands<F>> offsets, const Operands<F> operands,
                   const uint32_t count) {
  const uint32_t first = blockIdx.x * (kThreads * kScattered) + threadIdx.x;
  uint32_t index[kScattered], offset[kScattered][kOperands<F>];
#pragma unroll
  for (int u = 0; u < kScattered; ++u) index[u] = min(first + u * kThreads, count - 1);
  offsets.of(index, offset);
  S in[kScattered][F::kInputs];
#pragma unroll
  for (int u = 0; u < kScattered; ++u) {
#pragma unroll
    for (int i = 0; i < F::kInputs; ++i) {
      constexpr int inputs = F::kOutputs;
      in[u][i] = *reinterpret_cast<const S*>(operands.data[inputs + i] + offset[u][inputs + i]);
    }
  }
#pragma unroll
  for (int u = 0; u < kScattered; ++u) {
    if (first + u * kThreads >= count) return;
    compute_t<S> x[F::kInputs], y[F::kOutputs];
#pragma unroll
    for (int i = 0; i < F::kInputs; ++i) x[i] = compute_t<S>(widen(in[u][i]));
    formula(x, y);
#pragma unroll
    for (int o = 0; o < F::kOutputs; ++o) {
      if (F::kOutputs > 1 && operands.data[o] == nullptr) continue;
      *reinterpret_cast<S*>(operands.data[o] + offset[u][o]) = narrow<S>(static_cast<opmath_t<S>>(y[o]));
    }
  }
}

template <class F, class S>
void run(const F& formula, const Pointwise& problem) {
  constexpr int kAll = kOperands<F>, V = kLanes<S>;
  constexpr int64_t kSize = sizeof(S);
  // The output whose vectors are aligned; an output that is not wanted follows its strides through no memory.
  int lead_of = 0;
  while (lead_of < F::kOutputs && problem.data[lead_of] == nullptr) ++lead_of;
  if (lead_of == F::kOutputs) return;

  Geometry<kAll> geometry;
  geometry.ndim = problem.ndim;
  for (int d = 0; d < problem.ndim; ++d) {
    if (problem.sizes[d] == 0) return;
    geometry.sizes[d] = problem.sizes[d];
    for (int k = 0; k < kAll; ++k) geometry.strides[k][d] = problem.strides[problem.data[k] ? k : lead_of][d];
  }
  geometry.coalesce();

  const auto flat = [&](const Geometry<kAll>& piece, const Operands<F>& operands) {
    // Inputs that stand elsewhere than the output, and outputs that do.
    bool contiguous = piece.ndim == 1, shifted = false, apart = false;
    const int lead = misalignment(operands.data[lead_of]);
    for (int k = 0; k < kAll; ++k) {
      contiguous = contiguous && (piece.strides[k][0] == kSize || piece.sizes[0] == 1);
      if (operands.data[k] == nullptr || misalignment(operands.data[k]) == lead) continue;
      (k < F::kOutputs ? apart : shifted) = true;
    }
    if (!contiguous) return false;
    const auto start = [&](auto kernel, int64_t resident) {
      const Flat<V, kPerThread<F>> map(piece.sizes[0], lead / static_cast<int>(kSize), shifted,
                                       apart ? INT64_MAX : resident);
      launch(kernel, map.blocks, kThreads, formula, map, operands);
    };
    if (shifted) {
      start(flat_kernel<F, S, true>, resident_blocks<flat_kernel<F, S, true>>(kThreads));
    } else {
      start(flat_kernel<F, S, false>, resident_blocks<flat_kernel<F, S, false>>(kThreads));
    }
    return true;
  };

  Operands<F> all;
  for (int k = 0; k < kAll; ++k) all.data[k] = problem.data[k];
  if (flat(geometry, all)) return;

  const int64_t start[kAll] = {};
  for_fitting(geometry, Offsets<kAll>::kMaxDims, start, [&](const Geometry<kAll>& piece, const int64_t(&at)[kAll]) {
    Operands<F> operands;
    for (int k = 0; k < kAll; ++k) operands.data[k] = problem.data[k] ? problem.data[k] + at[k] : nullptr;
    if (flat(piece, operands)) return;

    unsigned same = 0;
    bool rows = true, aligned = true;
    for (int k = 0; k < kAll; ++k) {
      if (k >= F::kOutputs && piece.strides[k][0] == 0) {
        same |= 1u << k;
        continue;
      }
      rows = rows && piece.strides[k][0] == kSize;
      aligned = aligned && misalignment(operands.data[k]) == 0;
      for (int d = 1; d < piece.ndim; ++d) aligned = aligned && piece.strides[k][d] % kVectorBytes == 0;
    }
    if (rows && Rows<V, kAll>::worthwhile(piece.sizes[0], aligned)) {
      const Rows<V, kAll> map(piece, aligned);
      launch(rows_kernel<F, S>, ceil_div<int64_t>(map.vectors, kThreads), kThreads, formula, map, operands, same,
             operands.data[lead_of]);
    } else {
      const auto count = static_cast<uint32_t>(piece.numel());
      launch(strided_kernel<F, S>, ceil_div<int64_t>(count, kThreads * kScattered), kThreads, formula,
             Offsets<kAll>(piece, 0), operands, count);
    }
  });
}

// One of kPasses of an activation or a gate.
template <template <class> class Formula, Pass... kPasses>
void run_pass(const Pointwise& problem) {
  with_dtype(problem.dtype, [&](auto zero) {
    using S = decltype(zero);
    using T = compute_t<S>;
    const auto run_if = [&](auto pass) {
      constexpr Pass kPass = decltype(pass)::value;
      if (problem.pass == kPass) run<PassFormula<Formula, kPass, T>, S>({Formula<T>(problem.params)}, problem);
    };
    (run_if(std::integral_constant<Pass, kPasses>()), ...);
  });
}

}  // namespace
}  // namespace actinium::cuda
