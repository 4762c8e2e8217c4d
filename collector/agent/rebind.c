/* A library that is loaded late is nobody's first choice: what is already there calls the real
 * malloc. So the places through which each loaded object calls it (its global offset table) are
 * made to lead here, and back again when we go. The same is done for what is loaded meanwhile. */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/agent/agent.h"

static void *(*real_dlopen)(const char *path, int flags);

/* One direction of one walk: from `from` of each name to its `to`. */
struct exchange {
    const struct agent_rebinding *rows;
    size_t len;
    bool is_back;
};

struct object {
    uint64_t base, begin, end; /* where it is loaded */
    uint64_t relro_begin, relro_end;
    const ElfW(Sym) * symbols;
    const char *names;
    const uint32_t *hashes; /* DT_GNU_HASH */
    const ElfW(Rela) * tables[2];
    size_t sizes[2];
};

static uint64_t address_of(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

static bool read_dynamic(struct object *o, const ElfW(Dyn) * d)
{
    for (; d->d_tag != DT_NULL; d++) {
        // NOLINTBEGIN(performance-no-int-to-ptr): the loader's own table of addresses
        switch (d->d_tag) {
        case DT_SYMTAB:
            o->symbols = (const ElfW(Sym) *)d->d_un.d_ptr;
            break;
        case DT_STRTAB:
            o->names = (const char *)d->d_un.d_ptr;
            break;
        case DT_GNU_HASH:
            o->hashes = (const uint32_t *)d->d_un.d_ptr;
            break;
        case DT_RELA:
            o->tables[0] = (const ElfW(Rela) *)d->d_un.d_ptr;
            break;
        case DT_RELASZ:
            o->sizes[0] = d->d_un.d_val;
            break;
        case DT_JMPREL:
            o->tables[1] = (const ElfW(Rela) *)d->d_un.d_ptr;
            break;
        case DT_PLTRELSZ:
            o->sizes[1] = d->d_un.d_val;
            break;
        default:
            break;
        }
        // NOLINTEND(performance-no-int-to-ptr)
    }
    /* The kernel's own object is not relocated: its addresses are offsets. */
    return o->symbols && o->names && address_of(o->symbols) >= o->base;
}

static bool protect(const struct object *o, uint64_t slot, int protection)
{
    const uint64_t page = 4096;
    if (slot < o->relro_begin || slot >= o->relro_end)
        return true;
    uint64_t begin = slot & ~(page - 1);
    uint64_t end = (slot + sizeof(uint64_t) + page - 1) & ~(page - 1);
    return syscall(SYS_mprotect, begin, end - begin, protection) == 0;
}

static void set_slot(const struct object *o, uint64_t at, uint64_t value)
{
    _Atomic uint64_t *slot = (_Atomic uint64_t *)at; // NOLINT(performance-no-int-to-ptr)
    if (!protect(o, at, PROT_READ | PROT_WRITE))
        return;
    atomic_store(slot, value);
    (void)protect(o, at, PROT_READ);
}

/* A slot is ours to change when it leads to the one, or when nobody has called through it yet: then
 * it leads to the object's own stub. */
static void exchange_slot(const struct object *o, const ElfW(Rela) * r, const struct exchange *x)
{
    uint32_t type = (uint32_t)ELF64_R_TYPE(r->r_info);
    const char *name = o->names + o->symbols[ELF64_R_SYM(r->r_info)].st_name;
    if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT && type != R_X86_64_64)
        return;
    for (size_t i = 0; i < x->len; i++) {
        const struct agent_rebinding *b = &x->rows[i];
        if (strcmp(name, b->name) != 0)
            continue;
        uint64_t at = o->base + r->r_offset;
        uint64_t now = *(const uint64_t *)at; // NOLINT(performance-no-int-to-ptr)
        uint64_t from = address_of(x->is_back ? b->hook : b->real);
        uint64_t to = address_of(x->is_back ? b->real : b->hook);
        bool is_unbound = type == R_X86_64_JUMP_SLOT && now >= o->begin && now < o->end;
        if (to != 0 && (now == from || (is_unbound && !x->is_back)))
            set_slot(o, at, to);
        return;
    }
}

/* False for what is none of our business: ourselves, the loader, the kernel's object. */
static bool read_object(const struct dl_phdr_info *info, struct object *out)
{
    struct object o = {.base = info->dlpi_addr, .begin = UINT64_MAX};
    const ElfW(Dyn) *dynamic = NULL;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uint64_t begin = o.base + p->p_vaddr;
        if (p->p_type == PT_LOAD) {
            o.begin = begin < o.begin ? begin : o.begin;
            o.end = begin + p->p_memsz > o.end ? begin + p->p_memsz : o.end;
        } else if (p->p_type == PT_DYNAMIC) {
            dynamic = (const ElfW(Dyn) *)begin; // NOLINT(performance-no-int-to-ptr)
        } else if (p->p_type == PT_GNU_RELRO) {
            o.relro_begin = begin & ~UINT64_C(4095);
            o.relro_end = begin + p->p_memsz;
        }
    }
    uint64_t own = address_of(&real_dlopen);
    bool is_loader = info->dlpi_name && strstr(info->dlpi_name, "/ld-linux");
    if ((own >= o.begin && own < o.end) || is_loader || !dynamic || !read_dynamic(&o, dynamic))
        return false;
    *out = o;
    return true;
}

/* ---- the definition that the program uses ----
 *
 * dlsym() may name a stub in the program instead, through which it calls the function, and which
 * would lead back to us. So the definition itself is looked for, in the loader's order. */

struct wanted {
    const char *name;
    uint32_t hash;
    const void *found;
};

static uint32_t hash_of(const char *name)
{
    uint32_t h = 5381;
    for (; *name; name++)
        h = h * 33 + (uint8_t)*name;
    return h;
}

static bool is_defined(const struct object *o, const ElfW(Sym) * s, const char *name)
{
    return s->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(s->st_info) == STT_FUNC &&
           strcmp(o->names + s->st_name, name) == 0;
}

/* The table's form: bucket count, first symbol in it, words of a filter, its shift; the filter; the
 * buckets; a chain of hashes whose last has its lowest bit set. */
static int look_up(struct dl_phdr_info *info, size_t size, void *ctx)
{
    struct wanted *w = ctx;
    struct object o;
    (void)size;
    if (!read_object(info, &o) || !o.hashes || o.hashes[0] == 0)
        return 0;
    uint32_t buckets = o.hashes[0];
    uint32_t first = o.hashes[1];
    const uint32_t *bucket = o.hashes + 4 + (size_t)o.hashes[2] * 2;
    const uint32_t *chain = bucket + buckets;
    uint32_t i = bucket[w->hash % buckets];
    if (i < first)
        return 0;
    for (;; i++) {
        uint32_t hash = chain[i - first];
        if ((hash | 1) == (w->hash | 1) && is_defined(&o, &o.symbols[i], w->name)) {
            // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader's address of it
            w->found = (const void *)(o.base + o.symbols[i].st_value);
            return 1;
        }
        if (hash & 1)
            return 0;
    }
}

const void *agent_find_defined(const char *name)
{
    struct wanted w = {name, hash_of(name), NULL};
    dl_iterate_phdr(look_up, &w);
    return w.found;
}

/* ---- changing where calls lead ---- */

static int visit(struct dl_phdr_info *info, size_t size, void *ctx)
{
    struct object o;
    (void)size;
    if (!read_object(info, &o))
        return 0;
    for (int t = 0; t < 2; t++) {
        for (size_t i = 0; o.tables[t] && i < o.sizes[t] / sizeof(ElfW(Rela)); i++)
            exchange_slot(&o, &o.tables[t][i], ctx);
    }
    return 0;
}

/* Whoever looks for a library without a path is its caller's affair (its RUNPATH counts), so such a
 * call must go on as if it came from there: its objects are ours from the next load on. */
static void *dlopen_hook(const char *path, int flags)
{
    if (!path || !strchr(path, '/') || agent_mode == RING_OFF)
        return real_dlopen(path, flags);
    void *handle = real_dlopen(path, flags);
    if (handle)
        agent_rebind(true);
    return handle;
}

void agent_rebind(bool to_us)
{
    static struct agent_rebinding rows[AGENT_REBINDINGS + 1];
    static size_t len;
    if (len == 0) {
        len = agent_libc_bindings(rows);
        void *found = dlsym(RTLD_NEXT, "dlopen"); /* libc's, and of the version of today */
        void *hook;
        memcpy(&real_dlopen, &found, sizeof(found));
        void *(*our_dlopen)(const char *, int) = dlopen_hook;
        memcpy(&hook, &our_dlopen, sizeof(hook));
        rows[len++] = (struct agent_rebinding){"dlopen", hook, found};
    }
    struct exchange x = {rows, len, !to_us};
    dl_iterate_phdr(visit, &x);
}
