# Everything that is found on the system, and the interface targets that carry compile options.
# Nothing is downloaded at configure time.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
# Debian 12 also ships 1.74, whose Boost.JSON is missing; config mode takes 1.81 or newer only.
find_package(Boost 1.81 CONFIG REQUIRED COMPONENTS headers program_options json iostreams)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(Zycore REQUIRED)
find_package(Zydis REQUIRED)
pkg_check_modules(SYSTEMC REQUIRED IMPORTED_TARGET systemc)
pkg_check_modules(LIBELF REQUIRED IMPORTED_TARGET libelf)
pkg_check_modules(LIBDW REQUIRED IMPORTED_TARGET libdw)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
if(LASTBRANCH_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
if(LASTBRANCH_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
if(LASTBRANCH_PYTHON)
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
  if(NOT pybind11_DIR)
    execute_process(COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir
                    OUTPUT_VARIABLE pybind11_DIR OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  find_package(pybind11 CONFIG REQUIRED)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# The Python extension links every library. Hidden symbols let the compiler inline and call
# directly in spite of position-independent code.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

# lastbranch::warnings: what the compiler says about our own code.
add_library(lastbranch_warnings INTERFACE)
add_library(lastbranch::warnings ALIAS lastbranch_warnings)
target_compile_options(lastbranch_warnings INTERFACE
  # GCC 12 sees overlapping copies in std::string's operator+ that are not there (its bug 105651).
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
  $<$<BOOL:${LASTBRANCH_WERROR}>:-Werror>)

# lastbranch::options: how all of our code is compiled.
add_library(lastbranch_options INTERFACE)
add_library(lastbranch::options ALIAS lastbranch_options)
target_compile_features(lastbranch_options INTERFACE cxx_std_20)
target_include_directories(lastbranch_options INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_definitions(lastbranch_options INTERFACE
  LASTBRANCH_ASSERTS=$<BOOL:${LASTBRANCH_ASSERTS}>
  LASTBRANCH_THREADED=$<BOOL:${LASTBRANCH_THREADED}>)
# x86-64-v2 is what the guest may use, and execution of SSE4.2 code leans on the host's.
target_compile_options(lastbranch_options INTERFACE
  -march=x86-64-v2 "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
if(LASTBRANCH_SANITIZE)
  target_compile_options(lastbranch_options INTERFACE
    -fsanitize=${LASTBRANCH_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(lastbranch_options INTERFACE -fsanitize=${LASTBRANCH_SANITIZE})
endif()

# lastbranch::systemc: Debian's libsystemc is built as C++17 and refuses C++20 callers unless
# SC_CPLUSPLUS, SystemC's documented downgrade, says so. The library also wants a symbol sc_main from us,
# which must be [[gnu::visibility("default")]] among symbols that are hidden otherwise.
add_library(lastbranch_systemc INTERFACE)
add_library(lastbranch::systemc ALIAS lastbranch_systemc)
target_link_libraries(lastbranch_systemc INTERFACE PkgConfig::SYSTEMC Threads::Threads)
target_compile_definitions(lastbranch_systemc INTERFACE SC_CPLUSPLUS=201703L)
# SystemC's dynamic processes need this; without it sc_spawn is absent.
target_compile_definitions(lastbranch_systemc INTERFACE SC_INCLUDE_DYNAMIC_PROCESSES)
