/* Calls into a forked child, whose functions are where ours are. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collector/target/remote_call.h"
#include "common/base/clock.h"

static struct shared {
    _Atomic uint64_t calls, argument, signals, rounds;
    _Atomic int must_end;
    char text[64];
} * shared;

static uint64_t note(uint64_t argument, const char *text)
{
    /* All that a call may use is used: the thread must not notice. */
    volatile double x = 1.5;
    for (int i = 0; i < 50; i++)
        x = x * 1.01 + (double)i;
    shared->argument = argument;
    strncpy(shared->text, text, sizeof(shared->text) - 1);
    atomic_fetch_add(&shared->calls, 1);
    return argument + 1;
}

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&shared->signals, 1);
}

/* Numbers that come out wrong as soon as one register is not what it was. */
static int reckon(void)
{
    while (!shared->must_end) {
        double sum = 0;
        uint64_t product = 1;
        for (int i = 1; i <= 2000; i++) {
            sum += 1.0 / i;
            product = product * 6364136223846793005U + (uint64_t)i;
        }
        double again = 0;
        uint64_t once_more = 1;
        for (int i = 1; i <= 2000; i++) {
            again += 1.0 / i;
            once_more = once_more * 6364136223846793005U + (uint64_t)i;
        }
        if (sum < again || sum > again || product != once_more)
            return 1;
        atomic_fetch_add(&shared->rounds, 1);
    }
    return 0;
}

static int doze(void)
{
    while (!shared->must_end) {
        struct timespec nap = {.tv_nsec = 20000000};
        uint64_t begin = clock_monotonic_ns();
        if (nanosleep(&nap, NULL) != 0 || clock_monotonic_ns() - begin < 20000000)
            return 1;
        atomic_fetch_add(&shared->rounds, 1);
    }
    return 0;
}

static pid_t start(int (*work)(void))
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGUSR1, on_signal);
        atomic_fetch_add(&shared->rounds, 1);
        _exit(work());
    }
    while (shared->rounds == 0)
        (void)clock_sleep_until(clock_monotonic_ns() + 1000000);
    return pid;
}

static int finish(pid_t pid)
{
    int status = -1;
    shared->must_end = 1;
    waitpid(pid, &status, 0);
    return status;
}

static void call_often(pid_t pid, int times)
{
    struct error err;
    for (int i = 0; i < times; i++) {
        uint64_t result = 0;
        cr_assert_eq(
            remote_call(pid, (uint64_t)(uintptr_t)note, (uint64_t)i, "some text", &result, &err),
            STATUS_OK, "%s", err.text);
        cr_assert_eq(result, (uint64_t)i + 1);
        cr_assert_eq(shared->argument, (uint64_t)i);
        cr_assert_str_eq(shared->text, "some text");
        kill(pid, SIGUSR1);
    }
    cr_assert_eq(shared->calls, (uint64_t)times);
}

Test(remote_call, a_thread_that_reckons_does_not_notice)
{
    pid_t pid = start(reckon);
    call_often(pid, 100);
    cr_assert_eq(finish(pid), 0);
    cr_assert_gt(shared->signals, 0);
}

Test(remote_call, a_thread_that_sleeps_sleeps_on)
{
    pid_t pid = start(doze);
    struct error err;
    for (uint64_t i = 0; i < 20; i++) {
        uint64_t result;
        cr_assert_eq(remote_call(pid, (uint64_t)(uintptr_t)note, i, "x", &result, &err), STATUS_OK,
                     "%s", err.text);
    }
    cr_assert_eq(finish(pid), 0, "its naps were whole");
}

static uint64_t never(uint64_t argument, const char *text)
{
    (void)text;
    while (!shared->must_end)
        atomic_fetch_add(&shared->calls, argument);
    return 0;
}

Test(remote_call, a_call_that_does_not_come_back_is_taken_back)
{
    struct error err;
    uint64_t result;
    pid_t pid = start(reckon);
    cr_assert_eq(remote_call(pid, (uint64_t)(uintptr_t)never, 1, "x", &result, &err), STATUS_BUSY);
    cr_expect_gt(shared->calls, 0);
    uint64_t rounds = shared->rounds;
    uint64_t until = clock_monotonic_ns() + UINT64_C(20000000000);
    while (shared->rounds == rounds && clock_monotonic_ns() < until)
        (void)clock_sleep_until(clock_monotonic_ns() + 1000000);
    cr_expect_gt(shared->rounds, rounds, "it goes on where it was");
    cr_assert_eq(finish(pid), 0);
}

Test(remote_call, who_cannot_be_traced_is_refused)
{
    struct error err;
    uint64_t result;
    pid_t pid = start(reckon);
    cr_assert_eq(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
    cr_expect_eq(remote_call(pid, 1, 1, "x", &result, &err), STATUS_DENIED);
    cr_assert_eq(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
    waitpid(pid, NULL, __WALL);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    cr_assert_eq(finish(pid), 0);
    cr_expect_eq(remote_call(pid, 1, 1, "x", &result, &err), STATUS_DENIED, "it has ended");
}
