#include <charconv>

#include <Zydis/Zydis.h>

#include "sim/base/error.h"
#include "tests/cpu/generator.h"

namespace lastbranch::host {
namespace {

using Type = Wanted::Type;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

ZydisRegister register_named(std::string_view name) {
  for (int r = ZYDIS_REGISTER_NONE + 1; r <= ZYDIS_REGISTER_MAX_VALUE; ++r) {
    const char* text = ZydisRegisterGetString(static_cast<ZydisRegister>(r));
    if (text != nullptr && name == text) return static_cast<ZydisRegister>(r);
  }
  return ZYDIS_REGISTER_NONE;
}

/// Size suffix: a letter or a number of bits; `v` is the size of the form. -1 when it is neither.
int bits_of(std::string_view suffix, unsigned v) {
  if (suffix == "b") return 8;
  if (suffix == "w") return 16;
  if (suffix == "d") return 32;
  if (suffix == "q") return 64;
  if (suffix == "v") return static_cast<int>(v);
  int bits = -1;
  const auto [end, error] = std::from_chars(suffix.data(), suffix.data() + suffix.size(), bits);
  return error == std::errc{} && end == suffix.data() + suffix.size() ? bits : -1;
}

/// The alternatives that one word stands for.
std::vector<Wanted> alternatives(std::string_view word, unsigned v) {
  if (word == "1") return {{Type::kOne, 8, 0}};
  if (word == "av") word = v == 16 ? "ax" : v == 32 ? "eax" : "rax";
  if (word == "x") return {{Type::kXmm, 128, 0}};
  if (word == "y") return {{Type::kMmx, 64, 0}};
  if (word == "st") return {{Type::kSt, 80, 0}};
  if (const ZydisRegister r = register_named(word); r != ZYDIS_REGISTER_NONE)
    return {{Type::kFixedReg, 0, r}};
  constexpr struct {
    std::string_view prefix;
    Type first;
    bool or_memory;
  } kPrefixes[] = {{"rm", Type::kGpr, true},        {"xm", Type::kXmm, true}, {"ym", Type::kMmx, true},
                   {"r", Type::kGpr, false},        {"m", Type::kMem, false}, {"i", Type::kImm, false},
                   {"u", Type::kUnsignedImm, false}};
  for (const auto& p : kPrefixes) {
    if (!word.starts_with(p.prefix)) continue;
    int bits = bits_of(word.substr(p.prefix.size()), v);
    if (bits < 0) continue;
    if (p.first == Type::kImm && word.back() == 'v' && bits == 64) bits = 32;
    const unsigned n = static_cast<unsigned>(bits);
    const unsigned register_bits = p.first == Type::kXmm ? 128 : n;
    if (p.or_memory) return {{p.first, register_bits, 0}, {Type::kMem, n, 0}};
    return {{p.first, n, 0}};
  }
  throw Error("operand form \"{}\": unknown word", word);
}

void expand_one(const std::vector<std::string_view>& words, std::size_t at, unsigned v, Form& so_far,
                std::vector<Form>& out) {
  if (at == words.size()) {
    out.push_back(so_far);
    return;
  }
  for (const Wanted& w : alternatives(words[at], v)) {
    so_far.push_back(w);
    expand_one(words, at + 1, v, so_far, out);
    so_far.pop_back();
  }
}

bool depends_on_size(const std::vector<std::string_view>& words) {
  for (const std::string_view w : words) {
    if (w == "av" || w == "rv" || w == "mv" || w == "rmv" || w == "iv") return true;
  }
  return false;
}

}  // namespace

std::vector<Form> expand(std::string_view forms) {
  std::vector<Form> out;
  for (const std::string_view alternative : split(forms, '|')) {
    std::vector<std::string_view> words;
    if (!alternative.empty()) words = split(alternative, ',');
    Form form;
    if (depends_on_size(words)) {
      for (const unsigned v : {16u, 32u, 64u}) expand_one(words, 0, v, form, out);
    } else {
      expand_one(words, 0, 0, form, out);
    }
  }
  return out;
}

}  // namespace lastbranch::host
