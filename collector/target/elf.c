#include "collector/target/elf.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static bool is_inside(const struct elf *e, uint64_t offset, uint64_t size)
{
    return offset <= e->len && size <= e->len - offset;
}

static bool header(const struct elf *e, Elf64_Ehdr *out)
{
    if (e->len < sizeof(*out))
        return false;
    memcpy(out, e->data, sizeof(*out));
    return memcmp(out->e_ident, ELFMAG, SELFMAG) == 0 && out->e_ident[EI_CLASS] == ELFCLASS64 &&
           out->e_ident[EI_DATA] == ELFDATA2LSB;
}

static bool segment(const struct elf *e, const Elf64_Ehdr *head, size_t index, Elf64_Phdr *out)
{
    uint64_t offset = head->e_phoff + index * sizeof(*out);
    if (head->e_phentsize != sizeof(*out) || head->e_phoff > e->len ||
        !is_inside(e, offset, sizeof(*out)))
        return false;
    memcpy(out, e->data + offset, sizeof(*out));
    return true;
}

static bool section(const struct elf *e, const Elf64_Ehdr *head, size_t index, Elf64_Shdr *out)
{
    uint64_t offset = head->e_shoff + index * sizeof(*out);
    if (head->e_shentsize != sizeof(*out) || head->e_shoff > e->len ||
        !is_inside(e, offset, sizeof(*out)))
        return false;
    memcpy(out, e->data + offset, sizeof(*out));
    return true;
}

/* Whether the NUL-terminated text at `offset` of the string section is `name`. */
static bool is_named(const struct elf *e, const Elf64_Shdr *strings, uint64_t offset,
                     const char *name)
{
    size_t len = strlen(name) + 1;
    return is_inside(e, strings->sh_offset, strings->sh_size) && offset < strings->sh_size &&
           len <= strings->sh_size - offset &&
           memcmp(e->data + strings->sh_offset + offset, name, len) == 0;
}

enum status elf_open(struct elf *out, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return STATUS_IO;
    if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(Elf64_Ehdr))
        return STATUS_INVALID;
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return STATUS_IO;
    struct elf e = {.data = data, .len = (size_t)st.st_size};

    Elf64_Ehdr head;
    bool is_found = false;
    if (header(&e, &head)) {
        for (size_t i = 0; i < head.e_phnum && !is_found; i++) {
            Elf64_Phdr s;
            if (!segment(&e, &head, i, &s))
                break;
            if (s.p_type != PT_LOAD)
                continue;
            e.load_address = s.p_vaddr - s.p_offset;
            is_found = true;
        }
    }
    if (!is_found) {
        elf_close(&e);
        return STATUS_INVALID;
    }
    *out = e;
    return STATUS_OK;
}

void elf_close(struct elf *e)
{
    if (e->data) {
        union {
            const uint8_t *data;
            void *map;
        } whole = {.data = e->data};
        munmap(whole.map, e->len);
    }
    *e = (struct elf){0};
}

static bool symbol_in(const struct elf *e, const Elf64_Shdr *table, const Elf64_Shdr *strings,
                      const char *name, uint64_t *address)
{
    if (table->sh_entsize != sizeof(Elf64_Sym) || !is_inside(e, table->sh_offset, table->sh_size))
        return false;
    for (uint64_t at = 0; table->sh_size - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
        Elf64_Sym symbol;
        memcpy(&symbol, e->data + table->sh_offset + at, sizeof(symbol));
        if (symbol.st_shndx != SHN_UNDEF && is_named(e, strings, symbol.st_name, name)) {
            *address = symbol.st_value;
            return true;
        }
    }
    return false;
}

bool elf_symbol(const struct elf *e, const char *name, uint64_t *address)
{
    Elf64_Ehdr head;
    Elf64_Shdr table;
    Elf64_Shdr strings;
    if (!header(e, &head))
        return false;
    for (size_t i = 0; i < head.e_shnum && section(e, &head, i, &table); i++) {
        bool is_table = table.sh_type == SHT_DYNSYM || table.sh_type == SHT_SYMTAB;
        if (is_table && section(e, &head, table.sh_link, &strings) &&
            symbol_in(e, &table, &strings, name, address))
            return true;
    }
    return false;
}

bool elf_section(const struct elf *e, const char *name, uint64_t *address, uint64_t *size)
{
    Elf64_Ehdr head;
    Elf64_Shdr names;
    Elf64_Shdr s;
    if (!header(e, &head) || !section(e, &head, head.e_shstrndx, &names))
        return false;
    for (size_t i = 0; i < head.e_shnum && section(e, &head, i, &s); i++) {
        if (s.sh_addr != 0 && is_named(e, &names, s.sh_name, name)) {
            *address = s.sh_addr;
            *size = s.sh_size;
            return true;
        }
    }
    return false;
}
