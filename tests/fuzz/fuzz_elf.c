/* An ELF file from any target: opening it, its call frame information at every function, a walk by
 * it over a copied stack, and its symbols. The first 256 bytes are also the stack and an
 * expression. */

#include <stdlib.h>

#include "collector/native/cfi.h"
#include "collector/native/cfi_program.h"
#include "collector/native/expression.h"
#include "collector/native/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STACK_MAX = 256, ENTRIES_MAX = 200 };

static void look_at(struct image *image, uint64_t address, const struct stack_copy *copy)
{
    uint64_t begin;
    uint64_t out;
    struct buf name;
    const struct cfi_row *row = cfi_find(image, address);
    for (unsigned i = 0; row && i < REGISTERS; i++) {
        const struct cfi_rule *rule = &row->rules[i];
        if (rule->kind == CFI_AT_EXPRESSION || rule->kind == CFI_IS_EXPRESSION)
            (void)expression_run(image->frames.data + rule->value, rule->len, &copy->registers,
                                 copy, &address, &out);
    }
    const char *symbol = image_symbol(image, address, cfi_function(image, address), &begin);
    if (symbol && begin > address)
        abort();
    buf_init(&name, 0);
    if (symbol)
        native_demangle(symbol, &name);
    buf_deinit(&name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct stack_copy copy = {
        .begin = 0x1000, .bytes = data, .len = len < STACK_MAX ? len : STACK_MAX};
    copy.registers.known = 0xffff;
    copy.registers.value[REGISTER_SP] = 0x1008;
    uint64_t out;
    (void)expression_run(data, copy.len, &copy.registers, &copy, NULL, &out);

    struct image *image;
    struct image_source source = {.fd = -1, .data = data, .len = len};
    if (image_open(&image, &source) != STATUS_OK)
        return 0;
    size_t at = 0;
    struct cfi_entry entry;
    for (int i = 0; i < ENTRIES_MAX && cfi_next_entry(&image->frames, &at, &entry); i++) {
        if (!entry.is_function)
            continue;
        look_at(image, entry.begin, &copy);
        look_at(image, entry.end - 1, &copy);
    }
    image_add_symbols(image, &source);
    if (image_address(image, 0x40, &out))
        look_at(image, out, &copy);
    image_close(image);
    return 0;
}
