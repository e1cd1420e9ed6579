"""The one page for people: list, filter, enter, approve. Works without JavaScript."""

from urllib.parse import urlencode

import flask

from dten_lims import queries
from dten_lims.forms import METHODS, entry, positive
from dten_lims.release import VERSION

pages = flask.Blueprint("pages", __name__)
STATES = (("", "All"), ("entered", "To approve"), ("approved", "Approved"))


def _cursor():
    return flask.current_app.config["database"].cursor()


@pages.get("/")
def index(error="", code=200):
    """Results, filtered, with the form to enter one."""
    given = flask.request.args
    status, method, page = given.get("status", ""), given.get("method", ""), positive(given.get("page", ""), 1)
    with _cursor() as cursor:
        rows = queries.results(cursor, status, method, page)
        counts = queries.counts(cursor)
    context = {"rows": rows, "counts": counts, "status": status, "method": method, "page": page}
    context |= {"methods": METHODS, "states": STATES, "version": VERSION, "error": error, "said": given.get("said", "")}
    context |= {"writable": flask.current_app.config["settings"].writable, "more": len(rows) == queries.PAGE}
    context["link"] = lambda **new: "/?" + urlencode({"status": status, "method": method, **new})
    return flask.render_template("index.html", **context), code


def _back(said):
    keep = {name: flask.request.form.get(name, "") for name in ("status", "method")}
    return flask.redirect("/?" + urlencode({**keep, "said": said}), 303)


@pages.post("/enter")
def enter():
    """The form's result."""
    if not flask.current_app.config["settings"].writable:
        return index("Compatibility mode: results cannot be entered.", 409)
    try:
        wanted = entry(flask.request.form)
    except ValueError as error:
        return index(str(error), 400)
    with _cursor() as cursor:
        number = queries.enter(cursor, *wanted)
    return _back(f"Result {number} entered.") if number else index("There is no such analysis.", 404)


@pages.post("/approve/<int:number>")
def approve(number):
    """A row's button."""
    if not flask.current_app.config["settings"].writable:
        return index("Compatibility mode: results cannot be approved.", 409)
    person = flask.request.form.get("person", "web").replace("\0", "")[:40]
    with _cursor() as cursor:
        outcome = queries.approve(cursor, number, person)
    if outcome == "missing":
        return index("There is no such result.", 404)
    return _back(f"Result {number} approved." if outcome == "approved" else f"Result {number} was approved already.")
