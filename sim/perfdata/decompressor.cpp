#include "sim/perfdata/decompressor.h"

#include <new>

#include <zstd.h>

namespace lastbranch::perfdata {

Decompressor::Decompressor() : context_(ZSTD_createDCtx()) {
  if (context_ == nullptr) throw std::bad_alloc();
  ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kWindowLogMax);
}

void Decompressor::Free::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}

Decompressor::Step Decompressor::run(std::span<const std::byte> in, std::span<std::byte> out) {
  ZSTD_inBuffer from{.src = in.data(), .size = in.size(), .pos = 0};
  ZSTD_outBuffer to{.dst = out.data(), .size = out.size(), .pos = 0};
  Step step;
  for (;;) {
    const std::size_t before = from.pos + to.pos;
    const std::size_t result = ZSTD_decompressStream(context_.get(), &to, &from);
    if (ZSTD_isError(result) != 0) step.error = ZSTD_getErrorName(result);
    const bool stuck = from.pos + to.pos == before;
    if (step.error != nullptr || to.pos == to.size || from.pos == from.size || stuck) break;
  }
  step.consumed = from.pos;
  step.produced = to.pos;
  return step;
}

}  // namespace lastbranch::perfdata
