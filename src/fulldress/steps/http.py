"""``http``: one call to another system (a webhook, a flag, a credential), made from the host.

No snapshot reverts such a call, so its undo is a call of its own: a POST is undone by DELETE of what the answer names,
a PUT by putting back what a GET said before. Secrets are ``${NAME}`` of an environment file on the host: never inlined,
never an argument of a process.
"""

from __future__ import annotations

import re
from typing import Any

from fulldress.model.plan import Step, StepScripts
from fulldress.steps._bash import HEAD, references, template, word
from fulldress.steps._contract import KindInfo, StepContext, bad

KIND = KindInfo(
    slug="http",
    summary="call another system over HTTP, with an undo of its own",
    required={"method": "POST, PUT, PATCH, DELETE or GET", "url": "http or https address"},
    optional={
        "headers": "table of headers",
        "body": "the body; `${NAME}` stands for a secret",
        "env-file": "file on the host (owner root, mode 0600) that holds the secrets",
        "id-key": "key of the JSON answer that names what was made (default id)",
        "undo-method": "method of the undo",
        "undo-url": "address of the undo; `{id}` stands for the id",
        "undo-body": "body of the undo",
        "verify-url": "GET of this must succeed afterwards",
        "verify-contains": "text that its answer must hold",
        "timeout-s": "seconds per call (default 20)",
    },
)

CALL = r"""
fd_env() {  # read NAME=VALUE lines; nothing in the file is executed
  local line name value
  [ "$(stat -c %u -- "$1")" = 0 ] || { echo "$1 must belong to root"; return 1; }
  [ -z "$(find "$1" -perm /o=rwx)" ] || { echo "$1 must not be readable by everyone"; return 1; }
  while IFS= read -r line || [ -n "$line" ]; do
    name=${line%%=*} value=${line#*=}; name=${name#export }
    [[ $line == *=* && $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || continue
    if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
    case $name in PATH|LD_*|BASH_*|IFS|ENV|FD_*) continue;; esac
    printf -v "$name" %s "$value"
  done <"$1"
}
fd_call() {  # call METHOD URL ANSWER [BODY]: status on stdout, answer in a file that only root reads
  local args=(-sS --max-time "$FD_HTTP_TIMEOUT" -X "$1" -o "$3" -w '%{http_code}') url
  url="url = \"$(printf %s "$2" | sed 's/[\\"]/\\&/g')\""
  umask 077  # what could be secret reaches curl through pipes: arguments can be seen by everyone
  if [ $# -lt 4 ]; then curl "${args[@]}" -H @<(fd_headers) -K <(printf '%s\n' "$url")
  else curl "${args[@]}" -H @<(fd_headers) -K <(printf '%s\n' "$url") --data-binary @<(printf %s "$4"); fi
}
fd_ok() { [[ $1 == 2?? ]] || { echo "$2 answered $1"; head -c 500 -- "$3" 2>/dev/null || true; echo; return 1; }; }
fd_ids() {  # every value of a key in a file of JSON, in order, once each
  [ -e "$1" ] || return 0
  tr -d '\n' <"$1" | { grep -o '"'"$2"'"[ \t]*:[ \t]*"\{0,1\}[^",} ]*' || true; } | sed 's/.*[: \t"]//' | sort -u
}
fd_listed() { case "$(cat "$FD_UNDO/$1.status" 2>/dev/null)" in 2??) ;; 404|410) : >"$FD_UNDO/$1";; *) return 1;; esac; }
fd_unanswered() {  # unanswered URL KEY BODY: the id of what the call made, by what is listed now and was not before it
  local new text
  fd_call GET "$1" "$FD_UNDO/now" >"$FD_UNDO/now.status" || true
  fd_listed known && fd_listed now || return 1
  new=$(comm -13 <(fd_ids "$FD_UNDO/known" "$2") <(fd_ids "$FD_UNDO/now" "$2"))
  [ -n "$new" ] || { echo none; return 0; }
  [ "$(printf '%s\n' "$new" | wc -l)" = 1 ] || return 1
  while IFS= read -r text; do  # it is ours when it says something that only we said
    if grep -qF -- "$text" "$FD_UNDO/now" && ! grep -qF -- "$text" "$FD_UNDO/known"; then echo "$new"; return 0; fi
  done < <(printf %s "$3" | grep -oE '"[^"]{4,}"')
  return 1
}
fd_id() { tr -d '\n' <"$1" | sed -n 's/.*"'"$2"'"[ \t]*:[ \t]*"\{0,1\}\([^",} ]*\).*/\1/p'; }
"""


def compile(step: Step, ctx: StepContext) -> StepScripts:
    """The call, its record under ``$FD_UNDO``, and the call that undoes it."""
    params = step.params
    method, url = str(params["method"]).upper(), str(params["url"])
    _check(step, method, url)
    body = f" {template(str(params['body']))}" if "body" in params else ""
    head = _head(step)
    u = template(url)
    before = f'[ -e "$FD_UNDO/before.status" ] || {{ fd_call GET {u} "$FD_UNDO/before" >"$FD_UNDO/before.new"; '
    before += 'sync "$FD_UNDO"; mv "$FD_UNDO/before.new" "$FD_UNDO/before.status"; }\n'
    before += 'case "$(cat "$FD_UNDO/before.status")" in 2??|404|410) ;; *) '
    before += (
        'echo "what is there now cannot be read (status $(cat "$FD_UNDO/before.status")), so it could not be put back"; '
    )
    before += 'rm -f "$FD_UNDO/before.status"; exit 1;; esac\n'
    listing = f'[ -e "$FD_UNDO/asked" ] || fd_call GET {u} "$FD_UNDO/known" >"$FD_UNDO/known.status" || true\n'
    do = f"{head}{before if _puts_back(method, params) else ''}{listing if _made_here(method, params) else ''}"
    do += '[ ! -e "$FD_UNDO/status" ] || { echo "already called"; exit 0; }\n'
    if method == "POST":
        do += '[ ! -e "$FD_UNDO/asked" ] || { echo "called before, and its answer was lost: look there first"; exit 1; }\n'
    do += ': >"$FD_UNDO/asked"; sync "$FD_UNDO/asked" "$FD_UNDO"\nfd_code=0\n'
    do += f'status=$(fd_call {method} {u} "$FD_UNDO/answer"{body}) || fd_code=$?\n'
    do += 'case $fd_code:$status in 6:*|7:*|0:4??) rm -f "$FD_UNDO/asked";; esac  # it certainly changed nothing\n'
    do += "[ $fd_code = 0 ] || exit $fd_code\n"
    do += f'fd_ok "$status" {word(method)} "$FD_UNDO/answer"\nprintf %s "$status" >"$FD_UNDO/status.new"\n'
    do += f'sync "$FD_UNDO"; mv "$FD_UNDO/status.new" "$FD_UNDO/status"\necho {word(method)}" answered $status"\n'
    undo = _undo(method, u, params, body)
    after = ""
    if "verify-url" in params:
        after = f"{head}answer=$(mktemp); trap 'rm -f \"$answer\"' EXIT\n"
        after += f'status=$(fd_call GET {template(str(params["verify-url"]))} "$answer")\nfd_ok "$status" GET "$answer"\n'
        if "verify-contains" in params:
            after += f'grep -qF -- {word(params["verify-contains"])} "$answer"\n'
    return StepScripts(
        id=step.id,
        do=do,
        verify_before=f"{HEAD}command -v curl >/dev/null || {{ echo 'curl is missing on this host'; exit 1; }}\n",
        verify_after=after,
        undo=f'{head}[ -e "$FD_UNDO/asked" ] || exit 0\n{undo}' if undo else "",
    )


def _check(step: Step, method: str, url: str) -> None:
    if method not in ("POST", "PUT", "PATCH", "DELETE", "GET"):
        raise bad(step, f"unknown method {method!r}")
    if not re.match(r"https?://[^\s\"']+\Z", url):
        raise bad(step, f"`url` must be an http or https address, not {url!r}")
    names = references(url, str(step.params.get("body", "")), *map(str, step.params.get("headers", {}).values()))
    if names and "env-file" not in step.params:
        raise bad(step, f"${{{names[0]}}} is a secret, but `env-file` does not say where the host keeps it")
    if any("\n" in str(v) or "\r" in str(v) for pair in step.params.get("headers", {}).items() for v in pair):
        raise bad(step, "a header cannot hold a line break")


def _head(step: Step) -> str:
    headers = [f"{k}: {v}" for k, v in step.params.get("headers", {}).items()]
    if "body" in step.params and not any(h.lower().startswith("content-type:") for h in headers):
        headers.append("Content-Type: application/json")
    printed = " ".join(template(h) for h in headers)
    names = f"fd_headers() {{ printf '%s\\n' {printed}; }}\n" if headers else "fd_headers() { :; }\n"
    env = f"fd_env {word(step.params['env-file'])}\n" if "env-file" in step.params else ""
    return f"{HEAD}FD_HTTP_TIMEOUT={int(step.params.get('timeout-s', 20))}{CALL}{names}{env}"


def _puts_back(method: str, params: dict[str, Any]) -> bool:
    return method in ("PUT", "PATCH", "DELETE") and "undo-method" not in params and "undo-url" not in params


def _made_here(method: str, params: dict[str, Any]) -> bool:
    """A POST to a collection whose members are taken away by DELETE: what it made can be found in a list of them."""
    return method == "POST" and "body" in params and "undo-method" not in params and "undo-url" not in params


def _undo(method: str, u: str, params: dict[str, Any], sent: str) -> str:
    if method == "GET":
        return ""
    known = f'id=$(fd_id "$FD_UNDO/answer" {word(params.get("id-key", "id"))})\n'
    check = 'case $status in 2??|404|410) echo "undone: $status";; *) echo "undo answered $status"; exit 1;; esac\n'
    if _puts_back(method, params):
        again = "PUT" if method == "DELETE" else method
        return (
            'case "$(cat "$FD_UNDO/before.status")" in\n'
            f'2??) status=$(fd_call {again} {u} "$FD_UNDO/undone" "$(cat "$FD_UNDO/before")");;\n'
            f'404|410) status=$(fd_call DELETE {u} "$FD_UNDO/undone");;\n'
            '*) echo "what was there before is not known"; exit 1;;\nesac\n' + check
        )
    target = template(str(params["undo-url"])) if "undo-url" in params else f"{u}'/{{id}}'"
    body = f" {template(str(params['undo-body']))}" if "undo-body" in params else ""
    needs = "{id}" in target
    miss = '[ -n "$id" ] || { echo "the answer names no id: undo by hand"; exit 1; }\n' if needs else ""
    unknown = '{ echo "it is not known whether the call arrived: look there, and undo by hand"; exit 1; }\n'
    lost = f'[ -e "$FD_UNDO/answer" ] || {unknown}{known if needs else ""}'
    if _made_here(method, params):
        key = word(params.get("id-key", "id"))
        lost = f'id=""; [ ! -e "$FD_UNDO/answer" ] || {known}'
        lost += f'[ -n "$id" ] || [ -e "$FD_UNDO/status" ] || id=$(fd_unanswered {u} {key}{sent}) || {unknown}'
        lost += '[ "$id" != none ] || { echo "the call never arrived"; exit 0; }\n'
    return (
        f"{lost}{miss}target={target}\n"
        + ("target=${target//'{id}'/$id}\n" if needs else "")
        + f'status=$(fd_call {word(str(params.get("undo-method", "DELETE")).upper())} "$target" "$FD_UNDO/undone"{body})\n'
        + check
    )
