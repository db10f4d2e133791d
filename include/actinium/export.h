#pragma once
/// \file
/// ACTINIUM_API marks what the shared library offers to programs; everything else in it is hidden.
#if defined(_WIN32)
#if defined(ACTINIUM_BUILD)
#define ACTINIUM_API __declspec(dllexport)
#else
#define ACTINIUM_API __declspec(dllimport)
#endif
#else
#define ACTINIUM_API __attribute__((visibility("default")))
#endif
