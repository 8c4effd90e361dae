#pragma once
/// The code of an ELF file, decoded with the hart's own decoder when it is asked for.
///
/// Known: every byte of the executable segments. Not: code that is made or patched at run time; where data
/// lies between code, what is decoded there is what a processor would decode.
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "sim/load/elf.h"
#include "sim/load/symbols.h"
#include "sim/replay/code.h"

namespace lastbranch::replay {

class ElfCode final : public Code {
 public:
  /// Throws Error: the file cannot be read, is no ELF file of x86-64, or has no code.
  explicit ElfCode(const std::string& path);
  ~ElfCode() override;

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] const std::optional<perfdata::BuildId>& build_id() const override { return build_id_; }
  [[nodiscard]] bool position_independent() const override { return image_.position_independent; }
  Coverage at(u64 address, FlowInsn& out) const override;
  /// Looks for a call of any length that ends there, as nothing says where instructions before begin: data
  /// or the tail of an instruction may pass for one.
  [[nodiscard]] std::optional<bool> follows_call(u64 address) const override;
  [[nodiscard]] bool is_signal_return(u64 address) const override;
  /// By the names that glibc and Go give such places.
  [[nodiscard]] bool ends_context(u64 address) const override;
  /// By the symbols that have a size, and the file's entry.
  [[nodiscard]] std::optional<u64> function_at(u64 address) const override;
  [[nodiscard]] std::optional<u64> address_of(u64 offset) const override;
  [[nodiscard]] bool contains(u64 address) const override { return segment(address) != nullptr; }
  [[nodiscard]] std::string describe(u64 address) const override;

  /// Bytes of the page at link-time address `page` that are code, zeros elsewhere; false where there is none.
  bool read_page(u64 page, u8* out) const;
  /// Pages that have code.
  [[nodiscard]] u64 pages() const;

 private:
  struct Decoding;

  [[nodiscard]] const load::Segment* segment(u64 address) const;
  /// Up to `limit` bytes from link-time address `address` on.
  [[nodiscard]] std::span<const u8> bytes(u64 address, std::size_t limit) const;

  std::string path_;
  std::optional<perfdata::BuildId> build_id_;
  load::ElfImage image_;
  load::SymbolTable symbols_;
  std::vector<std::pair<load::Segment, std::vector<u8>>> code_;
  std::unique_ptr<Decoding> decoding_;
  mutable std::unordered_map<u64, std::pair<Coverage, FlowInsn>> known_;
};

}  // namespace lastbranch::replay
