#pragma once
/// \file
/// All of Actinium for a C++ program: the ops (actinium/ops.h), the modules (actinium/nn.h), and the builtins' own names
/// on its kernels (actinium/accelerate.h).
#include <actinium/accelerate.h>
#include <actinium/nn.h>
#include <actinium/ops.h>
#include <actinium/version.h>
