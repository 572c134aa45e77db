"""Features that champions need are not taken from under them."""

from dataclasses import replace

import pytest

from features.errors import RefusedError
from serving.champions import refuse_removal
from tests.serving.conftest import AS_OF
from training.artifact import save_model
from training.versions.champions import Champions, ModelVersion


def test_features_that_a_champion_needs_are_not_dropped_in_silence(home, models):
    refuse_removal(home)
    model = models["churn"]
    lost = replace(model.features[0], name="balance_of_old")
    champions = Champions(home)
    sha256 = save_model(champions.folder("other"), replace(model, features=(lost, *model.features[1:])))
    champions.move("promote", ModelVersion("churn", 9, "other", sha256), ("test",), who="test", at=AS_OF)
    with pytest.raises(
        RefusedError, match=r"model 'churn', which serves, needs .*balance_of_old.*--allow-removal"
    ):
        refuse_removal(home)


def test_a_champion_that_needs_another_type_is_not_let_down_either(home, models):
    model = models["value"]
    retyped = replace(model.features[0], dtype="float64")
    champions = Champions(home)
    sha256 = save_model(champions.folder("other"), replace(model, features=(retyped, *model.features[1:])))
    champions.move("promote", ModelVersion("value", 9, "other", sha256), ("test",), who="test", at=AS_OF)
    with pytest.raises(RefusedError, match=r"model 'value', which serves, .* in another type"):
        refuse_removal(home)


def test_where_nobody_serves_yet_everything_may_go_online(home):
    Champions(home).ledger.unlink()
    home.catalogue.write_text("nothing of a catalogue")
    refuse_removal(home)
