// lastbranch-msr-dump: the last-branch and performance-monitoring registers of a processor, as text that
// `lastbranch replay` checks against the models.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <boost/program_options/variables_map.hpp>

#include "apps/msrdump/msr_source.h"
#include "sim/base/error.h"
#include "sim/replay/msr_dump_model.h"
#include "sim/replay/processor.h"

namespace lastbranch::msrdump {
namespace {

namespace po = boost::program_options;

constexpr int kSuccess = 0, kOutputFailed = 1, kBadInput = 2;

po::options_description options() {
  po::options_description out("Options");
  out.add_options()                                                                                     //
      ("cpu,c", po::value<unsigned>()->default_value(0)->value_name("N"), "processor (default: 0)")     //
      ("output,o", po::value<std::string>()->value_name("FILE"), "write here, not to standard output")  //
      ("all", "registers of every part that is known, not of this one alone")                           //
      ("root", po::value<std::string>()->default_value("")->value_name("DIR"),
       "folder that has dev/cpu/N and proc")  //
      ("help,h", "show this help");
  return out;
}

/// Index and name of the registers to read: of the part, or of all parts where it is not known.
std::map<u32, std::string> registers(const cpu::Uarch* part) {
  std::map<u32, std::string> found;
  const auto add = [&](const cpu::Uarch& u) {
    replay::MsrModel model(u);
    for (const MsrBus::Listed& row : model.msrs().list()) found.try_emplace(row.index, row.name);
  };
  if (part != nullptr) {
    add(*part);
  } else {
    for (const cpu::Uarch& u : cpu::uarchs()) add(u);
  }
  return found;
}

replay::MsrDump take(const MsrSource& source, unsigned cpu, bool all) {
  replay::MsrDump dump;
  for (const replay::CpuidPlace& place : replay::dumped_leaves()) {
    dump.cpuid.push_back(source.cpuid(place.leaf, place.subleaf));
  }
  const std::string maker = source.cpuinfo("vendor_id");
  std::string signature;
  for (const replay::DumpedCpuid& leaf : dump.cpuid) {
    if (leaf.leaf == 1) signature = replay::cpuid_signature(leaf.registers[0]);
  }
  if (!maker.empty() && maker != "GenuineIntel") signature.replace(0, signature.find(','), maker);
  const cpu::Uarch* part = replay::part_of_cpuid(signature);
  for (const auto& [index, name] : registers(all ? nullptr : part)) {
    const MsrRead read = source.read(index);
    dump.msrs.push_back({.index = index, .name = name, .value = read.value, .why = read.why});
  }
  dump.header = {{"source", source.path()},
                 {"program", "lastbranch-msr-dump " LASTBRANCH_VERSION},
                 {"cpu", std::to_string(cpu)},
                 {"cpu-name", source.cpuinfo("model name")},
                 {"cpuid-signature", signature},
                 {"record", part != nullptr ? std::string(part->name) : "none: the registers of all parts"},
                 {"microcode", source.cpuinfo("microcode")},
                 {"kernel", source.kernel()}};
  return dump;
}

void write(const std::string& text, const std::string& path) {
  std::FILE* const out = path.empty() ? stdout : std::fopen(path.c_str(), "we");
  const std::string name = path.empty() ? "standard output" : path;
  if (out == nullptr) throw Error("{}: cannot be opened for writing: {}", name, std::strerror(errno));
  const bool written = std::fwrite(text.data(), 1, text.size(), out) == text.size() && std::fflush(out) == 0;
  const int error = errno;
  if (!path.empty()) std::fclose(out);
  if (!written)
    throw std::runtime_error(fmt::format("{}: cannot be written: {}", name, std::strerror(error)));
}

int run(int argc, char** argv) {
  po::variables_map chosen;
  po::store(po::command_line_parser(argc, argv).options(options()).positional({}).run(), chosen);
  if (chosen.count("help") != 0) {
    std::ostringstream text;
    text << "usage: lastbranch-msr-dump [options]\n\n"
            "Writes the last-branch and performance-monitoring registers of one processor as text.\n\n"
         << options();
    write(text.str(), "");
    return kSuccess;
  }
  const unsigned cpu = chosen["cpu"].as<unsigned>();
  const MsrSource source(chosen["root"].as<std::string>(), cpu);
  replay::MsrDump dump = take(source, cpu, chosen.count("all") != 0);
  std::string command = "lastbranch-msr-dump";
  for (int i = 1; i < argc; ++i) command += fmt::format(" {}", argv[i]);
  dump.header["command"] = command;
  write(replay::msr_dump_text(dump), chosen.count("output") != 0 ? chosen["output"].as<std::string>() : "");
  return kSuccess;
}

}  // namespace
}  // namespace lastbranch::msrdump

int main(int argc, char** argv) {
  using namespace lastbranch;
  const auto complain = [](const char* what) { fmt::print(stderr, "lastbranch-msr-dump: {}\n", what); };
  try {
    return msrdump::run(argc, argv);
  } catch (const Error& error) {
    complain(error.what());
    return msrdump::kBadInput;
  } catch (const boost::program_options::error& error) {
    complain(error.what());
    return msrdump::kBadInput;
  } catch (const std::exception& error) {
    complain(error.what());
    return msrdump::kOutputFailed;
  }
}
