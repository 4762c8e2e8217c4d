#include "collector/native/space.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "collector/target/process.h"
#include "common/base/array.h"
#include "common/base/buf.h"

enum { VDSO_MAX = 64 << 10 };

void image_store_init(struct image_store *s)
{
    *s = (struct image_store){0};
}

void image_store_deinit(struct image_store *s)
{
    for (size_t i = 0; i < s->len; i++) {
        image_close(s->items[i]->image);
        free(s->items[i]);
    }
    free(s->items);
    *s = (struct image_store){0};
}

static struct stored_image *find_stored(struct image_store *s, uint64_t device, uint64_t inode)
{
    for (size_t i = 0; i < s->len; i++) {
        if (s->items[i]->device == device && s->items[i]->inode == inode)
            return s->items[i];
    }
    return NULL;
}

static struct stored_image *add_stored(struct image_store *s, uint64_t device, uint64_t inode)
{
    struct stored_image *item = calloc(1, sizeof(*item));
    if (!item || !array_reserve(&s->items, &s->cap, s->len + 1)) {
        free(item);
        return NULL;
    }
    *item = (struct stored_image){.device = device, .inode = inode};
    s->items[s->len++] = item;
    return item;
}

static void release_stored(struct image_store *s, struct stored_image *item)
{
    if (!item || --item->users > 0)
        return;
    for (size_t i = 0; i < s->len; i++) {
        if (s->items[i] == item)
            s->items[i] = s->items[--s->len];
    }
    image_close(item->image);
    free(item);
}

void space_init(struct space *s, struct image_store *store, pid_t pid)
{
    *s = (struct space){.store = store, .pid = pid};
}

static void forget_modules(struct space *s)
{
    for (size_t i = 0; i < s->modules_len; i++) {
        release_stored(s->store, s->modules[i].stored);
        free(s->modules[i].path);
    }
    s->modules_len = 0;
    s->ranges_len = 0;
}

void space_deinit(struct space *s)
{
    forget_modules(s);
    free(s->modules);
    free(s->ranges);
    *s = (struct space){0};
}

/* ---- the map ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "python3.12", "python", "libpython3.11.so.1.0": what it holds is the interpreter. */
static bool is_interpreter_name(const char *name)
{
    const char *at = strncmp(name, "lib", 3) == 0 ? name + 3 : name;
    if (strncmp(at, "python", 6) != 0)
        return false;
    at += 6;
    at += strspn(at, "0123456789.");
    at += strspn(at, "tdm-"); /* free-threaded, debug and pymalloc builds */
    return *at == '\0' || strncmp(at, "so", 2) == 0 || strncmp(at, ".so", 3) == 0;
}

struct map_line {
    uint64_t begin, end, offset, device, inode;
    bool is_executable;
    const char *path;
};

static bool parse_line(char *line, struct map_line *out)
{
    char flags[8];
    unsigned major_number;
    unsigned minor_number;
    int path_at = 0;
    // NOLINTNEXTLINE(cert-err34-c): the kernel wrote the numbers, each from one of these types
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64 " %n", &out->begin,
               &out->end, flags, &out->offset, &major_number, &minor_number, &out->inode,
               &path_at) < 7 ||
        path_at == 0)
        return false;
    out->device = makedev(major_number, minor_number);
    out->is_executable = flags[2] == 'x';
    out->path = line + path_at;
    return true;
}

static uint32_t take_module(struct space *s, const struct map_line *m)
{
    static const char deleted[] = " (deleted)";
    bool is_vdso = strcmp(m->path, "[vdso]") == 0;
    if (m->inode == 0 && !is_vdso)
        return SPACE_NO_MODULE;
    uint64_t inode = is_vdso ? 0 : m->inode;
    for (size_t i = s->modules_len; i-- > 0;) {
        if (s->modules[i].inode == inode && s->modules[i].device == m->device)
            return (uint32_t)i;
    }
    if (s->modules_len == SPACE_MODULES_MAX ||
        !array_reserve(&s->modules, &s->modules_cap, s->modules_len + 1)) {
        s->dropped++;
        return SPACE_NO_MODULE;
    }
    char *path = strdup(m->path);
    if (!path)
        return SPACE_NO_MODULE;
    size_t len = strlen(path);
    size_t tail = sizeof(deleted) - 1;
    bool is_deleted = len > tail && strcmp(path + len - tail, deleted) == 0;
    if (is_deleted)
        path[len - tail] = '\0';
    s->modules[s->modules_len] =
        (struct module){.device = m->device,
                        .inode = inode,
                        .path = path,
                        .name = base_name(path),
                        .is_deleted = is_deleted,
                        .is_interpreter = is_interpreter_name(base_name(path))};
    return (uint32_t)s->modules_len++;
}

static uint64_t hash_text(const uint8_t *data, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Of the lines that hold code only: the heap grows all the time. */
static uint64_t hash_code_lines(const struct buf *text)
{
    uint64_t hash = 0;
    const uint8_t *at = text->data;
    const uint8_t *end = text->data + text->len;
    while (at < end) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        const uint8_t *flags = memchr(at, ' ', (size_t)(stop - at));
        if (flags && stop - flags > 3 && flags[3] == 'x')
            hash = map_mix(hash ^ hash_text(at, (size_t)(stop - at)));
        at = stop + 1;
    }
    return hash;
}

static void read_ranges(struct space *s, struct buf *text)
{
    char *at = (char *)text->data;
    while (*at) {
        char *line = at;
        at += strcspn(at, "\n");
        if (*at)
            *at++ = '\0';
        struct map_line m;
        if (!parse_line(line, &m) || !m.is_executable ||
            !array_reserve(&s->ranges, &s->ranges_cap, s->ranges_len + 1))
            continue;
        s->ranges[s->ranges_len++] =
            (struct code_range){m.begin, m.end, m.offset, take_module(s, &m)};
    }
}

bool space_update(struct space *s, uint64_t now, uint64_t max_age_ns)
{
    struct buf text;
    if (s->read_ns != 0 && now - s->read_ns < max_age_ns)
        return false;
    s->read_ns = now;
    buf_init(&text, 0);
    bool is_changed = false;
    if (process_read_file(s->pid, "maps", &text)) {
        uint64_t hash = hash_code_lines(&text);
        is_changed = hash != s->maps_hash || s->ranges_len == 0;
        s->maps_hash = hash;
        if (is_changed) {
            /* Images that stay mapped are found again before they are let go. */
            struct space before = *s;
            s->modules = NULL;
            s->ranges = NULL;
            s->modules_len = s->modules_cap = s->ranges_len = s->ranges_cap = 0;
            read_ranges(s, &text);
            for (size_t i = 0; i < s->modules_len; i++) {
                struct module *m = &s->modules[i];
                m->stored = m->inode ? find_stored(s->store, m->device, m->inode) : NULL;
                m->image = m->stored ? m->stored->image : NULL;
                m->is_opened = m->stored != NULL;
                if (m->stored)
                    m->stored->users++;
            }
            forget_modules(&before);
            free(before.modules);
            free(before.ranges);
        }
    }
    buf_deinit(&text);
    return is_changed;
}

const struct code_range *space_find(const struct space *s, uint64_t pc)
{
    size_t low = 0;
    size_t high = s->ranges_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->ranges[middle].end <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->ranges_len && pc >= s->ranges[low].begin ? &s->ranges[low] : NULL;
}

/* ---- files ---- */

static bool is_same_file(int fd, const struct module *m)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == m->inode;
}

int space_open_file(const struct space *s, const struct module *m)
{
    char path[SPACE_PATH_MAX];
    if (m->inode == 0)
        return -1;
    snprintf(path, sizeof(path), "/proc/%d/root%s", (int)s->pid, m->path);
    int fd = m->is_deleted ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && is_same_file(fd, m))
        return fd;
    for (size_t i = 0; i < s->ranges_len; i++) {
        const struct code_range *r = &s->ranges[i];
        if (r->module == SPACE_NO_MODULE || &s->modules[r->module] != m)
            continue;
        snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)s->pid,
                 r->begin, r->end);
        int same = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (same >= 0) {
            if (fd >= 0)
                close(fd);
            return same;
        }
        break;
    }
    /* Overlay file systems number a file differently in maps and in stat: the path must do. */
    return fd;
}

/* Where distributions put what they stripped off: by build-id, else by the name in .gnu_debuglink
 * beside the file, below it in .debug, or below /usr/lib/debug (gdb's manual, "Separate Debug
 * Files"). In the process's own view of the file system, then in ours. */
int space_open_debug_file(const struct space *s, const struct module *m)
{
    char path[2 * SPACE_PATH_MAX];
    char roots[2][32] = {"", ""};
    if (!m->image || m->inode == 0)
        return -1;
    snprintf(roots[0], sizeof(roots[0]), "/proc/%d/root", (int)s->pid);
    char id[2 * IMAGE_BUILD_ID_MAX + 1] = "";
    for (uint32_t i = 0; i < m->image->build_id_len; i++)
        snprintf(id + (size_t)2 * i, 3, "%02x", m->image->build_id[i]);
    int folder_len = (int)(m->name - m->path);
    int fd = -1;
    for (size_t i = 0; i < 2 && fd < 0; i++) {
        if (strlen(id) > 2) {
            snprintf(path, sizeof(path), "%s/usr/lib/debug/.build-id/%.2s/%s.debug", roots[i], id,
                     id + 2);
            fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        }
        static const char *const places[] = {"", "/usr/lib/debug"};
        static const char *const below[] = {"", ".debug/"};
        for (size_t k = 0; k < 4 && fd < 0 && m->image->debug_link[0]; k++) {
            snprintf(path, sizeof(path), "%s%s%.*s%s%s", roots[i], places[k / 2], folder_len,
                     m->path, below[k % 2], m->image->debug_link);
            fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        }
    }
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static struct image *read_vdso(const struct space *s, uint32_t module)
{
    for (size_t i = 0; i < s->ranges_len; i++) {
        const struct code_range *r = &s->ranges[i];
        uint64_t size = r->end - r->begin;
        if (r->module != module || size > VDSO_MAX)
            continue;
        struct image *image = NULL;
        uint8_t *data = malloc(size);
        struct iovec local = {data, size};
        struct iovec remote = {(void *)(uintptr_t)r->begin, size};
        struct image_source source = {.fd = -1, .data = data, .len = size};
        if (data && process_vm_readv(s->pid, &local, 1, &remote, 1, 0) == (ssize_t)size)
            (void)image_open(&image, &source);
        free(data);
        return image;
    }
    return NULL;
}

static struct image *read_file(const struct space *s, struct module *m)
{
    struct image *image = NULL;
    struct stat st;
    int fd = space_open_file(s, m);
    if (fd < 0)
        return NULL;
    struct image_source source = {.fd = fd};
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        source.len = (uint64_t)st.st_size;
        (void)image_open(&image, &source);
    }
    close(fd);
    if (!image)
        return NULL;
    m->image = image;
    int debug = space_open_debug_file(s, m);
    if (debug >= 0 && fstat(debug, &st) == 0 && st.st_size > 0) {
        source = (struct image_source){.fd = debug, .len = (uint64_t)st.st_size};
        image_add_symbols(image, &source);
    }
    if (debug >= 0)
        close(debug);
    return image;
}

struct image *space_image(struct space *s, uint32_t module)
{
    if (module >= s->modules_len)
        return NULL;
    struct module *m = &s->modules[module];
    if (m->is_opened)
        return m->image;
    m->is_opened = true;
    /* The vdso belongs to the kernel, but 32-bit and 64-bit processes have different ones: each
     * process has its own copy here. */
    m->stored =
        add_stored(s->store, m->device, m->inode ? m->inode : UINT64_MAX - (uint64_t)s->pid);
    if (!m->stored)
        return NULL;
    m->stored->users = 1;
    m->image = m->inode ? read_file(s, m) : read_vdso(s, module);
    m->stored->image = m->image;
    return m->image;
}
