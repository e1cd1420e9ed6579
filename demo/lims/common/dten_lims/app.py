"""The web service: a JSON API and one plain page."""

from decimal import Decimal

import flask
import psycopg2
from flask.json.provider import DefaultJSONProvider

from dten_lims import pages, queries, reference
from dten_lims.db import Database
from dten_lims.forms import METHODS, entry, positive
from dten_lims.release import VERSION
from dten_lims.settings import load


class _Json(DefaultJSONProvider):
    def default(self, given):
        """Numbers as numbers, times as ISO 8601."""
        if isinstance(given, Decimal):
            return float(given)
        return given.isoformat() if hasattr(given, "isoformat") else super().default(given)


def create():
    """The WSGI application."""
    settings = load()
    database = Database(settings.database, settings.threads)
    app = flask.Flask(__name__)
    app.json = _Json(app)
    app.config.update(database=database, settings=settings)
    app.register_blueprint(api)
    app.register_blueprint(pages.pages)
    app.register_error_handler(psycopg2.Error, lambda _: (flask.jsonify(error="database not available"), 503))
    app.register_error_handler(ValueError, lambda _: (flask.jsonify(error="the request cannot be understood"), 400))
    return app


api = flask.Blueprint("api", __name__)


def _cursor():
    return flask.current_app.config["database"].cursor()


def _query():
    given = flask.request.args
    return given, positive(given.get("page", ""), 1)


@api.get("/healthz")
def healthz():
    """Alive, with a database, and which version."""
    with _cursor() as cursor:
        cursor.execute("SELECT max(version) AS schema FROM schema_migrations")
        schema = cursor.fetchone()["schema"]
    mode = "normal" if flask.current_app.config["settings"].writable else "compatibility"
    return flask.jsonify(ok=True, version=VERSION, schema=schema, mode=mode)


@api.get("/api/samples")
def samples():
    """A page of samples."""
    given, page = _query()
    with _cursor() as cursor:
        return flask.jsonify(samples=queries.samples(cursor, given.get("status", ""), given.get("q", ""), page))


@api.get("/api/analyses")
def analyses():
    """A page of analyses."""
    given, page = _query()
    with _cursor() as cursor:
        return flask.jsonify(analyses=queries.analyses(cursor, given.get("status", ""), given.get("method", ""), page))


@api.get("/api/results")
def results():
    """A page of results."""
    given, page = _query()
    with _cursor() as cursor:
        return flask.jsonify(results=queries.results(cursor, given.get("status", ""), given.get("method", ""), page))


def _one(find, number):
    key = positive(number)
    with _cursor() as cursor:
        found = find(cursor, key) if key else None
    return flask.jsonify(found) if found else (flask.jsonify(error="not found"), 404)


@api.get("/api/samples/<number>")
def one_sample(number):
    """One sample."""
    return _one(queries.sample, number)


@api.get("/api/results/<number>")
def one_result(number):
    """One result."""
    return _one(queries.result, number)


@api.get("/api/reference/<method>")
def reference_value(method):
    """The partner's reference value of a method."""
    if method not in METHODS:
        return flask.jsonify(error="unknown method"), 404
    config = flask.current_app.config
    try:
        return flask.jsonify(reference.value(config["database"], config["settings"], method))
    except reference.PartnerError as error:
        return flask.jsonify(error=str(error)), 502


def _read_only():
    if flask.current_app.config["settings"].writable:
        return None
    return flask.jsonify(error="compatibility mode"), 409


def _sent():
    given = flask.request.get_json(silent=True)
    return given if isinstance(given, dict) else flask.request.args


@api.post("/api/results")
def enter():
    """Enter a result: analysis_id, value, unit and person as JSON or, as instruments send them, in the query."""
    try:
        wanted = entry(_sent())
    except ValueError as error:
        return flask.jsonify(error=str(error)), 400
    if refused := _read_only():
        return refused
    with _cursor() as cursor:
        number = queries.enter(cursor, *wanted)
    return (flask.jsonify(id=number), 201) if number else (flask.jsonify(error="no such analysis"), 404)


@api.post("/api/results/<number>/approve")
def approve(number):
    """Approve a result, by the person named. Approving twice is not an error."""
    person = str(_sent().get("person") or "api").replace("\0", "")[:40]
    if refused := _read_only():
        return refused
    key = positive(number)
    with _cursor() as cursor:
        outcome = queries.approve(cursor, key, person) if key else "missing"
    return flask.jsonify(outcome=outcome), 404 if outcome == "missing" else 200
