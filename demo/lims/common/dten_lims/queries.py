"""What is read and written. Plain SQL; each function takes a cursor in a transaction."""

import json

from dten_lims.release import RESULT_COLUMNS

PAGE = 25
_SOURCES = {"sample": "s.code AS sample", "method": "a.method"}
_RESULT = "SELECT " + ", ".join(_SOURCES.get(c, f"r.{c}") for c in RESULT_COLUMNS)
_RESULT += " FROM result r JOIN analysis a ON a.id = r.analysis_id JOIN sample s ON s.id = a.sample_id"


def _page(number):
    return {"limit": PAGE, "offset": (max(1, min(number, 400)) - 1) * PAGE}


def samples(cursor, status="", text="", page=1):
    """A page of samples, the newest first."""
    where, args = ["true"], _page(page)
    if status:
        where.append("status = %(status)s")
        args["status"] = status
    if text:
        where.append("code LIKE %(text)s")
        args["text"] = text.upper().replace("%", "").replace("_", "") + "%"
    sql = f"SELECT id, code, client, material, status, received_at FROM sample WHERE {' AND '.join(where)}"
    cursor.execute(sql + " ORDER BY id DESC LIMIT %(limit)s OFFSET %(offset)s", args)
    return cursor.fetchall()


def sample(cursor, number):
    """One sample with its analyses, or None."""
    cursor.execute("SELECT id, code, client, material, status, received_at FROM sample WHERE id = %s", (number,))
    found = cursor.fetchone()
    if found:
        cursor.execute("SELECT id, method, status FROM analysis WHERE sample_id = %s ORDER BY id", (number,))
        found["analyses"] = cursor.fetchall()
    return found


def analyses(cursor, status="", method="", page=1):
    """A page of analyses, the newest first."""
    where, args = ["true"], _page(page)
    for name, given in (("status", status), ("method", method)):
        if given:
            where.append(f"a.{name} = %({name})s")
            args[name] = given
    sql = "SELECT a.id, a.sample_id, s.code AS sample, a.method, a.status FROM analysis a"
    sql += " JOIN sample s ON s.id = a.sample_id"
    cursor.execute(f"{sql} WHERE {' AND '.join(where)} ORDER BY a.id DESC LIMIT %(limit)s OFFSET %(offset)s", args)
    return cursor.fetchall()


def results(cursor, status="", method="", page=1):
    """A page of results, the newest first."""
    where, args = ["true"], _page(page)
    if status:
        where.append("r.status = %(status)s")
        args["status"] = status
    if method:
        where.append("a.method = %(method)s")
        args["method"] = method
    cursor.execute(f"{_RESULT} WHERE {' AND '.join(where)} ORDER BY r.id DESC LIMIT %(limit)s OFFSET %(offset)s", args)
    return cursor.fetchall()


def result(cursor, number):
    """One result, or None."""
    cursor.execute(_RESULT + " WHERE r.id = %s", (number,))
    return cursor.fetchone()


def counts(cursor):
    """How many of the last thousand results are in which state."""
    newest = "SELECT status FROM result ORDER BY id DESC LIMIT 1000"
    cursor.execute(f"SELECT status, count(*) AS n FROM ({newest}) r GROUP BY status")
    return {row["status"]: row["n"] for row in cursor.fetchall()}


def enter(cursor, analysis, value, unit, person):
    """Enter a result; returns its number, or None when there is no such analysis."""
    cursor.execute("SELECT id FROM analysis WHERE id = %s", (analysis,))
    if cursor.fetchone() is None:
        return None
    cursor.execute(
        "INSERT INTO result (analysis_id, value, unit, lower_limit, upper_limit, status, entered_by)"
        " SELECT a.id, %s, %s, m.lower_limit, m.upper_limit, 'entered', %s FROM analysis a"
        " JOIN method m ON m.name = a.method WHERE a.id = %s RETURNING id",
        (value, unit, person, analysis),
    )
    number = cursor.fetchone()["id"]
    _audit(cursor, person, "enter", number)
    return number


def approve(cursor, number, person):
    """Approve a result: ``approved``, ``already`` or ``missing``. The partner's event goes into the outbox."""
    cursor.execute("SELECT status FROM result WHERE id = %s FOR UPDATE", (number,))
    found = cursor.fetchone()
    if found is None:
        return "missing"
    if found["status"] == "approved":
        return "already"
    change = "UPDATE result SET status = 'approved', approved_by = %s, approved_at = now() WHERE id = %s"
    cursor.execute(change, (person, number))
    payload = json.dumps({"event": "result.approved", "result": number})
    cursor.execute("INSERT INTO outbox (event, payload) VALUES ('result.approved', %s)", (payload,))
    _audit(cursor, person, "approve", number)
    return "approved"


def _audit(cursor, person, action, number):
    cursor.execute("INSERT INTO audit_log (person, action, result_id) VALUES (%s, %s, %s)", (person, action, number))
