/* Feeds every file of the given folders to a fuzz target, without libFuzzer: what once broke a
 * parser stays mended. Fails when a folder is missing or empty, since then nothing was checked. */

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        if (file)
            fclose(file);
        return 0;
    }
    /* Exactly as long as the file, so that a sanitizer sees a read past its end. */
    size_t len = (size_t)info.st_size;
    uint8_t *data = malloc(len ? len : 1);
    int is_read = data && fread(data, 1, len, file) == len;
    fclose(file);
    if (is_read)
        LLVMFuzzerTestOneInput(data, len);
    else
        fprintf(stderr, "%s: cannot be read\n", path);
    free(data);
    return is_read;
}

/* The number of files replayed; 0 when there is none or one could not be read. */
static size_t replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        return 0;
    }
    size_t count = 0;
    int is_good = 1;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        is_good = replay_file(path) && is_good;
        count++;
    }
    closedir(dir);
    return is_good ? count : 0;
}

int main(int argc, char **argv)
{
    size_t total = 0;
    int status = argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
    for (int i = 1; i < argc; i++) {
        size_t count = replay_folder(argv[i]);
        if (count == 0) {
            fprintf(stderr, "%s: no file was replayed\n", argv[i]);
            status = EXIT_FAILURE;
        }
        total += count;
    }
    printf("%zu inputs replayed\n", total);
    return status;
}
