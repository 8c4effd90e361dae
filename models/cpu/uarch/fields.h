#pragma once
// Making UarchFields: a getter and a checked setter for a member anywhere in the record, so that a table of
// fields is a list of names and ranges.
#include <algorithm>
#include <string>
#include <string_view>

#include "models/cpu/uarch/uarch.h"
#include "sim/base/error.h"

namespace lastbranch::cpu {

/// A string as a template argument: setters are plain functions, and their messages name the field.
template <std::size_t N>
struct FieldName {
  // NOLINTNEXTLINE(google-explicit-constructor): a literal is the name
  consteval FieldName(const char (&text)[N]) { std::copy_n(text, N, chars); }
  char chars[N];
  [[nodiscard]] constexpr std::string_view view() const { return {chars, N - 1}; }
};

/// The member that a path of pointers to members leads to.
template <auto First, auto... Rest>
constexpr auto& member(auto& object) {
  if constexpr (sizeof...(Rest) == 0) {
    return object.*First;
  } else {
    return member<Rest...>(object.*First);
  }
}

/// Throws Error when `value` is outside `min` to `max`.
inline void check_range(std::string_view field, u64 value, u64 min, u64 max) {
  if (value < min || value > max) throw Error("{}: expected {} to {}, found {}", field, min, max, value);
}

/// A field that a run can only look at.
template <auto... Path>
constexpr UarchField fixed_field(std::string_view name, std::string_view unit, std::string_view meaning) {
  return {name, unit, meaning, [](const Uarch& u) { return fmt::format("{}", member<Path...>(u)); }, nullptr};
}

/// The same for masks and addresses.
template <auto... Path>
constexpr UarchField fixed_mask(std::string_view name, std::string_view meaning) {
  return {name, "", meaning, [](const Uarch& u) { return fmt::format("{:#x}", member<Path...>(u)); },
          nullptr};
}

/// "yes" or "no", set by 1 or 0.
template <FieldName Name, auto... Path>
constexpr UarchField flag_field(std::string_view meaning) {
  return {Name.view(), "", meaning,
          [](const Uarch& u) { return std::string(member<Path...>(u) ? "yes" : "no"); },
          [](Uarch& u, u64 value) {
            check_range(Name.view(), value, 0, 1);
            member<Path...>(u) = value != 0;
          }};
}

/// A number within a range.
template <FieldName Name, u64 Min, u64 Max, auto... Path>
constexpr UarchField number_field(std::string_view unit, std::string_view meaning) {
  return {Name.view(), unit, meaning, [](const Uarch& u) { return fmt::format("{}", member<Path...>(u)); },
          [](Uarch& u, u64 value) {
            check_range(Name.view(), value, Min, Max);
            auto& place = member<Path...>(u);
            place = static_cast<std::remove_reference_t<decltype(place)>>(value);
          }};
}

/// A mask of which only the bits of `Legal` can be set.
template <FieldName Name, u64 Legal, auto... Path>
constexpr UarchField mask_field(std::string_view meaning) {
  return {Name.view(), "", meaning, [](const Uarch& u) { return fmt::format("{:#x}", member<Path...>(u)); },
          [](Uarch& u, u64 value) {
            if ((value & ~Legal) != 0) {
              throw Error("{}: expected bits of {:#x} only, found {:#x}", Name.view(), Legal, value);
            }
            auto& place = member<Path...>(u);
            place = static_cast<std::remove_reference_t<decltype(place)>>(value);
          }};
}

/// A number whose change changes other fields: `Set` does it.
template <auto Set, auto... Path>
constexpr UarchField derived_field(std::string_view name, std::string_view unit, std::string_view meaning) {
  return {name, unit, meaning, [](const Uarch& u) { return fmt::format("{}", member<Path...>(u)); }, Set};
}

}  // namespace lastbranch::cpu
