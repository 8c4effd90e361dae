#include "sim/replay/report_text.h"

#include <string_view>

#include <fmt/format.h>

#include "sim/base/utf8.h"

namespace lastbranch::replay {
namespace {

constexpr std::size_t kEdgesShown = 10;

u64 sum(const Tally& tally) {
  u64 all = 0;
  for (const u64 n : tally.causes) all += n;
  return all;
}

std::string grouped(u64 n) {
  std::string digits = fmt::format("{}", n);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string causes_text(const Tally& tally) {
  std::string text;
  for (std::size_t c = 0; c < tally.causes.size(); ++c) {
    if (tally.causes.at(c) == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", grouped(tally.causes.at(c)),
                        name_of(static_cast<Cause>(c)));
  }
  return text;
}

std::string checks_text(const Report& r) {
  std::string text = fmt::format("\n{:<20} {:>12} {:>12}  {}\n", "check", "held", "otherwise", "causes");
  for (std::size_t c = 0; c < r.checks.size(); ++c) {
    const Tally& tally = r.checks.at(c);
    if (!r.made(static_cast<Check>(c))) continue;
    text += fmt::format("{:<20} {:>12} {:>12}  {}", name_of(static_cast<Check>(c)), grouped(tally.held),
                        grouped(sum(tally)), causes_text(tally));
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

std::string ring_text(const Report& r) {
  std::string text;
  const auto line = [&](u64 n, std::string_view words) {
    if (n != 0) text += fmt::format("  {:>12}  {}\n", grouped(n), words);
  };
  line(r.duplicated_tops, "duplicated tops, which came from the erratum");
  line(r.zero_tails, "stacks with empty entries at their end");
  line(r.shortened, "stacks shorter than the records, without empty entries");
  line(r.joined, "stacks that continue the thread's stack before");
  line(r.ambiguous, "stacks that overlap the one before at more than one distance");
  return text.empty() ? "" : "\nin the stacks\n" + text;
}

std::string edges_text(const Report& r) {
  const std::vector<BlamedEdge> worst = r.worst_edges(kEdgesShown);
  if (worst.empty()) return "";
  std::string text = "\nworst edges\n";
  for (const BlamedEdge& e : worst) {
    text += fmt::format("  {:>12}  {:#x} -> {:#x}  {}: {}\n", grouped(e.count), e.from, e.to,
                        name_of(e.check), name_of(e.cause));
  }
  return text;
}

/// Continued lines under the first one's text.
std::string indented(std::string_view words, std::string_view margin) {
  std::string text;
  for (const char c : words) {
    text += c;
    if (c == '\n') text += margin;
  }
  return text;
}

std::string examples_text(const Report& r) {
  if (r.examples.empty()) return "";
  std::string text = "\nfirst examples\n";
  for (const Example& e : r.examples) {
    text += fmt::format("  {}, {}: sample {}, entry {}: {:#x} -> {:#x}\n      {}\n", name_of(e.check),
                        name_of(e.cause), e.sample, e.entry, e.from, e.to, indented(e.words, "      "));
  }
  return text;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char first = text.front();
    const bool control = (first >= 0 && first < 0x20 && first != '\n' && first != '\t') || first == 0x7f;
    if (length == 0 || control) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(first));
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

std::string verdict(const Report& r) {
  if (r.foreign)
    return fmt::format("not an Intel processor's records ({}): nothing was replayed", r.chosen_by);
  u64 unexplained = 0, homeless = 0;
  for (const Tally& tally : r.checks) {
    unexplained += tally.of(Cause::kUnexplained);
    homeless += tally.of(Cause::kNotRepresentable);
  }
  if (unexplained != 0 || homeless != 0) {
    return fmt::format("disagrees: {} unexplained, {} not representable on {}", grouped(unexplained),
                       grouped(homeless), r.processor);
  }
  std::string text = r.samples == 0 && r.entries == 0 ? "agrees, for want of branch stacks" : "agrees";
  if (!r.edited.empty()) text += "; the capture was edited or made by hand";
  return text;
}

std::string report_text(const Report& r) {
  std::string text =
      fmt::format("capture    {}\nprocessor  {} (by {})\n", r.capture, r.processor, r.chosen_by);
  if (!r.foreign) {
    text += fmt::format("records    {}\nsamples    {} with branch stacks, {} without; {} entries\n",
                        r.recorded, grouped(r.samples), grouped(r.samples_without), grouped(r.entries));
    text += checks_text(r) + ring_text(r) + edges_text(r) + examples_text(r);
  }
  if (!r.edited.empty()) {
    text += "\nedited or made by hand\n";
    for (const std::string& line : r.edited) text += "  " + indented(line, "  ") + '\n';
  }
  if (!r.notes.empty()) {
    text += "\nnotes\n";
    for (const std::string& note : r.notes) text += "  " + indented(note, "  ") + '\n';
  }
  return printable(text + '\n' + verdict(r) + '\n');
}

}  // namespace lastbranch::replay
