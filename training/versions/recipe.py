"""What a run was made of, so that it can be made again: data, question, seed, code, libraries."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from features.errors import CorruptError
from training.specs import Gates, ModelSpec
from training.versions.lineage import code_version, library_versions

__all__ = ["Origin", "Recipe", "differences", "recipe_from", "recipe_of"]


@dataclass(frozen=True)
class Origin:
    """The features that a training set was joined from.

    generation
        Name of the generation.
    catalogue
        Text of the catalogue in force: it declares features and decides labels.
    """

    generation: str
    catalogue: str


@dataclass(frozen=True)
class Recipe:
    """One run's ingredients; `origin` is None where the rows did not come from a generation."""

    spec: ModelSpec
    origin: Origin | None
    currency: str
    seed: int
    fingerprint: str
    code: Mapping[str, str]
    libraries: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def recipe_of(
    spec: ModelSpec, origin: Origin | None, *, currency: str, seed: int, fingerprint: str
) -> Recipe:
    """The recipe of a run of this process: its code and its libraries."""
    code = code_version(Path(__file__).parents[2])
    return Recipe(spec, origin, currency, seed, fingerprint, code, library_versions())


def recipe_from(stored: Mapping[str, Any], where: Path) -> Recipe:
    """The way back from JSON.

    Raises
    ------
    CorruptError
        If it is not a recipe that this version reads.
    """
    try:
        spec = dict(stored["spec"])
        gates: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in spec.pop("gates").items()
        }
        spec["effect"] = tuple(spec.get("effect", ()))
        origin = stored["origin"]
        return Recipe(
            **{
                **stored,
                "spec": ModelSpec(**spec, gates=Gates(**gates)),
                "origin": None if origin is None else Origin(**origin),
            }
        )
    except (KeyError, TypeError, AttributeError):
        raise CorruptError(f"{where}: not a recipe that this version reads; cure: train again") from None


def differences(recorded: Recipe, present: Recipe) -> list[str]:
    """What is no longer as it was recorded, in words; the commit only tells where to look."""
    found = []
    if recorded.fingerprint != present.fingerprint:
        found.append(f"data fingerprint {recorded.fingerprint[:12]} is now {present.fingerprint[:12]}")
    for kind, before, after in (
        ("code", recorded.code, present.code),
        ("library", recorded.libraries, present.libraries),
    ):
        for name in sorted({*before, *after} - {"code_commit"}):
            old, new = before.get(name, "none"), after.get(name, "none")
            if old != new:
                found.append(f"{kind} {name} {old[:12]} is now {new[:12]}")
    return found
