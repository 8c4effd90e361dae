#pragma once
// An interrupt request line from devices to a core.
//
// A request raised while nobody looks is not lost: the line remembers it until it is taken, whatever the
// level does meanwhile. Who waits for it must take() before each wait for the event; SystemC switches
// processes only in wait(), so nothing comes between.
#include <systemc>

namespace lastbranch::kernel {

/// What a device binds its interrupt port to.
class InterruptTarget : public virtual sc_core::sc_interface {
 public:
  /// Sets the line's level; a rise is a request. May be called from any SystemC process.
  virtual void set(bool level) = 0;
};

class InterruptLine final : public InterruptTarget {
 public:
  explicit InterruptLine(const char* name) : raised_(name) {}

  void set(bool level) override {
    if (level && !level_) {
      pending_ = true;
      raised_.notify();
    }
    level_ = level;
  }

  [[nodiscard]] bool level() const { return level_; }
  /// Whether there is a request that nobody has taken.
  [[nodiscard]] bool pending() const { return pending_; }
  /// Takes the request, if there is one.
  bool take() {
    const bool had = pending_;
    pending_ = false;
    return had;
  }
  /// Notified at each rise, in the same delta cycle.
  [[nodiscard]] const sc_core::sc_event& raised() const { return raised_; }

 private:
  bool level_ = false;
  bool pending_ = false;
  sc_core::sc_event raised_;
};

}  // namespace lastbranch::kernel
