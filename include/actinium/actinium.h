#pragma once
/// \file
/// All of Actinium for a C++ program: the ops (actinium/ops.h) and the modules (actinium/nn.h).
#include <actinium/nn.h>
#include <actinium/ops.h>
#include <actinium/version.h>
