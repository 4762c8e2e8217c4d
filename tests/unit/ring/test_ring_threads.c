/* A writer and a reader at full speed on one ring, the writer sleeping when it is full: every
 * record arrives once, whole and in order, and nobody sleeps for ever. A plain program: built with
 * ThreadSanitizer it also shows that each record is handed over by the head and the tail alone. */

#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "collector/ring/reader.h"
#include "collector/ring/writer.h"

enum { RECORDS = 256, EVENTS = 400000, SLOW_READS = 97 };

static struct ring_record records[RECORDS];
static struct ring_thread shared;
static uint64_t sleeps;

static void wait_for_room(struct ring_writer *w)
{
    while (!ring_writer_refresh(w)) {
        if (!ring_writer_before_wait(w))
            break;
        const struct timespec long_enough = {.tv_sec = 20};
        uint32_t tail = (uint32_t)(w->limit + RING_SPARE - w->mask - 1);
        sleeps++;
        if (syscall(SYS_futex, &shared.tail, FUTEX_WAIT, tail, &long_enough, NULL, 0) != 0 &&
            !ring_writer_refresh(w)) {
            /* EAGAIN: the tail has moved. A wake-up that got lost would time out here. */
            struct timespec now;
            static struct timespec first;
            clock_gettime(CLOCK_MONOTONIC, &now);
            if (first.tv_sec == 0)
                first = now;
            if (now.tv_sec - first.tv_sec > 60) {
                fprintf(stderr, "the writer was never woken\n");
                exit(1);
            }
        }
    }
    ring_writer_after_wait(w);
}

static void *write_all(void *arg)
{
    struct ring_writer w;
    (void)arg;
    ring_writer_init(&w, &shared, records, RECORDS);
    for (uint64_t i = 1; i <= EVENTS; i++) {
        if (!ring_writer_has_room(&w))
            wait_for_room(&w);
        ring_writer_put(&w, ring_word(RING_SIZE, RING_DOMAIN_OBJECT, i), (uint32_t)i, ~(uint32_t)i);
        ring_writer_put(&w, ring_word(RING_ALLOC, RING_DOMAIN_OBJECT, i), (uint32_t)i,
                        ~(uint32_t)i);
        ring_writer_publish(&w);
    }
    return NULL;
}

int main(void)
{
    struct ring_reader r = {.shared = &shared, .records = records, .mask = RECORDS - 1};
    pthread_t writer;
    if (pthread_create(&writer, NULL, write_all, NULL) != 0)
        return 1;
    uint64_t seen = 0;
    for (uint64_t pass = 0; seen < 2 * (uint64_t)EVENTS; pass++) {
        uint64_t head = ring_reader_head(&r);
        for (; seen < head; seen++) {
            const struct ring_record *record = ring_reader_at(&r, seen);
            uint64_t event = seen / 2 + 1;
            if (ring_address_of(record->word) != event || record->size != (uint32_t)event ||
                record->stack != ~(uint32_t)event ||
                ring_kind_of(record->word) != (seen % 2 ? RING_ALLOC : RING_SIZE)) {
                fprintf(stderr, "record %llu is torn or out of order\n", (unsigned long long)seen);
                return 1;
            }
        }
        ring_reader_advance(&r, seen);
        if (pass % SLOW_READS == 0)
            usleep(200);
    }
    pthread_join(writer, NULL);
    printf("%d events, the writer slept %llu times\n", EVENTS, (unsigned long long)sleeps);
    return sleeps == 0;
}
