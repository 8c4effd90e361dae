#pragma once
// The instructions that the interpreter leaves to cpu::System, and how it describes one.
#include "models/cpu/insn.h"

namespace lastbranch::cpu {

enum class SystemOp : u8 {
  kLgdt,
  kLidt,
  kSgdt,
  kSidt,
  kLldt,
  kSldt,
  kLtr,
  kStr,
  kLmsw,
  kSmsw,
  kClts,
  kReadCr,
  kWriteCr,
  kReadDr,
  kWriteDr,
  kInvlpg,
  kInvd,
  kCacheFlush,  ///< WBINVD
  kRdmsr,
  kWrmsr,
  kRdpmc,
  kHlt,
  kCli,
  kSti,
  kPopf,
  kIn,
  kOut,
  kIns,
  kOuts,
  kLoadSegment,     ///< MOV to a segment register, from a register or memory
  kPopSegment,      ///< POP FS, POP GS
  kLoadFarPointer,  ///< LSS, LFS, LGS
  kVerify,          ///< VERR, VERW
  kLar,
  kLsl,
  kFarJmp,
  kFarCall,
  kFarRet,
  kIret,
  kSyscall,
  kSysret,
  kSysenter,
  kSysexit,
  kSwapgs,
  kInt,  ///< INT n
  kInt3,
  kInt1,
  kVmx,  ///< Insn::imm says which
};

/// What else System must know of the instruction: packed into Insn::r2 when it is decoded.
struct SystemForm {
  u8 size = 0;          ///< operand size in bytes
  bool memory = false;  ///< operand 0, or 1 if 0 is a register, is memory
  bool addr32 = false;  ///< string instructions: RSI, RDI and RCX are used as 32 bits
  bool rep = false;
  bool variant = false;  ///< the second of two kindred instructions: VERW, immediate port number

  [[nodiscard]] constexpr u8 pack() const {
    return static_cast<u8>((size & 0xf) | (memory ? 0x10 : 0) | (addr32 ? 0x20 : 0) | (rep ? 0x40 : 0) |
                           (variant ? 0x80 : 0));
  }
  [[nodiscard]] static constexpr SystemForm unpack(u8 v) {
    return {static_cast<u8>(v & 0xf), (v & 0x10) != 0, (v & 0x20) != 0, (v & 0x40) != 0, (v & 0x80) != 0};
  }
};

}  // namespace lastbranch::cpu
