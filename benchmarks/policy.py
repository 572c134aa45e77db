"""What policies truly earn with a simulated bank over months, at equal budget and rules.

A bank of known truth (`features.simulate`) with 36 months of history and Tenure's models lives on under
each policy, from the same start and with the same chance: `benchmarks.policy_year`. Who decides:
`benchmarks.policy_players`. What is counted: `benchmarks.policy_bank`. Where Tenure loses:
`benchmarks.policy_parts`.

`make bench-policy SIZE=small|third|full`; `third` has a third of the contacts of `full` to learn from.
"""

import argparse

from features.settings import quiet_environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("small", "third", "full"), default="small")
    size = parser.parse_args().size
    quiet_environment()
    # Only now: threads that spin while they wait hold up a busy machine.
    from benchmarks.policy_tables import run

    run(size)


if __name__ == "__main__":
    main()
