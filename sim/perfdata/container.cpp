#include "sim/perfdata/container.h"

#include "sim/perfdata/file_container.h"
#include "sim/perfdata/pipe_container.h"

namespace lastbranch::perfdata {

FeatureInput Contents::features(const Mark& end) const {
  FeatureInput input{
      .config = config, .attrs = attrs, .ids = ids, .files = files, .compression = compression};
  if (end.samples != 0) input.sample_time = {*first_sample_time, end.last_sample_time};
  return input;
}

std::unique_ptr<Container> open_container(const Contents& contents) {
  const bool stream = contents.config.stream_fd >= 0 || OutputStream::is_stream(contents.config.path);
  if (stream) return std::make_unique<PipeContainer>(contents);
  return std::make_unique<FileContainer>(contents);
}

}  // namespace lastbranch::perfdata
