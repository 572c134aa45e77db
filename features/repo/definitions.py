"""All that the Feast command line sees: `feast -c features/repo apply` with TENURE_HOME set."""

from features.home import Home
from features.settings import read_settings
from features.store import feast_objects

globals().update({o.name: o for o in feast_objects(Home(read_settings().home))})
