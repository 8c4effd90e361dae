#include "sim/replay/report_html.h"

#include <string_view>

#include <fmt/format.h>

#include "sim/replay/report_text.h"

namespace lastbranch::replay {
namespace {

constexpr std::size_t kEdgesShown = 50;

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --ink: #1d2025; --dim: #626a75; --paper: #fcfcfa; --line: #d9dbdf;
  --good: #1c7a3e; --known: #8a6100; --bad: #b3261e; --bar: #cfe5d6; --card: #f3f4f1; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e6ea; --dim: #9aa3af; --paper: #16181c; --line: #343942; --good: #6cc48a;
    --known: #e0b450; --bad: #ff8a80; --bar: #22412e; --card: #1e2126; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p.verdict { font-size: 1.1rem; font-weight: 600; margin: .3rem 0 1rem; }
.good { color: var(--good); } .known { color: var(--known); } .bad { color: var(--bad); }
.dim { color: var(--dim); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; color: var(--dim); font-size: .85rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td.share { width: 9rem; }
.track { background: var(--card); height: .8rem; margin-top: .35rem; border-radius: 2px; }
.fill { background: var(--good); height: 100%; border-radius: 2px; }
code, pre { font: .85rem/1.45 ui-monospace, monospace; }
pre { background: var(--card); padding: .5rem .7rem; margin: .3rem 0; overflow-x: auto; border-radius: 4px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
)";

/// For text and attributes.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// How a cause looks: hardware's known ways are no failures.
std::string_view style_of(Cause cause) {
  return cause == Cause::kUnexplained || cause == Cause::kNotRepresentable ? "bad" : "known";
}

u64 sum(const Tally& tally) {
  u64 all = 0;
  for (const u64 n : tally.causes) all += n;
  return all;
}

std::string facts_html(const Report& r) {
  std::string html = "<dl>\n";
  const auto row = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, escaped(value));
  };
  row("processor", fmt::format("{}, by {}", r.processor, r.chosen_by));
  row("records", r.recorded);
  if (!r.foreign) {
    row("samples", fmt::format("{} with branch stacks, {} without", r.samples, r.samples_without));
    row("entries", fmt::format("{}", r.entries));
  }
  const auto count = [&](std::string_view name, u64 n) {
    if (n != 0) row(name, fmt::format("{}", n));
  };
  count("duplicated tops", r.duplicated_tops);
  count("empty tails", r.zero_tails);
  count("shortened stacks", r.shortened);
  count("joined stacks", r.joined);
  count("ambiguous overlaps", r.ambiguous);
  return html + "</dl>\n";
}

std::string checks_html(const Report& r) {
  std::string html =
      "<h2>Checks</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>check</th><th class=\"n\">held</th>"
      "<th></th><th class=\"n\">otherwise</th><th>causes</th></tr></thead>\n<tbody>\n";
  for (std::size_t c = 0; c < r.checks.size(); ++c) {
    const Tally& tally = r.checks.at(c);
    if (!r.made(static_cast<Check>(c))) continue;
    const u64 others = sum(tally);
    std::string causes;
    for (std::size_t k = 0; k < tally.causes.size(); ++k) {
      const auto cause = static_cast<Cause>(k);
      if (tally.of(cause) == 0) continue;
      causes += fmt::format("{}<span class=\"{}\">{} {}</span>", causes.empty() ? "" : ", ", style_of(cause),
                            tally.of(cause), name_of(cause));
    }
    const double share = 100 * static_cast<double>(tally.held) / static_cast<double>(tally.held + others);
    html += fmt::format(
        "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"share\"><div class=\"track\" title=\"{:.2f} %\">"
        "<div class=\"fill\" style=\"width: {:.2f}%\"></div></div></td><td "
        "class=\"n\">{}</td><td>{}</td></tr>\n",
        name_of(static_cast<Check>(c)), tally.held, share, share, others, causes);
  }
  return html + "</tbody></table></div>\n";
}

std::string edges_html(const Report& r) {
  const std::vector<BlamedEdge> worst = r.worst_edges(kEdgesShown);
  if (worst.empty()) return "";
  std::string html =
      "<h2>Worst edges</h2>\n<div class=\"wide\"><table>\n<thead><tr><th class=\"n\">disagreements</th>"
      "<th>from</th><th>to</th><th>first</th></tr></thead>\n<tbody>\n";
  for (const BlamedEdge& e : worst) {
    html += fmt::format(
        "<tr><td class=\"n\">{}</td><td><code>{:#x}</code></td><td><code>{:#x}</code></td>"
        "<td>{}, <span class=\"{}\">{}</span></td></tr>\n",
        e.count, e.from, e.to, name_of(e.check), style_of(e.cause), name_of(e.cause));
  }
  return html + "</tbody></table></div>\n";
}

std::string examples_html(const Report& r) {
  if (r.examples.empty()) return "";
  std::string html = "<h2>First examples</h2>\n";
  for (const Example& e : r.examples) {
    html += fmt::format(
        "<div><span class=\"{}\">{}</span>, {}: sample {}, entry {}: <code>{:#x} &#8594; {:#x}</code>"
        "<pre>{}</pre></div>\n",
        style_of(e.cause), name_of(e.cause), name_of(e.check), e.sample, e.entry, e.from, e.to,
        escaped(e.words));
  }
  return html;
}

std::string lines_html(std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string html = fmt::format("<h2>{}</h2>\n<ul>\n", title);
  for (const std::string& line : lines) html += fmt::format("<li>{}</li>\n", escaped(line));
  return html + "</ul>\n";
}

}  // namespace

std::string report_html(const Report& r) {
  const std::string capture = escaped(r.capture);
  const std::string_view style = r.foreign          ? "known"
                                 : !r.agrees()      ? "bad"
                                 : r.edited.empty() ? "good"
                                                    : "known";
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
      "<meta charset=\"utf-8\" />\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
      "<title>Replay of {}</title>\n<style>{}</style>\n</head>\n<body>\n<h1>Replay of {}</h1>\n"
      "<p class=\"verdict {}\">{}</p>\n",
      capture, kStyle, capture, style, escaped(verdict(r)));
  html += facts_html(r);
  if (!r.foreign) html += checks_html(r) + edges_html(r) + examples_html(r);
  html += lines_html("Edited or made by hand", r.edited) + lines_html("Notes", r.notes);
  return html + "</body>\n</html>\n";
}

}  // namespace lastbranch::replay
