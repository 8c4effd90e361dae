#include "apps/lastbranch/arguments.h"

#include <charconv>
#include <sstream>

#include <fmt/format.h>

#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>

#include "apps/lastbranch/close_names.h"
#include "sim/base/error.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

bool takes_value(const po::options_description& options, const std::string& name) {
  const po::option_description* option = options.find_nothrow(name, false);
  return option != nullptr && option->semantic()->min_tokens() > 0;
}

/// Whether the value of the option(s) in `token` is the next token.
bool wants_next(const po::options_description& options, const std::string& token) {
  if (token.starts_with("--")) {
    return token.find('=') == std::string::npos && takes_value(options, token.substr(2));
  }
  for (std::size_t i = 1; i < token.size(); ++i) {
    if (takes_value(options, {'-', token[i]})) return i + 1 == token.size();
  }
  return false;
}

struct Split {
  std::vector<std::string> options, words;
};

Split split(const Syntax& syntax, const std::vector<std::string>& arguments) {
  Split out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& token = arguments[i];
    const auto rest = arguments.begin() + static_cast<std::ptrdiff_t>(i);
    if (token == "--") {
      out.words.insert(out.words.end(), rest + 1, arguments.end());
      return out;
    }
    if (token.size() < 2 || token[0] != '-') {
      if (syntax.words == Words::kProgram) {
        out.words.assign(rest, arguments.end());
        return out;
      }
      out.words.push_back(token);
      continue;
    }
    out.options.push_back(token);
    if (wants_next(syntax.options, token) && i + 1 < arguments.size()) out.options.push_back(arguments[++i]);
  }
  return out;
}

std::vector<std::string> long_names(const po::options_description& options) {
  std::vector<std::string> names;
  for (const auto& option : options.options()) names.push_back("--" + option->long_name());
  return names;
}

[[noreturn]] void explain(const Syntax& syntax, const po::error& error) {
  const auto fail = [&](const std::string& what) {
    throw Error("{} {}; see 'lastbranch {} --help'", syntax.command, what, syntax.command);
  };
  const auto* named = dynamic_cast<const po::error_with_option_name*>(&error);
  const std::string name = named != nullptr ? named->get_option_name() : "";
  if (dynamic_cast<const po::unknown_option*>(&error) != nullptr) {
    const std::string near = close_names(name, long_names(syntax.options));
    fail(fmt::format("has no option '{}'{}", name, near.empty() ? "" : "; close: " + near));
  }
  if (dynamic_cast<const po::multiple_occurrences*>(&error) != nullptr) {
    fail(fmt::format("takes option '{}' once, found it again", name));
  }
  if (const auto* bad = dynamic_cast<const po::invalid_command_line_syntax*>(&error)) {
    if (bad->kind() == po::invalid_syntax::extra_parameter) {
      fail(fmt::format("option '{}': expected no value, found one", name));
    }
    fail(fmt::format("option '{}': expected a value, found none", name));
  }
  fail(fmt::format("options: {}", error.what()));
  throw;  // fail() does not return, which the compiler cannot see
}

}  // namespace

Arguments parse_arguments(const Syntax& syntax, const std::vector<std::string>& arguments) {
  namespace style = po::command_line_style;
  constexpr int kStyle = style::allow_long | style::long_allow_adjacent | style::long_allow_next |
                         style::allow_short | style::allow_dash_for_short | style::short_allow_adjacent |
                         style::short_allow_next | style::allow_sticky;
  Split parts = split(syntax, arguments);
  po::variables_map options;
  try {
    po::store(po::command_line_parser(parts.options).options(syntax.options).style(kStyle).run(), options);
  } catch (const po::error& error) {
    explain(syntax, error);
  }
  return {std::move(options), std::move(parts.words)};
}

const std::string& Arguments::text(const std::string& option) const {
  return options_[option].as<std::string>();
}

std::string Arguments::text_or(const std::string& option, std::string_view otherwise) const {
  return has(option) ? text(option) : std::string(otherwise);
}

std::vector<std::string> Arguments::texts(const std::string& option) const {
  return has(option) ? options_[option].as<std::vector<std::string>>() : std::vector<std::string>{};
}

u64 Arguments::number(const std::string& option, u64 least) const {
  return parse_number("--" + option, text(option), least);
}

std::string help_text(const Syntax& syntax) {
  std::ostringstream options;
  options << syntax.options;
  return fmt::format("usage: lastbranch {} {}\n\n{}\n\n{}", syntax.command, syntax.usage, syntax.summary,
                     options.str());
}

u64 parse_number(std::string_view what, std::string_view text, u64 least) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  const std::string_view digits = hexadecimal ? text.substr(2) : text;
  u64 value = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value, hexadecimal ? 16 : 10);
  if (error != std::errc{} || end != digits.end() || value < least) {
    throw Error("{}: expected a number of at least {}, found '{}'", what, least, text);
  }
  return value;
}

}  // namespace lastbranch::cli
