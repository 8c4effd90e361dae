#include "sim/perfdata/pipe_container.h"

#include <cstring>

#include "sim/base/error.h"

namespace lastbranch::perfdata {
namespace {

void put_header(Encoder& out, RecordType type, std::size_t body) {
  out.put(RecordHeader{
      .type = static_cast<u32>(type), .misc = 0, .size = static_cast<u16>(sizeof(RecordHeader) + body)});
}

/// Features that a pipe has as records. What is known only at the end, or says nothing but that it is there,
/// is left out, as by perf.
bool goes_ahead(Feature feature) {
  return feature != Feature::kBuildId && feature != Feature::kSampleTime && feature != Feature::kBranchStack;
}

}  // namespace

PipeContainer::PipeContainer(const Contents& contents)
    : contents_(contents), stream_(contents.config.path, contents.config.stream_fd) {}

std::vector<std::byte> PipeContainer::prologue() const {
  Encoder out;
  out.put(kMagic);
  out.put(kPipeHeaderSize);
  for (std::size_t i = 0; i < contents_.attrs.size(); ++i) {
    put_header(out, RecordType::kHeaderAttr, contents_.config.attr_size + sizeof(u64));
    out.put_all(std::as_bytes(std::span(&contents_.attrs[i], 1)).first(contents_.config.attr_size));
    out.put(contents_.ids[i]);
  }
  for (const FeatureBody& body : encode_feature_bodies(contents_.features({}))) {
    const std::size_t size = align_up(sizeof(u64) + body.bytes.size(), 8);
    // A long command line or very many events: perf could not read the record.
    if (!goes_ahead(body.feature) || size > kRecordSizeMax - sizeof(RecordHeader)) continue;
    put_header(out, RecordType::kHeaderFeature, size);
    out.put(u64{static_cast<u32>(body.feature)});
    out.put_all(std::span<const std::byte>(body.bytes));
    out.pad_to(8);
  }
  put_header(out, RecordType::kHeaderFeature, sizeof(u64));
  out.put(kPipeFeaturesEnd);
  for (std::size_t i = 0; i < contents_.attrs.size(); ++i) {
    constexpr u64 kName = 2;
    const std::string& name = contents_.config.events[i].name;
    put_header(out, RecordType::kEventUpdate, 2 * sizeof(u64) + align_up(name.size() + 1, 8));
    out.put(kName);
    out.put(contents_.ids[i]);
    out.put_name(name);
  }
  return {out.bytes().begin(), out.bytes().end()};
}

int PipeContainer::append(std::span<const std::byte> records, const Mark& end) {
  if (stream_.end() == 0) {
    if (const int error = stream_.append(prologue()); error != 0) return error;
  }
  if (const int error = stream_.append(records); error != 0) return error;
  written_ = end;
  return 0;
}

void PipeContainer::finish(const Mark& end, int failure, WriteSummary& kept) {
  if (failure == 0) failure = append(encode_build_ids(contents_.features(end)), end);
  if (const int error = stream_.close(); failure == 0) failure = error;
  kept = {
      .records = written_.records, .samples = written_.samples, .bytes = stream_.end(), .lost_records = 0};
  if (failure == 0) return;
  throw Error(
      "{}: {}: its reader may have got the first {} of {} records, {} of {} samples",
      contents_.config.path == OutputStream::kStandardOutput ? "standard output" : contents_.config.path,
      std::strerror(failure), kept.records, end.records, kept.samples, end.samples);
}

}  // namespace lastbranch::perfdata
