#pragma once
/// Decodes the events of a file: attributes, their ids, their names.
#include <span>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/byte_cursor.h"
#include "sim/perfdata/feature_reader.h"
#include "sim/perfdata/format.h"
#include "sim/perfdata/input_file.h"
#include "sim/perfdata/record_reader.h"

namespace lastbranch::perfdata {

/// The attributes of a file in file mode. `header.attrs` must have been checked. Throws Error.
[[nodiscard]] std::vector<EventInfo> read_events(const InputFile& file, const FileHeader& header,
                                                 bool swapped);

/// The body of a HEADER_ATTR record, which is the event of number `index`. Throws Error.
[[nodiscard]] EventInfo decode_event(Origin origin, std::span<const std::byte> body, std::size_t index);

/// Names the events that have no name yet: as the features say, else "type=0,config=0xc4".
void name_events(const Features& features, std::vector<EventInfo>& events);

/// The name of the event of number `index`, when no feature has another.
[[nodiscard]] std::string event_name(const Features& features, std::size_t index, const Attr& attr);

}  // namespace lastbranch::perfdata
