heliograph_fuzz_target(fuzz_wire fuzz_wire.c LINK hg_wire)
heliograph_fuzz_target(fuzz_apply fuzz_apply.c LINK hg_model)
