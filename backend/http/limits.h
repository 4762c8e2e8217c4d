#pragma once
/* How often one address may do a thing: a bucket of tries that fills again with time. Addresses
 * beyond the table's size push out the one not seen for longest. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { LIMIT_SLOTS = 1024, LIMIT_ADDRESS = 48 };

struct limit {
    pthread_mutex_t lock;
    double per_second, burst; /* burst 0 = no limit */
    struct limit_slot {
        char address[LIMIT_ADDRESS];
        double left;
        uint64_t at_ns;
    } slots[LIMIT_SLOTS];
};

void limit_init(struct limit *l, double per_second, double burst);
void limit_deinit(struct limit *l);

/* Whether there is a try left; `take` uses it up. Otherwise `*wait_s` says when to come again. */
bool limit_check(struct limit *l, const char *address, uint64_t now_ns, bool take,
                 unsigned *wait_s);
