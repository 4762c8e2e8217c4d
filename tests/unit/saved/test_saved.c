#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "backend/formats/heliograph.h"
#include "backend/saved/saved.h"

static const char FOLDED[] = "main;work;leaf 7\nmain;work 2\nmain;rest 3\n";

static void put(const void *data, size_t len)
{
    uint8_t *room = saved_room(len);
    cr_assert(room);
    memcpy(room, data, len);
}

static enum status append(void *ctx, const void *data, size_t len)
{
    buf_put(ctx, data, len);
    return buf_status(ctx);
}

static void open_folded(void)
{
    struct profile *p;
    struct error err = {0};
    struct buf file;
    buf_init(&file, 0);
    cr_assert_eq(
        format_load((const uint8_t *)FOLDED, sizeof(FOLDED) - 1, "small.folded", NULL, &p, &err),
        STATUS_OK, "%s", err.text);
    cr_assert_eq(heliograph_write_plain(p, append, &file), STATUS_OK);
    put(file.data, file.len);
    cr_assert_eq(saved_open(), SAVED_JSON);
    buf_deinit(&file);
    profile_free(p);
}

/* A question is a literal with NULs in it, its last one the compiler's. */
#define ASK(words) ask(words, sizeof(words))

static const char *ask(const char *words, size_t len)
{
    static char text[1 << 16];
    put(words, len);
    enum saved_result result = saved_ask();
    cr_assert_lt(saved_answer_len(), sizeof(text) - 16);
    snprintf(text, sizeof(text), "%d%.*s", (int)result, (int)saved_answer_len(),
             (const char *)saved_answer());
    return text;
}

Test(saved, answers_what_the_profile_is_and_its_questions)
{
    open_folded();
    cr_assert(strstr(ASK("profile"), "\"name\":\"small.folded\""));
    cr_assert(strstr(ASK("profile"), "\"summary\":\"58 % in leaf"));
    cr_assert(strstr(ASK("table\0sort\0name\0limit\0001"), "\"name\":[\"leaf\"]"));
    cr_assert(strstr(ASK("flame\0format\0json"), "\"total\":12"));
    put("flame", 6);
    cr_assert_eq(saved_ask(), SAVED_BINARY);
    cr_assert_eq(memcmp(saved_answer(), "HGF1", 4), 0);
}

Test(saved, says_why_it_cannot_answer)
{
    open_folded();
    cr_assert(strstr(ASK("nonsense"), "3{\"code\":\"not_found\""));
    cr_assert(strstr(ASK("flame\0min\0002"), "2{\"code\":\"invalid\""));
    cr_assert(strstr(ASK("flame\0from\0x"), "not a time"));
    cr_assert(strstr(ASK("callers"), "which function?"));
    /* A name without a value, and a question that is not ended. */
    cr_assert(strstr(ASK("flame\0min"), "\"code\":\"invalid\"") == NULL);
    put("table", 5);
    cr_assert_eq(saved_ask(), SAVED_JSON);
}

Test(saved, refuses_what_is_no_profile)
{
    put("HELIOGRAPH2", 11);
    cr_assert_eq(saved_open(), SAVED_REFUSED);
    cr_assert(strstr((const char *)saved_answer(), "HELIOGRAPH1"));
}
