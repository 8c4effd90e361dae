#pragma once
// perf.data files that our writer would not make: any attribute size, any records, no features.
#include <span>
#include <string>
#include <vector>

#include "sim/perfdata/encoder.h"
#include "sim/perfdata/format.h"
#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {

struct RawFile {
  std::vector<Attr> attrs;
  u32 attr_size = kAttrSizeWritten;  ///< of each; beyond sizeof(Attr) bytes of 0xee follow
  Encoder data;

  /// Adds a record; `body` is what follows its header.
  void add(u32 type, const Encoder& body, u16 misc = 0) {
    data.put(RecordHeader{
        .type = type, .misc = misc, .size = static_cast<u16>(sizeof(RecordHeader) + body.size())});
    data.put_all(body.bytes());
  }

  /// Event i has the ids 10 * i + 1 and 10 * i + 2.
  void write(const std::string& path) const {
    const u64 entry = attr_size + sizeof(Section);
    const u64 ids_at = sizeof(FileHeader) + attrs.size() * entry;
    const u64 data_at = ids_at + attrs.size() * 16;
    Encoder out;
    out.put(FileHeader{.attr_size = entry,
                       .attrs = {sizeof(FileHeader), attrs.size() * entry},
                       .data = {data_at, data.size()},
                       .event_types = {}});
    for (std::size_t i = 0; i < attrs.size(); ++i) {
      Attr attr = attrs[i];
      attr.size = attr_size;
      const std::size_t known = std::min<std::size_t>(attr_size, sizeof attr);
      out.put_all(std::as_bytes(std::span(&attr, 1)).first(known));
      const std::vector<u8> tail(attr_size - known, 0xee);
      out.put_all(std::span(tail));
      out.put(Section{ids_at + i * 16, 16});
    }
    for (u64 i = 0; i < attrs.size(); ++i) {
      out.put(10 * i + 1);
      out.put(10 * i + 2);
    }
    out.put_all(data.bytes());
    write_file(path, out.bytes());
  }
};

}  // namespace lastbranch::perfdata::test
