/* Records an image for the unwinder's tests:
 *   record_image PYTHON OUT.image [PROGRAM]
 * runs tests/unit/python/image_program.py with PYTHON, waits until it rests, and writes what the
 * unwinder reads of it, and beside it OUT.image.expected: what it found, to be read by a person.
 * The paths of the machine in it are then replaced by others of the same length. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/target/memory.h"
#include "collector/target/target.h"
#include "common/base/clock.h"
#include "tests/unit/python/image.h"

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    char program[] = "tests/unit/python/image_program.py";
    char *command[] = {argv[1], argc > 3 ? argv[3] : program, NULL};
    struct target *target;
    struct error err;
    if (target_spawn(&target, command, NULL, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    uint64_t end = clock_monotonic_ns() + 1500000000;
    while (clock_monotonic_ns() < end && target_update(target, 50)) {
    }
    struct target_process info;
    int failed = 1;
    if (target_list(target, &info, 1) == 1 && info.state == TARGET_PYTHON_READY) {
        struct target_memory memory;
        target_memory_init(&memory, info.pid);
        struct memory_reader source = target_memory_reader(&memory);
        struct image image = {.version = info.python.layout.version,
                              .runtime = info.python.runtime,
                              .source = &source};
        char path[4096];
        snprintf(path, sizeof(path), "%s.expected", argv[2]);
        FILE *out = fopen(path, "w");
        if (out && image_describe(&image, out) && image_save(&image, argv[2]))
            failed = 0;
        if (out)
            fclose(out);
        image_free(&image);
        target_memory_deinit(&memory);
    }
    target_signal(target, SIGKILL);
    target_update(target, 1000);
    target_close(target);
    return failed;
}
