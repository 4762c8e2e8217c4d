#include "collector/native/debug_info.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <libelf.h>
#include <stdlib.h>
#include <unistd.h>

enum { UNITS_MAX = 1 << 16 };

struct debug_info {
    int fd;
    Elf *elf;
    Dwarf *dwarf;
};

bool debug_info_open(struct debug_info **out, int fd)
{
    (void)elf_version(EV_CURRENT);
    struct debug_info *d = calloc(1, sizeof(*d));
    if (!d) {
        close(fd);
        return false;
    }
    d->fd = fd;
    /* Read, not mapped: a mapped file that is truncated kills its reader. */
    d->elf = elf_begin(fd, ELF_C_READ, NULL);
    d->dwarf = d->elf ? dwarf_begin_elf(d->elf, DWARF_C_READ, NULL) : NULL;
    if (!d->dwarf) {
        debug_info_close(d);
        return false;
    }
    *out = d;
    return true;
}

void debug_info_close(struct debug_info *d)
{
    if (!d)
        return;
    if (d->dwarf)
        dwarf_end(d->dwarf);
    if (d->elf)
        elf_end(d->elf);
    close(d->fd);
    free(d);
}

/* By the table of address ranges; some compilers write none, then by asking each unit. */
static bool find_unit(struct debug_info *d, uint64_t address, Dwarf_Die *out)
{
    if (dwarf_addrdie(d->dwarf, address, out))
        return true;
    Dwarf_CU *unit = NULL;
    Dwarf_Half version;
    uint8_t type;
    for (int i = 0; i < UNITS_MAX; i++) {
        if (dwarf_get_units(d->dwarf, unit, &unit, &version, &type, out, NULL) != 0)
            return false;
        if (dwarf_haspc(out, address) > 0)
            return true;
    }
    return false;
}

static const char *name_of(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = NULL;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute) ||
        dwarf_attr_integrate(die, DW_AT_name, &attribute))
        name = dwarf_formstring(&attribute);
    return name;
}

static uint32_t number_of(Dwarf_Die *die, unsigned which)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (!dwarf_attr(die, which, &attribute) || dwarf_formudata(&attribute, &value) != 0)
        return 0;
    return value < UINT32_MAX ? (uint32_t)value : 0;
}

static const char *file_of(Dwarf_Die *unit, uint32_t number)
{
    Dwarf_Files *files;
    size_t len;
    if (number == 0 || dwarf_getsrcfiles(unit, &files, &len) != 0 || number >= len)
        return NULL;
    return dwarf_filesrc(files, number, NULL, NULL);
}

static size_t walk_scopes(Dwarf_Die *unit, Dwarf_Die *scopes, int scopes_len,
                          struct debug_frame place, struct debug_frame *out, size_t max)
{
    size_t len = 0;
    for (int i = 0; i < scopes_len && len < max; i++) {
        int tag = dwarf_tag(&scopes[i]);
        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
            continue;
        place.name = name_of(&scopes[i]);
        out[len++] = place;
        if (tag == DW_TAG_subprogram)
            break;
        place.file = file_of(unit, number_of(&scopes[i], DW_AT_call_file));
        place.line = number_of(&scopes[i], DW_AT_call_line);
    }
    return len;
}

size_t debug_info_look(struct debug_info *d, uint64_t address, struct debug_frame *out, size_t max)
{
    Dwarf_Die unit;
    if (!find_unit(d, address, &unit))
        return 0;
    struct debug_frame place = {0};
    Dwarf_Line *line = dwarf_getsrc_die(&unit, address);
    int number = 0;
    if (line) {
        place.file = dwarf_linesrc(line, NULL, NULL);
        if (dwarf_lineno(line, &number) == 0 && number > 0)
            place.line = (uint32_t)number;
    }
    /* The first call finds the innermost scope, but its outer ones are where an inlined function
     * was written; the second follows where it was put. */
    Dwarf_Die *scopes = NULL;
    Dwarf_Die *outer = NULL;
    size_t len = 0;
    if (dwarf_getscopes(&unit, address, &scopes) > 0) {
        int outer_len = dwarf_getscopes_die(&scopes[0], &outer);
        if (outer_len > 0)
            len = walk_scopes(&unit, outer, outer_len, place, out, max);
    }
    free(scopes);
    free(outer);
    return len;
}
