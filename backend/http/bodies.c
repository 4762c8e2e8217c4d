/* How many bodies are read at once: half of the threads at most, and of one address half of these,
 * so that there are always threads for requests without one and bodies of others. */

#include <stdlib.h>
#include <string.h>

#include "backend/http/inside.h"

bool http_bodies_init(struct http_bodies *b, unsigned threads)
{
    b->most = threads / 2;
    b->most_of_one = b->most / 2;
    b->slots = calloc(b->most, sizeof(*b->slots));
    pthread_mutex_init(&b->lock, NULL);
    return b->slots != NULL;
}

void http_bodies_deinit(struct http_bodies *b)
{
    free(b->slots);
    pthread_mutex_destroy(&b->lock);
}

int http_bodies_enter(struct http_bodies *b, const char *address)
{
    int slot = -1;
    unsigned same = 0;
    pthread_mutex_lock(&b->lock);
    for (unsigned i = 0; i < b->most; i++) {
        if (!b->slots[i].address[0])
            slot = (int)i;
        else
            same += strcmp(b->slots[i].address, address) == 0;
    }
    if (same >= b->most_of_one)
        slot = -1;
    if (slot >= 0)
        strncpy(b->slots[slot].address, address, LIMIT_ADDRESS - 1);
    pthread_mutex_unlock(&b->lock);
    return slot;
}

void http_bodies_leave(struct http_bodies *b, int slot)
{
    pthread_mutex_lock(&b->lock);
    memset(&b->slots[slot], 0, sizeof(b->slots[slot]));
    pthread_mutex_unlock(&b->lock);
}
