#pragma once
// Runs the kernels of csrc/cuda on the CPU, so that they are tested where there is no GPU and no CUDA toolkit. A test
// includes this first and then a .cu file as C++; the folder of this file comes before the project's in the include
// path and stands in for what the toolkit brings (cuda_fp16.h, cuda_bf16.h) and for csrc/cuda/launch.h.
//
// Blocks run one after the other. The threads of a block are fibers that take turns at __syncthreads and at shuffles.
// What it does not show: races, and (but with -fsanitize=alignment) vectors that are not aligned.
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static

struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline unsigned __funnelshift_r(unsigned lo, unsigned hi, int shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(hi) << 32 | lo) >> (shift & 31));
}
template <class Word>
void __stwb(Word* p, Word word) {
  *p = word;
}
using std::min;

namespace emulator {

struct Index {
  unsigned x;
};

class Block {
 public:
  // Calls body once for every thread of the block.
  void run(unsigned block, unsigned threads, const std::function<void()>& body) {
    block_.x = block;
    body_ = &body;
    threads_ = threads;
    next_ = 0;
    waiting_.clear();
    while (next_ < threads_) resume(free_fiber());
    // Every turn takes all threads that are left to their next barrier, or their end.
    while (!waiting_.empty()) {
      const std::vector<Fiber*> turn = std::move(waiting_);
      waiting_.clear();
      for (Fiber* fiber : turn) resume(fiber);
    }
  }

  void barrier() {
    Fiber* const fiber = current_;
    waiting_.push_back(fiber);
    swapcontext(&fiber->context, &main_);
  }

  template <class T>
  T exchange(T value, int distance) {
    static T slots[1024];
    const unsigned me = thread_.x;
    slots[me] = value;
    barrier();
    const T other = slots[me ^ distance];
    barrier();
    return other;
  }

  Index thread_{}, block_{};

 private:
  static constexpr size_t kStack = 64 << 10;
  struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[kStack]};
    unsigned thread = 0;
  };

  void make_fiber() {
    fibers_.emplace_back(new Fiber);
    ucontext_t& context = fibers_.back()->context;
    getcontext(&context);
    context.uc_stack.ss_sp = fibers_.back()->stack.get();
    context.uc_stack.ss_size = kStack;
    makecontext(&context, &enter, 0);
    free_.push_back(fibers_.back().get());
  }
  Fiber* free_fiber() {
    if (free_.empty()) make_fiber();
    Fiber* const fiber = free_.back();
    free_.pop_back();
    return fiber;
  }
  void resume(Fiber* fiber) {
    current_ = fiber;
    thread_.x = fiber->thread;
    swapcontext(&main_, &fiber->context);
  }
  // A fiber runs one thread after the other until one of them waits.
  void loop() {
    Fiber* const fiber = current_;
    for (;;) {
      while (next_ < threads_) {
        thread_.x = fiber->thread = next_++;
        (*body_)();
      }
      free_.push_back(fiber);
      swapcontext(&fiber->context, &main_);
    }
  }
  static void enter();

  const std::function<void()>* body_ = nullptr;
  unsigned threads_ = 0, next_ = 0;
  Fiber* current_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> free_, waiting_;
  ucontext_t main_;
};

inline Block block;
inline Index grid;
inline void Block::enter() { block.loop(); }

// What device the maps are laid out for; tests vary it.
inline int64_t device_threads = 4096;

}  // namespace emulator

#define threadIdx (emulator::block.thread_)
#define blockIdx (emulator::block.block_)
#define gridDim (emulator::grid)
inline void __syncthreads() { emulator::block.barrier(); }
template <class T>
T __shfl_xor_sync(unsigned, T value, int distance) {
  return emulator::block.exchange(value, distance);
}
