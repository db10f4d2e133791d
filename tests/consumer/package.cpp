// Runs a model that AOTInductor compiled, without Python: package MODEL.pt2 DATA.pt. What is not fused calls the
// operators of the library.
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/torch.h>

#include <fstream>
#include <iostream>
#include <iterator>

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  torch::inductor::AOTIModelPackageLoader model(argv[1]);
  std::ifstream file(argv[2], std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto data = torch::pickle_load(bytes).toTupleRef().elements().vec();
  const torch::Tensor x = data[0].toTensor(), wanted = data[1].toTensor();
  const std::vector<torch::Tensor> y = model.run({x});
  const bool good = y.size() == 1 && torch::allclose(y[0], wanted, 1e-5, 1e-6);
  std::cout << (good ? "ok" : "FAILS") << '\n';
  return good ? 0 : 1;
}
