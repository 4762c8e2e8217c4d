#include "backend/formats/maps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"

void maps_init(struct maps *m)
{
    *m = (struct maps){0};
    map_init(&m->symbols);
    map_init(&m->frames);
}

void maps_deinit(struct maps *m)
{
    free(m->ranges);
    free(m->symbol_names);
    map_deinit(&m->symbols);
    map_deinit(&m->frames);
}

static bool take_range(struct text line, struct maps_range *range)
{
    struct text addresses = text_word(&line);
    struct text begin;
    struct text permissions = text_word(&line);
    if (!text_cut(&addresses, '-', &begin) || !text_hex(begin, &range->begin) ||
        !text_hex(addresses, &range->end) || permissions.len < 3)
        return false;
    text_word(&line); /* offset */
    text_word(&line); /* device */
    text_word(&line); /* inode */
    range->file = text_trim(line);
    return range->file.len > 0;
}

void maps_read(struct maps *m, const uint8_t *data, size_t len)
{
    struct text_lines lines;
    struct text line;
    text_lines_init(&lines, data, len);
    while (text_lines_next(&lines, &line)) {
        struct maps_range range;
        struct text rest = text_trim(line);
        struct text word = text_word(&rest);
        uint64_t address;
        if (text_skip(&word, "0x") && text_hex(word, &address))
            maps_add_symbol(m, address, text_trim(rest)); /* Java's files have these instead */
        /* A map that does not fit any more costs a name, not the profile. */
        if (take_range(text_trim(line), &range) && array_reserve(&m->ranges, &m->cap, m->len + 1))
            m->ranges[m->len++] = range;
    }
}

void maps_add_symbol(struct maps *m, uint64_t address, struct text name)
{
    if (name.len == 0 || map_find(&m->symbols, address) ||
        !array_reserve(&m->symbol_names, &m->symbols_cap, m->symbols_len + 1) ||
        !map_put(&m->symbols, address, (uint32_t)m->symbols_len))
        return;
    m->symbol_names[m->symbols_len++] = name;
}

size_t maps_read_symbols(struct maps *m, const uint8_t *data, size_t len, const char *end_line)
{
    struct text_lines lines;
    struct text line;
    if (len < 4 || memcmp(data, "--- ", 4) != 0)
        return 0;
    text_lines_init(&lines, data, len);
    while (text_lines_next(&lines, &line)) {
        if (text_equal(line, end_line))
            return (size_t)(lines.at - (const char *)data);
        uint64_t address;
        struct text word = text_word(&line);
        if (text_skip(&word, "0x") && text_hex(word, &address))
            maps_add_symbol(m, address, text_trim(line));
    }
    return 0;
}

static struct text last_part(struct text path)
{
    struct text name;
    return text_cut_last(&path, '/', &name) ? name : path;
}

static void find_file(const struct maps *m, uint64_t address, struct fill_function *f)
{
    for (size_t i = 0; i < m->len; i++) {
        if (address >= m->ranges[i].begin && address < m->ranges[i].end) {
            f->module = last_part(m->ranges[i].file);
            return;
        }
    }
}

static uint32_t make_frame(const struct maps *m, struct fill *fill, uint64_t address,
                           uint64_t shown)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "0x%llx", (unsigned long long)address);
    struct fill_function f = {.name = {text, (size_t)len}, .kind = WIRE_NATIVE};
    const uint32_t *symbol = map_find(&m->symbols, address);
    if (!symbol)
        symbol = map_find(&m->symbols, shown);
    if (symbol)
        f.name = m->symbol_names[*symbol];
    else
        find_file(m, address, &f);
    return fill_frame(fill, fill_function(fill, &f), 0, 0);
}

uint32_t maps_frame(struct maps *m, struct fill *fill, uint64_t address, bool is_return)
{
    uint64_t at = is_return && address > 0 ? address - 1 : address;
    const uint32_t *known = map_find(&m->frames, at);
    if (known)
        return *known;
    uint32_t frame = make_frame(m, fill, at, address);
    if (!map_put(&m->frames, at, frame))
        fill_check(fill, STATUS_NO_MEMORY);
    return frame;
}
