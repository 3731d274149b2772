"""Flower runs this file from the working directory before it starts."""

import os
import sys
from pathlib import Path

from tornado.options import options

# Celery takes the working directory off the path again after it has found the app.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from limpet.errors import ConfigurationError
from limpet.settings import settings
from monitor import check_exposure, set_defaults
from monitor.install import install
from tasks.celery import app

set_defaults(options, os.environ, sys.argv)
try:
    check_exposure(options, os.environ)
except ConfigurationError as error:
    raise SystemExit(f"limpet: {error}") from None
install(app, settings(), options)
