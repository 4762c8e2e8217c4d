/* Our own programs, stopped or asleep at the end of a known chain of calls. */

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collector/native/capture.h"
#include "collector/native/name.h"
#include "collector/native/unwind.h"

static struct native_frame frames[NATIVE_MAX_DEPTH];

/* Starts a program and waits for its word that it is there. */
static pid_t start(const char *program, const char *chain, const char *end)
{
    int ends[2];
    char word[8] = "";
    cr_assert(pipe(ends) == 0);
    pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        execl(program, program, chain, end, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    cr_assert(read(ends[0], word, sizeof(word) - 1) > 0, "%s did not start", program);
    close(ends[0]);
    return pid;
}

static void stop(pid_t pid)
{
    int status;
    cr_assert(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0);
    cr_assert(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0);
    cr_assert(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* Names from the innermost to main, one space between. */
static void names_of(struct space *space, size_t len, char *out, size_t size)
{
    struct namer *namer;
    struct native_place place;
    cr_assert(namer_new(&namer));
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < len && at < size; i++) {
        namer_look(namer, space, frames[i].pc, &place);
        const char *name = place.names[place.len - 1].name;
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? " " : "", name);
        if (strcmp(name, "main") == 0)
            break;
    }
    namer_free(namer);
}

/* Unwinds until the copy reaches far enough. */
static enum unwind_end unwind(struct space *space, struct capture *c, pid_t pid, bool is_stopped,
                              size_t *len)
{
    enum unwind_end how = UNWIND_SHORT;
    for (int i = 0; i < 10 && how == UNWIND_SHORT; i++) {
        cr_assert(is_stopped ? capture_stopped(c, pid, pid) : capture_asleep(c, pid, pid));
        how = native_unwind(space, &c->copy, frames, NATIVE_MAX_DEPTH, len);
        if (how == UNWIND_SHORT)
            capture_ask_for_more(c);
    }
    return how;
}

static void expect_chain(const char *program, const char *chain, const char *wanted,
                         const char *end_name)
{
    struct image_store store;
    struct space space;
    struct capture c;
    char names[2048];
    size_t len = 0;
    bool is_stopped = strcmp(end_name, "spin") == 0;
    pid_t pid = start(program, chain, end_name);
    image_store_init(&store);
    space_init(&space, &store, pid);
    capture_init(&c);
    if (is_stopped) {
        stop(pid);
    } else {
        /* It said so just before it fell asleep. */
        for (int i = 0; i < 1000 && !capture_asleep(&c, pid, pid); i++)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    cr_assert(space_update(&space, 1, 0));
    enum unwind_end how = unwind(&space, &c, pid, is_stopped, &len);
    names_of(&space, len, names, sizeof(names));
    cr_expect(strstr(names, wanted) != NULL, "%s %s: %s", program, chain, names);
    cr_expect_eq(how, UNWIND_WHOLE, "%s: %s after %s", program, unwind_end_text(how), names);
    if (!is_stopped)
        cr_expect(capture_is_still_asleep(&c, pid, pid));
    /* Each frame lies above the one before, and they leave no gap. */
    for (size_t i = 1; i < len && strcmp(chain, "signal") != 0; i++)
        cr_expect_eq(frames[i].sp, frames[i - 1].cfa, "frame %zu", i);
    capture_deinit(&c);
    space_deinit(&space);
    image_store_deinit(&store);
    end(pid);
}

#define RECURSE_6 "recurse recurse recurse recurse recurse recurse"

Test(native_unwind, a_running_chain_without_frame_pointers)
{
    expect_chain(CHAIN_WITHOUT, "calls",
                 "spin " RECURSE_6 " big_frame aligned_frame sized_at_run_time main", "spin");
}

Test(native_unwind, a_running_chain_with_frame_pointers)
{
    expect_chain(CHAIN_WITH, "calls",
                 "spin " RECURSE_6 " big_frame aligned_frame sized_at_run_time main", "spin");
}

Test(native_unwind, a_chain_that_a_signal_interrupted)
{
    expect_chain(CHAIN_WITHOUT, "signal", "spin recurse recurse on_signal", "spin");
    expect_chain(CHAIN_WITHOUT, "signal", "in_a_signal main", "spin");
}

Test(native_unwind, a_sleeping_thread_is_read_without_a_stop)
{
    expect_chain(CHAIN_WITHOUT, "signal", "rest recurse recurse on_signal", "rest");
}

Test(native_unwind, without_its_frame_pointer_a_sleeper_is_cut_and_not_guessed)
{
    /* The copied registers say it all; taken away, the realigned frame cannot be followed. */
    struct image_store store;
    struct space space;
    struct capture c;
    size_t len;
    pid_t pid = start(CHAIN_WITH, "calls", "spin");
    stop(pid);
    image_store_init(&store);
    space_init(&space, &store, pid);
    capture_init(&c);
    cr_assert(space_update(&space, 1, 0));
    cr_assert_eq(unwind(&space, &c, pid, true, &len), UNWIND_WHOLE);
    c.copy.registers.known &= ~(UINT32_C(1) << REGISTER_BP);
    size_t cut;
    cr_expect_eq(native_unwind(&space, &c.copy, frames, NATIVE_MAX_DEPTH, &cut), UNWIND_UNKNOWN);
    cr_expect_lt(cut, len);
    cr_expect_gt(cut, 0);
    capture_deinit(&c);
    space_deinit(&space);
    image_store_deinit(&store);
    end(pid);
}

Test(native_unwind, every_copy_that_is_too_short_says_so)
{
    struct image_store store;
    struct space space;
    struct capture c;
    size_t whole;
    size_t len;
    pid_t pid = start(CHAIN_WITHOUT, "calls", "spin");
    stop(pid);
    image_store_init(&store);
    space_init(&space, &store, pid);
    capture_init(&c);
    cr_assert(space_update(&space, 1, 0));
    cr_assert_eq(unwind(&space, &c, pid, true, &whole), UNWIND_WHOLE);
    struct stack_copy copy = c.copy;
    size_t last = 0;
    for (copy.len = 0; copy.len + 600 < c.copy.len && last + 6 < whole; copy.len += 600) {
        cr_expect_eq(native_unwind(&space, &copy, frames, NATIVE_MAX_DEPTH, &len), UNWIND_SHORT);
        cr_expect_geq(len, last);
        last = len;
    }
    cr_expect_eq(native_unwind(&space, &c.copy, frames, 3, &len), UNWIND_TOO_DEEP);
    capture_deinit(&c);
    space_deinit(&space);
    image_store_deinit(&store);
    end(pid);
}
