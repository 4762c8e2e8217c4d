#include "backend/formats/json_table.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/array.h"

enum { MAX_SCHEMA = 64 };

static void put(struct json_in *j, struct json_column *c, size_t row, double value)
{
    if (!array_reserve(&c->items, &c->cap, row + 1)) {
        json_in_check(j, STATUS_NO_MEMORY);
        return;
    }
    while (c->len < row)
        c->items[c->len++] = (double)NAN;
    c->items[c->len++] = value;
}

static double take(struct json_in *j)
{
    if (json_in_peek(j) == JSON_NUMBER)
        return json_in_number(j).f64;
    json_in_skip(j);
    return (double)NAN;
}

static struct json_column *find(struct json_column *columns, size_t len, struct text name)
{
    for (size_t i = 0; i < len; i++) {
        if (text_equal(name, columns[i].name))
            return &columns[i];
    }
    return NULL;
}

static void read_column(struct json_in *j, struct json_column *c)
{
    c->len = 0;
    if (!json_in_array(j))
        return;
    while (json_in_item(j))
        put(j, c, c->len, take(j));
}

static void read_schema(struct json_in *j, struct json_column *columns, size_t len,
                        struct json_column **order)
{
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        struct json_column *c = find(columns, len, key);
        uint32_t at = json_in_u32(j);
        if (c && at < MAX_SCHEMA)
            order[at] = c;
    }
}

static void read_rows(struct json_in *j, struct json_column **order)
{
    if (!json_in_array(j))
        return;
    for (size_t row = 0; json_in_item(j); row++) {
        if (!json_in_array(j))
            return;
        for (size_t at = 0; json_in_item(j); at++) {
            if (at < MAX_SCHEMA && order[at])
                put(j, order[at], row, take(j));
            else
                json_in_skip(j);
        }
    }
}

void json_table_read(struct json_in *j, struct json_column *columns, size_t len)
{
    struct json_column *order[MAX_SCHEMA] = {0};
    const uint8_t *rows = NULL;
    const uint8_t *behind = NULL;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        struct json_column *c = find(columns, len, key);
        if (text_equal(key, "schema") && json_in_peek(j) == JSON_OBJECT)
            read_schema(j, columns, len, order);
        else if (text_equal(key, "data") && json_in_peek(j) == JSON_ARRAY)
            rows = json_in_mark(j);
        else if (c && json_in_peek(j) == JSON_ARRAY)
            read_column(j, c);
        else
            json_in_skip(j);
    }
    behind = j->at;
    if (!rows || json_in_status(j))
        return;
    json_in_return(j, rows);
    read_rows(j, order);
    if (!json_in_status(j))
        json_in_return(j, behind);
}

void json_table_free(struct json_column *columns, size_t len)
{
    for (size_t i = 0; i < len; i++)
        free(columns[i].items);
}

double json_column_at(const struct json_column *c, size_t row)
{
    return row < c->len ? c->items[row] : (double)NAN;
}

bool json_column_index(const struct json_column *c, size_t row, size_t limit, struct json_in *j,
                       uint32_t *index)
{
    double value = json_column_at(c, row);
    if (!(value >= 0))
        return false;
    if (value >= (double)limit) {
        json_in_fail(j, STATUS_INVALID, "%s %.0f of %zu", c->name, value, limit);
        return false;
    }
    *index = (uint32_t)value;
    return true;
}
