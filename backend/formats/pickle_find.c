/* Looking into what was read, and at a file before it is. */

#include <string.h>

#include "backend/formats/pickle.h"
#include "backend/formats/text.h"

int pickle_class_of(const struct values *v, const struct value *object)
{
    if (object->kind != VALUE_OBJECT)
        return -1;
    return (int)values_item(v, object, PICKLE_CLASS)->integer;
}

const struct value *pickle_find(const struct values *v, const struct value *dict, const char *key)
{
    if (!dict || dict->kind != VALUE_DICT)
        return NULL;
    for (size_t i = dict->len; i >= 2; i -= 2) {
        const struct value *k = values_item(v, dict, i - 2);
        if (value_is_text(k) && text_equal((struct text){k->data, k->len}, key))
            return values_item(v, dict, i - 1);
    }
    return NULL;
}

const struct value *pickle_find_int(const struct values *v, const struct value *dict, int64_t key)
{
    if (!dict || dict->kind != VALUE_DICT)
        return NULL;
    for (size_t i = dict->len; i >= 2; i -= 2) {
        const struct value *k = values_item(v, dict, i - 2);
        if (k->kind == VALUE_INT && k->integer == key)
            return values_item(v, dict, i - 1);
    }
    return NULL;
}

const struct value *pickle_state(const struct values *v, const struct value *object)
{
    if (object->kind != VALUE_OBJECT || object->len <= PICKLE_STATE)
        return NULL;
    const struct value *state = values_item(v, object, object->len - 1);
    return state->kind == VALUE_DICT ? state : NULL;
}

/* The class' module and name stand near the front: after PROTO and FRAME, or behind "c". */
int pickle_detect(const uint8_t *head, size_t len, const struct pickle_class *classes)
{
    bool is_pickle = (len > 2 && head[0] == 0x80 && head[1] <= 5) ||
                     (len > 2 && (head[0] == 'c' || head[0] == '('));
    size_t look = len < 256 ? len : 256;
    if (!is_pickle)
        return 0;
    for (; classes->name; classes++) {
        const char *blank = strchr(classes->name, ' ');
        size_t module = (size_t)(blank - classes->name);
        const uint8_t *at = memmem(head, look, classes->name, module);
        if (at && memmem(at, look - (size_t)(at - head), blank + 1, strlen(blank + 1)))
            return 90;
    }
    return 0;
}
