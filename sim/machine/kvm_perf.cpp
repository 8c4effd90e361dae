#include "sim/machine/kvm_perf.h"

#include <algorithm>

namespace lastbranch {
namespace {

std::vector<u32> ring_registers(const LbrParams& l) {
  std::vector<u32> registers;
  for (unsigned i = 0; i < l.depth; ++i) {
    registers.push_back(l.from_base + i);
    registers.push_back(l.to_base + i);
    const bool info =
        l.arch.depth_mask != 0 || l.format == LbrFormat::kInfo || l.format == LbrFormat::kInfoNoTsx;
    if (info) registers.push_back(l.info_base + i);
  }
  if (l.arch.depth_mask != 0) return registers;
  registers.push_back(l.tos);
  if (l.has_select) registers.push_back(l.select);
  return registers;
}

}  // namespace

KvmPerf::KvmPerf(KvmCpu& cpu, kvm::Vcpu& vcpu, HostLbr host)
    : cpu_(cpu),
      vcpu_(vcpu),
      host_(host),
      registers_(ring_registers(cpu.processor.part.lbr)),
      task_(registers_.size(), 0),
      known_(vcpu.state.lbr_event) {
  if (host_ != HostLbr::kPinned) return;
  vcpu_.state.event_state = kvm::EventState::kError;
  cpu_.processor.hub.lbr.enable(true);
}

bool KvmPerf::guest_has_ring() const {
  return vcpu_.state.lbr_event && vcpu_.state.event_state == kvm::EventState::kActive;
}

void KvmPerf::follow_event() {
  const bool now = vcpu_.state.lbr_event;
  if (now && !known_ && guest_has_ring()) {
    // Where the newest record is stays as it is.
    const u32 tos = cpu_.processor.part.lbr.tos;
    for (const u32 index : registers_)
      if (index != tos) cpu_.processor.msrs.write(index, 0);
  }
  known_ = now;
}

u64 KvmPerf::host_debugctl() const {
  const u64 snapshot = vcpu_.last().host.debugctl;
  // Architectural records have a control of their own, which neither entries nor exits change.
  const bool records = host_ == HostLbr::kPinned && !cpu_.processor.hub.lbr.architectural();
  return records ? snapshot | debugctl::kLbr : snapshot;
}

KvmPerf::Ring KvmPerf::save() {
  Ring ring;
  ring.reserve(registers_.size());
  for (const u32 index : registers_) ring.push_back(cpu_.processor.msrs.read(index).value);
  return ring;
}

void KvmPerf::restore(const Ring& ring) {
  for (std::size_t i = 0; i < ring.size(); ++i) cpu_.processor.msrs.write(registers_[i], ring[i]);
}

void KvmPerf::switch_tasks() {
  const bool guests = guest_has_ring();
  const Ring guest = guests ? save() : Ring();
  lbr::Lbr& lbr = cpu_.processor.hub.lbr;
  if (host_ == HostLbr::kOtherTask) {
    restore(task_);
    lbr.enable(true);
  }
  cpu_.run_task();
  if (host_ == HostLbr::kOtherTask) {
    lbr.enable(false);
    task_ = save();
    task_records_.resize(lbr.depth());
    task_records_.resize(std::min(lbr.records(task_records_), task_records_.size()));
  }
  if (guests) restore(guest);
}

std::vector<LbrRecord> KvmPerf::host_records() const {
  if (host_ == HostLbr::kOtherTask) return task_records_;
  if (host_ == HostLbr::kUnused) return {};
  const lbr::Lbr& lbr = cpu_.processor.hub.lbr;
  std::vector<LbrRecord> records(lbr.depth());
  records.resize(std::min(lbr.records(records), records.size()));
  return records;
}

}  // namespace lastbranch
