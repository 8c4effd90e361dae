#include "sim/replay/signal_handlers.h"

namespace lastbranch::replay {

bool SignalHandlers::entered(const Site& function, Example example) {
  if (functions_.size() >= kMostFunctions && !functions_.contains({function.code, function.address}))
    return false;
  Entries& entries = of(function).waiting[example.cause];
  ++entries.count;
  if (entries.first.size() < kExamplesKept) entries.first.push_back(std::move(example));
  return true;
}

void SignalHandlers::finish(Report& report) {
  for (auto& [site, function] : functions_) {
    for (auto& [cause, entries] : function.waiting) {
      u64 left = entries.count;
      for (Example& example : entries.first) {
        if (function.handler) example.cause = Cause::kIret;
        const u64 times = &example == &entries.first.back() ? left : 1;
        left -= times;
        report.disagree(std::move(example), times);
      }
    }
  }
  functions_.clear();
}

}  // namespace lastbranch::replay
