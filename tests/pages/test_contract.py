"""What we rely on of Flower: a newer one that changes it fails here, and not in use."""

import inspect
from pathlib import Path

from flower import urls
from flower.api import tasks as api
from flower.app import Flower
from flower.command import apply_options
from flower.events import Events
from flower.options import options
from flower.utils import template
from flower.views import BaseHandler
from flower.views.monitor import Metrics
from tornado.routing import URLSpec
from tornado.web import Application, OutputTransform, RequestHandler
from tornado.websocket import WebSocketHandler

from monitor import overlay
from monitor.page import Page
from tests.pages.site import Site

ROOT = Path(__file__).resolve().parents[2]
FLOWERS = Path(urls.settings["template_path"])


def test_pages_are_a_list_of_which_the_first_that_matches_is_taken() -> None:
    assert isinstance(urls.handlers, list)
    patterns = [
        one.regex.pattern if isinstance(one, URLSpec) else one[0]
        for one in urls.handlers
    ]
    assert patterns[-1] in {".*", ".*$"}
    assert any(one.startswith("/metrics") for one in patterns)


def test_settings_become_arguments_of_the_application() -> None:
    taken = inspect.signature(Flower.__init__).parameters

    assert isinstance(urls.settings, dict)
    assert {"capp", "options", "events", "io_loop"} <= taken.keys()
    assert taken["kwargs"].kind is inspect.Parameter.VAR_KEYWORD


def test_every_answer_goes_through_what_is_given_as_transforms() -> None:
    taken = inspect.signature(Application.__init__).parameters

    assert "transforms" in taken
    assert {"transform_first_chunk", "transform_chunk"} <= vars(OutputTransform).keys()


def test_flower_has_no_stream_of_events_that_another_site_could_open() -> None:
    pages = [
        one.handler_class if isinstance(one, URLSpec) else one[1]
        for one in urls.handlers
    ]

    assert not [one for one in pages if issubclass(one, WebSocketHandler)]


def test_the_configuration_is_python_that_is_run_from_the_working_directory() -> None:
    source = inspect.getsource(apply_options)

    assert options.conf == "flowerconfig.py"
    assert (ROOT / options.conf).is_file()
    # The command line is read after it once more, so it wins over our defaults.
    assert source.count("parse_command_line") == 2
    assert source.index("parse_config_file") < source.rindex("parse_command_line")


def test_the_options_that_we_read_and_set_are_there() -> None:
    for name in (
        *("address", "unix_socket", "basic_auth", "auth", "read_only", "auto_refresh"),
        *("max_tasks", "max_workers", "purge_offline_workers", "persistent", "db"),
        *("state_save_interval", "enable_events", "url_prefix"),
    ):
        assert hasattr(options, name), name


def test_events_are_told_one_by_one_to_a_method() -> None:
    assert list(inspect.signature(Events.on_event).parameters) == ["self", "event"]
    assert {"capp", "io_loop", "db", "persistent", "max_tasks_in_memory"} <= (
        inspect.signature(Events.__init__).parameters.keys()
    )
    # It hands the method of the instance to Celery's receiver.
    assert '"*": self.on_event' in inspect.getsource(Events.run)


def test_the_api_puts_results_into_answers_with_one_method() -> None:
    for handler in (api.TaskResult, api.TaskApply):
        assert "self.update_response_result(response, result)" in inspect.getsource(
            handler
        )
    method = api.BaseTaskHandler.update_response_result
    assert list(inspect.signature(method).parameters) == ["self", "response", "result"]


def test_metrics_are_a_page_that_may_be_waited_for() -> None:
    assert issubclass(Metrics, BaseHandler)
    assert inspect.iscoroutinefunction(Metrics.get)


def test_a_page_has_login_token_and_broker() -> None:
    assert issubclass(BaseHandler, RequestHandler)
    for name in ("get_current_user", "check_xsrf_cookie", "get_broker", "capp"):
        assert hasattr(BaseHandler, name), name
    assert "escape" in inspect.signature(BaseHandler.get_argument).parameters


def test_our_values_have_no_names_that_flower_gives_to_its_own() -> None:
    functions = {name for name, _ in inspect.getmembers(template, inspect.isfunction)}
    ours = {"tab", "title", "refresh", "asset", "can_act", "say", "query", "view"}

    assert functions & ours == set()
    assert inspect.getsource(Page.fill).count("=") >= 7


def test_no_helper_of_ours_is_taken_for_a_verb(site: Site) -> None:
    token = {"Cookie": "_xsrf=abc", "X-XSRFToken": "abc"}
    for method in ("HEAD", "PUT", "DELETE", "PATCH"):
        body = "" if method in {"PUT", "PATCH"} else None
        for path in ("/sessions", "/sessions/data", "/proxy/drain", "/schedule"):
            answer = site.ask(path, method=method, body=body, headers=token)
            assert answer.status in {403, 405}, (method, path)


def test_the_navigation_has_a_place_for_tabs() -> None:
    source = (FLOWERS / "navbar.html").read_text("utf-8")

    changed = overlay.with_tabs(source, overlay.TABS)

    assert changed != source
    assert changed.index("reverse_url('broker')") < changed.index(
        "reverse_url('sessions')"
    )
    assert overlay.with_tabs("<ul></ul>", overlay.TABS) == "<ul></ul>"


def test_the_frame_has_the_blocks_and_classes_that_ours_fill() -> None:
    base = (FLOWERS / "base.html").read_text("utf-8")
    css = (FLOWERS.parent / "static" / "css" / "flower.css").read_text("utf-8")

    for block in ("title", "navbar", "container", "extra_scripts"):
        assert f"{{% block {block} %}}" in base, block
    for name in (
        *(".page-section", ".page-header", ".page-eyebrow", ".refresh-status"),
        *(".status-dot-live", ".status-dot-error", ".metric-grid", ".metric-card"),
        *(".metric-value", ".metric-label", ".workers-table-card", ".workers-table"),
        *("--flower-text-muted", "--flower-danger", "--flower-active"),
        *("--flower-success", "--flower-warning"),
    ):
        assert name in css, name


def test_flowers_pages_of_jobs_and_workers_are_not_where_ours_are(site: Site) -> None:
    for path in ("/sessions", "/proxies", "/schedule"):
        assert not path.startswith(("/task", "/worker", "/broker", "/api"))
        assert site.get(path).status in {200, 503}
