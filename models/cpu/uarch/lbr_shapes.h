#pragma once
// Last-branch records of parts before Core 2, for a bare Lbr: the parts themselves run only 32-bit code (or,
// for NetBurst, are not modelled otherwise), so they are no records of uarchs().
//
// Not expressed: NetBurst's register of controls has its bits elsewhere (TR 2, BTS 3, BTINT 4, OFF_OS 5,
// OFF_USR 6; here only LBR and BTF, which agree), and its records are read-only. Addresses of the first
// NetBurst's TOS and of Pentium M's records are assumptions. P6 keeps its one record in two MSRs.
// Sources: SDM vol. 3B, "Last Branch, Interrupt, and Exception Recording" for P6 family, Pentium M, Intel
// Core Solo and Intel Core Duo, and for processors based on NetBurst microarchitecture.
#include <array>
#include <string_view>

#include "sim/base/debugctl.h"
#include "sim/base/lbr_params.h"

namespace lastbranch::cpu {

inline constexpr LbrParams kP6Lbr = [] {
  LbrParams lbr;
  lbr.depth = 1;
  lbr.format = LbrFormat::kOffsets64;
  lbr.from_base = 0x1db;
  lbr.to_base = 0x1dc;
  lbr.has_select = false;
  lbr.select_mask = 0;
  // LBR, BTF, TR, and PB0 to PB3, which only drive pins.
  lbr.debugctl_mask = 0x7f;
  lbr.record_suspends_on_tr = true;
  return lbr;
}();

inline constexpr LbrParams kNetBurstLbr = [] {
  LbrParams lbr = kP6Lbr;
  lbr.depth = 4;
  lbr.format = LbrFormat::kOffsets32;
  lbr.tos = 0x1da;
  lbr.ler_from = 0x1d7;
  lbr.debugctl_mask = debugctl::kLbr | debugctl::kBtf;
  lbr.record_suspends_on_tr = false;
  lbr.quirks.boundary_signext = true;
  return lbr;
}();

/// Models 3, 4 and 6, which run 64-bit code.
inline constexpr LbrParams kPrescottLbr = [] {
  LbrParams lbr = kNetBurstLbr;
  lbr.depth = 16;
  lbr.format = LbrFormat::kLinear;
  lbr.from_base = 0x680;
  lbr.to_base = 0x6c0;
  return lbr;
}();

inline constexpr LbrParams kPentiumMLbr = [] {
  LbrParams lbr = kP6Lbr;
  lbr.depth = 8;
  lbr.format = LbrFormat::kOffsets32;
  lbr.from_base = 0x40;
  lbr.to_base = 0;
  lbr.debugctl_mask = 0x7f | debugctl::kBts | debugctl::kBtint;
  return lbr;
}();

inline constexpr LbrParams kYonahLbr = [] {
  LbrParams lbr = kPentiumMLbr;
  lbr.debugctl_mask = debugctl::kLbr | debugctl::kBtf | debugctl::kTr | debugctl::kBts | debugctl::kBtint;
  return lbr;
}();

struct LbrShape {
  std::string_view name;
  LbrParams lbr;
};
inline constexpr std::array<LbrShape, 5> kLbrShapes = {{{"p6", kP6Lbr},
                                                        {"netburst", kNetBurstLbr},
                                                        {"prescott", kPrescottLbr},
                                                        {"pentium-m", kPentiumMLbr},
                                                        {"yonah", kYonahLbr}}};

}  // namespace lastbranch::cpu
