"""The group of all verbs; an error that Tenure raises becomes one message and its exit code."""

import logging
from typing import Any

import click

from features.errors import TenureError
from features.settings import quiet_environment
from serving.cli.demo import demo
from serving.cli.features import features
from serving.cli.history import check, import_, simulate
from serving.cli.keys import keys
from serving.cli.labels import labels
from serving.cli.lists import lists
from serving.cli.loop import advance
from serving.cli.models import models, train
from serving.cli.monitor import monitor
from serving.cli.outcomes import outcomes
from serving.cli.privacy import erase
from serving.cli.reach import check_reach
from serving.cli.scores import score, serve

__all__ = ["main"]


class _Tenure(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; its errors are for people, without a traceback."""
        try:
            return super().invoke(ctx)
        except TenureError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=_Tenure, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tenure")
def main() -> None:
    """Who is about to leave, what each customer is worth, what to offer, and whether it worked."""
    quiet_environment()
    # Feast switches deprecation warnings on for every library: they are not for the bank to read.
    logging.captureWarnings(True)


for _verb in (
    demo,
    simulate,
    advance,
    check,
    import_,
    features,
    labels,
    train,
    models,
    monitor,
    score,
    lists,
    outcomes,
    erase,
    keys,
    serve,
):
    main.add_command(_verb)
lists.add_command(check_reach)
