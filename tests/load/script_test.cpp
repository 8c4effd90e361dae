#include "sim/load/script.h"

#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "tests/load/file_fixture.h"

namespace lastbranch::load {
namespace {

TEST(Script, first_line_is_split_as_linux_splits_it) {
  struct Row {
    const char* name;
    std::string text;
    const char* interpreter;
    const char* argument;
  };
  const Row rows[] = {
      {"plain", "#!/bin/sh\necho", "/bin/sh", ""},
      {"blank_before", "#! /bin/sh\n", "/bin/sh", ""},
      {"one_argument", "#!/bin/sh -e\n", "/bin/sh", "-e"},
      {"all_arguments_are_one", "#!/usr/bin/env  python3 -S \n", "/usr/bin/env", "python3 -S"},
      {"no_newline", "#!/bin/sh", "/bin/sh", ""},
      {"tabs", "#!\t/bin/sh\t-x\t\n", "/bin/sh", "-x"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const testing::TempFile file(row.text);
    const auto line = read_script_line(FileReader(file.path()));
    ASSERT_TRUE(line.has_value());
    EXPECT_EQ(line->interpreter, row.interpreter);
    EXPECT_EQ(line->argument, row.argument);
  }
}

TEST(Script, other_files_have_no_script_line) {
  for (const std::string text : {"", "#", "echo", "# !/bin/sh"}) {
    const testing::TempFile file(text);
    EXPECT_FALSE(read_script_line(FileReader(file.path())).has_value()) << text;
  }
}

TEST(Script, line_without_interpreter_is_an_error) {
  const testing::TempFile file(std::string("#!  \necho"));
  EXPECT_THROW((void)read_script_line(FileReader(file.path())), Error);
}

}  // namespace
}  // namespace lastbranch::load
