/* A flame graph as one static SVG: no script, nothing from elsewhere. Each box is a link to a view
 * of itself, so that a click in a browser zooms to it and the link at the top zooms out again; its
 * text for the pointer and for screen readers is a title. Only written. */

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/format.h"
#include "backend/formats/write_view.h"
#include "common/base/array.h"
#include "common/base/map.h"

enum { WIDTH = 1200, ROW = 17, TOP = 46, BOTTOM = 26, MARGIN = 8, MAX_BOXES = 20000 };

static const double MIN_BOX = 0.25;  /* of a pixel: narrower ones are left out and counted */
static const double CHARACTER = 0.6; /* its width as a part of the font's size */
static const double FONT = 11;

struct node {
    uint32_t stack;
    int64_t self, total;
    uint32_t first_child, next_sibling; /* numbers + 1 */
};

struct drawing {
    const struct profile *p;
    struct buf *out;
    struct node *nodes; /* one for each stack; 0 is the root */
    size_t dropped, boxes;
    uint32_t max_depth;
    int64_t total;
    const char *unit;
};

/* ---- text ---- */

static size_t utf8_len(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first >= 0xf5)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The length of the character that XML may hold at `s`; 0 when there is none. */
static size_t xml_character(const unsigned char *s, size_t len)
{
    size_t n = utf8_len(s[0]);
    if (n == 0 || n > len)
        return 0;
    for (size_t k = 1; k < n; k++) {
        if ((s[k] & 0xc0) != 0x80)
            return 0;
    }
    bool is_bad = false;
    if (n == 1)
        is_bad = s[0] < ' ' || s[0] == 0x7f;
    else if (n == 3)
        is_bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) ||
                 (s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe);
    else if (n == 4)
        is_bad = (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90);
    return is_bad ? 0 : n;
}

/* As XML text: markup escaped, bytes that XML cannot hold replaced. */
static void put_escaped(struct buf *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        char c = s[i];
        size_t n = xml_character((const unsigned char *)s + i, len - i);
        if (n == 0)
            buf_put_text(out, "\xef\xbf\xbd");
        else if (c == '<')
            buf_put_text(out, "&lt;");
        else if (c == '>')
            buf_put_text(out, "&gt;");
        else if (c == '&')
            buf_put_text(out, "&amp;");
        else if (c == '"')
            buf_put_text(out, "&quot;");
        else
            buf_put(out, s + i, n);
        i += n ? n : 1;
    }
}

/* The first characters that fit, an ellipsis in the middle when not all do. */
static void put_short(struct buf *out, const char *s, size_t len, size_t room)
{
    if (len <= room) {
        put_escaped(out, s, len);
        return;
    }
    size_t head = room / 2;
    size_t tail = room - 1 - head;
    while (head > 0 && ((unsigned char)s[head] & 0xc0) == 0x80)
        head--;
    size_t from = len - tail;
    while (from < len && ((unsigned char)s[from] & 0xc0) == 0x80)
        from++;
    put_escaped(out, s, head);
    buf_put_text(out, "\xe2\x80\xa6");
    put_escaped(out, s + from, len - from);
}

static void put_amount(struct buf *out, int64_t value, const char *unit)
{
    static const struct {
        const char *unit;
        double seconds;
    } times[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (strcmp(unit, times[i].unit) == 0) {
            double s = (double)value * times[i].seconds;
            if (fabs(s) >= 1)
                buf_printf(out, "%.3f s", s);
            else
                buf_printf(out, "%.3f ms", s * 1e3);
            return;
        }
    }
    if (strcmp(unit, "bytes") == 0 && (value >= 1048576 || value <= -1048576))
        buf_printf(out, "%.1f MiB", (double)value / 1048576);
    else
        buf_printf(out, "%" PRId64 " %s", value, strcmp(unit, "count") == 0 ? "samples" : unit);
}

/* ---- the tree ---- */

static enum status build_tree(struct drawing *d)
{
    const struct tables *t = &d->p->tables;
    const struct sample_set *s = &d->p->sets[0];
    int64_t *sums = calloc(t->stacks_len, sizeof(*sums));
    d->nodes = calloc(t->stacks_len, sizeof(*d->nodes));
    if (!sums || !d->nodes) {
        free(sums);
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < s->len; i++) {
        int64_t value = sample_value(s, 0, i);
        int64_t *sum = &sums[sample_stack(s, i)];
        if (value > 0 && __builtin_add_overflow(*sum, value, sum))
            *sum = INT64_MAX;
    }
    /* children have larger numbers than their parents: one pass from the end adds them up */
    for (uint32_t i = (uint32_t)t->stacks_len; i-- > 0;) {
        d->nodes[i].stack = i;
        d->nodes[i].self = sums[i];
        if (__builtin_add_overflow(d->nodes[i].total, sums[i], &d->nodes[i].total))
            d->nodes[i].total = INT64_MAX;
        if (i == 0 || d->nodes[i].total == 0)
            continue;
        struct node *parent = &d->nodes[t->stacks[i].parent];
        if (__builtin_add_overflow(parent->total, d->nodes[i].total, &parent->total))
            parent->total = INT64_MAX;
        d->nodes[i].next_sibling = parent->first_child;
        parent->first_child = i + 1;
    }
    d->total = d->nodes[0].total;
    free(sums);
    return STATUS_OK;
}

/* Frames of one function side by side are one box, as in every flame graph: the lines inside a
 * function are not what it is about. Children are merged by function while drawing. */
struct box {
    uint32_t function;
    int64_t total, self;
    size_t first, len; /* its nodes, in the scratch list */
};

struct frame_of_work {
    size_t first, len; /* nodes whose children are to be drawn */
    double x, scale;
    uint32_t depth;
};

static uint32_t function_of(const struct drawing *d, uint32_t stack)
{
    const struct tables *t = &d->p->tables;
    return t->frames[t->stacks[stack].frame].function;
}

static int compare_boxes(const void *a, const void *b)
{
    const struct box *x = a;
    const struct box *y = b;
    if (x->total != y->total)
        return x->total > y->total ? -1 : 1;
    return x->function < y->function ? -1 : x->function > y->function;
}

struct child {
    uint32_t function, node;
};

static int compare_children(const void *a, const void *b)
{
    const struct child *x = a;
    const struct child *y = b;
    if (x->function != y->function)
        return x->function < y->function ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

/* ---- drawing ---- */

/* Python warm, native cool, the profiler's own grey; the hue varies with the module or file, so
 * that neighbours of one package look alike. */
static void put_colour(struct drawing *d, const struct wire_function *f)
{
    uint64_t hash = map_mix(f->module ? f->module : f->file);
    int shade = (int)(hash % 24);
    int hue = f->kind == WIRE_NATIVE || f->kind == WIRE_KERNEL ? 200 + shade : 20 + shade;
    if (f->kind == WIRE_GC || f->kind == WIRE_IDLE || f->kind == WIRE_SYNTHETIC)
        buf_printf(d->out, "hsl(210,8%%,%d%%)", 76 + shade / 4);
    else
        buf_printf(d->out, "hsl(%d,%d%%,%d%%)", hue, 70, 68 + (int)(hash >> 8 & 7));
}

static void put_title(struct drawing *d, const struct wire_function *f, const struct box *box)
{
    const struct strtab *strings = &d->p->tables.strings;
    put_escaped(d->out, strtab_text(strings, f->name), strtab_len(strings, f->name));
    if (f->file) {
        buf_put_text(d->out, " (");
        put_escaped(d->out, strtab_text(strings, f->file), strtab_len(strings, f->file));
        if (f->line)
            buf_printf(d->out, ":%" PRIu32, f->line);
        buf_put_text(d->out, ")");
    }
    buf_put_text(d->out, ": ");
    put_amount(d->out, box->total, d->unit);
    buf_printf(d->out, " (%.2f%%), self ", 100.0 * (double)box->total / (double)d->total);
    put_amount(d->out, box->self, d->unit);
}

static double row_y(uint32_t depth)
{
    return TOP + (double)(depth - 1) * ROW;
}

/* A narrow box has a small label: it becomes readable when the box is zoomed to. */
static void put_label(struct drawing *d, const struct wire_function *f, double x, double y,
                      double width)
{
    const struct strtab *strings = &d->p->tables.strings;
    size_t len = strtab_len(strings, f->name);
    double font = FONT;
    double room = (width - 4) / (CHARACTER * font);
    if (room < 3) {
        font = width / (CHARACTER * (double)(len < 24 ? len + 1 : 24));
        font = font < FONT ? font : FONT;
        room = width / (CHARACTER * font);
    }
    if (len == 0 || font < 0.05 || room < 2)
        return;
    buf_printf(d->out, "<text x=\"%.3f\" y=\"%.2f\"", x + (font < FONT ? 0 : 3), y + ROW - 5);
    if (font < FONT)
        buf_printf(d->out, " font-size=\"%.2f\"", font);
    buf_put_text(d->out, ">");
    put_short(d->out, strtab_text(strings, f->name), len, (size_t)room);
    buf_put_text(d->out, "</text>");
}

static void put_box(struct drawing *d, const struct box *box, double x, double width,
                    uint32_t depth)
{
    const struct wire_function *f = &d->p->tables.functions[box->function];
    double y = row_y(depth);
    size_t id = d->boxes++;
    d->max_depth = depth > d->max_depth ? depth : d->max_depth;
    /* not closer than 30 times, and with some rows below */
    double shown = width < 40 ? 40 : width;
    double height = shown * 0.75 > 6 * ROW ? shown * 0.75 : 6 * ROW;
    buf_printf(d->out,
               "<view id=\"b%zu\" viewBox=\"%.3f %.2f %.3f %.2f\" "
               "preserveAspectRatio=\"xMidYMin\"/>",
               id, x - (shown - width) / 2, y - 2, shown, height);
    buf_printf(d->out, "<a href=\"#b%zu\"><rect x=\"%.3f\" y=\"%.2f\" width=\"%.3f\" fill=\"", id,
               x, y, width);
    put_colour(d, f);
    buf_put_text(d->out, "\"><title>");
    put_title(d, f, box);
    buf_put_text(d->out, "</title></rect>");
    put_label(d, f, x, y, width);
    buf_put_text(d->out, "</a>\n");
}

/* All that drawing needs beside the tree. */
struct work {
    uint32_t *nodes; /* lists of nodes, of the boxes that wait */
    struct frame_of_work *todo;
    struct child *children;
    struct box *boxes;
    size_t nodes_len, nodes_cap, todo_len, todo_cap, children_cap, boxes_cap;
};

static enum status gather_children(struct drawing *d, struct work *w,
                                   const struct frame_of_work *at, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < at->len; i++) {
        uint32_t child = d->nodes[w->nodes[at->first + i]].first_child;
        for (; child; child = d->nodes[child - 1].next_sibling) {
            if (!array_reserve(&w->children, &w->children_cap, n + 1))
                return STATUS_NO_MEMORY;
            w->children[n++] = (struct child){function_of(d, child - 1), child - 1};
        }
    }
    if (n)
        qsort(w->children, n, sizeof(*w->children), compare_children);
    *len = n;
    return STATUS_OK;
}

static enum status merge_children(struct drawing *d, struct work *w, size_t children, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < children; i++) {
        const struct node *node = &d->nodes[w->children[i].node];
        if (!array_reserve(&w->nodes, &w->nodes_cap, w->nodes_len + 1) ||
            !array_reserve(&w->boxes, &w->boxes_cap, n + 1))
            return STATUS_NO_MEMORY;
        if (n == 0 || w->boxes[n - 1].function != w->children[i].function)
            w->boxes[n++] =
                (struct box){.function = w->children[i].function, .first = w->nodes_len};
        w->nodes[w->nodes_len++] = w->children[i].node;
        w->boxes[n - 1].len++;
        /* Sums past 63 bits draw as the largest: a file may hold anything. */
        struct box *box = &w->boxes[n - 1];
        if (__builtin_add_overflow(box->total, node->total, &box->total))
            box->total = INT64_MAX;
        if (__builtin_add_overflow(box->self, node->self, &box->self))
            box->self = INT64_MAX;
    }
    if (n)
        qsort(w->boxes, n, sizeof(*w->boxes), compare_boxes);
    *len = n;
    return STATUS_OK;
}

static enum status draw_children(struct drawing *d, struct work *w, struct frame_of_work at)
{
    size_t children = 0;
    size_t len = 0;
    enum status st = gather_children(d, w, &at, &children);
    if (st == STATUS_OK)
        st = merge_children(d, w, children, &len);
    double x = at.x;
    for (size_t i = 0; i < len && st == STATUS_OK; i++) {
        struct box *box = &w->boxes[i];
        double width = (double)box->total * at.scale;
        if (width < MIN_BOX || d->boxes >= MAX_BOXES) {
            d->dropped += len - i;
            break;
        }
        put_box(d, box, x, width, at.depth + 1);
        if (!array_reserve(&w->todo, &w->todo_cap, w->todo_len + 1))
            return STATUS_NO_MEMORY;
        w->todo[w->todo_len++] = (struct frame_of_work){
            .first = box->first, .len = box->len, .x = x, .scale = at.scale, .depth = at.depth + 1};
        x += width;
    }
    return st;
}

static enum status draw_tree(struct drawing *d)
{
    struct work w = {0};
    enum status st = STATUS_NO_MEMORY;
    if (array_reserve(&w.nodes, &w.nodes_cap, 1) && array_reserve(&w.todo, &w.todo_cap, 1)) {
        w.nodes[w.nodes_len++] = 0;
        w.todo[w.todo_len++] = (struct frame_of_work){
            .len = 1, .x = MARGIN, .scale = (WIDTH - 2.0 * MARGIN) / (double)d->total};
        st = STATUS_OK;
    }
    for (size_t next = 0; st == STATUS_OK && next < w.todo_len; next++)
        st = draw_children(d, &w, w.todo[next]);
    free(w.nodes);
    free(w.todo);
    free(w.children);
    free(w.boxes);
    return st;
}

static void put_head(struct drawing *d, struct buf *out, const struct profile *p, double height)
{
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" width=\"%d\" "
               "height=\"%.0f\" role=\"img\" font-family=\"monospace\" font-size=\"%.0f\">\n"
               "<style>rect{height:%dpx;stroke:#fff;stroke-width:.4;vector-effect:"
               "non-scaling-stroke}a{cursor:pointer}a:hover rect,a:focus rect{stroke:#000}"
               "text{pointer-events:none;fill:#111}#back text{pointer-events:auto;fill:#0645ad}"
               "</style>\n<rect x=\"0\" y=\"0\" width=\"%d\" style=\"height:%.0fpx\" "
               "fill=\"#fff\"/>\n",
               WIDTH, height, WIDTH, height, FONT, ROW - 1, WIDTH, height);
    buf_printf(out, "<view id=\"all\" viewBox=\"0 0 %d %.0f\"/>\n", WIDTH, height);
    buf_printf(out, "<text x=\"%d\" y=\"18\" font-size=\"14\">", MARGIN);
    const char *name = strtab_text(&p->tables.strings, p->name);
    put_short(out, *name ? name : "profile", *name ? strlen(name) : 7, 80);
    buf_put_text(out, "</text>\n");
    buf_printf(out, "<text x=\"%d\" y=\"36\">", MARGIN);
    const struct sample_set *s = &d->p->sets[0];
    const char *value = strtab_text(&d->p->tables.strings, s->types[0].name);
    put_escaped(out, value, strlen(value));
    buf_put_text(out, ": ");
    put_amount(out, d->total, d->unit);
    buf_put_text(out, "; click a box to zoom in, go back to zoom out</text>\n");
    buf_printf(out,
               "<a id=\"back\" href=\"#all\"><text x=\"%d\" y=\"36\" text-anchor=\"end\">"
               "the whole graph</text></a>\n",
               WIDTH - MARGIN);
}

static enum status draw(struct drawing *d, const struct profile *p, struct buf *out)
{
    struct buf boxes;
    buf_init(&boxes, 0);
    d->out = &boxes;
    enum status st = build_tree(d);
    if (st == STATUS_OK && d->total > 0)
        st = draw_tree(d);
    double height = TOP + (double)d->max_depth * ROW + BOTTOM;
    if (st == STATUS_OK) {
        put_head(d, out, p, height);
        buf_put(out, boxes.data, boxes.len);
        if (d->total <= 0)
            buf_printf(out, "<text x=\"%d\" y=\"%d\">no samples</text>\n", MARGIN, TOP + ROW);
        if (d->dropped)
            buf_printf(out,
                       "<text x=\"%d\" y=\"%.0f\" fill=\"#555\">%zu boxes too narrow to be "
                       "seen are left out</text>\n",
                       MARGIN, height - 8, d->dropped);
        buf_put_text(out, "</svg>\n");
        st = buf_status(&boxes) == STATUS_OK ? buf_status(out) : buf_status(&boxes);
    }
    buf_deinit(&boxes);
    d->out = NULL;
    return st;
}

static enum status svg_write(const struct profile *p, struct buf *out, struct buf *lost,
                             struct error *err)
{
    struct write_view view;
    enum status st = write_view_init(&view, p, err);
    if (st != STATUS_OK)
        return st;
    const struct sample_set *s = &view.profile->sets[0];
    struct drawing d = {.p = view.profile};
    d.unit = strtab_text(&d.p->tables.strings, s->types[0].unit);
    st = draw(&d, p, out);
    if (st != STATUS_OK)
        error_set(err, st, "the picture could not be drawn (%s)", status_name(st));
    else
        write_view_list_lost(&view, p, "svg", 0, lost);
    if (st == STATUS_OK && d.dropped)
        buf_printf(lost, "svg: %zu boxes too narrow to be seen\n", d.dropped);
    free(d.nodes);
    write_view_deinit(&view);
    return st;
}

const struct format format_svg = {
    .name = "svg",
    .title = "Flame graph as SVG",
    .extensions = "svg",
    .write = svg_write,
};
