/* How many threads may wait for the other side at once, for a body that comes or an answer that is
 * not taken: half of those for requests at most, and for one address half of these, so that there
 * are always threads for other requests and other people. */

#include <stdlib.h>
#include <string.h>

#include "backend/http/inside.h"

bool http_places_init(struct http_places *p, unsigned threads)
{
    p->most = threads / 2;
    p->most_of_one = p->most / 2;
    p->places = calloc(p->most, sizeof(*p->places));
    pthread_mutex_init(&p->lock, NULL);
    return p->places != NULL;
}

void http_places_deinit(struct http_places *p)
{
    free(p->places);
    pthread_mutex_destroy(&p->lock);
}

int http_places_enter(struct http_places *p, const char *address)
{
    int place = -1;
    unsigned same = 0;
    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < p->most; i++) {
        if (!p->places[i].address[0])
            place = (int)i;
        else
            same += strcmp(p->places[i].address, address) == 0;
    }
    if (same >= p->most_of_one)
        place = -1;
    if (place >= 0)
        strncpy(p->places[place].address, address, LIMIT_ADDRESS - 1);
    pthread_mutex_unlock(&p->lock);
    return place;
}

void http_places_leave(struct http_places *p, int place)
{
    pthread_mutex_lock(&p->lock);
    memset(&p->places[place], 0, sizeof(p->places[place]));
    pthread_mutex_unlock(&p->lock);
}
