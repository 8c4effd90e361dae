#pragma once
// Linear addresses are physical ones: the policy of a machine without page tables. RAM is where PhysMem has
// it, everything else is the bus's. Every page can be read, written and executed at every privilege.
#include "models/cpu/walk.h"
#include "sim/base/phys_mem.h"

namespace lastbranch::cpu {

class IdentityMap final : public Walker {
 public:
  explicit IdentityMap(const PhysMem& memory) : memory_(memory) {}

  Translation walk(u64 linear, Access, bool) override {
    const u64 page = page_of(linear);
    return {.ok = true, .writable = true, .mmio = !memory_.contains(page, kPageSize), .page = page};
  }
  [[nodiscard]] bool fixed() const override { return true; }

 private:
  const PhysMem& memory_;
};

}  // namespace lastbranch::cpu
