"""The verb that erases customers."""

from pathlib import Path

import click

from features.errors import CorruptError, InputError
from serving.cli.clock import now
from serving.cli.console import Shell, on_home, table_text, who

__all__ = ["erase"]


@click.command()
@click.argument("customer_ids", metavar="[CUSTOMER_ID]...", nargs=-1)
@click.option(
    "--check",
    "receipt",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Instead: say whether this receipt is as it was written.",
)
@on_home
def erase(shell: Shell, customer_ids: tuple[str, ...], receipt: Path | None) -> None:
    """Erase customers everywhere in the home, for good, and write a signed receipt."""
    from dataclasses import asdict

    from serving.access.audit import audit
    from serving.privacy import erase as erase_from
    from serving.privacy import is_ours

    if receipt is not None:
        if customer_ids:
            raise InputError("--check: erases nobody; cure: name customers in a command of its own")
        if not is_ours(receipt, shell.settings.salt):
            raise CorruptError(f"{receipt}: not as it was written, or of another TENURE_SALT")
        shell.result({"receipt": str(receipt), "ours": True}, f"{receipt} is as it was written")
        return
    with shell.step(f"Erasing {len(set(customer_ids))} customers"):
        found, path = erase_from(
            shell.home, customer_ids, shell.settings, by=who(), now=now(), tell=shell.tell
        )
    audit(shell.home, "erased", by=who(), receipt=path.name)
    rows = [(place, f"{count:,}") for place, count in found.removed.items()]
    said = table_text(("place", "rows"), rows) if rows else "nothing was held of them"
    learned = ", ".join(sorted(found.learned.values()))
    due = f"\nmay have learned from them, and unlearn by training again: {learned}" if learned else ""
    shell.result({**asdict(found), "receipt": str(path)}, f"{said}{due}\nreceipt: {path}")
