// What cannot be started, and how it says so; and what starts in roundabout ways.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "sim/base/error.h"
#include "sim/user/process.h"
#include "tests/load/file_fixture.h"
#include "tests/user/temp_dir.h"

namespace lastbranch::user {
namespace {

using load::testing::TinyElf;
using testing::TempDir;

std::string write_program(const TempDir& folder, const std::string& name, const std::vector<u8>& bytes,
                          mode_t mode = 0755) {
  const std::string path = folder.write(name, std::string(bytes.begin(), bytes.end()));
  ::chmod(path.c_str(), mode);
  return path;
}
std::string write_script(const TempDir& folder, const std::string& name, const std::string& text) {
  return write_program(folder, name, std::vector<u8>(text.begin(), text.end()));
}
std::vector<u8> static_elf() {
  TinyElf elf;
  elf.segments[0].p_type = 0;
  return elf.bytes();
}

std::string start_error(const ProcessConfig& config) {
  PhysMem memory(u64{16} << 20);
  try {
    const Process process(config, memory);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}
std::string start_error(const std::string& program) {
  ProcessConfig config;
  config.arguments = {program};
  return start_error(config);
}

TEST(Start, refusals_name_what_where_expected_and_found) {
  const TempDir folder;
  std::vector<u8> aarch64 = static_elf();
  load::testing::put(aarch64, offsetof(Elf64_Ehdr, e_machine), u16{EM_AARCH64});
  TinyElf no_loader;
  no_loader.interpreter = "/lib/ld-none.so.9";
  no_loader.segments[0].p_filesz = no_loader.interpreter.size() + 1;
  TinyElf bad_loader;
  bad_loader.interpreter = folder.write("loader", "text");
  ::chmod(bad_loader.interpreter.c_str(), 0755);
  bad_loader.segments[0].p_filesz = bad_loader.interpreter.size() + 1;
  TinyElf low;
  low.header.e_type = ET_EXEC;
  low.segments[0].p_type = 0;
  struct Row {
    std::string program;
    std::vector<std::string> words;
  };
  const Row rows[] = {
      {folder / "absent", {"absent: cannot open the program: No such file"}},
      {folder.path(), {"found a directory"}},
      {"/dev/null", {"found a special file"}},
      {write_program(folder, "plain", static_elf(), 0644), {"not executable", "found mode 0644"}},
      {write_script(folder, "text", "hello"), {"not an ELF file", "68 65 6c 6c"}},
      {write_script(folder, "empty", ""), {"not an ELF file", "an empty file"}},
      {write_program(folder, "arm", aarch64), {"x86-64", "AArch64"}},
      {write_program(folder, "no_loader", no_loader.bytes()),
       {"missing loader", "/lib/ld-none.so.9", "no such file"}},
      {write_program(folder, "bad_loader", bad_loader.bytes()), {"loader", "not an ELF file"}},
      {write_program(folder, "low", low.bytes()), {"cannot map its segment at 0x0"}},
      {write_script(folder, "script", "#!/nonexistent/sh\n"), {"script", "/nonexistent/sh", "No such file"}},
      {write_script(folder, "circle", "#!" + folder.path() + "/circle\n"), {"at most 5 interpreters"}},
      {write_script(folder, "nobody", "#!\n"), {"expected an interpreter"}},
      {"no-such-command-anywhere", {"in PATH"}},
      {"", {"expected a program to run"}},
  };
  for (const Row& row : rows) {
    const std::string message = start_error(row.program);
    SCOPED_TRACE(message);
    EXPECT_EQ(message.find('\n'), std::string::npos);
    for (const std::string& word : row.words) EXPECT_NE(message.find(word), std::string::npos) << word;
  }
}

TEST(Start, too_many_arguments_are_an_error) {
  const TempDir folder;
  ProcessConfig config;
  config.arguments = {write_program(folder, "program", static_elf()), std::string(3 << 20, 'x')};
  EXPECT_NE(start_error(config).find("a quarter of the stack"), std::string::npos);
}

TEST(Start, position_independent_programs_load_at_the_documented_address) {
  const TempDir folder;
  ProcessConfig config;
  config.arguments = {write_program(folder, "program", static_elf())};
  std::vector<ExecMapping> seen;
  config.on_executable = [&](const ExecMapping& m) { seen.push_back(m); };
  PhysMem memory(u64{16} << 20);
  const Process process(config, memory);

  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].address, kPieBase + 0x1000);
  EXPECT_EQ(seen[0].length, kPageSize);
  EXPECT_EQ(seen[0].pgoff, 0x1000u);
  EXPECT_EQ(seen[0].filename, config.arguments[0]);
  struct stat st {};
  ::stat(config.arguments[0].c_str(), &st);
  EXPECT_EQ(seen[0].inode, st.st_ino);
  EXPECT_EQ(process.name(), "program");
  EXPECT_EQ(process.executable(), config.arguments[0]);
}

TEST(Start, commands_are_found_in_the_guests_path) {
  const TempDir folder;
  write_program(folder, "found", static_elf());
  write_program(folder, "hidden", static_elf(), 0644);
  ProcessConfig config;
  config.environment = {"PATH=/nonexistent:" + folder.path()};
  config.arguments = {"found"};
  PhysMem memory(u64{16} << 20);
  EXPECT_EQ(Process(config, memory).executable(), folder / "found");
  config.arguments = {"hidden"};
  EXPECT_NE(start_error(config).find("in PATH"), std::string::npos);
}

TEST(Start, programs_and_loaders_come_from_below_the_root) {
  const TempDir folder;
  std::filesystem::create_directories(folder / "root/bin");
  write_program(folder, "root/bin/program", static_elf());
  ProcessConfig config;
  config.root = folder / "root";
  config.arguments = {"/bin/program"};
  PhysMem memory(u64{16} << 20);
  std::string mapped;
  config.on_executable = [&](const ExecMapping& m) { mapped = mapped.empty() ? m.filename : mapped; };
  EXPECT_EQ(Process(config, memory).executable(), "/bin/program");
  EXPECT_EQ(mapped, folder / "root/bin/program") << "perf.data names the host's file";

  write_program(folder, "root/bin/dynamic", TinyElf().bytes());
  config.arguments = {"/bin/dynamic"};
  EXPECT_NE(start_error(config).find("missing loader"), std::string::npos) << "the host's own is not taken";
}

}  // namespace
}  // namespace lastbranch::user
