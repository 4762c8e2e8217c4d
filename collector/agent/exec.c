/* Programs started with an environment of their own making would lose the agent: when both its
 * variables are missing there, they are put back. In a vfork()ed child this runs on its parent's
 * memory, so nothing is kept and nothing allocated. */
#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/agent/agent.h"

enum { MAX_ENVIRONMENT = 16384, TEXT_MAX = 4096 };

static char preload_text[TEXT_MAX];
static char region_text[128];

static bool compose(char *out, size_t size, const char *name, const char *value)
{
    size_t name_len = strlen(name);
    size_t len = value ? strlen(value) : 0;
    if (len == 0 || name_len + 1 + len >= size)
        return false;
    memcpy(out, name, name_len);
    out[name_len] = '=';
    memcpy(out + name_len + 1, value, len + 1);
    return true;
}

void agent_exec_init(void)
{
    if (!compose(preload_text, sizeof(preload_text), "LD_PRELOAD", getenv("LD_PRELOAD")) ||
        !compose(region_text, sizeof(region_text), RING_VARIABLE, getenv(RING_VARIABLE)))
        preload_text[0] = '\0';
}

static bool is_named(const char *entry, const char *name)
{
    size_t len = strlen(name);
    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

/* How many entries there are; 0 when the environment is to be left as it is. */
static size_t count_to_extend(char *const env[])
{
    size_t len = 0;
    if (!env || !preload_text[0] || agent_mode == RING_OFF)
        return 0;
    for (; env[len]; len++) {
        if (is_named(env[len], "LD_PRELOAD") || is_named(env[len], RING_VARIABLE) ||
            len == MAX_ENVIRONMENT)
            return 0;
    }
    return len + 1;
}

static void extend(char **out, char *const env[], size_t len)
{
    memcpy(out, env, (len - 1) * sizeof(*out));
    out[len - 1] = preload_text;
    out[len] = region_text;
    out[len + 1] = NULL;
}

#define NEXT(variable, name)                                                                       \
    do {                                                                                           \
        void *found = dlsym(RTLD_NEXT, name);                                                      \
        memcpy(&(variable), &found, sizeof(found));                                                \
    } while (0)

/* The environment with our two entries, on the caller's stack; `env` itself when there is nothing
 * to add. */
#define EXTENDED(env)                                                                              \
    size_t env_len = count_to_extend(env);                                                         \
    char **more = __builtin_alloca((env_len + 2) * sizeof(char *));                                \
    if (env_len > 0)                                                                               \
        extend(more, env, env_len);                                                                \
    char *const *env_used = env_len > 0 ? more : env

AGENT_API int execve(const char *path, char *const argv[], char *const env[])
{
    int (*next)(const char *, char *const[], char *const[]);
    NEXT(next, "execve");
    EXTENDED(env);
    return next(path, argv, env_used);
}

AGENT_API int execvpe(const char *file, char *const argv[], char *const env[])
{
    int (*next)(const char *, char *const[], char *const[]);
    NEXT(next, "execvpe");
    EXTENDED(env);
    return next(file, argv, env_used);
}

AGENT_API int fexecve(int fd, char *const argv[], char *const env[])
{
    int (*next)(int, char *const[], char *const[]);
    NEXT(next, "fexecve");
    EXTENDED(env);
    return next(fd, argv, env_used);
}

AGENT_API int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                          const posix_spawnattr_t *attributes, char *const argv[],
                          char *const env[])
{
    int (*next)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                const posix_spawnattr_t *, char *const[], char *const[]);
    NEXT(next, "posix_spawn");
    EXTENDED(env);
    return next(pid, path, actions, attributes, argv, env_used);
}

AGENT_API int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const argv[],
                           char *const env[])
{
    int (*next)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                const posix_spawnattr_t *, char *const[], char *const[]);
    NEXT(next, "posix_spawnp");
    EXTENDED(env);
    return next(pid, file, actions, attributes, argv, env_used);
}
