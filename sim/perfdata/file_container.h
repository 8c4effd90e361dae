#pragma once
/// perf.data in file mode: header, ids, attributes, records, feature sections; the header is filled in last.
/// When the disk is full, the records that fit are kept as a valid file.
#include "sim/perfdata/container.h"
#include "sim/perfdata/output_file.h"

namespace lastbranch::perfdata {

class FileContainer final : public Container {
 public:
  /// Creates the temporary file beside the target. Throws Error.
  explicit FileContainer(const Contents& contents);

  [[nodiscard]] int append(std::span<const std::byte> records, const Mark& end) override;
  void finish(const Mark& end, int failure, WriteSummary& kept) override;
  [[nodiscard]] u64 size() const override { return file_.end(); }

 private:
  /// Where in the file the fixed parts lie.
  [[nodiscard]] u64 ids_offset() const { return sizeof(FileHeader); }
  [[nodiscard]] u64 attrs_offset() const { return ids_offset() + contents_.ids.size() * sizeof(u64); }
  [[nodiscard]] u64 entry_size() const { return contents_.config.attr_size + sizeof(Section); }
  [[nodiscard]] u64 data_offset() const { return attrs_offset() + contents_.attrs.size() * entry_size(); }

  [[nodiscard]] EncodedFeatures features_at(const Mark& end) const;
  [[nodiscard]] std::vector<std::byte> prefix(const Mark& end, const EncodedFeatures& features) const;
  [[nodiscard]] Mark last_mark_before(u64 limit) const;
  [[nodiscard]] int complete(const Mark& end, WriteSummary& kept);
  [[nodiscard]] bool salvage(const Mark& end, WriteSummary& kept);

  const Contents& contents_;
  OutputFile file_;
  std::vector<Mark> marks_;  // where each append began, and where the last one ended
};

}  // namespace lastbranch::perfdata
