/* civetweb 1.15 gives its workers 102,400 bytes of stack (civetweb.c, mg_start_thread_with_id),
 * which a recursive parser or a larger local array overflows, and has no option for it. This
 * definition comes before libc's for the whole program: it turns exactly that size into
 * HTTP_WORKER_STACK and passes every other on. */

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "backend/http/inside.h"

enum { CIVETWEB_STACK = 102400 };

int pthread_attr_setstacksize(pthread_attr_t *attr, size_t size)
{
    static int (*real)(pthread_attr_t *, size_t);
    if (!real) {
        void *symbol = dlsym(RTLD_NEXT, "pthread_attr_setstacksize");
        memcpy(&real, &symbol, sizeof(real)); /* ISO C has no cast from object to function */
    }
    return real(attr, size == CIVETWEB_STACK ? HTTP_WORKER_STACK : size);
}

size_t http_worker_stack_here(void)
{
    pthread_attr_t attr;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return 0;
    pthread_attr_getstacksize(&attr, &size);
    pthread_attr_destroy(&attr);
    return size;
}
