#include "sim/perfdata/byte_stream.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace lastbranch::perfdata {
namespace {

// Small enough to stay in the second-level cache between being read and being decoded.
constexpr std::size_t kWindowSize = std::size_t{1} << 18;
static_assert(kWindowSize >= ByteStream::kPeekMax);

}  // namespace

ByteStream::ByteStream(InputFile& file, u64 begin, u64 end)
    : file_(&file),
      next_(begin),
      end_(end),
      window_(std::min<u64>(kWindowSize, end - begin)),
      window_at_(begin) {}

ByteStream::ByteStream(InputFile& file)
    : file_(&file), next_(0), end_(std::numeric_limits<u64>::max()), window_(kWindowSize), window_at_(0) {}

std::size_t ByteStream::read_into(std::span<std::byte> room) {
  if (!file_->seekable()) return file_->read_next(room);
  const std::size_t n = std::min<u64>(room.size(), end_ - next_);
  file_->read(next_, room.first(n));
  return n;
}

void ByteStream::refill(u64 size) {
  if (used_ != filled_) std::memmove(window_.data(), window_.data() + used_, filled_ - used_);
  window_at_ += used_;
  filled_ -= used_;
  used_ = 0;
  while (filled_ < std::min<u64>(size, window_.size())) {
    const std::size_t n = read_into(std::span(window_).subspan(filled_));
    if (n == 0) return;
    filled_ += n;
    next_ += n;
  }
}

u64 ByteStream::skip(u64 size) {
  const u64 here = std::min<u64>(size, filled_ - used_);
  used_ += here;
  u64 done = here;
  if (done == size) return done;
  if (file_->seekable()) {
    const u64 jump = std::min(size - done, end_ - next_);
    next_ += jump;
    window_at_ = next_;
    used_ = filled_ = 0;
    return done + jump;
  }
  while (done < size) {
    const u64 n = peek(std::min(size - done, kPeekMax)).size();
    if (n == 0) break;
    advance(n);
    done += n;
  }
  return done;
}

u64 ByteStream::left(u64 at_most) {
  if (file_->seekable()) return filled_ - used_ + (end_ - next_);
  return peek(std::min(at_most, kPeekMax)).size();
}

}  // namespace lastbranch::perfdata
