/* A program without Python: one thread computes in a known chain of calls, one sleeps. */

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NOT_INLINED __attribute__((noinline, noipa))

static volatile double total;

NOT_INLINED double innermost(int n);
NOT_INLINED double middle(int n);
NOT_INLINED void *sleeper(void *seconds);

double innermost(int n)
{
    double sum = 0;
    for (int i = 1; i < n; i++)
        sum += 1.0 / i;
    return sum;
}

static inline __attribute__((always_inline)) double put_inside(int n)
{
    double sum = 0;
    for (int i = 1; i < n; i++)
        sum += (double)(i % 7) * total;
    return sum + innermost(n);
}

double middle(int n)
{
    return put_inside(n) + 1;
}

void *sleeper(void *seconds)
{
    sleep(*(unsigned *)seconds);
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 2;
    pthread_t thread;
    if (pthread_create(&thread, NULL, sleeper, &seconds) != 0)
        return 1;
    time_t end = time(NULL) + (time_t)seconds;
    while (time(NULL) < end)
        total += middle(100000);
    return 0;
}
