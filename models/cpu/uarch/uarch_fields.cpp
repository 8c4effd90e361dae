// The table of fields: what `lastbranch list params` prints and what a run can override. Quirks and choices
// carry the names of their members in LbrQuirks.
#include <array>

#include "models/cpu/uarch/fields.h"
#include "models/cpu/uarch/monitoring.h"
#include "models/cpu/uarch/override.h"
#include "models/cpu/uarch/uarch.h"

namespace lastbranch::cpu {
namespace {

constexpr u64 kAddressMask = 0x1fff'ffff;

template <FieldName Name, auto Quirk>
constexpr UarchField quirk(std::string_view meaning) {
  return flag_field<Name, &Uarch::lbr, &LbrParams::quirks, Quirk>(meaning);
}

template <FieldName Name, auto Member>
constexpr UarchField arch_flag(std::string_view meaning) {
  return flag_field<Name, &Uarch::lbr, &LbrParams::arch, Member>(meaning);
}

constexpr auto kFields = std::to_array<UarchField>({
    // The part.
    fixed_field<&Uarch::name>("uarch", "", "record"),
    fixed_field<&Uarch::brand>("brand", "", "the part the record describes"),
    {"cpuid", "", "vendor, family, model, stepping", [](const Uarch& u) { return u.cpuid_string(); },
     nullptr},
    derived_field<set_frequency, &Uarch::frequency_hz>("frequency_hz", "Hz", "rate of core clocks and TSC"),
    fixed_field<&Uarch::pa_bits>("pa_bits", "bits", "physical addresses"),
    fixed_field<&Uarch::va_bits>("va_bits", "bits", "linear addresses"),
    {"tsx", "", "transactions: bits of events, records and IA32_DEBUGCTL for them",
     [](const Uarch& u) { return std::string(has_tsx(u) ? "yes" : "no"); }, set_tsx},

    // Last-branch records.
    derived_field<set_lbr_depth, &Uarch::lbr, &LbrParams::depth>("lbr_depth", "records",
                                                                 "last-branch records"),
    {"lbr_format", "", "IA32_PERF_CAPABILITIES[5:0]; 63: architectural",
     [](const Uarch& u) { return std::to_string(static_cast<unsigned>(u.lbr.format)); }, set_lbr_format},
    mask_field<"lbr_from_base", kAddressMask, &Uarch::lbr, &LbrParams::from_base>("MSR of FROM 0"),
    mask_field<"lbr_to_base", kAddressMask, &Uarch::lbr, &LbrParams::to_base>("MSR of TO 0"),
    mask_field<"lbr_info_base", kAddressMask, &Uarch::lbr, &LbrParams::info_base>(
        "MSR of INFO 0; formats 5, 7, 63"),
    flag_field<"lbr_select", &Uarch::lbr, &LbrParams::has_select>("whether MSR_LBR_SELECT exists"),
    mask_field<"lbr_select_mask", 0x3ff, &Uarch::lbr, &LbrParams::select_mask>("bits of MSR_LBR_SELECT"),
    flag_field<"lbr_jmp_filters_drop_calls", &Uarch::lbr, &LbrParams::jmp_filters_drop_calls>(
        "JMP filters also drop CALLs and RETs"),
    flag_field<"lbr_call_stack", &Uarch::lbr, &LbrParams::has_call_stack>("call-stack mode exists"),
    {"lbr_va_bits", "bits", "how far addresses in records are sign-extended; 48 or 57",
     [](const Uarch& u) { return std::to_string(u.lbr.va_bits); },
     [](Uarch& u, u64 value) {
       if (value != 48 && value != 57) throw Error("lbr_va_bits: expected 48 or 57, found {}", value);
       u.lbr.va_bits = static_cast<unsigned>(value);
     }},
    mask_field<"lbr_debugctl_mask", 0xffff, &Uarch::lbr, &LbrParams::debugctl_mask>("bits of IA32_DEBUGCTL"),
    flag_field<"lbr_record_suspends_on_tr", &Uarch::lbr, &LbrParams::record_suspends_on_tr>(
        "no records while IA32_DEBUGCTL.TR is set"),

    // CPUID leaf 1CH.
    fixed_mask<&Uarch::lbr, &LbrParams::arch, &ArchLbrParams::depth_mask>(
        "lbr_arch_depth_mask", "architectural depths, bit n: 8 * (n + 1)"),
    arch_flag<"lbr_arch_deep_c_reset", &ArchLbrParams::deep_c_reset>("MWAIT beyond C1 may clear records"),
    arch_flag<"lbr_arch_lip", &ArchLbrParams::lip>("linear addresses; no: offsets in CS"),
    arch_flag<"lbr_arch_cpl_filter", &ArchLbrParams::cpl_filter>("IA32_LBR_CTL.OS, USR"),
    arch_flag<"lbr_arch_branch_filter", &ArchLbrParams::branch_filter>("IA32_LBR_CTL[22:16]"),
    arch_flag<"lbr_arch_call_stack", &ArchLbrParams::call_stack>("IA32_LBR_CTL.CALL_STACK"),
    arch_flag<"lbr_arch_mispredicted", &ArchLbrParams::mispredicted>("misprediction flag in INFO"),
    arch_flag<"lbr_arch_timed", &ArchLbrParams::timed>("cycles in INFO"),
    arch_flag<"lbr_arch_branch_type", &ArchLbrParams::branch_type>("type of branch in INFO"),
    {"lbr_arch_event_log_counters", "", "counters whose events INFO counts",
     [](const Uarch& u) { return fmt::format("{:#x}", u.lbr.arch.event_log_counters); },
     [](Uarch& u, u64 value) {
       check_range("lbr_arch_event_log_counters", value, 0, 15);
       u.lbr.arch.event_log_counters = static_cast<u32>(value);
       u = complete(u);
     }},

    // Quirks and choices.
    quirk<"lbr_fmt4_tsx_disabled", &LbrQuirks::fmt4_tsx_disabled>(
        "format 4 without TSX: FROM[62:61] are no flags"),
    quirk<"lbr_dup_abort_record", &LbrQuirks::dup_abort_record>("each abort recorded twice"),
    quirk<"lbr_cs_freeze_tos_glitch", &LbrQuirks::cs_freeze_tos_glitch>(
        "a PMI freeze in call-stack mode moves TOS"),
    number_field<"lbr_dup_top_per_mille", 0, 1000, &Uarch::lbr, &LbrParams::quirks,
                 &LbrQuirks::dup_top_per_mille>("of 1000", "newest record there twice"),
    quirk<"lbr_fmt1_with_mispred", &LbrQuirks::fmt1_with_mispred>("format 1, yet FROM[63] is a flag"),
    quirk<"lbr_no_freeze", &LbrQuirks::no_freeze>("a PMI does not freeze"),
    quirk<"lbr_pt_excludes_lbr", &LbrQuirks::pt_excludes_lbr>("no records while Intel PT traces"),
    quirk<"lbr_c6_clears", &LbrQuirks::c6_clears>("deep C-states clear the records"),
    quirk<"lbr_ler_to_garbage", &LbrQuirks::ler_to_garbage>("upper bits of LER_TO are wrong"),
    quirk<"lbr_boundary_signext", &LbrQuirks::boundary_signext>(
        "return address 8000_0000_0000H is sign-extended"),
    quirk<"lbr_rsm_corrupts", &LbrQuirks::rsm_corrupts>("RSM leaves the records invalid"),
    quirk<"lbr_bts_wrong_cpl_from", &LbrQuirks::bts_wrong_cpl_from>(
        "BTS: FROM wrong where the privilege changes"),
    number_field<"lbr_oldest_entry_bias_per_mille", 0, 1000, &Uarch::lbr, &LbrParams::quirks,
                 &LbrQuirks::oldest_entry_bias_per_mille>("of 1000", "oldest record stays"),
    quirk<"lbr_cpl_filter_on_target", &LbrQuirks::cpl_filter_on_target>(
        "privilege filter tests the target; no: the source"),
    quirk<"lbr_underflow_moves_tos", &LbrQuirks::underflow_moves_tos>(
        "RET with an empty call stack moves TOS"),
    quirk<"lbr_pop_restarts_cycles", &LbrQuirks::pop_restarts_cycles>("a pop restarts the cycle count"),
    quirk<"lbr_arch_zeroes_kernel_from", &LbrQuirks::arch_zeroes_kernel_from>(
        "FROM of an unrecorded privilege is 0; no: not recorded"),
    quirk<"lbr_record_after_enable_counts", &LbrQuirks::record_after_enable_counts>(
        "first record after enabling has cycles"),
    quirk<"lbr_freeze_clears_tr", &LbrQuirks::freeze_clears_tr>("a legacy freeze clears TR beside LBR"),
    quirk<"lbr_tr_updates_ring", &LbrQuirks::tr_updates_ring>("TR = 1 records although LBR = 0"),

    // Performance monitoring.
    derived_field<set_pmu_version, &Uarch::pmu, &PmuParams::version>("pmu_version", "",
                                                                     "architectural performance monitoring"),
    derived_field<set_gp_counters, &Uarch::pmu, &PmuParams::gp_counters>("pmu_gp_counters", "counters",
                                                                         "general-purpose"),
    number_field<"pmu_gp_width", 32, 48, &Uarch::pmu, &PmuParams::gp_width>("bits", "general-purpose"),
    derived_field<set_fixed_counters, &Uarch::pmu, &PmuParams::fixed_counters>(
        "pmu_fixed_counters", "counters", "fixed-function, contiguous"),
    number_field<"pmu_fixed_width", 32, 48, &Uarch::pmu, &PmuParams::fixed_width>("bits", "fixed-function"),
    fixed_mask<&Uarch::pmu, &PmuParams::fixed_bitmap>("pmu_fixed_bitmap",
                                                      "fixed counters that exist; version 5"),
    mask_field<"pmu_absent_events", 0x1fff, &Uarch::pmu, &PmuParams::absent_events>(
        "architectural events that do not work"),
    flag_field<"pmu_any_thread", &Uarch::pmu, &PmuParams::any_thread>("AnyThread has an effect"),
    number_field<"pmu_slots_per_cycle", 1, 16, &Uarch::pmu, &PmuParams::slots_per_cycle>("slots",
                                                                                         "issue width"),
    mask_field<"pmu_evtsel_mask", 0x0000'ff1f'ffff'ffff, &Uarch::pmu, &PmuParams::evtsel_mask>(
        "bits of IA32_PERFEVTSELx"),
    {"pmu_freeze", "", "how a PMI freezes; follows the version",
     [](const Uarch&
            u) { return std::string(u.pmu.freeze == FreezeMode::kStreamlined ? "streamlined" : "legacy"); },
     nullptr},
    flag_field<"pmu_global_ctrl_reset_enables_gp", &Uarch::pmu, &PmuParams::global_ctrl_reset_enables_gp>(
        "IA32_PERF_GLOBAL_CTRL enables general counters at RESET"),
    number_field<"pmu_offcore_rsp", 0, 2, &Uarch::pmu, &PmuParams::offcore_rsp>("registers",
                                                                                "MSR_OFFCORE_RSP_x"),
    fixed_mask<&Uarch::pmu, &PmuParams::perf_capabilities>("perf_capabilities", "IA32_PERF_CAPABILITIES"),

    // The DS area and PEBS.
    {"ds_area", "", "IA32_DS_AREA, BTS and PEBS",
     [](const Uarch& u) { return std::string(u.pmu.ds_area ? "yes" : "no"); }, set_ds_area},
    derived_field<set_pebs_format, &Uarch::pmu, &PmuParams::pebs_format>("pebs_format", "",
                                                                         "IA32_PERF_CAPABILITIES[11:8]"),
    mask_field<"pebs_counters", 0x0000'00ff'0000'ffff, &Uarch::pmu, &PmuParams::pebs_counters>(
        "counters that can sample by PEBS; 32 + n: fixed"),
    fixed_mask<&Uarch::pmu, &PmuParams::pebs_enable_extra>("pebs_enable_extra",
                                                           "further bits of IA32_PEBS_ENABLE"),
    mask_field<"pdist_counters", 0x0000'00ff'0000'ffff, &Uarch::pmu, &PmuParams::pdist_counters>(
        "counters that sample the overflowing instruction"),
    fixed_mask<&Uarch::arch_pebs>("arch_pebs", "CPUID.23H.4:EBX: architectural PEBS"),
    flag_field<"pebs_threshold_late", &Uarch::pmu, &PmuParams::pebs_threshold_late>(
        "the interrupt of PEBS's threshold comes one record late"),
    flag_field<"pebs_load_latency", &Uarch::pmu, &PmuParams::load_latency>("MSR_PEBS_LD_LAT_THRESHOLD"),
    flag_field<"pebs_frontend", &Uarch::pmu, &PmuParams::frontend_msr>("MSR_PEBS_FRONTEND"),
});

}  // namespace

std::span<const UarchField> uarch_fields() {
  return kFields;
}

void override_field(Uarch& u, std::string_view field, u64 value) {
  const auto found = std::ranges::find(kFields, field, &UarchField::name);
  if (found == kFields.end() || found->set == nullptr) {
    throw Error("field '{}' of {}: expected one that can be set; `lastbranch list params` names them", field,
                u.name);
  }
  found->set(u, value);
}

std::vector<std::pair<std::string, std::string>> configuration(const Uarch& u) {
  std::vector<std::pair<std::string, std::string>> out;
  out.reserve(kFields.size());
  for (const UarchField& f : kFields) out.emplace_back(f.name, f.get(u));
  return out;
}

}  // namespace lastbranch::cpu
