#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "backend/api/kept.h"

static struct kept *new_kept(uint64_t max_bytes)
{
    struct kept *k = NULL;
    cr_assert_eq(kept_new(&k, max_bytes), STATUS_OK);
    return k;
}

static struct kept_key key_of(const char *question, uint64_t revision)
{
    return (struct kept_key){question, strlen(question), revision};
}

/* Keeps `text` of `len` bytes and lets it go again. */
static bool keep(struct kept *k, const char *question, uint64_t revision, size_t len)
{
    struct kept_key key = key_of(question, revision);
    struct buf body;
    buf_init(&body, 0);
    memset(buf_grow(&body, len), question[0], len);
    struct kept_answer *answer = kept_take(k, &key, &body, true);
    bool is_kept = answer != NULL;
    kept_give(k, answer);
    buf_deinit(&body);
    return is_kept;
}

static bool knows(struct kept *k, const char *question, uint64_t revision)
{
    struct kept_key key = key_of(question, revision);
    struct kept_answer *answer = kept_find(k, &key);
    bool is_known = answer != NULL;
    kept_give(k, answer);
    return is_known;
}

Test(kept, gives_the_same_bytes_for_the_same_question)
{
    struct kept *k = new_kept(1 << 20);
    cr_assert(keep(k, "flame", 7, 1000));
    struct kept_key key = key_of("flame", 7);
    struct kept_answer *answer = kept_find(k, &key);
    cr_assert_not_null(answer);
    cr_assert_eq(answer->len, 1000);
    cr_assert_eq(answer->data[999], 'f');
    cr_assert(answer->is_binary);
    kept_give(k, answer);
    cr_assert_not(knows(k, "flam", 7));
    cr_assert_not(knows(k, "flame2", 7));
    kept_free(k);
}

Test(kept, forgets_what_was_said_of_another_revision)
{
    struct kept *k = new_kept(1 << 20);
    cr_assert(keep(k, "flame", 7, 1000));
    uint64_t one = kept_size(k);
    cr_assert_not(knows(k, "flame", 8));
    cr_assert(keep(k, "flame", 8, 1000));
    cr_assert(knows(k, "flame", 8));
    cr_assert_not(knows(k, "flame", 7));
    cr_assert_eq(kept_size(k), one);
    kept_free(k);
}

Test(kept, stays_within_its_bytes_and_lets_the_oldest_go)
{
    struct kept *k = new_kept(10000);
    cr_assert(keep(k, "a", 1, 3000));
    cr_assert(keep(k, "b", 1, 3000));
    cr_assert(knows(k, "a", 1));
    cr_assert(keep(k, "c", 1, 4000));
    cr_assert_leq(kept_size(k), 10000);
    cr_assert(knows(k, "a", 1), "it was asked for again");
    cr_assert_not(knows(k, "b", 1));
    cr_assert(knows(k, "c", 1));
    cr_assert_not(keep(k, "d", 1, 5000), "more than half is one question's only");
    kept_free(k);
}

Test(kept, holds_no_more_than_its_number)
{
    struct kept *k = new_kept(UINT64_MAX);
    char question[16];
    for (int i = 0; i <= KEPT_MOST; i++) {
        snprintf(question, sizeof(question), "%d", i);
        cr_assert(keep(k, question, 1, 1));
    }
    cr_assert_not(knows(k, "0", 1));
    cr_assert(knows(k, "1", 1));
    kept_free(k);
}

Test(kept, leaves_an_answer_to_those_who_have_it)
{
    struct kept *k = new_kept(10000);
    struct kept_key key = key_of("a", 1);
    cr_assert(keep(k, "a", 1, 4000));
    struct kept_answer *answer = kept_find(k, &key);
    cr_assert(keep(k, "b", 1, 4000));
    cr_assert(keep(k, "c", 1, 4000));
    cr_assert_not(knows(k, "a", 1));
    cr_assert_eq(answer->data[3999], 'a');
    kept_give(k, answer);
    kept_free(k);
}
