// External interrupts and NMIs: exits whatever the guest's RFLAGS.IF, with the vector if it is acknowledged,
// otherwise it is still there for the host; windows.
#include "common.inc"
#include "vmx_common.inc"
begin
  handler 0x40, on_timer
  handler 2, on_nmi
  xor r13d, r13d
  hypervisor
  x2apic_on
  write_msr MSR_X2APIC_DIVIDE, 0xb
  write_msr MSR_X2APIC_LVT_TIMER, 0x40
  pin_controls PIN_EXTERNAL_INTERRUPT
  exit_controls EXIT_SAVE_DEBUG | EXIT_ACKNOWLEDGE
  write_msr MSR_X2APIC_INITIAL, 10
  vmlaunch_to_exit
  expect_field 1, EXIT_REASON, REASON_INTERRUPT
  expect_field 2, EXIT_EVENT, 0x80000040
  eoi

  exit_controls EXIT_SAVE_DEBUG
  write_msr MSR_X2APIC_INITIAL, 10
  vmresume_to_exit
  expect_field 3, EXIT_REASON, REASON_INTERRUPT
  expect_field 4, EXIT_EVENT, 0
  expect_eq 5, r13, 0
  sti
  nop
  nop
  cli
  expect_eq 6, r13, 1

  // The guest takes its own interrupts where they do not exit; its EOI is let through.
  pin_controls 0
  proc_controls PROC_MSR_BITMAPS
  vmcs_address MSR_BITMAP, bitmaps
  vmcs_address GUEST_RIP, g_open
  write_msr MSR_X2APIC_INITIAL, 1
  vmresume_to_exit
  expect_exit 7, REASON_CPUID, g_open_cpuid
  expect_eq 8, r13, 2

  // The window opens behind the instruction behind STI.
  proc_controls PROC_INTERRUPT_WINDOW
  vmcs_address GUEST_RIP, g_window
  vmcs_write GUEST_RFLAGS, 2
  vmresume_to_exit
  expect_exit 9, REASON_INTERRUPT_WINDOW, g_open_window
  vmcs_address GUEST_RIP, g_window
  vmcs_write GUEST_RFLAGS, 0x202
  vmresume_to_exit
  expect_exit 10, REASON_INTERRUPT_WINDOW, g_window

  // NMIs: the host is in its handler then, as after any NMI.
  proc_controls 0
  pin_controls PIN_NMI | PIN_VIRTUAL_NMIS
  vmcs_write GUEST_RFLAGS, 2
  vmcs_address GUEST_RIP, guest
  write_msr MSR_X2APIC_LVT_TIMER, 0x10040
  write_msr MSR_X2APIC_LVT_PMI, 0x400
  write_msr MSR_PERFEVTSEL0, EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_INT | EVTSEL_EN
  write_msr MSR_PMC0, 0xffffff00
  global_ctrl 1
  vmresume_to_exit
  global_ctrl 0
  expect_field 11, EXIT_REASON, REASON_EXCEPTION
  expect_field 12, EXIT_EVENT, 0x80000202
  expect_eq 13, r13, 2

  // An injected NMI blocks virtual NMIs until IRET: the window opens behind it.
  proc_controls PROC_NMI_WINDOW
  vmcs_address GUEST_RIP, guest
  vmcs_write ENTRY_EVENT, 0x80000202
  vmresume_to_exit
  expect_exit 14, REASON_NMI_WINDOW, guest
  expect_eq 15, r13, 102
  pass
guest:
  jmp guest
g_open:
  sti
  .rept 200
  nop
  .endr
  cli
g_open_cpuid:
  cpuid
g_window:
  sti
  nop
g_open_window:
  jmp g_open_window
on_timer:
  inc r13
  push rax
  push rcx
  push rdx
  eoi
  pop rdx
  pop rcx
  pop rax
  iretq
on_nmi:
  add r13, 100
  iretq
