"""Models beside FLAML, plain boosting and logistic regression: same rows, split and seconds, in one run.

Six-month outcomes of the Berka bank, and of a simulated bank whose truth says how good any answer
could be: `benchmarks.quality_bank`. Who answers: `benchmarks.quality_peers`.

`make bench-quality SIZE=small|full`; TENURE_SAMPLE_DATA names the folder that holds `berka/`.
"""

import argparse

from features.settings import quiet_environment, read_settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("small", "full"), default="small")
    size = parser.parse_args().size
    quiet_environment()
    # Only now: threads that spin while they wait make a fit of 2 s last 2 minutes on a busy machine.
    from benchmarks.quality_tables import run

    settings = read_settings()
    source = settings.sample_data and settings.sample_data / "berka"
    if not source or not source.is_dir():
        raise SystemExit("set TENURE_SAMPLE_DATA to the folder that holds berka/ to run this benchmark")
    run(size, source, settings)


if __name__ == "__main__":
    main()
