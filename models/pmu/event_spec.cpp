#include "models/pmu/event_spec.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <numeric>
#include <optional>

#include "sim/base/error.h"
#include "sim/base/field.h"

namespace lastbranch::pmu {
namespace {

using EventSelect = Field<7, 0>;
using Umask = Field<15, 8>;
using Edge = Field<18>;
using AnyThread = Field<21>;
using Inv = Field<23>;
using Cmask = Field<31, 24>;

/// USR, OS, INT and EN of IA32_PERFEVTSELx: people copy them along, perf sets them itself.
constexpr u64 kControlBits = 1u << 16 | 1u << 17 | 1u << 20 | 1u << 22;

constexpr Code kCycleModifiers = static_cast<Code>(Edge::kMask | Inv::kMask | Cmask::kMask);

constexpr u32 kRawType = 4;  // PERF_TYPE_RAW

std::optional<u64> number(std::string_view text, int base) {
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  u64 value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// Up to four names of this list that a mistyped `name` may mean, the nearest first.
std::string close_names(EventList list, std::string_view name) {
  std::vector<std::pair<std::size_t, std::string_view>> near;
  const auto consider = [&](std::string_view known) {
    const bool part = name.size() >= 3 && known.find(name) != std::string_view::npos;
    const std::size_t distance = part ? 1 : edit_distance(name, known);
    if (distance <= std::max<std::size_t>(2, name.size() / 3)) near.emplace_back(distance, known);
  };
  for (const Alias& a : aliases()) consider(a.name);
  for (const Event& e : events()) {
    if (e.exists(list)) consider(e.name);
  }
  std::ranges::stable_sort(near, {}, &std::pair<std::size_t, std::string_view>::first);
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(near.size(), 4); ++i) {
    text += (text.empty() ? "" : ", ") + std::string(near[i].second);
  }
  return text;
}

[[noreturn]] void no_such_event(EventList list, std::string_view part, std::string_view text,
                                std::string_view name) {
  for (const std::string_view family : {"offcore_response", "ocr."}) {
    if (std::ranges::equal(name.substr(0, family.size()), family, {},
                           [](char c) { return std::tolower(c); })) {
      throw Error("event '{}': off-core response events of {} are known and not modelled", text, part);
    }
  }
  const std::string near = close_names(list, name);
  throw Error("event '{}': expected an event of {}, found no '{}'{}", text, part, name,
              near.empty() ? "; see 'list events'" : "; close: " + near);
}

/// perf writes fixed counters' events with the codes of their programmable twins.
u64 perf_config(Code code) {
  switch (code) {
    case 0x0100:
      return 0x00c0;
    case 0x0200:
      return 0x003c;
    default:
      return code;
  }
}

void set_event(EventSpec& spec, const Event& event, Code select) {
  spec.event = &event;
  spec.select = select;
  spec.per_cycle = event.per_cycle || ((select ^ event.select) & kCycleModifiers) != 0;
  spec.perf_type = kRawType;
  spec.perf_config = perf_config(select);
}

/// `name` alone: an alias or an event. False when there is none.
bool take_name(EventList list, std::string_view name, EventSpec& spec) {
  const Event* event = find(list, name);
  if (event == nullptr) return false;
  set_event(spec, *event, event->select);
  if (const Alias* alias = find_alias(name)) {
    spec.perf_type = alias->perf_type;
    spec.perf_config = alias->perf_config;
  }
  return true;
}

/// The event that `code` names exactly, or whose select it changes by modifiers.
const Event* find_select(EventList list, Code code) {
  const Code one_thread = code & ~static_cast<Code>(AnyThread::kMask);
  for (const Code tried : {code, one_thread, one_thread & ~kCycleModifiers}) {
    if (const Event* event = find(list, tried)) return event;
  }
  return nullptr;
}

/// r followed by hexadecimal digits.
std::optional<u64> raw_code(std::string_view name) {
  if (name.size() < 2 || name[0] != 'r') return std::nullopt;
  return number(name.substr(1), 16);
}

void take_code(EventList list, std::string_view part, std::string_view text, u64 code, EventSpec& spec) {
  const Event* event = code < kNoCode ? find_select(list, static_cast<Code>(code)) : nullptr;
  if (event == nullptr) {
    throw Error(
        "event '{}': expected a code of {}, found event {:#04x} umask {:#04x} cmask {} inv {} edge {}", text,
        part, EventSelect::get(code), Umask::get(code), Cmask::get(code), Inv::get(code), Edge::get(code));
  }
  set_event(spec, *event, static_cast<Code>(code));
}

/// The inside of cpu/.../: a name, or terms.
void take_terms(EventList list, std::string_view part, std::string_view text, std::string_view terms,
                EventSpec& spec) {
  if (take_name(list, terms, spec)) return;
  u64 code = 0;
  while (!terms.empty()) {
    const std::size_t comma = std::min(terms.find(','), terms.size());
    const std::string_view term = terms.substr(0, comma);
    terms.remove_prefix(std::min(comma + 1, terms.size()));
    const std::size_t equals = std::min(term.find('='), term.size());
    const std::string_view key = term.substr(0, equals);
    const auto value = equals == term.size() ? std::optional<u64>(1) : number(term.substr(equals + 1), 10);
    const auto set = [&]<class F>(F) {
      if (!value || *value > F::kMax)
        throw Error("event '{}': {}: expected 0 to {:#x}, found '{}'", text, key, F::kMax, term);
      code = F::set(code, *value);
    };
    if (key == "event")
      set(EventSelect{});
    else if (key == "umask")
      set(Umask{});
    else if (key == "cmask")
      set(Cmask{});
    else if (key == "inv")
      set(Inv{});
    else if (key == "edge")
      set(Edge{});
    else if (key == "any")
      set(AnyThread{});
    else
      throw Error("event '{}': expected a name, event, umask, cmask, inv, edge or any, found '{}'", text,
                  term);
  }
  take_code(list, part, text, code, spec);
}

void take_modifiers(std::string_view text, std::string_view modifiers, EventSpec& spec) {
  bool user = false;
  bool kernel = false;
  bool host = false;
  bool guest = false;
  for (const char m : modifiers) {
    switch (m) {
      case 'u':
        user = true;
        break;
      case 'k':
        kernel = true;
        break;
      case 'H':
        host = true;
        break;
      case 'G':
        guest = true;
        break;
      case 'p':
        ++spec.precise;
        break;
      case 'P':
        spec.precise = 3;
        break;
      default:
        throw Error("event '{}': expected modifiers u, k, H, G, p or P, found '{}'", text, m);
    }
  }
  if (spec.precise > 3) throw Error("event '{}': expected at most three p, found {}", text, spec.precise);
  spec.user_only = user && !kernel;
  spec.kernel_only = kernel && !user;
  const bool all_rings = user == kernel;
  const bool all_machines = host == guest;
  spec.contexts = 0;
  for (std::size_t c = 0; c < kCtxCount; ++c) {
    const bool is_user = (c & 1) != 0;
    const bool is_guest = (c & 2) != 0;
    if ((all_rings || is_user == user) && (all_machines || is_guest == guest))
      spec.contexts |= static_cast<CtxSet>(1u << c);
  }
}

}  // namespace

EventSpec parse_event(EventList list, std::string_view part, std::string_view text) {
  EventSpec spec;
  spec.text = text;
  if (text.starts_with("cpu/")) {
    const std::size_t end = text.find('/', 4);
    if (end == std::string_view::npos) throw Error("event '{}': expected a second '/', found the end", text);
    take_terms(list, part, text, text.substr(4, end - 4), spec);
    std::string_view modifiers = text.substr(end + 1);
    if (modifiers.starts_with(':')) modifiers.remove_prefix(1);
    take_modifiers(text, modifiers, spec);
    return spec;
  }
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view name = text.substr(0, colon);
  if (!take_name(list, name, spec)) {
    const auto code = raw_code(name);
    if (!code) no_such_event(list, part, text, name);
    take_code(list, part, text, *code & ~kControlBits, spec);
  }
  take_modifiers(text, text.substr(std::min(colon + 1, text.size())), spec);
  return spec;
}

std::vector<EventSpec> parse_events(EventList list, std::string_view part, std::string_view text) {
  std::vector<EventSpec> specs;
  std::size_t start = 0;
  bool in_slashes = false;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '/') in_slashes = !in_slashes;
    if (i < text.size() && (text[i] != ',' || in_slashes)) continue;
    specs.push_back(parse_event(list, part, text.substr(start, i - start)));
    start = i + 1;
  }
  return specs;
}

}  // namespace lastbranch::pmu
