/* A program that loads a Python late, as uWSGI does its plugins: late_python LIBPYTHON CODE */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    sleep(1);
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    /* POSIX has functions come as objects: copied, as ISO C knows no cast for it. */
    void (*initialize)(void);
    int (*run)(const char *);
    void *found = dlsym(library, "Py_Initialize");
    memcpy(&initialize, &found, sizeof(initialize));
    found = dlsym(library, "PyRun_SimpleString");
    memcpy(&run, &found, sizeof(run));
    initialize();
    return run(argv[2]);
}
