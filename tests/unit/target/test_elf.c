#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/target/elf.h"

extern int a_symbol_of_our_own;
int a_symbol_of_our_own = 7;

Test(target_elf, finds_symbols_and_sections_of_this_very_program)
{
    struct elf e;
    uint64_t address;
    uint64_t size;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    cr_assert_eq(elf_open(&e, fd), STATUS_OK);
    cr_expect(elf_symbol(&e, "a_symbol_of_our_own", &address));
    cr_expect(elf_section(&e, ".bss", &address, &size));
    cr_expect_gt(size, 0);
    cr_expect_not(elf_symbol(&e, "there_is_no_such_symbol", &address));
    cr_expect_not(elf_section(&e, ".nothing", &address, &size));
    elf_close(&e);
    close(fd);
}

/* The sanitizer is the judge. */
Test(target_elf, a_file_cut_or_changed_anywhere_is_survived)
{
    char path[] = "/tmp/heliograph-elf-XXXXXX";
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int out = mkstemp(path);
    static uint8_t head[65536];
    ssize_t len = read(in, head, sizeof(head));
    cr_assert_gt(len, 1000);
    uint32_t random = 99;
    for (int round = 0; round < 400; round++) {
        static uint8_t copy[sizeof(head)];
        memcpy(copy, head, sizeof(head));
        random = random * 1664525 + 1013904223;
        copy[random % 512] ^= (uint8_t)(random >> 24);
        random = random * 1664525 + 1013904223;
        ssize_t cut = (ssize_t)(random % (uint32_t)len);
        cr_assert_eq(pwrite(out, copy, (size_t)cut, 0), cut);
        cr_assert_eq(ftruncate(out, cut), 0);
        struct elf e = {0};
        uint64_t address;
        uint64_t size;
        if (elf_open(&e, out) == STATUS_OK) {
            (void)elf_symbol(&e, "_PyRuntime", &address);
            (void)elf_section(&e, ".PyRuntime", &address, &size);
        }
        elf_close(&e);
    }
    close(in);
    close(out);
    unlink(path);
}

Test(target_elf, what_is_no_elf_file_is_refused)
{
    struct elf e;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    close(fd);
    cr_expect_neq(elf_open(&e, -1), STATUS_OK);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_expect_eq(elf_open(&e, fd), STATUS_INVALID);
    close(fd);
}
