/* Whatever decodes is encoded again, and that decodes to the same: encoding the second result gives
 * the same bytes. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

static enum status encode_to_server(struct buf *out, const struct wire_to_server *m)
{
    switch (m->kind) {
    case WIRE_HELLO:
        return wire_encode_hello(out, &m->hello);
    case WIRE_BYE:
        return wire_encode_bye(out, &m->bye);
    default:
        return wire_encode_batch(out, &m->batch);
    }
}

static enum status encode_to_collector(struct buf *out, const struct wire_to_collector *m)
{
    switch (m->kind) {
    case WIRE_WELCOME:
        return wire_encode_welcome(out, &m->welcome);
    case WIRE_ACK:
        return wire_encode_ack(out, m->ack_seq);
    case WIRE_REFUSED:
        return wire_encode_refused(out, &m->refused);
    default:
        return wire_encode_control(out, &m->control);
    }
}

static void try_to_server(const uint8_t *data, size_t len, struct arena *arena, struct buf *once,
                          struct buf *twice)
{
    struct wire_to_server first;
    struct wire_to_server second;
    struct error err = {0};
    if (wire_decode_to_server(&first, data, len, arena, &err) != STATUS_OK) {
        check(err.text[0] != '\0');
        return;
    }
    /* A batch may be larger encoded anew than it came: unpacked, or with columns said in full. */
    enum status st = encode_to_server(once, &first);
    check(st == STATUS_OK || st == STATUS_TOO_LARGE);
    if (st != STATUS_OK)
        return;
    check(wire_decode_to_server(&second, once->data, once->len, arena, &err) == STATUS_OK);
    check(encode_to_server(twice, &second) == STATUS_OK);
    check(once->len == twice->len && memcmp(once->data, twice->data, once->len) == 0);
}

static void try_to_collector(const uint8_t *data, size_t len, struct arena *arena, struct buf *once,
                             struct buf *twice)
{
    struct wire_to_collector first;
    struct wire_to_collector second;
    struct error err = {0};
    if (wire_decode_to_collector(&first, data, len, arena, &err) != STATUS_OK) {
        check(err.text[0] != '\0');
        return;
    }
    check(encode_to_collector(once, &first) == STATUS_OK);
    check(wire_decode_to_collector(&second, once->data, once->len, arena, &err) == STATUS_OK);
    check(encode_to_collector(twice, &second) == STATUS_OK);
    check(once->len == twice->len && memcmp(once->data, twice->data, once->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena *arena = arena_new();
    struct buf once;
    struct buf twice;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    if (arena) {
        try_to_server(data, len, arena, &once, &twice);
        buf_clear(&once);
        buf_clear(&twice);
        try_to_collector(data, len, arena, &once, &twice);
    }
    buf_deinit(&once);
    buf_deinit(&twice);
    arena_free(arena);
    return 0;
}
