#pragma once
// In place of the real one: kernels run on the CPU when they are launched.
#include "emulator.h"

namespace actinium::cuda {
namespace {

template <auto kKernel>
int64_t resident_blocks(int threads) {
  return std::max<int64_t>(emulator::device_threads / threads, 1);
}

template <class Value>
class Scratch {
 public:
  // As memory comes on a device: with anything in it.
  explicit Scratch(int64_t count) : data_(new char[count * sizeof(Value)]) {
    std::memset(data_.get(), 0xee, count * sizeof(Value));
  }
  Value* data() const { return reinterpret_cast<Value*>(data_.get()); }

 private:
  std::unique_ptr<char[]> data_;
};

template <class... Params, class... Args>
void launch(void (*kernel)(Params...), int64_t blocks, int threads, const Args&... args) {
  emulator::grid.x = static_cast<unsigned>(blocks);
  for (int64_t b = 0; b < blocks; ++b) emulator::block.run(b, threads, [&] { kernel(args...); });
}

}  // namespace
}  // namespace actinium::cuda
