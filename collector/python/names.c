#include "collector/python/names.h"

#include "collector/python/objects.h"
#include "collector/python/text.h"

bool python_active_threads(const struct python_layout *layout, const struct memory_reader *reader,
                           uint64_t interp, uint64_t *active)
{
    struct python_dict d;
    return layout->attributes != PYTHON_ATTRIBUTES_OTHER &&
           python_module_dict(layout, reader, interp, "threading", &d) &&
           python_dict_find(layout, reader, &d, "_active", active);
}

bool python_thread_name(const struct python_layout *layout, const struct memory_reader *reader,
                        uint64_t active, uint64_t ident, struct buf *out)
{
    struct python_dict d;
    if (!python_dict_open(layout, reader, active, &d))
        return false;
    for (uint64_t i = 0; i < d.len; i++) {
        uint64_t key;
        uint64_t thread;
        uint64_t found;
        uint64_t name;
        if (!python_dict_entry(reader, &d, i, &key, &thread))
            return false;
        if (key != 0 && thread != 0 && python_int(layout, reader, key, &found) && found == ident)
            return python_attribute(layout, reader, thread, "_name", &name) &&
                   python_text(layout, reader, name, out);
    }
    return false;
}
