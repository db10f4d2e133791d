# cmake -DNM=nm -DOBJECTS=objects.cmake -P symbols.cmake
#
# A linker keeps one of several weak functions of the same name, whichever comes first. If that one was compiled for
# AVX-512, every other caller runs it, and an older machine stops at its first instruction. So what a unit compiled for
# a higher instruction set defines may have no name that another unit could define: none that one does define, and no
# weak one without the instruction set in it.
#
# objects.cmake sets OBJECTS_<CAPABILITY> for each capability, and OBJECTS_main for the rest of the library.
cmake_minimum_required(VERSION 3.22)
include("${OBJECTS}")

# The symbols that objects define for others, one a line: name, a space, nm's letter for the type.
function(symbols result)
  execute_process(COMMAND "${NM}" --defined-only --extern-only --format=posix ${ARGN}
    OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n ]+ [A-Za-z] " lines "${output}")
  list(JOIN lines "\n" text)
  set(${result} "\n${text}\n" PARENT_SCOPE)
endfunction()

find_program(CXXFILT NAMES c++filt llvm-cxxfilt)
set(failed FALSE)
foreach(capability IN ITEMS AVX2 AVX512)
  set(others ${OBJECTS_main})
  foreach(other IN LISTS CAPABILITIES)
    if(NOT other STREQUAL capability)
      list(APPEND others ${OBJECTS_${other}})
    endif()
  endforeach()
  symbols(mine ${OBJECTS_${capability}})
  symbols(theirs ${others})
  # As a namespace is mangled, its length first; every unit has at least one such symbol.
  string(LENGTH "${capability}" length)
  set(namespace "${length}${capability}")
  if(NOT mine MATCHES "${namespace}" OR theirs STREQUAL "\n\n")
    message(FATAL_ERROR "${capability}: no symbols in ${OBJECTS_${capability}}")
  endif()

  string(REGEX MATCHALL "[^\n]+" lines "${mine}")
  list(LENGTH lines count)
  foreach(line IN LISTS lines)
    string(REGEX MATCH "^([^ ]+) (.)" line "${line}")
    set(name "${CMAKE_MATCH_1}")
    set(type "${CMAKE_MATCH_2}")
    string(FIND "${theirs}" "\n${name} " shared)
    set(reason "")
    if(name MATCHES "^DW\\.ref\\.")
      continue()  # the compiler's pointer to a function of the C++ runtime
    elseif(NOT shared EQUAL -1)
      set(reason "is defined by other units, too")
    elseif(type MATCHES "[VvWwu]" AND NOT name MATCHES "${namespace}")
      set(reason "is weak and has a name that other units could use")
    endif()
    if(reason)
      set(readable "${name}")
      if(CXXFILT)
        execute_process(COMMAND "${CXXFILT}" "${name}" OUTPUT_VARIABLE readable OUTPUT_STRIP_TRAILING_WHITESPACE)
      endif()
      message(NOTICE "compiled for ${capability}: ${readable} ${reason}")
      set(failed TRUE)
    endif()
  endforeach()
  message(STATUS "${capability}: ${count} symbols")
endforeach()
if(failed)
  message(FATAL_ERROR "An older machine could run code that it has no instructions for.")
endif()
