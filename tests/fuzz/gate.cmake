heliograph_fuzz_target(fuzz_gate fuzz_gate.c LINK hg_query)
