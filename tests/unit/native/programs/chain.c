/* A program of known call chains for test_unwind.c, built with and without frame pointers. It calls
 * down the chain that its argument names, says "ready" and stays at its end. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOT_INLINED __attribute__((noinline, noipa))

static volatile int keeps_running = 1;

static void say_ready(void)
{
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        _exit(3);
}

NOT_INLINED int spin(void);
NOT_INLINED int rest(void);
NOT_INLINED int big_frame(int (*end)(void), int n);
NOT_INLINED int aligned_frame(int (*end)(void), int n);
NOT_INLINED int sized_at_run_time(int (*end)(void), int n);
NOT_INLINED int in_a_signal(int (*end)(void));
NOT_INLINED int recurse(int (*end)(void), int n);

int spin(void)
{
    say_ready();
    while (keeps_running) {
    }
    return 1;
}

int rest(void)
{
    say_ready();
    return (int)pause();
}

int recurse(int (*end)(void), int n)
{
    return (n == 0 ? end() : recurse(end, n - 1)) + 1;
}

int big_frame(int (*end)(void), int n)
{
    volatile char room[40000];
    room[n] = (char)n;
    return recurse(end, 5) + room[n];
}

int aligned_frame(int (*end)(void), int n)
{
    _Alignas(128) volatile char room[256];
    room[n] = (char)n;
    return big_frame(end, n) + room[n];
}

int sized_at_run_time(int (*end)(void), int n)
{
    volatile char *room = __builtin_alloca((size_t)n * 17);
    room[n] = (char)n;
    return aligned_frame(end, n) + room[n];
}

static int (*signal_end)(void);

static void on_signal(int number)
{
    (void)number;
    (void)recurse(signal_end, 1);
}

int in_a_signal(int (*end)(void))
{
    signal_end = end;
    signal(SIGUSR1, on_signal);
    return raise(SIGUSR1) + 1;
}

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "";
    int (*end)(void) = argc > 2 && strcmp(argv[2], "rest") == 0 ? rest : spin;
    if (strcmp(which, "signal") == 0)
        return in_a_signal(end);
    return sized_at_run_time(end, argc + 20);
}
