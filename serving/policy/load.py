"""Read `policy.toml` and check it against the catalogue."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from features.catalogue import terms_of
from features.errors import ConfigError
from features.home import Home
from features.selling.entries import Entry, did_you_mean, read_toml
from features.vocabulary import Catalogue
from serving.policy.nouns import (
    WHATS,
    Arm,
    ContactRules,
    Lever,
    Managers,
    Plan,
    Policy,
    Volume,
    Window,
)

__all__ = ["load_policy", "policy_of", "shipped_policy"]

_SECTIONS = ("contact", "levers", "lists", "exploration", "arms", "plan")


def shipped_policy(catalogue: Catalogue) -> Policy:
    """The policy that comes with this release."""
    return load_policy(Path(str(files("serving").joinpath("policy.toml"))), catalogue)


def policy_of(home: Home, catalogue: Catalogue) -> Policy:
    """The bank's own `policy.toml` where its home has one, else the shipped one."""
    return load_policy(home.policy, catalogue) if home.policy.is_file() else shipped_policy(catalogue)


def load_policy(path: Path, catalogue: Catalogue) -> Policy:
    """Read one policy file and check it together with the catalogue.

    Raises
    ------
    ConfigError
        Naming file, key, cause and cure.
    """
    data, version = read_toml(path, "name a policy file that exists")
    whole = Entry.of(str(path), data, known=_SECTIONS)
    exploration = _section(whole, "exploration", ("rate", "period"))
    lists = _section(whole, "lists", ("control_share",))
    control = lists.number("control_share", high=1.0)
    if not 0.0 < control < 1.0:
        raise ConfigError(f"{lists.where} control_share must lie between 0 and 1; cure: 0.10 is common")
    levers = _levers(whole, catalogue)
    plan = _plan(whole, catalogue)
    for name, volume in plan.offers.items():
        if volume.least and name in levers and levers[name].factor == 0.0:
            raise ConfigError(
                f"{path}: [levers] {name} has factor 0, yet [plan.offers.{name}] asks for at least "
                f"{volume.least}; cure: remove one of them"
            )
    return Policy(
        version=version,
        contact=_contact(whole, catalogue),
        levers=levers,
        exploration=exploration.number("rate", high=0.5),
        control_share=control,
        period=exploration.word("period"),
        arms=_arms(str(path), whole.rows("arms")),
        plan=plan,
    )


def _section(whole: Entry, name: str, needed: Iterable[str], known: Iterable[str] = ()) -> Entry:
    return Entry.of(f"{whole.where}: [{name}]", whole.table(name), known=known, needed=needed)


def _contact(whole: Entry, catalogue: Catalogue) -> ContactRules:
    needed = ("windows", "cool_down_days", "max_open_complaints")
    entry = _section(whole, "contact", needed, ("cool_downs",))
    features = terms_of(catalogue)
    windows = []
    for row in entry.rows("windows"):
        one = Entry.of(f"{entry.where} windows", row, known=("channel",), needed=("days", "max"))
        channel = one.word("channel", "", ("", *catalogue.channels))
        window = Window(one.whole("days", low=1), one.whole("max", low=1), channel)
        _counted(f"{one.where}: days", window.column, features)
        windows.append(window)
    if twice := {w.column for w in windows if [x.column for x in windows].count(w.column) > 1}:
        raise ConfigError(f"{entry.where} windows: {min(twice)} is bounded twice; cure: keep one of them")
    if idle := [(a, b) for a in windows for b in windows if a is not b and a.implies(b)]:
        strict, loose = idle[0]
        raise ConfigError(
            f"{entry.where} windows: at most {loose.most} by {loose.column} removes nobody beside at most "
            f"{strict.most} by {strict.column}; cure: remove it, or lower its max"
        )
    days = entry.whole("cool_down_days", low=1)
    _counted(f"{entry.where} cool_down_days", f"refusals_{days}d", features)
    complaints = entry.whole("max_open_complaints")
    return ContactRules(tuple(windows), days, complaints, _cool_downs(entry, days, catalogue))


def _cool_downs(entry: Entry, after_any: int, catalogue: Catalogue) -> dict[str, int]:
    """Days by product: its own entry's, else those of the entry that names none."""
    from features.families.parts import SINCE_DAYS

    sold = tuple(dict.fromkeys(offer.product for offer in catalogue.offers.values()))
    found: dict[str, int] = {}
    for row in entry.rows("cool_downs"):
        one = Entry.of(f"{entry.where} cool_downs", row, known=("product",), needed=("days",))
        product, days = one.word("product", "", ("", *sold)), one.whole("days", low=1)
        if product in found:
            raise ConfigError(f"{one.where}: {product or 'any product'} is there twice; cure: keep one")
        if days <= after_any:
            raise ConfigError(
                f"{one.where}: days = {days} removes nothing that cool_down_days = {after_any} leaves; "
                "cure: more days, or leave it out"
            )
        if days > SINCE_DAYS:
            raise ConfigError(
                f"{one.where}: days = {days}, but no feature looks back further than {SINCE_DAYS} days; "
                f"cure: at most {SINCE_DAYS}"
            )
        found[product] = days
    others = found.pop("", None)
    return dict.fromkeys(sold, others) | found if others else found


def _counted(where: str, column: str, features: Iterable[str]) -> None:
    """Refuse a window that no feature counts."""
    alike = [name for name in features if name.startswith(f"{column.split('_')[0]}_") and name[-1] == "d"]
    if column not in alike:
        raise ConfigError(f"{where}: no feature {column} counts that; cure: one of {', '.join(alike)}")


def _levers(whole: Entry, catalogue: Catalogue) -> dict[str, Lever]:
    levers = {}
    for name, row in whole.table("levers").items():
        where = f"{whole.where}: [levers] {name}"
        _known_offer(where, name, catalogue)
        entry = Entry.of(where, row, known=(), needed=("factor", "because"))
        levers[name] = Lever(entry.number("factor", high=10.0), entry.word("because"))
    return levers


def _known_offer(where: str, name: str, catalogue: Catalogue) -> None:
    if name not in catalogue.offers:
        raise ConfigError(
            f"{where}: no such offer in the catalogue; cure: {did_you_mean(name, catalogue.offers)}"
        )


def _arms(path: str, rows: list[object]) -> tuple[Arm, ...]:
    arms = []
    for place, row in enumerate(rows, 1):
        entry = Entry.of(f"{path}: arm {place}", row, known=(), needed=("name", "what", "share"))
        what = next(w for w in WHATS if w == entry.word("what", among=WHATS))
        if entry.row["share"] == 0:
            raise ConfigError(
                f"{entry.where} draws nobody: its share is 0; cure: a share above 0, or remove it"
            )
        arms.append(Arm(entry.word("name"), what, entry.number("share", high=1.0)))
    whats = [arm.what for arm in arms]
    if len({arm.name for arm in arms}) < len(arms) or len(set(whats)) < len(whats):
        raise ConfigError(f"{path}: [[arms]] names a name or a `what` twice; cure: one arm for each")
    if "champion" not in whats:
        raise ConfigError(f'{path}: [[arms]] needs one with what = "champion"; cure: add it')
    # First, so that a change of the other shares moves nobody into it or out of it.
    if "universal_control" in whats[1:]:
        raise ConfigError(f"{path}: [[arms]] universal_control must be the first; cure: move it up")
    others = sum(arm.share for arm in arms if arm.what != "champion")
    total = others + sum(arm.share for arm in arms if arm.what == "champion")
    if abs(total - 1.0) > 1e-9:
        cure = f"the champion's is {1 - others:g}" if others < 1 else "lower the others'"
        raise ConfigError(f"{path}: [[arms]] shares add up to {total:g}, not to 1; cure: {cure}")
    return tuple(arms)


def _plan(whole: Entry, catalogue: Catalogue) -> Plan:
    entry = _section(whole, "plan", ("max_offers",), ("budgets", "hours", "managers", "offers"))
    budgets = _numbers(entry, "budgets", ("total", *catalogue.channels))
    worked = [c.name for c in catalogue.channels.values() if c.minutes > 0]
    offers = {}
    for name, row in entry.table("offers").items():
        where = f"{whole.where}: [plan.offers.{name}]"
        _known_offer(where, name, catalogue)
        volume = Entry.of(where, row, known=("min", "max"))
        most = volume.whole("max") if "max" in volume.row else None
        offers[name] = Volume(volume.whole("min", 0), most)
        if most is not None and offers[name].least > most:
            raise ConfigError(f"{where}: min {offers[name].least} is above max {most}; cure: exchange them")
    plan = Plan(
        entry.whole("max_offers", low=1, high=10),
        budgets,
        _numbers(entry, "hours", worked),
        _managers(entry, worked) if "managers" in entry.row else None,
        offers,
    )
    _affordable(entry.where, plan, catalogue)
    return plan


def _numbers(entry: Entry, key: str, known: Iterable[str]) -> dict[str, float]:
    below = Entry.of(f"{entry.where} {key}", entry.table(key), known=known)
    return {name: below.number(name) for name in below.row}


def _managers(entry: Entry, worked: list[str]) -> Managers:
    row = Entry.of(
        f"{entry.where} managers", entry.table("managers"), known=("hours", "contacts", "channels")
    )
    channels = row.words("channels", worked, worked, "a channel with minutes")
    if ("hours" in row.row) == ("contacts" in row.row):
        raise ConfigError(f"{row.where}: needs either hours or contacts of each manager a month")
    if "hours" in row.row:
        return Managers(row.number("hours"), "hours", channels)
    return Managers(row.number("contacts"), "contacts", channels)


def _affordable(where: str, plan: Plan, catalogue: Catalogue) -> None:
    """Refuse a total budget that the minimum volumes alone exceed, each by its cheapest channel."""
    least = sum(
        volume.least * min(catalogue.channels[c].cost for c in catalogue.offers[name].channels)
        for name, volume in plan.offers.items()
    )
    if least > plan.budgets.get("total", least):
        raise ConfigError(
            f"{where}: the least volumes of [plan.offers] cost {least:.2f} by their cheapest channels, the "
            f"total budget is {plan.budgets['total']:.2f}; cure: raise it to {least:.2f} or lower a min"
        )
