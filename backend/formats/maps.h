#pragma once
/* Addresses without symbols: which file of /proc/PID/maps one lies in, and the little text of
 * symbols some writers put in front. */

#include "backend/formats/fill.h"
#include "common/base/map.h"

struct maps_range {
    uint64_t begin, end;
    struct text file; /* in the input */
};

struct maps {
    struct maps_range *ranges;
    size_t len, cap;
    struct map symbols; /* address -> symbol_names[] */
    struct text *symbol_names;
    size_t symbols_len, symbols_cap;
    struct map frames; /* address -> frame */
};

void maps_init(struct maps *m);
void maps_deinit(struct maps *m);

/* Takes lines "begin-end perms offset dev inode file"; anything else is skipped. */
void maps_read(struct maps *m, const uint8_t *data, size_t len);

/* Takes "0xADDRESS name" lines up to the line `end_line`. Returns how many bytes that was, 0 when
 * the file does not begin with such a text. */
size_t maps_read_symbols(struct maps *m, const uint8_t *data, size_t len, const char *end_line);

void maps_add_symbol(struct maps *m, uint64_t address, struct text name);

/* The frame of an address: its symbol, or the address with its file as module. A return address
 * belongs to the call before it. */
uint32_t maps_frame(struct maps *m, struct fill *fill, uint64_t address, bool is_return);
