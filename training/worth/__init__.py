"""What is particular to value: horizons, baselines and shops without contracts."""
