"""Many runs: by folds and seeds, over a cluster, in sweeps, joined and compared."""
