"""The shape of the tables. Apart from `limpet.database`: workers need no Alembic."""

from alembic import command
from alembic.config import Config

from limpet.database import engine
from limpet.settings import ROOT, Settings


def upgrade(settings: Settings) -> None:
    """Bring the tables to this version's shape; does nothing when they are.

    Raises:
        ConfigurationError: ``LIMPET_DATABASE_URL`` or ``LIMPET_STATE_DIR`` cannot be
            used.
    """
    if settings.database_url is None:
        settings.make_state_dir()
    config = Config()
    config.set_main_option(
        "script_location", str(ROOT / "migrations").replace("%", "%%")
    )
    config.attributes["engine"] = engine(settings.sql_url)
    command.upgrade(config, "head")
