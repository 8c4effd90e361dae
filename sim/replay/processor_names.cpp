#include "sim/replay/processor_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace lastbranch::replay {
namespace {

/// A pattern of a name and the record it stands for. In patterns '#' is a digit, '?' any character, '*' any
/// characters; the whole cleaned name must match. The first row that matches counts.
struct NameRow {
  std::string_view pattern;
  std::string_view uarch;
};

// Server and workstation parts of a generation often came under the next generation's numbers, so these
// exceptions stand before the rules.
constexpr auto kNames = std::to_array<NameRow>({
    // Core by generation, as written since the eleventh.
    {"14th gen *", "raptorlake-p"},
    {"13th gen *", "raptorlake-p"},
    {"12th gen *", "alderlake-p"},
    {"11th gen * i?-11##g*", "tigerlake"},
    {"11th gen * i?-11###h*", "tigerlake"},
    {"11th gen * w-11###m*", "tigerlake"},
    {"11th gen * i?-11###*", "rocketlake"},
    {"11th gen *", "tigerlake"},
    {"core ultra ? 1##*", "meteorlake-p"},
    {"core ultra ? 2##u*", "meteorlake-p"},
    {"core ultra ? 2##*", "lunarlake-p"},
    {"core ultra *", "pantherlake-p"},
    {"core ? 1##u*", "raptorlake-p"},
    {"core i3-n3##*", "gracemont"},
    {"n1##*", "gracemont"},
    {"n##*", "gracemont"},
    // High-end desktops: Core i7 and i9 with X, K or XE on server parts.
    {"core i7-38##*", "sandybridge"},
    {"core i7-39##*", "sandybridge"},
    {"core i7-48##k*", "ivybridge"},
    {"core i7-49##k*", "ivybridge"},
    {"core i7-49##x*", "ivybridge"},
    {"core i7-58##k*", "haswell"},
    {"core i7-59##*", "haswell"},
    {"core i7-68##k*", "bdx"},
    {"core i7-69##*", "bdx"},
    {"core i7-78##x*", "skx"},
    {"core i9-7###x*", "skx"},
    {"core i7-9800x*", "skx"},
    {"core i9-98##x*", "skx"},
    {"core i9-99##x*", "skx"},
    {"core i9-109##x*", "cascadelake"},
    {"core i3-8121u*", "cannonlake"},
    {"core i?-l##g#*", "lakefield"},
    // Core i by its four or five digits.
    {"core i?-10##g*", "icelake"},
    {"core i?-10###g*", "icelake"},
    {"core i?-10###*", "skylake"},
    {"core i?-11##g*", "tigerlake"},
    {"core i?-2###*", "sandybridge"},
    {"core i?-3###*", "ivybridge"},
    {"core i?-4###*", "haswell"},
    {"core i?-5###*", "broadwell"},
    {"core i?-6###*", "skylake"},
    {"core i?-7###*", "skylake"},
    {"core i?-7y##*", "skylake"},
    {"core i?-8###*", "skylake"},
    {"core i?-8##y*", "skylake"},
    {"core i?-9###*", "skylake"},
    {"core m?-6y##*", "skylake"},
    {"core m?-7y##*", "skylake"},
    {"core m?-8###y*", "skylake"},
    {"core m-5y##*", "broadwell"},
    {"core i7 x 98#*", "westmere"},
    {"core i7 x 99#*", "westmere"},
    {"core i7 97#*", "westmere"},
    {"core i7 98#*", "westmere"},
    {"core i7 9##*", "nehalem"},
    {"core i7 8##*", "nehalem"},
    {"core i7 q 7##*", "nehalem"},
    {"core i7 q 8##*", "nehalem"},
    {"core i7 x 9##*", "nehalem"},
    {"core i5 7##*", "nehalem"},
    {"core i5 6##*", "westmere"},
    {"core i3 5##*", "westmere"},
    {"core i? m *", "westmere"},
    {"core i? u *", "westmere"},
    {"core i? l *", "westmere"},
    {"core 2 * e6###*", "merom"},
    {"core 2 * e4###*", "merom"},
    {"core 2 * q6###*", "merom"},
    {"core 2 * t5###*", "merom"},
    {"core 2 * t7###*", "merom"},
    {"core 2 6###*", "merom"},
    {"core 2 *", "core2"},
    // Xeon Scalable by its second digit.
    {"xeon max *", "sapphirerapids"},
    {"xeon w-11##*", "rocketlake"},
    {"xeon w-12##*", "skylake"},
    {"xeon w-13##*", "rocketlake"},
    {"xeon w-21##*", "skx"},
    {"xeon w-31##*", "skx"},
    {"xeon w-22##*", "cascadelake"},
    {"xeon w-32##*", "cascadelake"},
    {"xeon w-33##*", "icx"},
    {"xeon w?-2###*", "sapphirerapids"},
    {"xeon w?-3###*", "sapphirerapids"},
    {"xeon w-10###*", "skylake"},
    {"xeon platinum #3##h*", "cooperlake"},
    {"xeon gold #3##h*", "cooperlake"},
    {"xeon platinum #1##*", "skx"},
    {"xeon gold #1##*", "skx"},
    {"xeon silver #1##*", "skx"},
    {"xeon bronze #1##*", "skx"},
    {"xeon platinum #2##*", "cascadelake"},
    {"xeon platinum 92##*", "cascadelake"},
    {"xeon gold #2##*", "cascadelake"},
    {"xeon silver #2##*", "cascadelake"},
    {"xeon bronze #2##*", "cascadelake"},
    {"xeon platinum #3##*", "icx"},
    {"xeon gold #3##*", "icx"},
    {"xeon silver #3##*", "icx"},
    {"xeon platinum #4##*", "sapphirerapids"},
    {"xeon gold #4##*", "sapphirerapids"},
    {"xeon silver #4##*", "sapphirerapids"},
    {"xeon bronze #4##*", "sapphirerapids"},
    {"xeon platinum #5##*", "emeraldrapids"},
    {"xeon gold #5##*", "emeraldrapids"},
    {"xeon silver #5##*", "emeraldrapids"},
    {"xeon bronze #5##*", "emeraldrapids"},
    {"xeon 67##e*", "sierraforest"},
    {"xeon 6###p*", "graniterapids"},
    {"xeon 6#####p*", "graniterapids"},
    // Xeon E3, E5, E7 and D by version.
    {"xeon phi * 72#5*", "knightsmill"},
    {"xeon phi *", "knightslanding"},
    {"xeon d-15##*", "bdx"},
    {"xeon d-16##*", "bdx"},
    {"xeon d-21##*", "skx"},
    {"xeon d-17##*", "icx"},
    {"xeon d-27##*", "icx"},
    {"xeon e3-*v6*", "skylake"},
    {"xeon e3-*v5*", "skylake"},
    {"xeon e3-*v4*", "broadwell"},
    {"xeon e3-*v3*", "haswell"},
    {"xeon e3-*v2*", "ivybridge"},
    {"xeon e3-*", "sandybridge"},
    {"xeon e?-*v4*", "bdx"},
    {"xeon e?-*v3*", "haswell"},
    {"xeon e?-*v2*", "ivybridge"},
    {"xeon e5-*", "sandybridge"},
    {"xeon e7- *", "westmere"},
    {"xeon e7-*", "westmere"},
    {"xeon e-21##*", "skylake"},
    {"xeon e-22##*", "skylake"},
    {"xeon e-23##*", "rocketlake"},
    {"xeon ?56##*", "westmere"},
    {"xeon ?36##*", "westmere"},
    {"xeon ?55##*", "nehalem"},
    {"xeon ?35##*", "nehalem"},
    {"xeon ?34##*", "nehalem"},
    {"xeon ?75##*", "nehalem"},
    {"xeon ?65##*", "nehalem"},
    {"xeon ?54##*", "core2"},
    {"xeon ?52##*", "core2"},
    {"xeon ?74##*", "core2"},
    {"xeon ?33##*", "core2"},
    {"xeon ?53##*", "merom"},
    {"xeon 51##*", "merom"},
    // Celeron and Pentium on big cores and on Atom's.
    {"celeron b8##*", "sandybridge"},
    {"celeron g4##*", "sandybridge"},
    {"celeron g5##*", "sandybridge"},
    {"celeron 7##", "sandybridge"},
    {"celeron 8##", "sandybridge"},
    {"celeron 10##*", "ivybridge"},
    {"celeron g16##*", "ivybridge"},
    {"celeron 29##u*", "haswell"},
    {"celeron 29##m*", "haswell"},
    {"celeron g18##*", "haswell"},
    {"celeron 3###u*", "broadwell"},
    {"celeron g39##*", "skylake"},
    {"celeron g49##*", "skylake"},
    {"celeron g59##*", "skylake"},
    {"celeron n28##*", "silvermont"},
    {"celeron n29##*", "silvermont"},
    {"celeron j1###*", "silvermont"},
    {"celeron n30##*", "airmont"},
    {"celeron n31##*", "airmont"},
    {"celeron n33##*", "goldmont"},
    {"celeron n34##*", "goldmont"},
    {"celeron j33##*", "goldmont"},
    {"celeron j34##*", "goldmont"},
    {"celeron n40##*", "goldmontplus"},
    {"celeron n41##*", "goldmontplus"},
    {"celeron j4###*", "goldmontplus"},
    {"celeron n45##*", "tremont"},
    {"celeron n51##*", "tremont"},
    {"celeron j6###*", "tremont"},
    {"celeron n6###*", "tremont"},
    {"pentium g6##*", "sandybridge"},
    {"pentium g8##*", "sandybridge"},
    {"pentium b9##*", "sandybridge"},
    {"pentium 9##", "sandybridge"},
    {"pentium g2###*", "ivybridge"},
    {"pentium g3###*", "haswell"},
    {"pentium 3556u*", "haswell"},
    {"pentium 38##u*", "broadwell"},
    {"pentium * g6###*", "skylake"},
    {"pentium g4###*", "skylake"},
    {"pentium * g5###*", "skylake"},
    {"pentium n42##*", "goldmont"},
    {"pentium j42##*", "goldmont"},
    {"pentium n37##*", "airmont"},
    {"pentium n35##*", "silvermont"},
    {"pentium j29##*", "silvermont"},
    {"pentium silver n50##*", "goldmontplus"},
    {"pentium silver j50##*", "goldmontplus"},
    {"pentium silver n6###*", "tremont"},
    {"atom n2##*", "bonnell"},
    {"atom z5##*", "bonnell"},
    {"atom 2##", "bonnell"},
    {"atom 3##", "bonnell"},
    {"atom d4##*", "bonnell"},
    {"atom d5##*", "bonnell"},
    {"atom n4##*", "bonnell"},
    {"atom n5##*", "bonnell"},
    {"atom d2###*", "saltwell"},
    {"atom n2###*", "saltwell"},
    {"atom z2###*", "saltwell"},
    {"atom s12##*", "saltwell"},
    {"atom z3###*", "silvermont"},
    {"atom e38##*", "silvermont"},
    {"atom c2###*", "silvermont"},
    {"atom x5-z8###*", "airmont"},
    {"atom x7-z8###*", "airmont"},
    {"atom x5-e39##*", "goldmont"},
    {"atom x7-e39##*", "goldmont"},
    {"atom c3###*", "goldmont"},
    {"atom x6###*", "tremont"},
    {"atom p5###*", "tremont"},
    {"atom c5###*", "tremont"},
});

/// Lower case, without "(R)", "(TM)", "Intel", "CPU" and "processor", single blanks, up to the clock.
std::string clean(std::string_view text) {
  std::string lower(text.substr(0, text.find('@')));
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string_view noise : {"(r)", "(tm)", "genuine", "intel", "cpu", "processor"}) {
    for (std::size_t at = lower.find(noise); at != std::string::npos; at = lower.find(noise, at)) {
      lower.replace(at, noise.size(), " ");
    }
  }
  std::string out;
  for (const char c : lower) {
    const bool blank = c == ' ' || c == '\t';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out += blank ? ' ' : c;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

bool matches(std::string_view pattern, std::string_view text) {
  // Where to go on after the last '*', should what follows it not fit.
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    const char want = p < pattern.size() ? pattern[p] : '\0';
    if (want == '*') {
      star = p++;
      resume = t;
    } else if (want == '?' || want == text[t] ||
               (want == '#' && std::isdigit(static_cast<unsigned char>(text[t])) != 0)) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return std::ranges::all_of(pattern.substr(p), [](char c) { return c == '*'; });
}

}  // namespace

std::string_view uarch_of_name(std::string_view cpu_desc) {
  if (cpu_desc.find("Intel") == std::string_view::npos) return "";
  const std::string name = clean(cpu_desc);
  for (const NameRow& row : kNames) {
    if (matches(row.pattern, name)) return row.uarch;
  }
  return "";
}

}  // namespace lastbranch::replay
