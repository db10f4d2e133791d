#pragma once
// The host's side of a kernel: how much runs at once, memory for the moment, the launch itself.
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

namespace actinium::cuda {
namespace {

// Blocks of a kernel that the current device runs at once.
template <auto kKernel>
int64_t resident_blocks(int threads) {
  constexpr int kDevices = 64;
  static std::atomic<int> known[kDevices];
  int device;
  C10_CUDA_CHECK(cudaGetDevice(&device));
  int blocks = device < kDevices ? known[device].load(std::memory_order_relaxed) : 0;
  if (blocks == 0) {
    int processors;
    C10_CUDA_CHECK(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device));
    C10_CUDA_CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kKernel, threads, 0));
    blocks = std::max(blocks, 1) * processors;
    if (device < kDevices) known[device].store(blocks, std::memory_order_relaxed);
  }
  return blocks;
}

// Memory for kernels of the current stream. It goes back to torch's allocator at once: who gets it next on this stream
// comes after them.
template <class Value>
class Scratch {
 public:
  explicit Scratch(int64_t count)
      : data_(static_cast<Value*>(c10::cuda::CUDACachingAllocator::raw_alloc(count * sizeof(Value)))) {}
  ~Scratch() { c10::cuda::CUDACachingAllocator::raw_delete(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Value* data() const { return data_; }

 private:
  Value* data_;
};

template <class... Params, class... Args>
void launch(void (*kernel)(Params...), int64_t blocks, int threads, const Args&... args) {
  TORCH_CHECK(blocks <= std::numeric_limits<int>::max(), "actinium: tensor too large for one CUDA launch");
  kernel<<<static_cast<unsigned>(blocks), threads, 0, c10::cuda::getCurrentCUDAStream()>>>(args...);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace
}  // namespace actinium::cuda
