#include "backend/formats/pb_in.h"

void pb_in_init(struct pb_in *pb, const uint8_t *data, size_t len, struct error *err)
{
    *pb = (struct pb_in){.start = data, .at = data, .end = data + len, .err = err};
}

void pb_in_inside(struct pb_in *inner, const struct pb_in *outer, const struct pb_field *f)
{
    *inner =
        (struct pb_in){.start = outer->start, .at = outer->at, .end = outer->at, .err = outer->err};
    if (f->wire != PB_BYTES) {
        pb_in_fail(inner, STATUS_INVALID, "a number where a message belongs");
        return;
    }
    inner->at = f->data;
    inner->end = f->data + f->len;
}

void pb_in_fail(struct pb_in *pb, enum status status, const char *what)
{
    if (pb->failed)
        return;
    pb->failed = status;
    error_set(pb->err, status, "%s at byte %zu", what,
              pb->at ? (size_t)(pb->at - pb->start) : (size_t)0);
}

bool pb_in_varint(struct pb_in *pb, uint64_t *value)
{
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (pb->failed)
            return false;
        if (pb->at == pb->end) {
            pb_in_fail(pb, STATUS_INVALID, "a number is cut off");
            return false;
        }
        uint8_t byte = *pb->at++;
        if (shift == 63 && byte > 1)
            break;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = result;
            return true;
        }
    }
    pb_in_fail(pb, STATUS_INVALID, "a number of more than 64 bits");
    return false;
}

static bool take_fixed(struct pb_in *pb, size_t len, uint64_t *value)
{
    if ((size_t)(pb->end - pb->at) < len) {
        pb_in_fail(pb, STATUS_INVALID, "a number is cut off");
        return false;
    }
    uint64_t result = 0;
    for (size_t i = 0; i < len; i++)
        result |= (uint64_t)pb->at[i] << (8 * i);
    pb->at += len;
    *value = result;
    return true;
}

static bool take_bytes(struct pb_in *pb, struct pb_field *f)
{
    uint64_t len;
    if (!pb_in_varint(pb, &len))
        return false;
    if (len > (size_t)(pb->end - pb->at)) {
        pb_in_fail(pb, STATUS_INVALID, "a field is longer than what is left of the file");
        return false;
    }
    f->data = pb->at;
    f->len = (size_t)len;
    pb->at += len;
    return true;
}

bool pb_in_next(struct pb_in *pb, struct pb_field *f)
{
    uint64_t tag;
    if (pb->failed || pb->at == pb->end || !pb_in_varint(pb, &tag))
        return false;
    *f = (struct pb_field){.number = (uint32_t)(tag >> 3), .wire = (enum pb_wire)(tag & 7)};
    if (tag >> 3 == 0 || tag >> 3 > 536870911) {
        pb_in_fail(pb, STATUS_INVALID, "not protobuf: an impossible field number");
        return false;
    }
    switch (f->wire) {
    case PB_VARINT:
        return pb_in_varint(pb, &f->value);
    case PB_FIXED64:
        return take_fixed(pb, 8, &f->value);
    case PB_FIXED32:
        return take_fixed(pb, 4, &f->value);
    case PB_BYTES:
        return take_bytes(pb, f);
    }
    pb_in_fail(pb, STATUS_INVALID, "not protobuf: a group or an unknown kind of field");
    return false;
}
