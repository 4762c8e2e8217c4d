#include <criterion/criterion.h>

#include "collector/native/name.h"

static void expect(const char *symbol, const char *wanted)
{
    struct buf out;
    buf_init(&out, 0);
    native_demangle(symbol, &out);
    buf_put_byte(&out, 0);
    cr_expect_str_eq((const char *)out.data, wanted);
    buf_deinit(&out);
}

Test(native_name, makes_names_of_cpp_rust_and_cython_readable)
{
    expect("_ZN5boost6python3runEv", "boost::python::run");
    expect("_ZNSt6vectorIiSaIiEE9push_backERKi",
           "std::vector<int, std::allocator<int> >::push_back");
    expect("_RNvCs1234_7mycrate3foo", "mycrate::foo");
    expect("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt");
    expect("__pyx_pf_5pkg_a_3mod_4Here_2run", "pkg_a.mod.Here.run");
    expect("__pyx_f_3mod_inner", "mod.inner");
    expect("__pyx_pw_3mod_1outer", "mod.outer");
}

Test(native_name, leaves_other_names_alone)
{
    expect("qsort_r", "qsort_r");
    expect("__GI___libc_read", "__libc_read");
    expect("_Z", "_Z");
    expect("_ZN3foo", "_ZN3foo");
    expect("__pyx_f_", "__pyx_f_");
    expect("__pyx_f_99mod_x", "__pyx_f_99mod_x");
    expect("__pyx_f_3mod", "__pyx_f_3mod");
}
