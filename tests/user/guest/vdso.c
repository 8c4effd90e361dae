// The vDSO as programs use it: through libc, by walking its tables, and by what the system says of it.
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char* base;

// By section headers, as dietlibc does it.
static void* by_sections(const char* name) {
  const Elf64_Ehdr* e = (const void*)base;
  const Elf64_Shdr* s = (const void*)(base + e->e_shoff);
  const char* strings = NULL;
  for (int i = 0; i < e->e_shnum && !strings; ++i)
    if (s[i].sh_type == SHT_STRTAB && (s[i].sh_flags & SHF_ALLOC)) strings = base + s[i].sh_offset;
  for (int i = 0; i < e->e_shnum; ++i) {
    if (s[i].sh_type != SHT_DYNSYM) continue;
    for (size_t at = 0; at < s[i].sh_size; at += s[i].sh_entsize) {
      const Elf64_Sym* symbol = (const void*)(base + s[i].sh_offset + at);
      const Elf64_Shdr* home = &s[symbol->st_shndx];
      if (!strcmp(strings + symbol->st_name, name))
        return (void*)(base + home->sh_offset + symbol->st_value - home->sh_addr);
    }
  }
  return NULL;
}

// By the dynamic section, as musl does it.
static void* by_dynamic(const char* name) {
  const Elf64_Ehdr* e = (const void*)base;
  const Elf64_Phdr* p = (const void*)(base + e->e_phoff);
  const Elf64_Dyn* dynamic = NULL;
  const char* bias = NULL;
  for (int i = 0; i < e->e_phnum; ++i) {
    if (p[i].p_type == PT_LOAD && !bias) bias = base + p[i].p_offset - p[i].p_vaddr;
    if (p[i].p_type == PT_DYNAMIC) dynamic = (const void*)(base + p[i].p_offset);
  }
  const char* strings = NULL;
  const Elf64_Sym* symbols = NULL;
  const uint32_t* hash = NULL;
  const uint16_t* versions = NULL;
  const char* definitions = NULL;
  for (; dynamic->d_tag; ++dynamic) {
    const void* at = bias + dynamic->d_un.d_ptr;
    switch (dynamic->d_tag) {
      case DT_STRTAB: strings = at; break;
      case DT_SYMTAB: symbols = at; break;
      case DT_HASH: hash = at; break;
      case DT_VERSYM: versions = at; break;
      case DT_VERDEF: definitions = at; break;
    }
  }
  if (!strings || !symbols || !hash || !versions || !definitions) return NULL;
  for (uint32_t i = 0; i < hash[1]; ++i) {
    if (ELF64_ST_TYPE(symbols[i].st_info) != STT_FUNC || strcmp(strings + symbols[i].st_name, name)) continue;
    const Elf64_Verdef* d = (const void*)definitions;
    while (d->vd_ndx != (versions[i] & 0x7fff) && d->vd_next) d = (const void*)((const char*)d + d->vd_next);
    const Elf64_Verdaux* aux = (const void*)((const char*)d + d->vd_aux);
    if (!strcmp(strings + aux->vda_name, "LINUX_2.6")) return (void*)(bias + symbols[i].st_value);
  }
  return NULL;
}

static int seen(struct dl_phdr_info* info, size_t size, void* found) {
  if (!strcmp(info->dlpi_name, "linux-vdso.so.1")) *(int*)found = (const char*)info->dlpi_addr == base;
  return 0;
}

int main(void) {
  static const char* const names[] = {"clock_gettime", "gettimeofday", "time", "getcpu", "clock_getres"};
  base = (const char*)getauxval(AT_SYSINFO_EHDR);
  printf("announced %d, ELF %d\n", base != NULL, base && !memcmp(base, ELFMAG, SELFMAG));
  if (!base) return 1;
  for (int i = 0; i < 5; ++i) {
    char name[32];
    snprintf(name, sizeof name, "__vdso_%s", names[i]);
    printf("%s %d %d %d\n", names[i], by_sections(name) != NULL, by_sections(name) == by_dynamic(name),
           by_dynamic(name) == by_dynamic(names[i]));
  }

  int (*vdso_gettime)(clockid_t, struct timespec*) = by_dynamic("__vdso_clock_gettime");
  time_t (*vdso_time)(time_t*) = by_sections("__vdso_time");
  int (*vdso_getcpu)(unsigned*, unsigned*, void*) = by_sections("__vdso_getcpu");
  struct timespec a, b, c;
  struct timeval v;
  unsigned processor = -1, node = -1;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a);
  int result = vdso_gettime(CLOCK_MONOTONIC, &b);
  clock_gettime(CLOCK_MONOTONIC, &c);
  int64_t ab = (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec;
  int64_t bc = (c.tv_sec - b.tv_sec) * 1000000000 + c.tv_nsec - b.tv_nsec;
  printf("clock %d, in order %d %d, unknown %d\n", result, ab >= 0, bc >= 0, vdso_gettime(77, &b));
  gettimeofday(&v, NULL);
  printf("time %d %d\n", vdso_time(NULL) - v.tv_sec < 2, time(NULL) - v.tv_sec < 2);
  printf("getcpu %d %d %d\n", vdso_getcpu(&processor, &node, NULL), processor != -1u, node != -1u);

  int found = -1;
  dl_iterate_phdr(seen, &found);
  printf("loader lists it %d\n", found);
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[512], rights[8];
  unsigned long start, end;
  while (fgets(line, sizeof line, maps))
    if (strstr(line, "[vdso]") && sscanf(line, "%lx-%lx %7s", &start, &end, rights) == 3)
      printf("maps %d %s\n", start == (unsigned long)base, rights);
  return 0;
}
