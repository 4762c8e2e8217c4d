/* A library for a test program: allocations with a signal in between at any instruction, whose
 * handler maps and unmaps memory itself. What it does is known exactly. */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>

static volatile sig_atomic_t caught;

static void on_alarm(int number)
{
    (void)number;
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map != MAP_FAILED)
        munmap(map, 4096);
    caught++;
}

/* `rounds` blocks of 77 bytes, each freed at once; how many signals came meanwhile. */
long memory_storm(long rounds);

long memory_storm(long rounds)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 100}, {0, 100}};
    struct itimerval never = {{0, 0}, {0, 0}};
    if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &often, NULL) != 0)
        return -1;
    for (long i = 0; i < rounds; i++) {
        void *volatile block = malloc(77);
        free(block);
    }
    (void)setitimer(ITIMER_REAL, &never, NULL);
    return caught;
}
