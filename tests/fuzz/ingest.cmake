heliograph_fuzz_target(fuzz_ingest fuzz_ingest.c LINK hg_ingest)
