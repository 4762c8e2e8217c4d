#include <criterion/criterion.h>

#include "collector/sampler/thread.h"

/* Notes `len` first readings of which each `every`th is in vain. */
static void note(struct sampled_thread *t, int len, int every)
{
    for (int i = 1; i <= len; i++)
        thread_note_first(t, i % every != 0);
}

Test(sampler_thread, is_unsteady_from_a_tenth_in_vain_until_a_fourteenth)
{
    struct sampled_thread t = {0};
    note(&t, 10, 1);
    cr_expect_not(t.is_unsteady, "too early to tell");
    note(&t, 2000, 16);
    cr_expect_not(t.is_unsteady);
    note(&t, 2000, 12);
    cr_expect_not(t.is_unsteady, "between the two it stays as it is");
    note(&t, 2000, 7);
    cr_expect(t.is_unsteady);
    note(&t, 2000, 12);
    cr_expect(t.is_unsteady, "between the two it stays as it is");
    note(&t, 2000, 18);
    cr_expect_not(t.is_unsteady);
}

Test(sampler_thread, that_always_changes_is_soon_known)
{
    struct sampled_thread t = {0};
    note(&t, 32, 2);
    cr_expect(t.is_unsteady);
}
