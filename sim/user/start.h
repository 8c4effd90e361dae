#pragma once
// From a command to a loaded program: finding the file, following "#!" lines, checking it and its loader.
// Source: execve(2); PATH lookup as execvp(3).
#include "sim/user/kernel.h"

namespace lastbranch::user {

/// Fills `kernel` with the program of its configuration: memory, stack, names. Throws Error, one line.
void start_program(Kernel& kernel);

}  // namespace lastbranch::user
