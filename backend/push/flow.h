#pragma once
/* One stream of pieces: its tables as far as they are stored, and how a piece is put behind them.
 */

#include "backend/push/push.h"
#include "common/base/ident.h"

struct flow {
    struct flow *next;
    char id[IDENT_CHARS + 1];
    char *key;
    uint64_t start_unix_ns, touched_ns, seq;
    struct tables tables; /* all rows of the profile, for interning */
    size_t strings, functions, frames, stacks, label_sets; /* of them stored */
    struct flow_set {
        uint32_t name; /* strings of the tables */
        size_t values_len;
        struct model_value_type types[WIRE_MAX_VALUES];
    } sets[PUSH_MAX_SETS];
    size_t sets_len, sets_stored;
};

/* Name and labels in one text; free() it. NULL when memory is short. */
char *flow_key(const struct push_piece *piece);

enum status flow_begin(struct flow **out, struct library *library, const struct push_piece *piece,
                       const char *key, struct error *err);
void flow_free(struct flow *s);

/* Whether the piece wants a stream of its own: the tables have grown too large. */
bool flow_is_full(const struct flow *s, const struct push_piece *piece);

/* Stores the piece's samples. After a failure the stream is of no use any more. */
enum status flow_append(struct flow *s, struct library *library, const struct push_piece *piece,
                        struct error *err);
