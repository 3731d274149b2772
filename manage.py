"""Limpet's command line: ``python manage.py --help``."""

from cli import app

if __name__ == "__main__":
    app()
