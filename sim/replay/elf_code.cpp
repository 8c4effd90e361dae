#include "sim/replay/elf_code.h"

#include <algorithm>
#include <array>
#include <utility>

#include <sys/mman.h>

#include "models/cpu/decode.h"
#include "sim/base/error.h"

namespace lastbranch::replay {
namespace {

constexpr std::size_t kLongestInsn = 15;
constexpr u8 kShortestCall = 2;
constexpr u8 kLongestCall = 9;  // FF /2 with SIB and a displacement, REX, a segment

/// Far transfers that do not come back behind themselves.
bool comes_not_back(u32 form) {
  constexpr std::array kForms = {cpu::form_id("SYSRET"), cpu::form_id("SYSEXIT"), cpu::form_id("IRET"),
                                 cpu::form_id("IRETD"),  cpu::form_id("IRETQ"),   cpu::form_id("RET"),
                                 cpu::form_id("RET (I)")};
  return std::ranges::find(kForms, form) != kForms.end();
}

/// What transactions are made of: it branches when one aborts only, and then from anywhere.
bool is_transactional(u32 form) {
  constexpr std::array kForms = {cpu::form_id("XBEGIN (Rel)"), cpu::form_id("XABORT (I)"),
                                 cpu::form_id("XEND")};
  return std::ranges::find(kForms, form) != kForms.end();
}

FlowKind kind_of(const cpu::Decoded& d) {
  const u32 facts = d.info.facts;
  namespace fact = cpu::fact;
  if ((facts & fact::kBranch) == 0 || is_transactional(d.info.form)) return FlowKind::kOther;
  if ((facts & fact::kFar) != 0) return comes_not_back(d.info.form) ? FlowKind::kFarBack : FlowKind::kFar;
  if ((facts & fact::kCond) != 0) return FlowKind::kCond;
  if ((facts & fact::kReturn) != 0) return FlowKind::kReturn;
  const bool indirect = (facts & fact::kIndirect) != 0;
  if ((facts & fact::kCall) != 0) return indirect ? FlowKind::kIndirectCall : FlowKind::kCall;
  return indirect ? FlowKind::kIndirectJump : FlowKind::kJump;
}

StackTop stack_top_of(const cpu::Decoded& d) {
  constexpr std::array kPushes = {cpu::form_id("PUSH (R64)"), cpu::form_id("PUSH (M64)"),
                                  cpu::form_id("PUSH (I)")};
  constexpr unsigned kRsp = 4;
  constexpr u8 kQuad = 8;
  if ((d.info.writes & cpu::regset::gpr(kRsp)) != 0)
    return std::ranges::find(kPushes, d.info.form) != kPushes.end() ? StackTop::kWritten : StackTop::kMoved;
  const bool top = (d.info.facts & cpu::fact::kStore) != 0 && d.shape.count != 0 &&
                   d.shape.kind(0) == cpu::Kind::kMem && d.shape.op[0].size == kQuad && d.shape.base_only &&
                   d.insn.base == kRsp * sizeof(u64) && d.insn.disp == 0;
  return top ? StackTop::kWritten : StackTop::kKept;
}

}  // namespace

struct ElfCode::Decoding {
  cpu::OpTable ops{{}, {}};  // nothing is executed here
  cpu::Decoder decoder{ops};
};

ElfCode::ElfCode(const std::string& path)
    : path_(path), build_id_(perfdata::read_build_id(path)), decoding_(std::make_unique<Decoding>()) {
  const load::FileReader file(path);
  image_ = load::read_elf(file);
  for (const load::Segment& s : image_.segments) {
    if ((s.prot & PROT_EXEC) == 0 || s.file_bytes == 0) continue;
    code_.emplace_back(s, file.read_array<u8>(s.offset, s.file_bytes, "code"));
  }
  if (code_.empty()) throw Error("{}: expected code, found no executable segment", path);
  symbols_ = load::SymbolTable(file);
}

ElfCode::~ElfCode() = default;

const load::Segment* ElfCode::segment(u64 address) const {
  const auto it = std::ranges::find_if(
      code_, [&](const auto& code) { return address - code.first.address < code.first.file_bytes; });
  return it == code_.end() ? nullptr : &it->first;
}

std::span<const u8> ElfCode::bytes(u64 address, std::size_t limit) const {
  for (const auto& [s, data] : code_) {
    const u64 offset = address - s.address;
    if (offset >= s.file_bytes) continue;
    return std::span(data).subspan(offset, std::min<u64>(limit, data.size() - offset));
  }
  return {};
}

Coverage ElfCode::at(u64 address, FlowInsn& out) const {
  if (const auto it = known_.find(address); it != known_.end()) {
    out = it->second.second;
    return it->second.first;
  }
  const std::span<const u8> code = bytes(address, kLongestInsn);
  if (code.empty()) return Coverage::kUnknown;
  cpu::Decoded d;
  const cpu::DecodeStatus status = decoding_->decoder.decode(code, address, d);
  FlowInsn insn{.address = address};
  Coverage coverage = Coverage::kInvalid;
  if (status == cpu::DecodeStatus::kOk) {
    coverage = Coverage::kInsn;
    insn.length = d.insn.length;
    insn.kind = kind_of(d);
    insn.stack_top = stack_top_of(d);
    if (is_direct(insn.kind)) insn.target = static_cast<u64>(d.insn.imm);
  }
  known_.emplace(address, std::pair{coverage, insn});
  out = insn;
  return coverage;
}

std::optional<bool> ElfCode::follows_call(u64 address) const {
  if (!contains(address) && !contains(address - 1)) return std::nullopt;
  FlowInsn insn;
  for (u8 length = kShortestCall; length <= kLongestCall; ++length) {
    if (at(address - length, insn) == Coverage::kInsn && insn.length == length && is_call(insn.kind))
      return true;
  }
  return false;
}

bool ElfCode::is_signal_return(u64 address) const {
  // mov rax, 15 (rt_sigreturn) with a 32-bit operand of either form; syscall
  constexpr std::array<u8, 9> kLong = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
  constexpr std::array<u8, 7> kShort = {0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
  const std::span<const u8> code = bytes(address, kLong.size());
  return std::ranges::equal(code, kLong) ||
         std::ranges::equal(code.first(std::min(code.size(), kShort.size())), kShort);
}

bool ElfCode::ends_context(u64 address) const {
  // makecontext(3) lets the function return there; Go's goroutines begin as if the instruction before the
  // place, a NOP, had called them.
  const auto hit = symbols_.find(address);
  return hit && ((hit->name == "__start_context" && hit->offset == 0) ||
                 ((hit->name == "runtime.goexit" || hit->name == "runtime.goexit.abi0") && hit->offset == 1));
}

std::optional<u64> ElfCode::function_at(u64 address) const {
  const auto& all = symbols_.symbols();
  auto at = std::ranges::upper_bound(all, address, {}, &load::SymbolTable::Symbol::address);
  constexpr int kMostLabels = 64;  // symbols without a size are passed over
  for (int k = 0; k < kMostLabels && at != all.begin(); ++k) {
    --at;
    if (at->size == 0) continue;
    if (address - at->address < at->size) return at->address;
    break;
  }
  // The loader's first instruction has no symbol.
  constexpr u64 kFirstLine = 256;
  return address - image_.entry < kFirstLine ? std::optional(image_.entry) : std::nullopt;
}

std::optional<u64> ElfCode::address_of(u64 offset) const {
  for (const auto& [s, data] : code_) {
    if (offset - s.offset < s.file_bytes) return offset - s.offset + s.address;
  }
  return std::nullopt;
}

std::string ElfCode::describe(u64 address) const {
  std::string text = fmt::format("{:#x}", address);
  if (const auto hit = symbols_.find(address); hit) text += fmt::format(" {}+{:#x}", hit->name, hit->offset);
  const std::span<const u8> code = bytes(address, kLongestInsn);
  if (code.empty()) return text + ": not in the code of " + path_;
  return text + ": " + cpu::describe_instruction(code, address);
}

bool ElfCode::read_page(u64 page, u8* out) const {
  std::fill_n(out, kPageSize, u8{0});
  bool any = false;
  for (const auto& [s, data] : code_) {
    const u64 low = std::max(page, s.address);
    const u64 high = std::min(page + kPageSize, s.address + s.file_bytes);
    if (low >= high) continue;
    std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(low - s.address), high - low, out + (low - page));
    any = true;
  }
  return any;
}

u64 ElfCode::pages() const {
  u64 pages = 0;
  for (const auto& [s, data] : code_)
    pages += (page_ceil(s.address + s.file_bytes) - page_of(s.address)) / kPageSize;
  return pages;
}

}  // namespace lastbranch::replay
