#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/api/inside.h"

static struct api_server *new_server(uint64_t cache_bytes)
{
    struct api_server *s = calloc(1, sizeof(*s));
    cr_assert_not_null(s);
    cr_assert_eq(api_caches_init(s), STATUS_OK);
    s->cache_bytes = cache_bytes;
    return s;
}

static void free_server(struct api_server *s)
{
    api_caches_deinit(s);
    free(s);
}

static void id_of(int n, char id[24])
{
    snprintf(id, 24, "profile%09d", n);
}

Test(api_caches, keep_a_profile_s_cache_between_questions)
{
    struct api_server *s = new_server(1 << 20);
    struct api_cache *first = api_cache_take(s, "aaaaaaaaaaaaaaaa");
    struct query_cache *query = first->query;
    cr_assert_not_null(query);
    api_cache_give(s, first);
    struct api_cache *again = api_cache_take(s, "aaaaaaaaaaaaaaaa");
    cr_assert_eq(again->query, query);
    api_cache_give(s, again);
    free_server(s);
}

Test(api_caches, forget_the_one_not_used_for_longest)
{
    struct api_server *s = new_server(UINT64_MAX);
    char id[24];
    for (int i = 0; i < API_CACHES; i++) {
        id_of(i, id);
        api_cache_give(s, api_cache_take(s, id));
    }
    id_of(0, id);
    api_cache_give(s, api_cache_take(s, id));
    id_of(1000, id);
    api_cache_give(s, api_cache_take(s, id));
    bool has_first = false;
    bool has_second = false;
    for (int i = 0; i < API_CACHES; i++) {
        has_first |= strcmp(s->caches[i].id, "profile000000000") == 0;
        has_second |= strcmp(s->caches[i].id, "profile000000001") == 0;
    }
    cr_assert(has_first, "it was used again");
    cr_assert_not(has_second);
    free_server(s);
}

Test(api_caches, do_without_when_all_are_in_use)
{
    struct api_server *s = new_server(UINT64_MAX);
    struct api_cache *held[API_CACHES];
    char id[24];
    for (int i = 0; i < API_CACHES; i++) {
        id_of(i, id);
        held[i] = api_cache_take(s, id);
        cr_assert_not_null(held[i]);
    }
    id_of(1000, id);
    cr_assert_null(api_cache_take(s, id));
    for (int i = 0; i < API_CACHES; i++)
        api_cache_give(s, held[i]);
    free_server(s);
}

Test(api_caches, stay_within_their_bytes)
{
    struct api_server *s = new_server(1);
    char id[24];
    for (int i = 0; i < 10; i++) {
        id_of(i, id);
        api_cache_give(s, api_cache_take(s, id));
    }
    cr_assert_eq(api_caches_size(s), 0);
    free_server(s);
}
