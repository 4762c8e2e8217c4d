/* Reading one thread's stack: again when it was torn, and at last while it stands still. */
#include <errno.h>
#include <sys/uio.h>

#include "collector/sampler/process_parts.h"
#include "collector/sampler/stop.h"
#include "common/base/array.h"
#include "common/base/clock.h"

enum {
    MENDS = 12, /* predictions mended before a sample is given up */
    STOPPED_TRIES = 8,
    IOV_AT_ONCE = 1024,
    READ_NS = 330, /* about what a small read lasts: measured, any x86-64 */
    READ_NS_PER_IOV = 115,
    READ_BYTES_PER_NS = 60,
};

/* The fastest reads are remembered for each power of two of their size. */
static size_t pace_class(size_t bytes)
{
    size_t class = 0;
    while (bytes > 1 && class < PROCESS_PACES - 1) {
        bytes >>= 1;
        class ++;
    }
    return class;
}

/* Two equal copies prove little when the target had the time to go round a loop between them. So
 * only reads nearly as fast as the fastest of about their size count; the measure is this machine's
 * own. What the target is just writing to comes more slowly than what it left alone, so a tight
 * limit refuses stacks by where they are. Only 3.11 and 3.12 need one, for more has to be read
 * between the copies there, and not where a thread that changes that fast is stopped instead. */
static void judge_pace(struct sampled_process *p, const struct sampling *s, size_t iov_len,
                       size_t bytes, uint64_t ns)
{
    const bool has_cframe = p->python.layout.tstate_cframe != PYTHON_NO_FIELD;
    const double tolerance = has_cframe && !s->is_unhurried ? 1.4 : 2;
    const double forget = 1.0005; /* the fastest read fades, as clocks and caches change */
    double usual =
        (double)(READ_NS + iov_len * READ_NS_PER_IOV) + (double)bytes / READ_BYTES_PER_NS;
    double pace = (double)ns / usual;
    double *fastest = &p->paces[pace_class(bytes)];
    p->was_slow = *fastest == 0 || pace > *fastest * tolerance;
    if (*fastest == 0 || pace < *fastest)
        *fastest = pace;
    else
        *fastest *= forget;
}

ssize_t process_read_memory(struct sampled_process *p, struct sampling *s, const struct iovec *iov,
                            size_t iov_len, size_t bytes)
{
    ssize_t total = 0;
    uint64_t begin = clock_monotonic_ns();
    for (size_t done = 0; done < iov_len;) {
        size_t take = iov_len - done < IOV_AT_ONCE ? iov_len - done : IOV_AT_ONCE;
        struct iovec local = {.iov_base = p->slice + total, .iov_len = bytes - (size_t)total};
        ssize_t want = 0;
        for (size_t i = done; i < done + take; i++)
            want += (ssize_t)iov[i].iov_len;
        s->stats->reads++;
        ssize_t got = process_vm_readv(p->pid, &local, 1, iov + done, take, 0);
        if (got < 0) {
            if (errno == ESRCH || errno == EPERM)
                p->is_gone = true;
            return total > 0 ? total : -1;
        }
        total += got;
        if (got < want)
            break;
        done += take;
    }
    judge_pace(p, s, iov_len, bytes, clock_monotonic_ns() - begin);
    return total;
}

/* Above what the deepest stacks of many threads take: addresses that were read torn must not make
 * us ask for the whole of a process. */
enum { SLICE_MAX = 256 << 20 };

bool process_make_room(struct sampled_process *p, size_t iov_len, size_t bytes)
{
    return bytes <= SLICE_MAX && array_reserve(&p->iov, &p->iov_cap, iov_len) &&
           array_reserve(&p->slice, &p->slice_cap, bytes);
}

static enum reading_result attempt(struct sampled_process *p, struct sampling *s,
                                   struct sampled_thread *t, size_t *len)
{
    struct reading *r = &t->reading;
    if (!process_make_room(p, r->iov_len, r->bytes))
        return READING_BROKEN;
    ssize_t got = process_read_memory(p, s, r->iov, r->iov_len, r->bytes);
    if (got == (ssize_t)r->bytes) {
        enum reading_result result = reading_frames(r, p->slice, s->frames, PYTHON_MAX_DEPTH, len);
        return p->was_slow && !p->is_held && result == READING_OK ? READING_TORN : result;
    }
    if (p->is_gone)
        return READING_GONE;
    /* A predicted page is no longer there. */
    reading_forget(r);
    return reading_compile(r) ? READING_MISSED : READING_BROKEN;
}

/* Reads again until it holds, a few times. */
enum reading_result process_insist(struct sampled_process *p, struct sampling *s,
                                   struct sampled_thread *t, enum reading_result result,
                                   int retries, size_t *len)
{
    int torn = 0;
    int missed = 0;
    bool was_broken = false;
    while (result == READING_TORN || result == READING_BROKEN || result == READING_MISSED ||
           result == READING_TOO_DEEP) {
        if (result == READING_MISSED ? ++missed > MENDS : ++torn > retries)
            break;
        /* Once is a stack that moved; twice may be due to what is predicted. */
        if (result == READING_BROKEN && was_broken) {
            reading_forget(&t->reading);
            if (!reading_compile(&t->reading))
                break;
        }
        was_broken = result == READING_BROKEN;
        result = attempt(p, s, t, len);
    }
    return result;
}

enum reading_result process_read_thread(struct sampled_process *p, struct sampling *s,
                                        struct sampled_thread *t, int tries, size_t *len)
{
    return process_insist(p, s, t, attempt(p, s, t, len), tries, len);
}

bool process_is_settled(enum reading_result result)
{
    return result == READING_OK || result == READING_EMPTY || result == READING_GONE;
}

enum reading_result process_read_stopped(struct sampled_process *p, struct sampling *s,
                                         struct sampled_thread *t, bool *is_stopped,
                                         enum reading_result result, size_t *len)
{
    uint64_t begin = 0;
    uint64_t runs = 0;
    uint64_t runs_after = 0;
    bool knows_runs = thread_runs(t, &runs);
    switch (stop_thread(p->pid, t->tid, &begin)) {
    case STOP_DONE:
        break;
    case STOP_ASLEEP:
        /* However long it takes, unless it was put on a CPU meanwhile. */
        p->is_held = knows_runs;
        result = process_insist(p, s, t, attempt(p, s, t, len), STOPPED_TRIES, len);
        p->is_held = false;
        if (knows_runs && (!thread_runs(t, &runs_after) || runs_after != runs) &&
            result == READING_OK)
            return READING_TORN;
        return result;
    case STOP_GONE:
        return result;
    case STOP_REFUSED:
        t->cannot_stop = true;
        s->stats->errors++;
        return result;
    }
    p->is_held = true;
    result = process_insist(p, s, t, attempt(p, s, t, len), STOPPED_TRIES, len);
    p->is_held = false;
    uint64_t spent = clock_monotonic_ns() - begin;
    stop_release(p->pid, t->tid);
    s->stop_budget_ns -= (int64_t)spent;
    s->stats->stopped_ns += spent;
    *is_stopped = process_is_settled(result);
    if (result == READING_OK)
        s->stats->stopped++;
    return result;
}

bool process_can_stop(const struct sampling *s, const struct sampled_thread *t)
{
    return !s->options->never_stop && !t->cannot_stop && t->tid != 0;
}

bool process_may_stop(const struct sampling *s, const struct sampled_thread *t)
{
    return process_can_stop(s, t) && s->stop_budget_ns > 0;
}
