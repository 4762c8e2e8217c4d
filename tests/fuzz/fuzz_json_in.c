/* The tokenizer alone: what skips as one value must also be readable piece by piece, and both ways
 * must end at the same byte. */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/json_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

static void read_scalar(struct json_in *j, enum json_kind kind)
{
    if (kind == JSON_STRING)
        json_in_string(j);
    else if (kind == JSON_NUMBER)
        json_in_number(j);
    else if (kind == JSON_BOOL)
        json_in_bool(j);
    else
        json_in_skip(j);
}

static void read_value(struct json_in *j, int depth)
{
    enum json_kind kind = json_in_peek(j);
    struct text key;
    if (depth > 100) {
        json_in_skip(j);
    } else if (kind == JSON_ARRAY) {
        json_in_array(j);
        while (json_in_item(j))
            read_value(j, depth + 1);
    } else if (kind == JSON_OBJECT) {
        json_in_object(j);
        while (json_in_key(j, &key))
            read_value(j, depth + 1);
    } else {
        read_scalar(j, kind);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct json_in skipped;
    static struct json_in read;
    static struct json_in marked;
    struct error err = {0};
    json_in_init(&skipped, data, len, &err);
    json_in_skip(&skipped);
    json_in_init(&read, data, len, NULL);
    read_value(&read, 0);
    check(skipped.failed == read.failed);
    check(skipped.failed ? err.text[0] != 0 : skipped.at == read.at);
    if (!skipped.failed) {
        json_in_init(&marked, data, len, NULL);
        json_in_mark(&marked);
        check(!marked.failed && marked.at == skipped.at);
        json_in_deinit(&marked);
    }
    json_in_deinit(&skipped);
    json_in_deinit(&read);
    return 0;
}
