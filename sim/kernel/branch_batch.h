#pragma once
// Retired branches on their way to a module: kept until there are enough of them for a transaction.
#include <array>
#include <tlm>

#include "sim/base/assert.h"
#include "sim/base/retire.h"
#include "sim/kernel/batch.h"

namespace lastbranch::kernel {

/// A core's hub over an initiator socket; with an unbound one branches go nowhere.
template <class Socket>
class BranchBatch {
 public:
  /// `socket` must outlive it.
  explicit BranchBatch(Socket& socket) : socket_(socket) {}

  [[gnu::always_inline]] void branch(const RetiredBranch& b) {
    held_[size_++] = b;
    if (size_ == held_.size()) [[unlikely]]
      send();
  }

  /// Sends what is held.
  [[gnu::noinline]] void send() {
    if (size_ == 0) return;
    tlm::tlm_generic_payload payload;
    make_batch(payload, std::span<const RetiredBranch>(held_.data(), size_));
    size_ = 0;
    if (socket_.size() == 0) return;
    sc_core::sc_time delay;
    socket_->b_transport(payload, delay);
    LASTBRANCH_CHECK(payload.is_response_ok(), "batch of branches: {}", payload.get_response_string());
  }

 private:
  Socket& socket_;
  std::size_t size_ = 0;
  std::array<RetiredBranch, 256> held_;
};

}  // namespace lastbranch::kernel
