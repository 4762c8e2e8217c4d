#include <criterion/criterion.h>

#include "collector/native/expression.h"

static const uint64_t stack[] = {11, 22, 33, 44};

static enum expression_result run(const uint8_t *code, size_t len, uint64_t *out)
{
    struct stack_copy copy = {
        .begin = 0x2000, .bytes = (const uint8_t *)stack, .len = sizeof(stack)};
    register_set(&copy.registers, REGISTER_SP, 0x2000);
    uint64_t first = 0x2008;
    return expression_run(code, len, &copy.registers, &copy, &first, out);
}

#define RUN(out, ...)                                                                              \
    run((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), (out))

Test(native_expression, counts_as_the_standard_says)
{
    uint64_t out = 0;
    cr_expect_eq(RUN(&out, 0x06), EXPRESSION_OK);
    cr_expect_eq(out, 22, "what lies at the value that was pushed before");
    cr_expect_eq(RUN(&out, 0x77, 0x18, 0x06), EXPRESSION_OK);
    cr_expect_eq(out, 44);
    cr_expect_eq(RUN(&out, 0x77, 0x78), EXPRESSION_OK);
    cr_expect_eq(out, 0x2000 - 8);
    /* A PLT stub: rsp + 8 + (((rip & 15) >= 11) << 3), with 13 for rip. */
    cr_expect_eq(RUN(&out, 0x77, 8, 0x3d, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22), EXPRESSION_OK);
    cr_expect_eq(out, 0x2010);
    cr_expect_eq(RUN(&out, 0x31, 0x28, 1, 0, 0x96, 0x35), EXPRESSION_OK);
    cr_expect_eq(out, 5, "a jump over one byte");
    cr_expect_eq(RUN(&out, 0x09, 0xff, 0x1f), EXPRESSION_OK);
    cr_expect_eq(out, 1, "-1 as a signed byte, negated");
}

Test(native_expression, says_why_it_has_no_result)
{
    uint64_t out = 7;
    cr_expect_eq(RUN(&out, 0x73, 0), EXPRESSION_NO_REGISTER);
    cr_expect_eq(RUN(&out, 0x77, 0x20, 0x06), EXPRESSION_NO_MEMORY);
    cr_expect_eq(RUN(&out, 0x13, 0x13), EXPRESSION_BROKEN, "an empty stack");
    cr_expect_eq(RUN(&out, 0x13), EXPRESSION_BROKEN, "no result");
    cr_expect_eq(RUN(&out, 0xe0), EXPRESSION_BROKEN);
    cr_expect_eq(RUN(&out, 0x0e, 1, 2), EXPRESSION_BROKEN, "a number cut short");
    cr_expect_eq(RUN(&out, 0x2f, 0xfd, 0xff), EXPRESSION_BROKEN, "a loop without end");
    cr_expect_eq(RUN(&out, 0x2f, 0, 0x40), EXPRESSION_BROKEN, "a jump out of it");
    cr_expect_eq(RUN(&out, 0x12, 0x2f, 0xfc, 0xff), EXPRESSION_BROKEN, "a stack without end");
    cr_expect_eq(out, 7);
}
