#pragma once
// The schemas of the ops, each group defined in the file that holds its kernels.
#include <torch/library.h>

namespace actinium::ops {

void define_swish_tensor(torch::Library& m);
void define_pointwise(torch::Library& m);
void define_prelu(torch::Library& m);
void define_dice(torch::Library& m);
void define_dice_gate(torch::Library& m);
void define_maxout(torch::Library& m);
void define_gated(torch::Library& m);
void define_bias_act(torch::Library& m);
void define_softmax(torch::Library& m);
void define_cross_entropy(torch::Library& m);
void define_binary_cross_entropy(torch::Library& m);

}  // namespace actinium::ops
