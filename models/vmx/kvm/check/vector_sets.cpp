#include "models/vmx/kvm/check/vector_sets.h"

#include <algorithm>

#include "models/vmx/kvm/check/replays.h"

namespace lastbranch::kvm {
namespace {

using T = ColumnType;

constexpr Column kDebugctlColumns[] = {{"state", T::kState},
                                       {"enable_pmu", T::kBit},
                                       {"vm_pmu_enabled", T::kBit},
                                       {"host_buslock", T::kBit},
                                       {"guest_buslock", T::kBit},
                                       {"host_rtm", T::kBit},
                                       {"guest_rtm", T::kBit},
                                       {"host_perf_cap", T::kNumber},
                                       {"lbr_nr", T::kNumber},
                                       {"has_cpuid_0a", T::kBit},
                                       {"guest_pmu_version", T::kNumber},
                                       {"guest_pdcm", T::kBit},
                                       {"vcpu_perf_cap", T::kNumber},
                                       {"lbr_enabled", T::kBit},
                                       {"report_ignored_msrs", T::kBit},
                                       {"nested_mode", T::kNumber},
                                       {"event_create_errno", T::kSigned},
                                       {"event_preexists", T::kBit},
                                       {"prior_debugctl", T::kNumber},
                                       {"host_debugctl", T::kNumber},
                                       {"initiator", T::kInitiator},
                                       {"data", T::kNumber},
                                       {"ret", T::kSigned},
                                       {"log_lines", T::kNumber},
                                       {"vmcs_debugctl", T::kNumber},
                                       {"vmcs12_debugctl", T::kNumber},
                                       {"events_created", T::kNumber},
                                       {"event_present", T::kBit},
                                       {"host_read_ret", T::kSigned},
                                       {"host_read_val", T::kNumber},
                                       {"guest_read_ret", T::kSigned},
                                       {"guest_read_val", T::kNumber}};
constexpr Column kLbrmsrColumns[] = {
    {"state", T::kState},         {"lbr_nr", T::kNumber},        {"lbr_from", T::kNumber},
    {"lbr_to", T::kNumber},       {"lbr_info_perf", T::kNumber}, {"lbr_fmt", T::kNumber},
    {"vlbr_enabled", T::kBit},    {"event_preexists", T::kBit},  {"event_state", T::kSigned},
    {"create_fails", T::kBit},    {"hw_wrmsr_faults", T::kBit},  {"rw", T::kAccess},
    {"initiator", T::kInitiator}, {"msr", T::kNumber},           {"ret", T::kSigned},
    {"read_val", T::kNumber},     {"hw_written", T::kNumber},    {"events_created", T::kNumber},
    {"event_present", T::kBit},   {"in_use_bit", T::kBit}};
constexpr Column kNestedColumns[] = {{"state", T::kState},
                                     {"vlbr_enabled", T::kBit},
                                     {"buslock_host_and_guest", T::kBit},
                                     {"rtm_host_and_guest", T::kBit},
                                     {"entry_loads_debug_controls", T::kBit},
                                     {"nested_run_pending", T::kBit},
                                     {"quirk_allow_freeze_in_smm", T::kBit},
                                     {"dr7_valid", T::kBit},
                                     {"host_freeze_in_smm", T::kBit},
                                     {"l1_vmcs_debugctl", T::kNumber},
                                     {"vmcs12_debugctl", T::kNumber},
                                     {"consistency_check_ret", T::kSigned},
                                     {"log_lines", T::kNumber},
                                     {"saved_pre_vmenter_debugctl", T::kNumber},
                                     {"vmcs02_debugctl", T::kNumber}};
constexpr Column kPassthroughColumns[] = {{"state", T::kState},
                                          {"vlbr_enabled", T::kBit},
                                          {"lbr_nr", T::kNumber},
                                          {"lbr_has_info", T::kBit},
                                          {"event_present", T::kBit},
                                          {"debugctl", T::kNumber},
                                          {"event_state", T::kSigned},
                                          {"in_use_before", T::kBit},
                                          {"passthrough_before", T::kBit},
                                          {"passthrough_after", T::kBit},
                                          {"intercept_updates", T::kNumber},
                                          {"last_update_intercepts", T::kSigned},
                                          {"warned", T::kBit},
                                          {"in_use_after", T::kBit},
                                          {"event_present_after_slice_cleanup", T::kBit}};
constexpr Column kPerfcapColumns[] = {{"state", T::kState},
                                      {"enable_pmu", T::kBit},
                                      {"vm_pmu_enabled", T::kBit},
                                      {"host_perf_cap", T::kNumber},
                                      {"lbr_nr", T::kNumber},
                                      {"host_arch_lbr", T::kBit},
                                      {"pebs_ok", T::kBit},
                                      {"has_cpuid_0a", T::kBit},
                                      {"guest_pmu_version", T::kNumber},
                                      {"guest_pdcm", T::kBit},
                                      {"guest_ds", T::kBit},
                                      {"guest_dtes64", T::kBit},
                                      {"model_matches_host", T::kBit},
                                      {"vcpu_has_run", T::kBit},
                                      {"initiator", T::kInitiator},
                                      {"data", T::kNumber},
                                      {"ret", T::kSigned},
                                      {"log_lines", T::kNumber},
                                      {"perf_cap_after", T::kNumber},
                                      {"lbr_nr_after", T::kNumber},
                                      {"lbr_enabled_after", T::kBit},
                                      {"msr_4c1_valid", T::kBit},
                                      {"msr_3f1_valid", T::kBit},
                                      {"host_read_ret", T::kSigned},
                                      {"host_read_val", T::kNumber},
                                      {"guest_read_ret", T::kSigned},
                                      {"guest_read_val", T::kNumber}};
constexpr Column kPmiColumns[] = {{"state", T::kState},
                                  {"vlbr_perf_cap", T::kBit},
                                  {"guest_pmu_version", T::kNumber},
                                  {"in_kernel_apic", T::kBit},
                                  {"debugctl", T::kNumber},
                                  {"debugctl_after", T::kNumber},
                                  {"lvtpc_deliveries", T::kNumber}};
constexpr Column kRdpmcColumns[] = {{"state", T::kState},
                                    {"guest_pmu_version", T::kNumber},
                                    {"guest_nr_gp", T::kNumber},
                                    {"guest_nr_fixed", T::kNumber},
                                    {"guest_gp_width", T::kNumber},
                                    {"cpl", T::kNumber},
                                    {"cr4_pce", T::kBit},
                                    {"cr0_pe", T::kBit},
                                    {"ecx", T::kNumber},
                                    {"ret", T::kSigned},
                                    {"value", T::kNumber}};
constexpr Column kRefreshColumns[] = {{"state", T::kState},
                                      {"vm_pmu_enabled", T::kBit},
                                      {"host_pmu_version", T::kNumber},
                                      {"host_num_gp", T::kNumber},
                                      {"host_num_fixed", T::kNumber},
                                      {"has_cpuid_0a", T::kBit},
                                      {"cpuid_0a_eax", T::kNumber},
                                      {"cpuid_0a_ebx", T::kNumber},
                                      {"cpuid_0a_edx", T::kNumber},
                                      {"host_perf_cap", T::kNumber},
                                      {"pebs_ok", T::kBit},
                                      {"tsx", T::kNumber},
                                      {"vcpu_perf_cap", T::kNumber},
                                      {"guest_pdcm", T::kBit},
                                      {"pt_host_guest", T::kBit},
                                      {"version", T::kNumber},
                                      {"nr_gp", T::kNumber},
                                      {"nr_fixed", T::kNumber},
                                      {"gp_bitmask", T::kNumber},
                                      {"fixed_bitmask", T::kNumber},
                                      {"available_event_types", T::kNumber},
                                      {"global_ctrl_rsvd", T::kNumber},
                                      {"ovf_ctrl_rsvd", T::kNumber},
                                      {"fixed_ctr_ctrl_rsvd", T::kNumber},
                                      {"eventsel_rsvd", T::kNumber},
                                      {"raw_event_mask", T::kNumber},
                                      {"pebs_enable_rsvd", T::kNumber},
                                      {"pebs_data_cfg_rsvd", T::kNumber},
                                      {"lbr_nr", T::kNumber},
                                      {"valid_pmc_bitmap", T::kNumber},
                                      {"global_ctrl_value", T::kNumber}};
constexpr Column kSequenceColumns[] = {
    {"state", T::kState},   {"host_buslock", T::kBit}, {"host_perf_cap", T::kNumber},
    {"lbr_nr", T::kNumber}, {"pebs_ok", T::kBit},      {"seq_id", T::kNumber},
    {"ops", T::kText},      {"results", T::kText}};
constexpr Column kSupportedColumns[] = {{"state", T::kState},
                                        {"enable_pmu", T::kBit},
                                        {"host_pmu_version", T::kNumber},
                                        {"perf_facade_built", T::kBit},
                                        {"host_pdcm", T::kBit},
                                        {"host_perf_cap", T::kNumber},
                                        {"lbr_nr", T::kNumber},
                                        {"lbr_has_callstack", T::kBit},
                                        {"host_arch_lbr", T::kBit},
                                        {"host_pebs_feature", T::kBit},
                                        {"host_pebs_ept", T::kBit},
                                        {"supported_perf_cap", T::kNumber},
                                        {"feature_msr_ret", T::kSigned},
                                        {"feature_msr_val", T::kNumber},
                                        {"vcpu_initial_perf_cap", T::kNumber}};
constexpr Column kVpmuColumns[] = {{"state", T::kState},
                                   {"vm_pmu_enabled", T::kBit},
                                   {"guest_pmu_version", T::kNumber},
                                   {"guest_nr_gp", T::kNumber},
                                   {"guest_nr_fixed", T::kNumber},
                                   {"host_perf_cap", T::kNumber},
                                   {"pebs_ok", T::kBit},
                                   {"tsx_host_and_guest", T::kBit},
                                   {"vcpu_perf_cap", T::kNumber},
                                   {"pre_msr", T::kNumber},
                                   {"pre_data", T::kNumber},
                                   {"initiator", T::kInitiator},
                                   {"msr", T::kNumber},
                                   {"data", T::kNumber},
                                   {"ret", T::kSigned},
                                   {"log_lines", T::kNumber},
                                   {"guest_read_ret", T::kSigned},
                                   {"guest_read_val", T::kNumber},
                                   {"host_read_ret", T::kSigned},
                                   {"host_read_val", T::kNumber},
                                   {"global_status_after", T::kNumber}};

constexpr VectorSet kSets[] = {
    {"debugctl", kDebugctlColumns, 22, replay_debugctl},
    {"lbrmsr", kLbrmsrColumns, 14, replay_lbrmsr},
    {"nested", kNestedColumns, 11, replay_nested},
    {"passthrough", kPassthroughColumns, 9, replay_passthrough},
    {"perfcap", kPerfcapColumns, 16, replay_perfcap},
    {"pmi", kPmiColumns, 5, replay_pmi},
    {"rdpmc", kRdpmcColumns, 9, replay_rdpmc},
    {"refresh", kRefreshColumns, 15, replay_refresh},
    {"sequence", kSequenceColumns, 7, replay_sequence},
    {"supported", kSupportedColumns, 11, replay_supported},
    {"vpmu", kVpmuColumns, 14, replay_vpmu},
};

}  // namespace

std::span<const VectorSet> vector_sets() {
  return kSets;
}

const VectorSet& closest_set(std::span<const std::string_view> names) {
  const auto common = [&](const VectorSet& set) {
    return std::ranges::count_if(
        set.columns, [&](const Column& c) { return std::ranges::find(names, c.name) != names.end(); });
  };
  // Of sets with as many names in common, the one that lacks fewer.
  const auto score = [&](const VectorSet& set) {
    return 2 * common(set) - static_cast<std::ptrdiff_t>(set.columns.size());
  };
  return *std::ranges::max_element(kSets, {}, score);
}

}  // namespace lastbranch::kvm
