/* memray's captures, raw or inside an lz4 frame (which format_load takes off): a header and records
 * of all allocations, or aggregated ones. Versions 9 to 11 tell frames with their line, 12 and 13
 * code objects and instructions. Cut captures load up to the break. Source: memray v1.4.1, v1.9.1,
 * v1.17.2, v1.19.1 and v1.20.0, src/memray/_memray/{records.h,record_reader.cpp,hooks.h}. */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/format.h"
#include "backend/formats/memray_read.h"

enum { FIRST_VERSION = 9, LAST_VERSION = 13 };

static const char *const allocator_names[MEMRAY_ALLOCATORS] = {
    "",
    "pymalloc_free",
    "pymalloc_malloc",
    "pymalloc_calloc",
    "pymalloc_realloc",
    "free",
    "malloc",
    "realloc",
    "calloc",
    "posix_memalign",
    "aligned_alloc",
    "memalign",
    "valloc",
    "pvalloc",
    "mmap",
    "munmap",
};

const uint8_t memray_old_allocators[16] = {
    0,
    MEMRAY_MALLOC,
    MEMRAY_FREE,
    MEMRAY_CALLOC,
    MEMRAY_REALLOC,
    MEMRAY_POSIX_MEMALIGN,
    MEMRAY_ALIGNED_ALLOC,
    MEMRAY_MEMALIGN,
    MEMRAY_VALLOC,
    MEMRAY_PVALLOC,
    MEMRAY_MMAP,
    MEMRAY_MUNMAP,
    MEMRAY_PYMALLOC_MALLOC,
    MEMRAY_PYMALLOC_CALLOC,
    MEMRAY_PYMALLOC_REALLOC,
    MEMRAY_PYMALLOC_FREE,
};

enum status memray_bad(struct memray *m, const char *what)
{
    return fill_bad(&m->fill, "byte", m->record_at, what);
}

uint32_t memray_allocator_label(struct memray *m, uint32_t allocator)
{
    struct model_label label = {.key = fill_string(&m->fill, text_of("allocator")),
                                .value =
                                    fill_string(&m->fill, text_of(allocator_names[allocator]))};
    uint32_t set = 0;
    if (m->fill.failed == STATUS_OK)
        fill_check(&m->fill, tables_label_set(&m->fill.profile->tables, &label, 1, &set));
    return set;
}

uint32_t memray_add_set(struct memray *m, size_t values)
{
    static const char *const names[MEMRAY_VALUES][2] = {
        {"peak", "bytes"},        {"leaked", "bytes"},        {"allocated", "bytes"},
        {"peak_blocks", "count"}, {"leaked_blocks", "count"}, {"allocations", "count"}};
    uint32_t set = fill_set(&m->fill, "heap", 0);
    for (size_t i = 0; i < MEMRAY_VALUES; i++) {
        if (values == MEMRAY_VALUES || i % 3 != 2)
            fill_value_type(&m->fill, set, names[i][0], names[i][1]);
    }
    return set;
}

/* ---- header ---- */

static bool take_paths(struct memray *m)
{
    struct text path;
    if (!memray_take_text(m, &path))
        return false;
    for (int list = 0; list < 2; list++) {
        do {
            if (!memray_take_text(m, &path))
                return false;
        } while (path.len > 0);
    }
    return true;
}

static bool take_header_fields(struct memray *m)
{
    uint64_t native;
    uint64_t format = 0;
    uint64_t ignored;
    uint64_t end_ms;
    struct text command;
    uint64_t python = 0;
    uint64_t python_allocator;
    if (m->version >= MEMRAY_CODE_VERSION && !memray_take_fixed(m, 4, &python))
        return false;
    if (!memray_take_fixed(m, 1, &native) ||
        (m->version >= 10 && !memray_take_fixed(m, 1, &format)))
        return false;
    if (!memray_take_fixed(m, 8, &ignored) || !memray_take_fixed(m, 8, &ignored) ||
        !memray_take_fixed(m, 8, &m->start_ms) || !memray_take_fixed(m, 8, &end_ms) ||
        !memray_take_text(m, &command) || !memray_take_fixed(m, 4, &m->process_id) ||
        !memray_take_fixed(m, 8, &m->main_tid) || !memray_take_fixed(m, 8, &m->skipped) ||
        !memray_take_fixed(m, 1, &python_allocator))
        return false;
    if ((m->version >= 11 && !memray_take_fixed(m, 1, &ignored)) ||
        (m->version >= 12 && !memray_take_fixed(m, 1, &ignored)) ||
        (m->version >= 13 && !take_paths(m)))
        return false;
    struct profile *p = m->fill.profile;
    m->has_native = native != 0;
    m->is_aggregated = format == 1;
    m->python = (uint32_t)python;
    p->pid = m->process_id;
    if (m->start_ms < UINT64_MAX / 1000000)
        p->start_unix_ns = m->start_ms * 1000000;
    if (end_ms > m->start_ms && end_ms - m->start_ms < UINT64_MAX / 1000000)
        p->duration_ns = (end_ms - m->start_ms) * 1000000;
    fill_argv(&m->fill, command);
    fill_field(&m->fill, &p->producer, text_of("memray"));
    m->process = fill_process(&m->fill, m->process_id, command);
    return format <= 1 && python_allocator >= 1 && python_allocator <= 6;
}

static enum status read_header(struct memray *m)
{
    uint64_t version = 0;
    if (m->len < 7)
        return memray_bad(m, "the file ends inside its header");
    m->at = 7;
    if (!memray_take_fixed(m, 4, &version))
        return memray_bad(m, "the file ends inside its header");
    if (version < FIRST_VERSION || version > LAST_VERSION)
        return error_set(m->fill.err, STATUS_UNSUPPORTED, "header version %lld, known are %d to %d",
                         (long long)(int32_t)version, FIRST_VERSION, LAST_VERSION);
    m->version = (uint32_t)version;
    if (!take_header_fields(m))
        return memray_bad(m, "the file ends inside its header, or is of an unknown kind");
    return m->fill.failed;
}

static enum status read_records(struct memray *m)
{
    bool is_cut = false;
    m->heap_series = fill_series(&m->fill, "heap", "bytes", NULL);
    m->rss = fill_series(&m->fill, "rss", "bytes", NULL);
    enum status st = m->fill.failed;
    while (st == STATUS_OK && !is_cut && !m->has_end && m->at < m->len) {
        m->record_at = m->at;
        uint8_t head = m->data[m->at++];
        bool is_whole = m->is_aggregated ? memray_read_aggregated_record(m, head, &st)
                        : m->version >= MEMRAY_CODE_VERSION ? memray_read_new_record(m, head, &st)
                                                            : memray_read_old_record(m, head, &st);
        is_cut = !is_whole;
        if (st == STATUS_OK)
            st = m->fill.failed;
    }
    if (st != STATUS_OK)
        return st;
    if (m->is_aggregated)
        st = memray_add_aggregates(m);
    else
        memray_add_sites(m);
    if (st == STATUS_OK)
        st = m->fill.failed;
    if (st == STATUS_OK && !m->has_end)
        st = profile_add_warning(m->fill.profile, "truncated",
                                 "the capture ends at byte %zu without its trailer; shown is what "
                                 "came before",
                                 m->record_at);
    if (st == STATUS_OK && m->has_native)
        st = profile_add_warning(m->fill.profile, "native",
                                 "native frames are left out: their names are not in the file");
    return st;
}

static enum status read_memray(const struct format_input *in, const struct format_options *options,
                               struct profile *out, struct error *err)
{
    (void)options;
    struct memray *m = calloc(1, sizeof(*m));
    if (!m)
        return error_set(err, STATUS_NO_MEMORY, "no memory to read the file");
    m->fill = (struct fill){.profile = out, .err = err};
    m->data = in->data;
    m->len = in->len;
    map_init(&m->frames);
    map_init(&m->codes);
    memray_heap_init(&m->heap);
    enum status st = read_header(m);
    if (st == STATUS_OK)
        st = read_records(m);
    for (size_t i = 0; i < m->threads_len; i++)
        free(m->threads[i].stack);
    free(m->threads);
    free(m->code_list);
    free(m->traces);
    free(m->aggregates);
    map_deinit(&m->frames);
    map_deinit(&m->codes);
    memray_heap_deinit(&m->heap);
    free(m);
    return st;
}

static int detect_memray(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    return len >= 11 && memcmp(head, "memray\0", 7) == 0 ? 98 : 0;
}

const struct format format_memray = {
    .name = "memray",
    .title = "memray",
    .extensions = "bin",
    .detect = detect_memray,
    .read = read_memray,
};
