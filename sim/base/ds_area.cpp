#include "sim/base/ds_area.h"

namespace lastbranch {
namespace {

constexpr MsrDef kRows[] = {
    {.index = 0x600,
     .name = "IA32_DS_AREA",
     .writable = ~u64{0},
     .read = [](const void* self, u32) { return static_cast<const DsArea*>(self)->base(); },
     .write =
         [](void* self, u32, u64 value) {
           if (!is_canonical(value)) return MsrFault::kNonCanonical;
           static_cast<DsArea*>(self)->set_base(value);
           return MsrFault::kNone;
         }},
};

}  // namespace

std::span<const MsrDef> DsArea::rows() {
  return kRows;
}

}  // namespace lastbranch
