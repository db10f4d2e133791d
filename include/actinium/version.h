#pragma once
/// \file
/// The version of Actinium, as numbers for the preprocessor and as a string of the library that is loaded.
#include <actinium/export.h>

#define ACTINIUM_VERSION_MAJOR 0
#define ACTINIUM_VERSION_MINOR 1
#define ACTINIUM_VERSION_PATCH 0

namespace actinium {

/// "0.1.0".
ACTINIUM_API const char* version();

/// One line: the version, the torch that the library was built for, and the instruction set that its CPU kernels use.
/// Throws nothing.
ACTINIUM_API const char* build_info();

}  // namespace actinium
