# The three kinds of targets, and the summary.

# lastbranch_library(<name> SOURCES a.cpp ... HEADERS a.h ... DEPS lastbranch::x ... PRIVATE_DEPS pkg ...)
# Static library lastbranch_<name>, alias lastbranch::<name>; header-only when there are no sources.
function(lastbranch_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;HEADERS;DEPS;PRIVATE_DEPS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lastbranch_library(${name}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  set(target lastbranch_${name})
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE ${arg_PRIVATE_DEPS} lastbranch::warnings)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
    target_link_libraries(${target} INTERFACE ${arg_PRIVATE_DEPS})
  endif()
  add_library(lastbranch::${name} ALIAS ${target})
  target_link_libraries(${target} ${scope} lastbranch::options ${arg_DEPS})
  if(arg_HEADERS)
    target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}" FILES ${arg_HEADERS})
  endif()
endfunction()

# lastbranch_test(<name> SOURCES ... DEPS ... [LABELS fast|systemc|host|slow] [TIMEOUT seconds])
# GoogleTest executable test_<name> in <build>/tests/bin; every TEST becomes a ctest test <name>.<Area>.<test>.
function(lastbranch_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;DEPS;LABELS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lastbranch_test(${name}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS fast)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set(target test_${name})
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ${arg_DEPS} GTest::gtest GTest::gtest_main lastbranch::options lastbranch::warnings)
  target_compile_definitions(${target} PRIVATE
    LASTBRANCH_SOURCE_DIR="${PROJECT_SOURCE_DIR}" LASTBRANCH_BUILD_DIR="${PROJECT_BINARY_DIR}")
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/bin")
  gtest_discover_tests(${target} TEST_PREFIX "${name}." TEST_LIST ${target}_list DISCOVERY_TIMEOUT 120
    NO_PRETTY_VALUES PROPERTIES TIMEOUT ${arg_TIMEOUT})
  # gtest_discover_tests would keep only one of several labels; ctest reads this file after the list is there.
  set(labels_file "${CMAKE_CURRENT_BINARY_DIR}/${target}_labels.cmake")
  file(CONFIGURE OUTPUT "${labels_file}" @ONLY CONTENT
    "if(@target@_list)\n  set_tests_properties(\${@target@_list} PROPERTIES LABELS \"@arg_LABELS@\")\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${labels_file}")
endfunction()

# lastbranch_benchmark(<name> SOURCES ... DEPS ...)
# Google Benchmark executable bench_<name> in <build>/benchmarks.
function(lastbranch_benchmark name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lastbranch_benchmark(${name}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(bench_${name} ${arg_SOURCES})
  target_link_libraries(bench_${name} PRIVATE
    ${arg_DEPS} benchmark::benchmark benchmark::benchmark_main lastbranch::options lastbranch::warnings)
  set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/benchmarks")
endfunction()

function(lastbranch_print_summary)
  set(python "off")
  if(LASTBRANCH_PYTHON)
    set(python "${Python_VERSION}, pybind11 ${pybind11_VERSION}")
  endif()
  set(sanitize "${LASTBRANCH_SANITIZE}")
  if(NOT sanitize)
    set(sanitize "none")
  endif()
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  message(STATUS "lastbranch ${PROJECT_VERSION}: ${CMAKE_BUILD_TYPE} (${CMAKE_CXX_FLAGS_${type}}), ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, "
    "ccache ${CCACHE_PROGRAM}\n"
    "   found      SystemC ${SYSTEMC_VERSION}, Boost ${Boost_VERSION_STRING}, Zydis ${zydis_VERSION}, fmt ${fmt_VERSION}, elfutils ${LIBDW_VERSION}, zstd ${ZSTD_VERSION}\n"
    "   python     ${python}\n"
    "   tests      ${LASTBRANCH_TESTS}, benchmarks ${LASTBRANCH_BENCHMARKS}\n"
    "   assertions ${LASTBRANCH_ASSERTS}, warnings as errors ${LASTBRANCH_WERROR}, threaded dispatch ${LASTBRANCH_THREADED}, sanitizers ${sanitize}")
endfunction()
