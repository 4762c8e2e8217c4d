#include "collector/target/python_find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/target/elf.h"
#include "collector/target/memory.h"
#include "collector/target/permission.h"
#include "collector/target/process.h"
#include "common/base/buf.h"

enum {
    MAPS_MAX = 64 << 20,
    PATH_TEXT_MAX = 4096,
    THREAD_STRUCT_MAX = 2048,
    GLIBC_TID_OFFSET = 720, /* struct pthread.tid, x86-64, glibc 2.17 to 2.41 */
    LIST_MAX = 4096,
    DATA_MAX = 16 << 20,
};

/* A file mapped into the process, from the line of its first byte. */
struct mapping {
    uint64_t begin, end;
    unsigned long inode;
    const char *path; /* into the text of maps */
};

/* What an ELF file tells about a Python inside it; addresses are relocated. */
struct image {
    uint64_t runtime;
    uint64_t version_symbol;  /* Py_Version, 3.11+; 0 = none */
    uint64_t data, data_size; /* .bss, where Py_GetVersion keeps its text */
    uint32_t minor;           /* from the file's name; 0 = none */
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The next file mapping at offset 0; changes `*text`. */
static bool next_mapping(char **text, struct mapping *out)
{
    while (**text) {
        char *line = *text;
        char *end = line + strcspn(line, "\n");
        *text = *end ? end + 1 : end;
        *end = '\0';
        unsigned long begin_address;
        unsigned long end_address;
        unsigned long offset;
        unsigned long inode;
        int path_at = 0;
        // NOLINTNEXTLINE(cert-err34-c): the kernel wrote the numbers, each from one of these types
        if (sscanf(line, "%lx-%lx %*s %lx %*s %lu %n", &begin_address, &end_address, &offset,
                   &inode, &path_at) < 4 ||
            offset != 0 || inode == 0 || path_at == 0)
            continue;
        *out = (struct mapping){begin_address, end_address, inode, line + path_at};
        return true;
    }
    return false;
}

/* The file as the process sees it, also when it lives in another mount namespace or was replaced
 * on disk since. */
static int open_mapping(pid_t pid, const struct mapping *m)
{
    char path[PATH_TEXT_MAX];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, m->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == m->inode)
        return fd;
    snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", (int)pid, (unsigned long)m->begin,
             (unsigned long)m->end);
    int same = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (same >= 0) {
        if (fd >= 0)
            close(fd);
        return same;
    }
    /* Overlay file systems number a file differently in maps and in stat: the path must do. */
    if (fd >= 0 && !strstr(m->path, " (deleted)"))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool parse_number(const uint8_t *data, size_t len, size_t *at, uint32_t *out)
{
    uint32_t value = 0;
    size_t begin = *at;
    while (*at < len && data[*at] >= '0' && data[*at] <= '9' && *at - begin < 3)
        value = value * 10 + (uint32_t)(data[(*at)++] - '0');
    *out = value;
    return *at > begin;
}

/* The text of sys.version, e.g. "3.10.13 (main, ...", which Py_GetVersion leaves in a static
 * buffer; 0 when it is not there (yet). */
static uint32_t search_version(const uint8_t *data, size_t len, uint32_t minor_wanted)
{
    const uint8_t *end = data + len;
    for (const uint8_t *p = data; p < end && (p = memchr(p, '3', (size_t)(end - p))); p++) {
        uint32_t minor;
        uint32_t micro;
        size_t at = 2;
        size_t left = (size_t)(end - p);
        if (left < 8 || p[1] != '.' || (p > data && p[-1] != 0))
            continue;
        if (!parse_number(p, left, &at, &minor) || at >= left || p[at++] != '.' ||
            !parse_number(p, left, &at, &micro))
            continue;
        if (at < left && p[at] == '+')
            at++;
        if (left - at < 2 || p[at] != ' ' || p[at + 1] != '(' || micro > 255 || minor > 255)
            continue;
        if (minor_wanted == 0 || minor == minor_wanted)
            return 3U << 24 | minor << 16 | micro << 8 | 0xf0;
    }
    return 0;
}

/* 10 from ".../libpython3.10.so.1.0" or ".../python3.10"; 0 when the name does not say. */
static uint32_t minor_in_name(const char *path)
{
    const char *at = strstr(base_name(path), "python3.");
    return at ? (uint32_t)strtoul(at + strlen("python3."), NULL, 10) : 0;
}

static bool read_image(pid_t pid, const struct mapping *m, struct image *out)
{
    int fd = open_mapping(pid, m);
    if (fd < 0)
        return false;
    struct elf elf = {0};
    struct image image = {0};
    uint64_t size;
    bool is_found = false;
    if (elf_open(&elf, fd) == STATUS_OK) {
        uint64_t shift = m->begin - elf.load_address;
        is_found = elf_symbol(&elf, "_PyRuntime", &image.runtime) ||
                   elf_section(&elf, ".PyRuntime", &image.runtime, &size);
        image.runtime += shift;
        if (elf_symbol(&elf, "Py_Version", &image.version_symbol))
            image.version_symbol += shift;
        if (elf_section(&elf, ".bss", &image.data, &image.data_size))
            image.data += shift;
        image.minor = minor_in_name(m->path);
        elf_close(&elf);
    }
    close(fd);
    if (is_found)
        *out = image;
    return is_found;
}

/* Any file may hold a Python; only these are worth opening. */
static bool is_worth_opening(const char *path, const char *executable)
{
    const char *name = base_name(path);
    return strcmp(path, executable) == 0 || strncmp(name, "libpython", 9) == 0 ||
           strncmp(name, "python", 6) == 0;
}

static uint32_t find_version(const struct memory_reader *reader, const struct image *image,
                             const uint8_t *runtime, size_t len)
{
    uint32_t version = python_layout_debug_version(runtime, len);
    if (version != 0)
        return version;
    unsigned long word;
    if (image->version_symbol != 0 &&
        memory_read(reader, image->version_symbol, &word, sizeof(word)) && word <= UINT32_MAX &&
        word >> 24 == 3)
        return (uint32_t)word;

    struct memory_window window = {0};
    const uint8_t *data = NULL;
    if (image->data_size > 0 && image->data_size <= DATA_MAX)
        data = memory_at(reader, &window, image->data, image->data_size);
    uint32_t found = data ? search_version(data, image->data_size, image->minor) : 0;
    if (found == 0 && image->minor != 0) /* the micro version changes no offset */
        found = 3U << 24 | image->minor << 16 | 0xf0;
    return found;
}

static void version_words(char *out, size_t size, uint32_t version, bool is_free_threaded)
{
    static const char *const levels[16] = {[10] = "a", [11] = "b", [12] = "rc"};
    const char *level = levels[version >> 4 & 15];
    char serial[8] = "";
    if (level)
        snprintf(serial, sizeof(serial), "%u", version & 15);
    snprintf(out, size, "%u.%u.%u%s%s%s", version >> 24, version >> 16 & 255, version >> 8 & 255,
             level ? level : "", serial, is_free_threaded ? "t" : "");
}

/* Up to 3.10 a thread state knows its pthread_t only; the kernel's id lies in the struct behind it,
 * at a place that depends on the libc: where the main thread keeps the process's own id. */
static uint16_t find_tid_offset(const struct python_layout *layout,
                                const struct memory_reader *reader, uint64_t tstate, pid_t pid)
{
    for (size_t i = 0; tstate != 0 && i < LIST_MAX; i++) {
        uint64_t thread;
        uint8_t bytes[THREAD_STRUCT_MAX];
        int32_t tid;
        if (memory_read_u64(reader, tstate + layout->tstate_thread_id, &thread) &&
            memory_read(reader, thread, bytes, sizeof(bytes))) {
            memcpy(&tid, bytes + GLIBC_TID_OFFSET, sizeof(tid));
            if (tid == pid)
                return GLIBC_TID_OFFSET;
            for (size_t at = 0; at + sizeof(tid) <= sizeof(bytes); at += sizeof(tid)) {
                memcpy(&tid, bytes + at, sizeof(tid));
                if (tid == pid)
                    return (uint16_t)at;
            }
        }
        if (!memory_read_u64(reader, tstate + layout->tstate_next, &tstate))
            break;
    }
    return 0;
}

/* Whether the layout's first steps lead where they should: the runtime's interpreter, its newest
 * thread state, and back. */
enum check { CHECK_OK, CHECK_EARLY, CHECK_WRONG };
static enum check check_layout(pid_t pid, const struct memory_reader *reader,
                               struct target_python *python)
{
    const struct python_layout *layout = &python->layout;
    uint64_t interp;
    uint64_t tstate;
    uint64_t back;
    if (!memory_read_u64(reader, python->runtime + layout->runtime_interpreters_head, &interp) ||
        interp == 0 || !memory_read_u64(reader, interp + layout->interp_threads_head, &tstate) ||
        tstate == 0 || !memory_read_u64(reader, tstate + layout->tstate_interp, &back))
        return CHECK_EARLY;
    if (back != interp)
        return CHECK_WRONG;
    if (layout->tstate_native_thread_id == PYTHON_NO_FIELD)
        python->pthread_tid = find_tid_offset(layout, reader, tstate, process_inner_pid(pid));
    return CHECK_OK;
}

static void examine(pid_t pid, const struct image *image, struct python_found *out)
{
    struct target_memory memory;
    target_memory_init(&memory, pid);
    struct memory_reader reader = target_memory_reader(&memory);
    uint8_t runtime[PYTHON_DEBUG_OFFSETS_MAX];

    out->state = TARGET_PYTHON_LOOKING;
    if (memory_read(&reader, image->runtime, runtime, sizeof(runtime))) {
        uint32_t version = find_version(&reader, image, runtime, sizeof(runtime));
        enum python_layout_result result =
            version ? python_layout_init(&out->python.layout, version, runtime, sizeof(runtime))
                    : PYTHON_LAYOUT_NO_COOKIE;
        version_words(out->python.version, sizeof(out->python.version), version,
                      result == PYTHON_LAYOUT_OK && out->python.layout.is_free_threaded);
        snprintf(out->runtime, sizeof(out->runtime), "CPython %s", out->python.version);
        out->python.runtime = image->runtime;
        if (result != PYTHON_LAYOUT_OK) {
            out->state = TARGET_PYTHON_REFUSED;
            snprintf(out->reason, sizeof(out->reason), "CPython %s is %s", out->python.version,
                     python_layout_result_text(result));
        } else {
            enum check check = check_layout(pid, &reader, &out->python);
            if (check == CHECK_OK)
                out->state = TARGET_PYTHON_READY;
            if (check == CHECK_WRONG) {
                out->state = TARGET_PYTHON_REFUSED;
                snprintf(out->reason, sizeof(out->reason),
                         "CPython %s here does not have the memory layout of its version (a "
                         "patched or debug build?)",
                         out->python.version);
            }
        }
    } else if (memory.error == EPERM) {
        struct error err;
        target_check_readable(pid, &err);
        out->state = TARGET_PYTHON_DENIED;
        snprintf(out->reason, sizeof(out->reason), "%.255s", err.text);
    }
    target_memory_deinit(&memory);
}

/* "" when it cannot be told. */
static void read_executable(pid_t pid, char *out, size_t size)
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    ssize_t len = readlink(link, out, size - 1);
    out[len > 0 ? len : 0] = '\0';
}

/* What is looked for in the files a process has mapped. */
struct wanted {
    const char *symbol;  /* NULL: the section */
    const char *section; /* NULL: the symbol */
    const char *in;      /* also files with this in their name; NULL = only Python's own */
};

static bool find_in_file(pid_t pid, const struct mapping *m, const struct wanted *wanted,
                         uint64_t *address, uint64_t *size)
{
    struct elf elf = {0};
    int fd = open_mapping(pid, m);
    if (fd < 0)
        return false;
    bool is_found = false;
    if (elf_open(&elf, fd) == STATUS_OK) {
        is_found = wanted->symbol ? elf_symbol(&elf, wanted->symbol, address)
                                  : elf_section(&elf, wanted->section, address, size);
        if (is_found)
            *address += m->begin - elf.load_address;
        elf_close(&elf);
    }
    close(fd);
    return is_found;
}

static bool find_in_files(pid_t pid, const struct wanted *wanted, uint64_t *address, uint64_t *size)
{
    char executable[PATH_TEXT_MAX];
    read_executable(pid, executable, sizeof(executable));
    struct buf maps;
    buf_init(&maps, MAPS_MAX);
    bool is_found = false;
    if (process_read_file(pid, "maps", &maps)) {
        char *text = (char *)maps.data;
        struct mapping m;
        while (!is_found && next_mapping(&text, &m)) {
            if ((wanted->in && strstr(base_name(m.path), wanted->in)) ||
                is_worth_opening(m.path, executable))
                is_found = find_in_file(pid, &m, wanted, address, size);
        }
    }
    buf_deinit(&maps);
    return is_found;
}

bool python_find_section(pid_t pid, const char *name, const char *section, uint64_t *address,
                         uint64_t *size)
{
    struct wanted wanted = {.section = section, .in = name};
    return find_in_files(pid, &wanted, address, size);
}

bool python_find_symbol(pid_t pid, const char *name, uint64_t *address)
{
    struct wanted wanted = {.symbol = name};
    return find_in_files(pid, &wanted, address, NULL);
}

void python_find(pid_t pid, struct python_found *out)
{
    *out = (struct python_found){.state = TARGET_PYTHON_NONE};
    char executable[PATH_TEXT_MAX];
    read_executable(pid, executable, sizeof(executable));

    struct buf maps;
    buf_init(&maps, MAPS_MAX);
    bool is_other = false;
    if (process_read_file(pid, "maps", &maps)) {
        char *text = (char *)maps.data;
        struct mapping m;
        struct image image;
        while (out->state == TARGET_PYTHON_NONE && next_mapping(&text, &m)) {
            if (is_worth_opening(m.path, executable) && read_image(pid, &m, &image))
                examine(pid, &image, out);
            if (strstr(base_name(m.path), "pypy"))
                is_other = true;
        }
    } else if (errno == EACCES || errno == EPERM) {
        struct error err = {0};
        out->state = TARGET_PYTHON_DENIED;
        target_check_readable(pid, &err);
        snprintf(out->reason, sizeof(out->reason), "%.255s", err.text);
    }
    buf_deinit(&maps);
    if (out->state != TARGET_PYTHON_NONE)
        return;
    if (is_other) {
        snprintf(out->runtime, sizeof(out->runtime), "PyPy");
        snprintf(out->reason, sizeof(out->reason),
                 "PyPy runs here; only CPython's stacks can be read");
        return;
    }
    snprintf(out->runtime, sizeof(out->runtime), "%.63s", base_name(executable));
    /* Before 3.7 there is no _PyRuntime to find; only the name tells. */
    const char *name = base_name(executable);
    if (strncmp(name, "python2", 7) == 0 || strncmp(name, "python3.6", 9) == 0) {
        snprintf(out->reason, sizeof(out->reason),
                 "%.64s is older than 3.8, the first version whose stacks can be read", name);
        return;
    }
    snprintf(out->reason, sizeof(out->reason), "no Python runs in %.200s",
             executable[0] ? base_name(executable) : "this process");
}
