#include "collector/native/image.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/native/bytes.h"
#include "collector/native/cfi.h"
#include "common/base/array.h"

enum { ENTRY_MAX = 64, NESTED_MAX = 16, NOTE_MAX = 64 << 10 };

static bool source_read(const struct image_source *s, uint64_t offset, void *out, uint64_t len)
{
    if (offset > s->len || len > s->len - offset)
        return false;
    if (s->fd < 0) {
        memcpy(out, s->data + offset, len);
        return true;
    }
    uint8_t *at = out;
    while (len > 0) {
        ssize_t got = pread(s->fd, at, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        offset += (uint64_t)got;
        len -= (uint64_t)got;
    }
    return true;
}

/* A NUL stands behind the bytes. */
static void *copy_range(const struct image_source *s, uint64_t offset, uint64_t len)
{
    if (len == 0 || len > IMAGE_SECTION_MAX || offset > s->len || len > s->len - offset)
        return NULL;
    uint8_t *data = malloc(len + 1);
    if (!data || !source_read(s, offset, data, len)) {
        free(data);
        return NULL;
    }
    data[len] = 0;
    return data;
}

struct sections {
    Elf64_Shdr *rows;
    size_t len;
    char *names;
    size_t names_len;
};

static const char *section_name(const struct sections *t, const Elf64_Shdr *s)
{
    return t->names && s->sh_name < t->names_len ? t->names + s->sh_name : "";
}

static bool read_head(const struct image_source *source, Elf64_Ehdr *head)
{
    return source_read(source, 0, head, sizeof(*head)) &&
           memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 && head->e_ident[EI_CLASS] == ELFCLASS64 &&
           head->e_ident[EI_DATA] == ELFDATA2LSB && head->e_machine == EM_X86_64;
}

/* A file without sections, or with broken ones, has none; that is no error. */
static void read_sections(const struct image_source *source, const Elf64_Ehdr *head,
                          struct sections *out)
{
    *out = (struct sections){0};
    uint64_t bytes = (uint64_t)head->e_shnum * sizeof(Elf64_Shdr);
    if (head->e_shentsize != sizeof(Elf64_Shdr))
        return;
    out->rows = copy_range(source, head->e_shoff, bytes);
    if (!out->rows)
        return;
    out->len = head->e_shnum;
    if (head->e_shstrndx < out->len) {
        const Elf64_Shdr *s = &out->rows[head->e_shstrndx];
        out->names = copy_range(source, s->sh_offset, s->sh_size);
        out->names_len = out->names ? s->sh_size : 0;
    }
}

static void free_sections(struct sections *t)
{
    free(t->rows);
    free(t->names);
}

static void take_build_id(struct image *image, const struct image_source *source, uint64_t offset,
                          uint64_t len)
{
    uint8_t *notes = len <= NOTE_MAX ? copy_range(source, offset, len) : NULL;
    struct cursor c = cursor_over(notes, notes ? len : 0);
    while (image->build_id_len == 0 && cursor_left(&c) >= sizeof(Elf64_Nhdr)) {
        uint64_t name_len = cursor_number(&c, 4);
        uint64_t desc_len = cursor_number(&c, 4);
        uint64_t type = cursor_number(&c, 4);
        const uint8_t *name = cursor_take(&c, (name_len + 3) & ~UINT64_C(3));
        const uint8_t *desc = cursor_take(&c, (desc_len + 3) & ~UINT64_C(3));
        if (name && desc && type == NT_GNU_BUILD_ID && name_len == 4 &&
            memcmp(name, "GNU", 4) == 0 && desc_len <= IMAGE_BUILD_ID_MAX) {
            memcpy(image->build_id, desc, desc_len);
            image->build_id_len = (uint32_t)desc_len;
        }
    }
    free(notes);
}

static bool read_segments(struct image *image, const struct image_source *source,
                          const Elf64_Ehdr *head)
{
    for (size_t i = 0; i < head->e_phnum && head->e_phentsize == sizeof(Elf64_Phdr); i++) {
        Elf64_Phdr p;
        if (head->e_phoff > source->len ||
            !source_read(source, head->e_phoff + i * sizeof(p), &p, sizeof(p)))
            break;
        if (p.p_type == PT_NOTE)
            take_build_id(image, source, p.p_offset, p.p_filesz);
        if (p.p_type != PT_LOAD || !(p.p_flags & PF_X) || image->segments_len == IMAGE_SEGMENTS)
            continue;
        image->segments[image->segments_len++] =
            (struct image_segment){p.p_offset, p.p_vaddr, p.p_memsz};
    }
    return image->segments_len > 0;
}

static void take_bytes(struct image_bytes *out, const struct image_source *source,
                       const Elf64_Shdr *s)
{
    if (out->data || s->sh_type == SHT_NOBITS)
        return;
    out->data = copy_range(source, s->sh_offset, s->sh_size);
    out->len = out->data ? s->sh_size : 0;
    out->address = s->sh_addr;
}

static void take_debug_link(struct image *image, const struct image_source *source,
                            const Elf64_Shdr *s)
{
    uint64_t len = s->sh_size < sizeof(image->debug_link) ? s->sh_size : sizeof(image->debug_link);
    if (!source_read(source, s->sh_offset, image->debug_link, len))
        image->debug_link[0] = '\0';
    image->debug_link[sizeof(image->debug_link) - 1] = '\0';
    if (strchr(image->debug_link, '/'))
        image->debug_link[0] = '\0'; /* a name, never a path */
}

/* ---- symbols ---- */

static bool is_function(const Elf64_Sym *symbol)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    return (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE) &&
           symbol->st_shndx != SHN_UNDEF && symbol->st_shndx < SHN_LORESERVE &&
           symbol->st_value != 0;
}

static void take_symbols(struct image *image, const struct image_source *source,
                         const struct sections *t, const Elf64_Shdr *table)
{
    const size_t size = sizeof(Elf64_Sym);
    if (table->sh_entsize != size || table->sh_link >= t->len ||
        image->texts_len == sizeof(image->texts) / sizeof(image->texts[0]))
        return;
    const Elf64_Shdr *strings = &t->rows[table->sh_link];
    uint8_t *rows = copy_range(source, table->sh_offset, table->sh_size);
    char *names = copy_range(source, strings->sh_offset, strings->sh_size);
    uint64_t base = 0;
    for (uint32_t i = 0; i < image->texts_len; i++)
        base += image->texts[i].len;
    if (!rows || !names || base + strings->sh_size > UINT32_MAX) {
        free(rows);
        free(names);
        return;
    }
    for (uint64_t at = 0; table->sh_size - at >= size; at += size) {
        Elf64_Sym symbol;
        memcpy(&symbol, rows + at, size);
        if (symbol.st_name < strings->sh_size &&
            strcmp(names + symbol.st_name, "_PyRuntime") == 0 && symbol.st_shndx != SHN_UNDEF)
            image->has_python = true;
        if (!is_function(&symbol) || symbol.st_name >= strings->sh_size ||
            names[symbol.st_name] == '\0' || image->symbols_len >= IMAGE_SYMBOLS_MAX)
            continue;
        if (!array_reserve(&image->symbols, &image->symbols_cap, image->symbols_len + 1))
            break;
        image->symbols[image->symbols_len++] = (struct image_symbol){
            symbol.st_value, symbol.st_size < UINT32_MAX ? (uint32_t)symbol.st_size : UINT32_MAX,
            (uint32_t)base + symbol.st_name};
    }
    free(rows);
    image->texts[image->texts_len++] = (struct image_text){names, strings->sh_size};
}

static const char *symbol_name(const struct image *image, const struct image_symbol *symbol)
{
    uint64_t at = symbol->name;
    for (uint32_t i = 0; i < image->texts_len; i++) {
        if (at < image->texts[i].len)
            return image->texts[i].data + at;
        at -= image->texts[i].len;
    }
    return "";
}

static _Thread_local const struct image *sorted_image; /* qsort has no context */

/* By address; of several names for one place the one people know comes last and wins: one with a
 * size, with fewer underscores in front, the shorter, the first by name. */
static int by_address(const void *left, const void *right)
{
    const struct image_symbol *a = left;
    const struct image_symbol *b = right;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if ((a->size == 0) != (b->size == 0))
        return a->size == 0 ? -1 : 1;
    const char *a_name = symbol_name(sorted_image, a);
    const char *b_name = symbol_name(sorted_image, b);
    size_t a_under = strspn(a_name, "_");
    size_t b_under = strspn(b_name, "_");
    if (a_under != b_under)
        return a_under > b_under ? -1 : 1;
    size_t a_len = strlen(a_name);
    size_t b_len = strlen(b_name);
    if (a_len != b_len)
        return a_len > b_len ? -1 : 1;
    return strcmp(b_name, a_name);
}

static void take_all_symbols(struct image *image, const struct image_source *source,
                             const struct sections *t)
{
    size_t before = image->symbols_len;
    for (size_t i = 0; i < t->len; i++) {
        if (t->rows[i].sh_type == SHT_SYMTAB || t->rows[i].sh_type == SHT_DYNSYM)
            take_symbols(image, source, t, &t->rows[i]);
    }
    if (image->symbols_len > before) {
        sorted_image = image;
        qsort(image->symbols, image->symbols_len, sizeof(*image->symbols), by_address);
    }
}

const char *image_symbol(const struct image *image, uint64_t address, uint64_t function,
                         uint64_t *begin)
{
    size_t low = 0;
    size_t high = image->symbols_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (image->symbols[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = 0; i < NESTED_MAX && i < low; i++) {
        const struct image_symbol *s = &image->symbols[low - 1 - i];
        bool covers =
            s->size > 0 ? address - s->address < s->size : function != 0 && s->address == function;
        if (!covers)
            continue;
        *begin = s->address;
        return symbol_name(image, s);
    }
    return NULL;
}

/* ---- opening ---- */

static void take_sections(struct image *image, const struct image_source *source,
                          const struct sections *t)
{
    for (size_t i = 0; i < t->len; i++) {
        const Elf64_Shdr *s = &t->rows[i];
        const char *name = section_name(t, s);
        if (strcmp(name, ".eh_frame") == 0)
            take_bytes(&image->frames, source, s);
        else if (strcmp(name, ".gnu_debuglink") == 0)
            take_debug_link(image, source, s);
        else if (strcmp(name, ".debug_info") == 0 && s->sh_type != SHT_NOBITS)
            image->has_debug_info = true;
    }
}

enum status image_open(struct image **out, const struct image_source *source)
{
    Elf64_Ehdr head;
    if (!read_head(source, &head))
        return STATUS_INVALID;
    struct image *image = calloc(1, sizeof(*image));
    if (!image)
        return STATUS_NO_MEMORY;
    if (!read_segments(image, source, &head)) {
        image_close(image);
        return STATUS_INVALID;
    }
    image->entry = head.e_entry;
    struct sections sections;
    read_sections(source, &head, &sections);
    take_sections(image, source, &sections);
    take_all_symbols(image, source, &sections);
    free_sections(&sections);
    *out = image;
    return STATUS_OK;
}

void image_add_symbols(struct image *image, const struct image_source *source)
{
    Elf64_Ehdr head;
    struct image other = {0};
    if (!read_head(source, &head))
        return;
    (void)read_segments(&other, source, &head);
    struct sections sections;
    read_sections(source, &head, &sections);
    if (image->build_id_len == 0 ||
        (other.build_id_len == image->build_id_len &&
         memcmp(other.build_id, image->build_id, image->build_id_len) == 0))
        take_all_symbols(image, source, &sections);
    free_sections(&sections);
}

void image_close(struct image *image)
{
    if (!image)
        return;
    cfi_free(image->cfi);
    free(image->frames.data);
    free(image->symbols);
    for (uint32_t i = 0; i < image->texts_len; i++)
        free(image->texts[i].data);
    free(image);
}

bool image_is_entry(const struct image *image, uint64_t address)
{
    return image->entry != 0 && address >= image->entry && address - image->entry < ENTRY_MAX;
}

bool image_address(const struct image *image, uint64_t offset, uint64_t *address)
{
    for (uint32_t i = 0; i < image->segments_len; i++) {
        const struct image_segment *s = &image->segments[i];
        if (offset >= s->offset && offset - s->offset < s->size) {
            *address = s->address + (offset - s->offset);
            return true;
        }
    }
    return false;
}
