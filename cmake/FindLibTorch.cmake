# Finds LibTorch, whether it is a libtorch folder or part of a Python package, and describes it by targets of its own.
#
# Torch's own TorchConfig.cmake is not used: with a CUDA build of torch it stops on a machine that has no CUDA toolkit,
# and it sets flags for the whole project. The targets here have names of their own, so a project may also call
# find_package(Torch), before or after.
#
# Looked for, in this order, in
#   LibTorch_ROOT, Torch_ROOT     the folder that holds torch's include/ and lib/ (CMake or environment variable)
#   Torch_DIR                     the folder of TorchConfig.cmake
#   CMAKE_PREFIX_PATH             the folder itself, or its share/cmake (torch.utils.cmake_prefix_path)
#   LibTorch_HINTS                further folders
#   Python                        the torch that `python3` (or Python_EXECUTABLE) would import
#
# Defines LibTorch_FOUND, LibTorch_ROOT_DIR, LibTorch_VERSION (2.11.0), LibTorch_CXX_STANDARD (the least that the
# headers accept), LibTorch_CUDA_FOUND, LibTorch_CUDA_MAJOR, and the targets
#   LibTorch::c10, LibTorch::torch_cpu, LibTorch::torch            headers and the CPU libraries
#   LibTorch::c10_cuda, LibTorch::torch_cuda                       where torch was built with CUDA
#   LibTorch::openmp                                               how code that calls at::parallel_for is compiled

function(_libtorch_is_root folder result)
  set(library "${folder}/lib/${CMAKE_SHARED_LIBRARY_PREFIX}torch_cpu${CMAKE_SHARED_LIBRARY_SUFFIX}")
  if(folder AND EXISTS "${folder}/include/ATen/ATen.h" AND EXISTS "${library}")
    set(${result} TRUE PARENT_SCOPE)
  else()
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

set(_libtorch_candidates "${LibTorch_ROOT}" "$ENV{LibTorch_ROOT}" "${Torch_ROOT}" "$ENV{Torch_ROOT}")
if(Torch_DIR)
  list(APPEND _libtorch_candidates "${Torch_DIR}/../../..")
endif()
file(TO_CMAKE_PATH "$ENV{CMAKE_PREFIX_PATH}" _libtorch_prefixes)
foreach(_libtorch_prefix IN LISTS CMAKE_PREFIX_PATH _libtorch_prefixes)
  list(APPEND _libtorch_candidates "${_libtorch_prefix}" "${_libtorch_prefix}/../..")
endforeach()
list(APPEND _libtorch_candidates ${LibTorch_HINTS})

# Not cached: a second configure with another prefix means another torch.
set(LibTorch_ROOT_DIR "")
foreach(_libtorch_candidate IN LISTS _libtorch_candidates)
  _libtorch_is_root("${_libtorch_candidate}" _libtorch_ok)
  if(_libtorch_ok)
    get_filename_component(LibTorch_ROOT_DIR "${_libtorch_candidate}" REALPATH)
    break()
  endif()
endforeach()

if(NOT LibTorch_ROOT_DIR)
  if(Python_EXECUTABLE)
    set(_libtorch_python "${Python_EXECUTABLE}")
  else()
    find_program(_libtorch_python NAMES python3 python NO_CACHE)
  endif()
  if(_libtorch_python)
    # Locating the package is quick; importing it takes seconds.
    execute_process(
      COMMAND "${_libtorch_python}" -c
        "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
      OUTPUT_VARIABLE _libtorch_candidate OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    _libtorch_is_root("${_libtorch_candidate}" _libtorch_ok)
    if(_libtorch_ok)
      set(LibTorch_ROOT_DIR "${_libtorch_candidate}")
    endif()
  endif()
endif()

set(LibTorch_VERSION "")
set(LibTorch_CXX_STANDARD 17)
set(LibTorch_CUDA_FOUND FALSE)
set(LibTorch_CUDA_MAJOR "")
if(LibTorch_ROOT_DIR)
  set(_libtorch_include "${LibTorch_ROOT_DIR}/include")
  set(_libtorch_api "${_libtorch_include}/torch/csrc/api/include")

  # Newer versions keep the numbers in the first of these, older ones in the second.
  foreach(_libtorch_header "${_libtorch_include}/torch/headeronly/version.h" "${_libtorch_api}/torch/version.h")
    if(NOT LibTorch_VERSION AND EXISTS "${_libtorch_header}")
      file(READ "${_libtorch_header}" _libtorch_text)
      if(_libtorch_text MATCHES "_MAJOR ([0-9]+).*TORCH_VERSION_MINOR ([0-9]+).*TORCH_VERSION_PATCH ([0-9]+)")
        set(LibTorch_VERSION "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}")
      endif()
    endif()
  endforeach()

  # The headers state it themselves: "C++17 or later compatible compiler is required".
  file(STRINGS "${_libtorch_include}/ATen/ATen.h" _libtorch_text REGEX "C\\+\\+[0-9]+ or later")
  if(_libtorch_text MATCHES "C\\+\\+([0-9]+) or later")
    set(LibTorch_CXX_STANDARD ${CMAKE_MATCH_1})
  endif()

  macro(_libtorch_library name)
    set(_libtorch_file
        "${LibTorch_ROOT_DIR}/lib/${CMAKE_SHARED_LIBRARY_PREFIX}${name}${CMAKE_SHARED_LIBRARY_SUFFIX}")
    if(EXISTS "${_libtorch_file}" AND NOT TARGET LibTorch::${name})
      add_library(LibTorch::${name} SHARED IMPORTED)
      set_target_properties(LibTorch::${name} PROPERTIES
        IMPORTED_LOCATION "${_libtorch_file}"
        INTERFACE_INCLUDE_DIRECTORIES "${_libtorch_include};${_libtorch_api}"
        INTERFACE_COMPILE_FEATURES "cxx_std_${LibTorch_CXX_STANDARD}"
        INTERFACE_LINK_LIBRARIES "${ARGN}")
    endif()
  endmacro()
  _libtorch_library(c10)
  _libtorch_library(torch_cpu LibTorch::c10)
  _libtorch_library(c10_cuda LibTorch::c10)
  _libtorch_library(torch_cuda LibTorch::torch_cpu LibTorch::c10_cuda)
  if(NOT TARGET LibTorch::torch)
    add_library(LibTorch::torch INTERFACE IMPORTED)
    target_link_libraries(LibTorch::torch INTERFACE LibTorch::torch_cpu LibTorch::c10)
  endif()

  # at::parallel_for is a template that opens an OpenMP region, so code that calls it is compiled with -fopenmp. A
  # shared library does not link a runtime: it must run on the very one that torch_cpu brings, wherever torch keeps it.
  if(NOT TARGET LibTorch::openmp)
    add_library(LibTorch::openmp INTERFACE IMPORTED)
    if(NOT MSVC AND NOT APPLE)
      target_compile_options(LibTorch::openmp INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
    endif()
  endif()

  if(TARGET LibTorch::c10_cuda)
    set(LibTorch_CUDA_FOUND TRUE)
    # The CUDA runtime that the library asks for says which toolkit it was built with.
    file(STRINGS "${LibTorch_ROOT_DIR}/lib/libc10_cuda.so" _libtorch_text REGEX "libcudart\\.so\\.[0-9]+" LIMIT_COUNT 1)
    if(_libtorch_text MATCHES "libcudart\\.so\\.([0-9]+)")
      set(LibTorch_CUDA_MAJOR "${CMAKE_MATCH_1}")
    endif()
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_ROOT_DIR LibTorch_VERSION
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE
    "Give its folder, -DCMAKE_PREFIX_PATH=/path/to/libtorch. In a Python package it is torch.utils.cmake_prefix_path.")
