#pragma once
/// What the commands that simulate a program have in common: which machine, which program, how far.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/lastbranch/arguments.h"
#include "models/pmu/event_spec.h"
#include "sim/machine/machine.h"

namespace lastbranch::cli {

/// How every such command is used.
inline constexpr std::string_view kProgramUsage = "[options] [--] program [arguments]";

/// --uarch, --lbr-depth, --set alone: which part.
void add_part_options(boost::program_options::options_description& options);
/// What the program gets and how far it runs: --max-instructions, --root, --read-only, --seed, --env,
/// --clear-env.
void add_process_options(boost::program_options::options_description& options);
/// All of them, and --help.
void add_machine_options(boost::program_options::options_description& options);

/// The part with its overrides. Throws Error.
[[nodiscard]] cpu::Uarch part(const Arguments& arguments);
/// The machine to build, for the program that the words of `arguments` name or for `program`. Throws Error
/// when none is named.
[[nodiscard]] MachineConfig machine_config(std::string_view command, const Arguments& arguments);
[[nodiscard]] MachineConfig machine_config(std::string_view command, const Arguments& arguments,
                                           const std::vector<std::string>& program);
/// --max-instructions.
[[nodiscard]] u64 instruction_limit(const Arguments& arguments);

/// The events of one or more -e, in order. Throws Error.
[[nodiscard]] std::vector<pmu::EventSpec> parse_event_lists(const cpu::Uarch& part,
                                                            std::span<const std::string> lists);

}  // namespace lastbranch::cli
