#pragma once
/// The source of records behind open_text(): goes through the lines and puts samples together, of which one
/// may be spread over many lines.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/perfdata/record_source.h"
#include "sim/perfdata/text_head.h"
#include "sim/perfdata/text_input.h"
#include "sim/perfdata/text_instructions.h"
#include "sim/perfdata/text_lines.h"
#include "sim/perfdata/text_notes.h"

namespace lastbranch::perfdata {

class TextSource final : public RecordSource {
 public:
  TextSource(const std::string& path, const OpenOptions& options);
  TextSource(std::unique_ptr<InputFile> file, const OpenOptions& options);

  [[nodiscard]] const std::string& path() const override { return input_.name(); }
  [[nodiscard]] SourceKind kind() const override { return kind_; }
  [[nodiscard]] const std::vector<EventInfo>& events() const override { return events_; }
  [[nodiscard]] const Features& features() const override { return features_; }
  [[nodiscard]] const Record* next() override;
  [[nodiscard]] std::vector<std::string> notes() const override { return notes_.lines(); }
  [[nodiscard]] std::vector<std::string> edited() const override { return notes_.edited(); }
  [[nodiscard]] const std::string& damage() const override { return damage_; }

  /// The entries without addresses of the sample that next() returned, as they stand in the text, newest
  /// first: "main+0x62/main+0xba/P/-/-/1/". They are no part of SampleRecord::branches.
  [[nodiscard]] const std::vector<std::string>& symbolic_entries() const { return symbols_; }

 private:
  /// What the lines since the last whole sample are.
  enum class Open : u8 {
    kNothing,
    kAddresses,     ///< IPs alone on their lines: samples without branches, or a call chain from here on
    kChain,         ///< a call chain, with the columns of its sample or without
    kHead,          ///< the columns of a sample, whose stacks follow
    kMaybeHead,     ///< the same, unless nothing follows: then it is no sample
    kInstructions,  ///< brstackinsn
    kDump,          ///< report -D
  };
  enum class DumpSection : u8 { kNone, kBranches, kCallStack, kChain };

  void probe();
  [[nodiscard]] const Record* advance();
  /// One line; true: record_ is ready.
  [[nodiscard]] bool step();
  [[nodiscard]] bool preaggregated_line();
  [[nodiscard]] bool plain_sample_line();
  [[nodiscard]] bool record_line(std::size_t mark);
  [[nodiscard]] bool comment_line(std::size_t first);
  [[nodiscard]] bool dump_line();
  [[nodiscard]] bool entries_line(const char* entries);
  [[nodiscard]] bool symbols_line(const char* flags);
  [[nodiscard]] bool instruction_line();
  [[nodiscard]] bool label_line();
  [[nodiscard]] bool head_line();
  [[nodiscard]] bool count_line();
  [[nodiscard]] bool address_line(const TextHead& head);
  /// Makes the addresses alone on their lines the call chain of the sample that is open from now on.
  void take_addresses();
  /// Opens a sample with the last address alone on its line. False when others come first, as samples without
  /// stacks: record_ is ready, and the current line comes again.
  [[nodiscard]] bool take_last_address();
  void add_call(u64 address, const char* at);
  void parse_entries(const char* at, std::vector<BranchEntry>& branches);
  [[nodiscard]] const char* parse_symbols(const char* at, const char* flags);

  /// Finishes what is open before the current line, which then comes again; true: record_ is ready. When it
  /// is false nothing is open.
  [[nodiscard]] bool close_before();
  /// Finishes what is open; true: record_ is ready.
  [[nodiscard]] bool close();
  /// Returns the addresses alone on their lines as samples, but for the last `keep`; true: record_ is ready.
  [[nodiscard]] bool flush_addresses(std::size_t keep);
  [[nodiscard]] bool emit_address();
  void begin_sample(const TextHead& head);
  void emit_open();
  void emit_sample(u64 offset);
  [[nodiscard]] std::size_t event_of(std::string_view name);
  /// The name that a thread is known by, to be changed.
  [[nodiscard]] std::string& comm_of(u32 tid);
  SampleRecord& record_sample();

  TextInput input_;
  LineReader lines_;
  OpenOptions options_;
  SourceKind kind_ = SourceKind::kScriptText;
  std::vector<EventInfo> events_;
  std::unordered_map<std::string, std::size_t> event_numbers_;  // by name, of those that the lines name
  Features features_;
  TextNotes notes_;
  std::string damage_;
  bool finished_ = false;
  u64 records_ = 0;  // returned so far

  TextLine line_;
  Record record_;

  Open open_ = Open::kNothing;
  DumpSection section_ = DumpSection::kNone;
  SampleRecord sample_;  // what is open
  u64 sample_bits_ = 0;  // SampleBit of what its lines showed
  u64 sample_offset_ = 0;
  u16 sample_misc_ = 0;
  u64 head_number_ = 0;  // of a kMaybeHead
  std::string head_text_;
  InstructionStack instructions_;

  /// An IP alone on its line.
  struct Address {
    u64 ip = 0;
    u64 offset = 0;
  };
  std::vector<Address> addresses_;
  std::size_t addresses_at_ = 0;  // the next to be returned, while they are samples of their own
  std::size_t addresses_end_ = 0;
  bool addresses_are_samples_ = false;

  bool count_waits_ = false;  // a line that may be a count: count_, at count_offset_
  u64 count_ = 1;
  u64 count_offset_ = 0;
  std::string count_text_;
  u64 repeat_ = 1;  // of the next sample

  Record second_;  // follows record_
  bool has_second_ = false;
  std::size_t current_event_ = 0;       // pre-aggregated
  std::map<u32, std::string> comms_;    // by thread, as far as records and columns told; some of them
  std::optional<CommRecord> new_comm_;  // comes before the sample whose column has it
  std::vector<std::string> symbols_;
};

}  // namespace lastbranch::perfdata
