#pragma once
/* Inside of the memray reader: what its files share. memray_bytes.c takes numbers off the file,
 * memray_frames.c keeps threads' stacks, memray_events.c reads captures of all allocations,
 * memray_aggregated.c those that memray added up itself. */

#include "backend/formats/fill.h"
#include "backend/formats/memray_heap.h"

/* From version 12 on a frame is a code object and an instruction, before it is a line. */
enum { MEMRAY_CODE_VERSION = 12, MEMRAY_RECENT = 15, MEMRAY_VALUES = 6 };

/* One numbering for all versions, as 12 has it. */
enum memray_allocator {
    MEMRAY_PYMALLOC_FREE = 1,
    MEMRAY_PYMALLOC_MALLOC,
    MEMRAY_PYMALLOC_CALLOC,
    MEMRAY_PYMALLOC_REALLOC,
    MEMRAY_FREE,
    MEMRAY_MALLOC,
    MEMRAY_REALLOC,
    MEMRAY_CALLOC,
    MEMRAY_POSIX_MEMALIGN,
    MEMRAY_ALIGNED_ALLOC,
    MEMRAY_MEMALIGN,
    MEMRAY_VALLOC,
    MEMRAY_PVALLOC,
    MEMRAY_MMAP,
    MEMRAY_MUNMAP,
    MEMRAY_ALLOCATORS,
};

/* What versions before 12 call them. */
extern const uint8_t memray_old_allocators[16];

struct memray_code {
    struct text name, file;
    const uint8_t *table;
    size_t table_len;
    int64_t first_line;
};

struct memray_thread {
    uint64_t tid;
    uint32_t thread; /* row */
    uint32_t *stack; /* stack after each push */
    size_t len, cap;
};

struct memray_aggregate {
    uint64_t tid, trace, peak_blocks, leaked_blocks, peak_bytes, leaked_bytes;
    uint8_t allocator;
};

struct memray_trace {
    uint64_t frame, parent;
};

struct memray {
    struct fill fill;
    const uint8_t *data;
    size_t len, at, record_at;
    uint32_t version, python;
    bool has_native, is_aggregated, has_end;
    uint64_t start_ms, main_tid, skipped, process_id;
    uint64_t last_pointer, last_native, last_ip, last_frame, last_line, last_first_line;
    uint64_t recent[MEMRAY_RECENT];
    struct map frames; /* old frame id -> frame; new: see code */
    struct map codes;  /* id -> code_list[] */
    struct memray_code *code_list;
    size_t codes_len, codes_cap;
    struct memray_thread *threads;
    size_t threads_len, threads_cap;
    struct memray_thread *thread;
    struct memray_heap heap;
    struct memray_trace *traces;
    struct memray_aggregate *aggregates;
    size_t traces_len, traces_cap, aggregates_len, aggregates_cap;
    uint32_t process, rss, heap_series;
};

/* One line of why not, at the present record. */
enum status memray_bad(struct memray *m, const char *what);

/* Bytes: false at the end of the file. A delta is added to the value of the same kind before. */
bool memray_take(struct memray *m, size_t len, const uint8_t **bytes);
bool memray_take_fixed(struct memray *m, size_t len, uint64_t *value);
bool memray_take_varint(struct memray *m, uint64_t *value);
bool memray_take_signed(struct memray *m, int64_t *value);
bool memray_take_delta(struct memray *m, uint64_t *last);
bool memray_take_text(struct memray *m, struct text *text);

/* Threads' stacks, code objects and frames. */
struct memray_thread *memray_thread_of(struct memray *m, uint64_t tid);
enum status memray_push_frame(struct memray *m, uint32_t frame);
enum status memray_pop_frames(struct memray *m, size_t count);
uint32_t memray_code_frame(struct memray *m, uint64_t id, int64_t instruction);
bool memray_take_code(struct memray *m);
void memray_put_frame(struct memray *m, uint64_t id, struct text name, struct text file,
                      int64_t line);
uint32_t memray_frame_by_id(struct memray *m, uint64_t id);

/* Records of all versions and both kinds: 1 taken, 0 the file ended, -1 not one of these. */
int memray_take_shared(struct memray *m, unsigned type);

/* One record behind its first byte; false when the file ends inside. */
bool memray_read_new_record(struct memray *m, uint8_t head, enum status *st);
bool memray_read_old_record(struct memray *m, uint8_t head, enum status *st);
bool memray_read_aggregated_record(struct memray *m, uint8_t type, enum status *st);

/* What comes out. `values` is MEMRAY_VALUES, or two less without what was allocated in all. */
void memray_add_sites(struct memray *m);
enum status memray_add_aggregates(struct memray *m);
uint32_t memray_add_set(struct memray *m, size_t values);
uint32_t memray_allocator_label(struct memray *m, uint32_t allocator);
