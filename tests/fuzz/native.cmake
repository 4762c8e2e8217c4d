heliograph_fuzz_target(fuzz_elf fuzz_elf.c LINK hg_native)
