#include "sim/perfdata/temporaries.h"

#include <array>
#include <atomic>

#include <unistd.h>

namespace lastbranch::perfdata {
namespace {

// A handler reaches nothing but globals.
std::array<std::atomic<const char*>, Temporary::kPlaces> g_paths{};
static_assert(std::atomic<const char*>::is_always_lock_free);

}  // namespace

Temporary::Temporary(const char* path) {
  for (std::size_t i = 0; i < kPlaces; ++i) {
    const char* none = nullptr;
    if (!g_paths[i].compare_exchange_strong(none, path)) continue;
    place_ = i;
    return;
  }
}

Temporary::~Temporary() {
  if (place_ < kPlaces) g_paths[place_].store(nullptr);
}

void remove_temporaries() noexcept {
  for (const auto& path : g_paths) {
    if (const char* name = path.load()) unlink(name);
  }
}

}  // namespace lastbranch::perfdata
