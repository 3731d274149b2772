"""The shape of the tables. Apart from `limpet.database`: workers need no Alembic."""

from typing import Final

from limpet.database import alone, engine, version
from limpet.settings import ROOT, Settings

_MIGRATIONS: Final = ROOT / "migrations"


def newest() -> str:
    """Return the version that the tables have after an upgrade."""
    names = sorted(file.name for file in _MIGRATIONS.glob("versions/*_*.py"))
    return names[-1].partition("_")[0]


def upgrade(settings: Settings) -> None:
    """Bring the tables to this version's shape; does nothing when they are.

    Safe to race: who comes while another does it waits, and finds it done.

    Raises:
        ConfigurationError: ``LIMPET_DATABASE_URL`` or ``LIMPET_STATE_DIR`` cannot be
            used.
    """
    if settings.database_url is None:
        settings.make_state_dir()
    there = engine(settings.sql_url)
    if version(there) == newest():
        return
    from alembic import command  # noqa: PLC0415 - slow, and every command comes here
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["engine"] = there
    with alone(there):
        if version(there) != newest():
            command.upgrade(config, "head")
