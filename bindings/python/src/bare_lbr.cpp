// Last-branch records without a machine: a script pushes the branches.
#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include <pybind11/numpy.h>

#include "bindings/python/src/binders.h"
#include "bindings/python/src/registers.h"
#include "bindings/python/src/ring.h"
#include "models/cpu/uarch/uarch.h"
#include "sim/base/error.h"

namespace lastbranch::python {
namespace {

namespace py = pybind11;

/// One field of a structured array, of whatever integer type.
class Column {
 public:
  /// Throws Error when `dtype` has the field but not as an integer or boolean of up to 8 bytes in the host's
  /// order.
  Column(const py::dtype& dtype, const char* name) {
    const py::dict fields = dtype.attr("fields");
    if (!fields.contains(name)) return;
    const py::tuple field = fields[name];
    const auto type = field[0].cast<py::dtype>();
    const char kind = type.kind();
    const bool integer = kind == 'u' || kind == 'i' || kind == 'b';
    if (!integer || type.itemsize() > 8 || type.byteorder() == '>') {
      throw Error("field '{}': expected an integer or bool of up to 8 bytes, found {}", name,
                  std::string(py::str(type)));
    }
    offset_ = field[1].cast<std::size_t>();
    size_ = static_cast<std::size_t>(type.itemsize());
    is_signed_ = kind == 'i';
  }
  [[nodiscard]] bool exists() const { return size_ != 0; }

  /// Elements of `n` rows as 64-bit values, from the row at `rows` on.
  template <std::size_t N>
  void gather(const u8* rows, std::ptrdiff_t stride, std::size_t n, std::array<u64, N>& out) const {
    const u8* const p = rows + offset_;
    switch (size_) {
      case 1:
        return is_signed_ ? copy<i8>(p, stride, n, out) : copy<u8>(p, stride, n, out);
      case 2:
        return is_signed_ ? copy<i16>(p, stride, n, out) : copy<u16>(p, stride, n, out);
      case 4:
        return is_signed_ ? copy<i32>(p, stride, n, out) : copy<u32>(p, stride, n, out);
      default:
        return copy<u64>(p, stride, n, out);
    }
  }

 private:
  template <class T, std::size_t N>
  static void copy(const u8* p, std::ptrdiff_t stride, std::size_t n, std::array<u64, N>& out) {
    for (std::size_t k = 0; k < n; ++k, p += stride) {
      T v;
      std::memcpy(&v, p, sizeof v);
      out[k] = static_cast<u64>(v);
    }
  }

  std::size_t offset_ = 0;
  std::size_t size_ = 0;  ///< 0: there is no such field
  bool is_signed_ = false;
};

class BareLbr {
 public:
  using Overrides = std::vector<std::pair<std::string, u64>>;
  BareLbr(const std::string& uarch, const Overrides& overrides, u64 seed)
      : part_(cpu::uarch(uarch)), lbr_((override_all(part_, overrides), part_.lbr), seed) {
    msrs_.attach(lbr_.rows(), &lbr_);
  }

  [[nodiscard]] lbr::Lbr& ring() { return lbr_; }
  [[nodiscard]] MsrBus& msrs() { return msrs_; }
  [[nodiscard]] std::string_view name() const { return part_.name; }
  [[nodiscard]] u64 time() const { return time_; }

  /// Throws Error; what came before the bad branch has been recorded then.
  void push(const py::array& branches) {
    const py::dtype dtype = branches.dtype();
    if (dtype.attr("fields").is_none() || branches.ndim() != 1) {
      throw Error(
          "branches: expected a structured array of one dimension, found one of type {} and {} dimensions",
          std::string(py::str(dtype)), branches.ndim());
    }
    const Columns c(dtype);
    const auto* rows = static_cast<const u8*>(branches.data());
    const std::ptrdiff_t stride = branches.strides(0);
    const auto n = static_cast<std::size_t>(branches.shape(0));
    const py::gil_scoped_release unlocked;
    for (std::size_t at = 0; at < n; at += kChunk) {
      push(c, rows + static_cast<std::ptrdiff_t>(at) * stride, stride, std::min(kChunk, n - at), at);
    }
  }

 private:
  static constexpr std::size_t kChunk = 512;
  using Values = std::array<u64, kChunk>;

  struct Columns {
    Column from, to, kind, time, cycles, mispredicted, in_tx, abort, cpl, cpl_from;
    explicit Columns(const py::dtype& d)
        : from(d, "from"),
          to(d, "to"),
          kind(d, "kind"),
          time(d, "time"),
          cycles(d, "cycles"),
          mispredicted(d, "mispredicted"),
          in_tx(d, "in_tx"),
          abort(d, "abort"),
          cpl(d, "cpl"),
          cpl_from(d, "cpl_from") {
      if (!from.exists() || !to.exists()) {
        throw Error("branches: expected the fields 'from' and 'to', found {}", std::string(py::str(d)));
      }
      if (time.exists() && cycles.exists()) {
        throw Error("branches: expected one of the fields 'time' and 'cycles', found both");
      }
    }
  };

  static int override_all(cpu::Uarch& part, const Overrides& overrides) {
    for (const auto& [field, value] : overrides) cpu::override_field(part, field, value);
    if (part.lbr.depth == 0)
      throw Error("{}: expected a part with last-branch records, found none", part.name);
    return 0;
  }

  static void fill(const Column& c, const u8* rows, std::ptrdiff_t stride, std::size_t n, Values& out,
                   u64 otherwise) {
    if (c.exists()) {
      c.gather(rows, stride, n, out);
    } else {
      out.fill(otherwise);
    }
  }

  void push(const Columns& c, const u8* rows, std::ptrdiff_t stride, std::size_t n, std::size_t at) {
    constexpr auto kKinds = static_cast<u64>(BranchKind::kCount);
    Values from, to, kind, clock, mispredicted, in_tx, abort, cpl, cpl_from;
    fill(c.from, rows, stride, n, from, 0);
    fill(c.to, rows, stride, n, to, 0);
    fill(c.kind, rows, stride, n, kind, static_cast<u64>(BranchKind::kRelJmp));
    fill(c.time.exists() ? c.time : c.cycles, rows, stride, n, clock, 1);
    fill(c.mispredicted, rows, stride, n, mispredicted, 0);
    fill(c.in_tx, rows, stride, n, in_tx, 0);
    fill(c.abort, rows, stride, n, abort, 0);
    fill(c.cpl, rows, stride, n, cpl, 3);
    if (c.cpl_from.exists()) fill(c.cpl_from, rows, stride, n, cpl_from, 3);
    const Values& source = c.cpl_from.exists() ? cpl_from : cpl;
    const bool absolute = c.time.exists();
    for (std::size_t k = 0; k < n; ++k) {
      if (kind[k] >= kKinds || cpl[k] > 3 || source[k] > 3) [[unlikely]] {
        throw Error("branch {}: expected a kind of 0 to {} and a cpl of 0 to 3, found kind {} and cpl {}",
                    at + k, kKinds - 1, kind[k], cpl[k] > 3 ? cpl[k] : source[k]);
      }
      time_ = absolute ? clock[k] : time_ + clock[k];
      lbr_.push({.from = from[k],
                 .to = to[k],
                 .time = time_,
                 .kind = static_cast<BranchKind>(kind[k]),
                 .length = 0,
                 .cpl_from = static_cast<u8>(source[k]),
                 .cpl_to = static_cast<u8>(cpl[k]),
                 .mispredicted = mispredicted[k] != 0,
                 .in_tx = in_tx[k] != 0,
                 .abort = abort[k] != 0});
    }
  }

  cpu::Uarch part_;
  lbr::Lbr lbr_;
  MsrBus msrs_;
  u64 time_ = 0;  ///< core clock of the last branch
};

}  // namespace

void bind_bare_lbr(py::module_& m) {
  py::class_<BareLbr> c(m, "Lbr");
  c.def(py::init<const std::string&, const BareLbr::Overrides&, u64>(), py::kw_only(), py::arg("uarch"),
        py::arg("overrides"), py::arg("seed"));
  c.def_property_readonly("uarch", &BareLbr::name);
  c.def_property_readonly("time", &BareLbr::time);
  c.def_property_readonly("frozen", [](BareLbr& b) { return b.ring().frozen(); });
  c.def("lbr_enable", [](BareLbr& b) { b.ring().enable(true); });
  c.def(
      "push", [](BareLbr& b, const py::array& branches) { b.push(branches); }, py::arg("branches"));
  c.def(
      "freeze", [](BareLbr& b, bool frozen) { b.ring().set_frozen(frozen); }, py::arg("frozen"));
  c.def("debug_exception", [](BareLbr& b) { b.ring().debug_exception(); });
  c.def(
      "transaction_abort",
      [](BareLbr& b, u64 from, u64 to, unsigned cpl) {
        b.ring().transaction_abort(from, to, b.time(), static_cast<u8>(cpl & 3));
      },
      py::arg("from_"), py::arg("to"), py::arg("cpl"));
  bind_registers(c, [](BareLbr& b) -> MsrBus& { return b.msrs(); });
  bind_ring(
      c, [](BareLbr& b) -> lbr::Lbr& { return b.ring(); }, [](BareLbr& b) -> MsrBus& { return b.msrs(); });
}

}  // namespace lastbranch::python
