/* A C extension whose function calls its argument from two functions below. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

static __attribute__((noinline, noipa)) PyObject *inner_bridge(PyObject *callable)
{
    PyObject *result = PyObject_CallObject(callable, NULL);
    __asm__ volatile("" ::: "memory"); /* not its last deed: it stays on the stack */
    return result;
}

static __attribute__((noinline, noipa)) PyObject *outer_bridge(PyObject *module, PyObject *callable)
{
    (void)module;
    PyObject *result = inner_bridge(callable);
    __asm__ volatile("" ::: "memory");
    return result;
}

static PyMethodDef methods[] = {{"call", outer_bridge, METH_O, "Calls its argument."},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "bridge", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_bridge(void);
PyMODINIT_FUNC PyInit_bridge(void)
{
    return PyModule_Create(&definition);
}
