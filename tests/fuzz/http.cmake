heliograph_fuzz_target(fuzz_http fuzz_http.c LINK hg_http hg_formats hg_model)
