#include "sim/perfdata/text_input.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <zlib.h>
#include <zstd.h>

#include "sim/base/error.h"

namespace lastbranch::perfdata {

class TextInput::Decoder {
 public:
  explicit Decoder(TextInput& input) : input_(input), raw_(64 * 1024) {}
  virtual ~Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  [[nodiscard]] virtual std::size_t decode(char* out, std::size_t size) = 0;

 protected:
  /// Fills raw_ when all of it was used; false at the end of the file.
  [[nodiscard]] bool refill() {
    if (at_ < end_) return true;
    consumed_ += end_;
    at_ = 0;
    end_ = input_.read_raw(raw_.data(), raw_.size());
    return end_ != 0;
  }

  [[noreturn]] void fail(std::string_view expected, std::string_view found) const {
    throw Error("{}: offset {:#x}: compressed text: expected {}, found {}", input_.name(), consumed_ + at_,
                expected, found);
  }

  TextInput& input_;
  std::vector<char> raw_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  u64 consumed_ = 0;
};

namespace {

class GzipDecoder final : public TextInput::Decoder {
 public:
  explicit GzipDecoder(TextInput& input) : Decoder(input) {
    constexpr int kGzipWrapper = 16;
    if (inflateInit2(&stream_, kGzipWrapper + MAX_WBITS) != Z_OK) fail("memory for zlib", "none");
  }
  ~GzipDecoder() override { inflateEnd(&stream_); }

  std::size_t decode(char* out, std::size_t size) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out == size) {
      if (!refill()) {
        if (inside_) fail("more of a gzip stream", "the end of the file");
        return 0;
      }
      if (!inside_) inflateReset(&stream_);
      inside_ = true;
      stream_.next_in = reinterpret_cast<Bytef*>(raw_.data() + at_);
      stream_.avail_in = static_cast<uInt>(end_ - at_);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      at_ = end_ - stream_.avail_in;
      if (status == Z_STREAM_END) {
        inside_ = false;
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        fail("a gzip stream", stream_.msg != nullptr ? stream_.msg : "damage");
      }
    }
    return size - stream_.avail_out;
  }

 private:
  z_stream stream_{};
  bool inside_ = false;  // of a member
};

class ZstdDecoder final : public TextInput::Decoder {
 public:
  explicit ZstdDecoder(TextInput& input) : Decoder(input), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) fail("memory for zstd", "none");
  }
  ~ZstdDecoder() override { ZSTD_freeDStream(stream_); }

  std::size_t decode(char* out, std::size_t size) override {
    ZSTD_outBuffer output{out, size, 0};
    while (output.pos == 0) {
      if (!refill() && !pending_) {
        if (inside_) fail("more of a zstd frame", "the end of the file");
        return 0;
      }
      ZSTD_inBuffer input{raw_.data(), end_, at_};
      const std::size_t before = output.pos;
      const std::size_t status = ZSTD_decompressStream(stream_, &output, &input);
      if (ZSTD_isError(status) != 0) fail("a zstd frame", ZSTD_getErrorName(status));
      pending_ = output.pos == output.size;
      if (at_ == input.pos && before == output.pos) pending_ = false;
      at_ = input.pos;
      inside_ = status != 0;
    }
    return output.pos;
  }

 private:
  ZSTD_DStream* stream_;
  bool inside_ = false;   // of a frame
  bool pending_ = false;  // the decoder may hold more than there was room for
};

}  // namespace

TextInput::TextInput(const std::string& path) : TextInput(std::make_unique<InputFile>(path)) {}

TextInput::TextInput(std::unique_ptr<InputFile> file) : file_(std::move(file)) {
  const auto head = file_->head();
  const std::string_view magic(reinterpret_cast<const char*>(head.data()), head.size());
  if (magic.starts_with("\x1f\x8b")) {
    decoder_ = std::make_unique<GzipDecoder>(*this);
  } else if (magic.starts_with("\x28\xb5\x2f\xfd")) {
    decoder_ = std::make_unique<ZstdDecoder>(*this);
  }
}

TextInput::~TextInput() = default;

std::size_t TextInput::read(char* out, std::size_t size) {
  return decoder_ != nullptr ? decoder_->decode(out, size) : read_raw(out, size);
}

std::size_t TextInput::read_raw(char* out, std::size_t size) {
  const std::span<std::byte> bytes(reinterpret_cast<std::byte*>(out), size);
  if (!file_->seekable()) return file_->read_next(bytes);
  const std::size_t n = std::min<u64>(size, file_->size() - at_);
  if (n != 0) file_->read(at_, bytes.first(n));
  at_ += n;
  return n;
}

}  // namespace lastbranch::perfdata
