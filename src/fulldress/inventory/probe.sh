# Prints the facts of this machine in sections. Reads only. A section begins with a line `BOUNDARY name` and ends where the
# next begins; the boundary is random for each survey, so that no file's content can pretend to be one. Run with bash -s;
# every tool may be missing. What cannot be seen is said in sections `not-seen PART`, never left out in silence.
# Arguments: boundary, then any of: product NAME COMMAND · database ENGINE NAME · schema NAME QUERY · config GLOB
boundary=$1
shift
export LC_ALL=C.UTF-8 TZ=UTC PSQLRC=/dev/null
shopt -s nullglob globstar
uid=$(id -u)
budget=52 # seconds for everything; what does not fit is said
section() { printf '\n%s %s\n' "$boundary" "${*//$'\n'/\\n}"; }
cannot() { section "not-seen $1"; printf '%s\n' "$2"; }
have() { command -v "$1" >/dev/null; }
within() { # seconds, command: 124 when time is up
  local most=$1 left=$((budget - SECONDS))
  shift
  [ "$left" -lt "$most" ] && most=$left
  [ "$most" -gt 0 ] || return 124
  timeout "$most" "$@"
}
show() { # section name, file: at most 1 MiB of a regular file
  [ -f "$2" ] || return 0
  [ -r "$2" ] || { cannot "$2" "permission denied for $(id -un)"; return 0; }
  section "$1 $2"
  within 10 head -c 1048576 -- "$2"
  [ "$(stat -Lc %s -- "$2")" -le 1048576 ] 2>/dev/null || cannot "$2" "only its first MiB was read"
}
said() { # seconds, command: the first 4 KiB of what it says, also when something that it started keeps the pipe open
  within "$1" "${@:2}" </dev/null 2>/dev/null | { IFS= read -r -t "$(($1 + 1))" -N 4096 text; printf '%s' "$text"; }
  return "${PIPESTATUS[0]}"
}
readable() { # part, directory: says so when it is there and closed
  [ -d "$2" ] && [ ! -r "$2" -o ! -x "$2" ] && { cannot "$1" "$2: permission denied for $(id -un)"; return 1; }
  [ -d "$2" ]
}
as_postgres=() # PostgreSQL's own user where we may, else whoever we are
[ "$uid" = 0 ] && as_postgres=(runuser -u postgres --)
as_postgres+=(env PGOPTIONS='-c default_transaction_read_only=on -c statement_timeout=10s' psql -XqAt)

section os-release; cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null
section hostname
if [ -n "$FULLDRESS_TREE" ] && [ -s /etc/hostname ]; then cat /etc/hostname; else cat /proc/sys/kernel/hostname; fi 2>/dev/null
section arch; dpkg --print-architecture 2>/dev/null || uname -m
section localtime; readlink /etc/localtime
section timezone; cat /etc/timezone 2>/dev/null
[ "$uid" = 0 ] || cannot "what only root sees" "the survey ran as $(id -un); log in as root for a full inventory"

# --- units and timers
section units; within 10 systemctl list-units --all --no-pager --output=json 2>/dev/null || running=no
section unit-files; within 10 systemctl list-unit-files --no-pager --output=json 2>/dev/null
if [ "${running:-yes}" = yes ]; then
  section timers
  within 10 systemctl show '*.timer' --all --no-pager -p Id -p Unit -p TimersCalendar -p TimersMonotonic -p NextElapseUSecRealtime -p Persistent -p ActiveState 2>/dev/null
  section unit-edges
  within 10 systemctl show '*.service' '*.target' '*.socket' '*.timer' '*.mount' '*.path' --no-pager -p Id -p After -p Requires -p Requisite -p BindsTo -p Wants 2>/dev/null | head -c 4194304
else
  cannot "unit states" "no systemd answers on this host: states, timers' next moments and failures are not known"
  for file in /etc/systemd/system/*.timer /usr/local/lib/systemd/system/*.timer /usr/lib/systemd/system/*.timer /lib/systemd/system/*.timer \
    /{etc,usr/local/lib,usr/lib,lib}/systemd/system/{*.timer,timer}.d/*.conf; do
    [ -L "$file" ] && [ "$(readlink -- "$file")" = /dev/null ] && section "timer-file $file"
    show timer-file "$file"
  done
fi
section unit-dropins; printf '%s\n' /{etc,run,usr/local/lib,usr/lib,lib}/systemd/system/*.d/*.conf | head -c 1048576
section unit-links; printf '%s\n' /{etc,run,usr/lib,lib}/systemd/system/*.{wants,requires}/*@?*.* | head -c 262144

# --- packages, from their metadata
section dpkg
cat /var/lib/dpkg/status /var/lib/dpkg/status.d/* 2>/dev/null | awk '
  function out() { if (name != "") printf "%s \t%s%s\t%s\t%s\t%s\n", state, name, same ? ":" arch : "", version, needs, gives; name = needs = gives = ""; same = 0 }
  /^$/ { out() } /^Package: / { out(); name = $2; state = "ii" } /^Version: / { version = $2 } /^Architecture: / { arch = $2 }
  /^(Pre-)?Depends: / { sub(/^[^:]*: /, ""); needs = needs (needs == "" ? "" : ", ") $0 }
  /^Provides: / { sub(/^[^:]*: /, ""); gives = $0 } /^Multi-Arch: same/ { same = 1 } /^Status: / { state = substr($2, 1, 1) substr($4, 1, 1) } END { out() }'
if have rpm; then
  section rpm; within 10 rpm -qa --qf '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' 2>/dev/null || [ -r /var/lib/dpkg/status ] || cannot "rpm packages" "rpm -qa failed"
  for file in /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list /etc/dnf/versionlock.toml /etc/zypp/locks /etc/dnf/dnf.conf /etc/yum.conf; do
    show rpm-locks "$file"
  done
elif [ -d /var/lib/rpm ] || [ -d /usr/lib/sysimage/rpm ]; then cannot "rpm packages" "there is a database but no rpm to read it"; fi
places=()
for place in /usr/lib /usr/lib64 /usr/local /app /opt /srv /usr/share/java /home /var/lib /var/www /root; do [ -d "$place" ] && places+=("$place"); done
section libraries
found=$(within 10 find "${places[@]}" -xdev -maxdepth 9 \( -name proc -o -name .git -o -path /var/lib/docker -o -path /var/lib/dpkg \) -prune -o \
  \( -name '*.dist-info' -o -name '*.egg-info' -o -name '*.jar' -o -name '*.war' \) -printf '%p\n' -o -path '*/node_modules/*/package.json' -printf '%p\n' \
  2>/dev/null)
[ $? = 124 ] && cannot "pip, npm and jar packages" "looking for them took more than its time: the list is not complete" && section libraries
printf '%s\n' "$found" | grep -v '/package\.json$' | head -c 2097152
section npm # each on one line: some are written so by their makers
printf '%s\n' "$found" | grep -E '/node_modules/(@[^/]+/)?[^/]+/package\.json$' | head -n 20000 | within 8 xargs -r -d '\n' awk '
  FNR == 1 { printf "\n%s\t", FILENAME; n = 0 }
  n < 16384 { gsub(/[\001-\037]/, " "); printf "%s", substr($0, 1, 16384 - n); n += length($0) }' 2>/dev/null | head -c 33554432
section jar # those whose file name tells no version: what their manifest and their Maven coordinates say
open_jar=
have unzip && open_jar='unzip -p'
printf '%s\n' "$found" | grep -E '\.[jw]ar$' | grep -vE '[-_]v?[0-9][0-9A-Za-z.+_-]*\.[jw]ar$' | head -n 300 | while IFS= read -r file; do
  [ -n "$open_jar" ] || { have python3 || break; }
  printf 'file\t%s\n' "$file"
  if [ -n "$open_jar" ]; then within 5 unzip -p -qq "$file" META-INF/MANIFEST.MF 'META-INF/maven/*/pom.properties'
  else within 5 python3 -Ic 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as jar:
    for name in jar.namelist()[:20000]:
        if name == "META-INF/MANIFEST.MF" or (name.startswith("META-INF/maven/") and name.endswith("/pom.properties")):
            sys.stdout.buffer.write(jar.open(name).read(65536) + b"\n")' "$file"
  fi 2>/dev/null </dev/null | tr -d '\r' | grep -E '^(Implementation-(Title|Version|Vendor-Id)|Bundle-(SymbolicName|Version)|Specification-Version|groupId|artifactId|version)[:=]' | head -n 40
done | head -c 1048576

# --- files against their packages
unowned() { # what stands in the system's directories and on no line of the list that is read: marked lines come once, owned ones are dropped
  { sed -E 's,^/(s?bin|lib[0-9]*)/,/usr/\1/,' | sed 's/$/\towned/'
    within 8 find /etc /usr/bin /usr/sbin /usr/local /opt -xdev -type f -printf '%p\n' 2>/dev/null
  } | awk -F '\t' '1 < NF && $NF == "owned" { sub(/\towned$/, ""); owned[$0]; next } !($0 in owned)' | sort -u | head -c 1048576
}
if [ -r /var/lib/dpkg/status ] && [ -d /var/lib/dpkg/info ]; then
  conffiles=$(awk '/^Package: /{p=$2} /^Conffiles:/{c=1;next} /^[^ ]/{c=0} c&&$2!=""&&$2!="newconffile"{print p "\t" $1 "\t" $2 "\t" $3}' /var/lib/dpkg/status)
  section conffiles; printf '%s\n' "$conffiles"
  section conffile-sums
  cut -f 2 <<<"$conffiles" | within 10 xargs -r -d '\n' md5sum -- 2>/dev/null
  unreadable=$(cut -f 2 <<<"$conffiles" | while read -r file; do [ -e "$file" ] && [ ! -r "$file" ] && printf '%s ' "$file"; done)
  [ -z "$unreadable" ] || cannot "changed configuration files" "not readable for $(id -un): $unreadable"
  section package-files
  sums=(/var/lib/dpkg/info/*.md5sums)
  failed=$(cd / && cat "${sums[@]}" /dev/null | grep -E '^[0-9a-f]{32}  (usr/(local/)?s?bin|s?bin|opt|etc)/' | within 15 md5sum -c --quiet 2>/dev/null; exit "${PIPESTATUS[2]}")
  [ $? = 124 ] && cannot "changed programs" "their checksums took more than 15 s: the list is not complete"
  while read -r line; do
    file=${line%%: FAILED*}
    grep -qsxF "/$file" /var/lib/dpkg/diversions && continue
    [ -n "$file" ] && grep -HF -m 1 "  $file" "${sums[@]}" 2>/dev/null | grep -E "  [^ ]*$" | head -n 1 && md5sum -- "/$file" 2>/dev/null
  done <<<"$(head -n 200 <<<"$failed")"
  section checked; cat "${sums[@]}" /dev/null | grep -cE '^[0-9a-f]{32}  (usr/(local/)?s?bin|s?bin|opt|etc)/'
  section unowned
  cat /var/lib/dpkg/info/*.list | unowned
elif have rpm; then
  # configuration, programs and /opt, as rpm's own database has them; ghosts and what may be missing apart
  files=$(within 15 rpm -qa --qf '[%{=NAME}\t%{FILENAMES}\t%{FILEDIGESTS}\t%{FILEFLAGS:fflags}\n]' 2>/dev/null |
    awk -F '\t' '$3 != "" && $4 !~ /[gm]/ && ($4 ~ /c/ || $2 ~ "^/(usr/(local/)?s?bin|s?bin|opt)/")' | head -c 4194304)
  section rpm-files; printf '%s\n' "$files"
  section rpm-sums
  for sum in md5:32 sha256:64 sha512:128; do
    printf '%s\n' "$files" | awk -F '\t' -v n="${sum#*:}" 'length($3) == n { print $2 }' | within 15 xargs -r -d '\n' "${sum%:*}sum" -- 2>/dev/null
    [ "${PIPESTATUS[2]}" = 124 ] && cannot "changed programs" "their checksums took more than 15 s: the list is not complete" && section rpm-sums
  done
  closed=$(printf '%s\n' "$files" | cut -f 2 | while IFS= read -r file; do [ -e "$file" ] && [ ! -r "$file" ] && printf '%s ' "$file"; done)
  [ -z "$closed" ] || cannot "changed configuration files" "not readable for $(id -un): $closed"
  section unowned
  within 10 rpm -qal 2>/dev/null | unowned
fi

# --- people and what they may do
section users; getent passwd 2>/dev/null | cut -d: -f1 || cut -d: -f1 /etc/passwd
section accounts; getent passwd 2>/dev/null | cut -d: -f1,3,4,6,7 || cut -d: -f1,3,4,6,7 /etc/passwd
section groups; getent group 2>/dev/null | cut -d: -f1,3,4 || cut -d: -f1,3,4 /etc/group
sudoers() { # file, depth: the file and what it includes, as sudo reads them
  show sudoers "$1"
  [ -r "$1" ] && [ "$2" -lt 8 ] && grep -E '^[@#]include(dir)?[[:space:]]' "$1" 2>/dev/null | while read -r word path; do
    path=${path#\"}; path=${path%\"}; path=${path//%h/$(cat /proc/sys/kernel/hostname)}
    [ "${path:0:1}" = / ] || path=${1%/*}/$path
    if [ "${word:8}" = dir ]; then
      readable "sudo rules" "$path" && for file in "$path"/*; do case ${file##*/} in *.*|*~) ;; *) sudoers "$file" $(($2 + 1)) ;; esac; done
    else sudoers "$path" $(($2 + 1)); fi
  done
}
sudoers /etc/sudoers 0
[ -r /etc/sudoers ] || { readable "sudo rules" /etc/sudoers.d && for file in /etc/sudoers.d/*; do case ${file##*/} in *.*|*~) ;; *) sudoers "$file" 1 ;; esac; done; }
grep -qsE '^sudoers:.*(sss|ldap)' /etc/nsswitch.conf && cannot "sudo rules" "some come from a directory service (sudoers: in /etc/nsswitch.conf); sudo -l -U USER tells them"

section commands
IFS=: read -ra directories <<<"$PATH"
for directory in "${directories[@]}"; do
  for file in "$directory"/*; do [ -f "$file" ] && [ -x "$file" ] && printf '%s\n' "${file##*/}"; done
done

# --- what a package may need: room, locales, runtimes
section volumes
for directory in / /boot /usr /opt /srv /home /tmp /var /var/lib /var/log /var/tmp /var/lib/postgresql /var/lib/mysql /var/lib/docker; do
  [ -d "$directory" ] && printf '%s %s %s\n' "$(stat -c %d -- "$directory")" "$(stat -f -c '%a %S %b' -- "$directory")" "$directory"
done 2>/dev/null
section locales; within 3 locale -a 2>/dev/null | head -n 1000
for runtime in 'java -XX:-UsePerfData -version' 'python3 --version' 'node --version' 'php --version' 'ruby --version' 'perl -v'; do
  have "${runtime%% *}" || continue
  section "runtime ${runtime%% *}"
  read -ra words <<<"$runtime"
  within 3 "${words[@]}" </dev/null 2>&1 | head -c 600
done

# --- schedules
for file in /etc/crontab /etc/cron.d/*; do show cron-system "$file"; done
show anacrontab /etc/anacrontab
for directory in /var/spool/cron/crontabs /var/spool/cron /var/spool/cron/tabs; do
  readable "users' crontabs" "$directory" && for file in "$directory"/*; do show cron-user "$file"; done
done
for period in hourly daily weekly monthly yearly; do
  [ -d "/etc/cron.$period" ] || continue
  { within 3 run-parts --test "/etc/cron.$period" 2>/dev/null || printf '%s\n' "/etc/cron.$period"/*; } | while IFS= read -r file; do
    [ -f "$file" ] && [ -x "$file" ] && section "cron-parts $period $file"
  done
done
for directory in /var/spool/cron/atjobs /var/spool/at /var/spool/atjobs; do
  readable "the at queue" "$directory" && for file in "$directory"/[a-zA-Z=]*; do show "at-job $(stat -c %U -- "$file")" "$file"; done
done

# --- listeners
if [ -n "$FULLDRESS_TREE" ]; then cannot "listeners" "this is a tree of files, not a running system"
elif have ss; then
  section listeners; within 5 ss -Htulnp 2>/dev/null | head -c 262144
  within 5 ss -Hxlnp 2>/dev/null | head -c 262144
  section cgroups
  within 5 ss -Htuxlnp 2>/dev/null | grep -oE 'pid=[0-9]+' | sort -u | head -n 500 | while IFS== read -r _ pid; do
    while read -r line; do printf '%s %s\n' "$pid" "$line"; done 2>/dev/null <"/proc/$pid/cgroup"
  done
  [ "$uid" = 0 ] || cannot "programs behind listeners" "only root sees the programs of other users"
elif [ -r /proc/net/tcp ]; then
  for table in tcp tcp6 udp udp6 unix; do section "sockets $table"; head -c 262144 /proc/net/$table 2>/dev/null; done
  cannot "programs behind listeners" "ss (iproute2) is not installed"
else cannot "listeners" "neither ss nor /proc/net is there"; fi

# --- certificates: the certificate blocks only, never a key
section certificates; cat /etc/ssl/certs/ca-certificates.crt 2>/dev/null || cat /etc/pki/tls/certs/ca-bundle.crt 2>/dev/null
within 6 find /etc /opt /srv /usr/local /var/lib/postgresql /var/lib/mysql /var/lib/dehydrated /app -xdev \( -path /etc/ssl/certs/java -o -path /etc/ca-certificates -o -path /etc/pki/ca-trust \) -prune -o \
  -type f -size -256k ! -path /etc/ssl/certs/ca-certificates.crt \( -name '*.pem' -o -name '*.crt' -o -name '*.cer' -o -name '*.cert' -o -name '*.chain' -o -name '*.der' \) \
  -printf '%p\n' 2>/dev/null | head -n 500 | while IFS= read -r file; do
  [ -r "$file" ] || { cannot "$file" "permission denied for $(id -un)"; continue; }
  if grep -qs -e '-----BEGIN CERTIFICATE-----' -- "$file"; then
    section "certificate $file"
    sed -n '/-----BEGIN CERTIFICATE-----/,/-----END CERTIFICATE-----/p' -- "$file" | head -c 65536
  elif [ "$(head -c 1 -- "$file" | od -An -tx1)" = " 30" ]; then # the beginning of DER; a key in that form is not sent
    section "certificate-der $file"
    case $file in *key*) ;; *) base64 -w 0 -- "$file" | head -c 65536 ;; esac
  fi
done
stores=$(within 4 find /etc /opt /srv /usr/local /app -xdev -path /etc/ssl/certs/java -prune -o -type f \( -name '*.p12' -o -name '*.pfx' -o -name '*.jks' -o -name '*.keystore' \) -printf '%p ' 2>/dev/null | head -c 4096)
[ -z "$stores" ] || cannot "certificates in keystores" "they open with a password only: $stores"

# --- what the release folder declares
IFS=
while [ $# -gt 1 ]; do
  case $1 in
    config)
      for file in $2; do
        [ $((asked += 1)) -gt 2000 ] && { cannot "configuration files" "more than 2000 fit the declared patterns: those from $file on were not read"; break; }
        show config "$file"
      done
      shift 2 ;;
    product)
      section "version $2"
      # what it leaves running goes with it; some (java, nginx) tell their version on stderr
      text=$(said 10 bash -c 'bash -c "$1"; code=$?; trap "" TERM; kill -TERM 0; exit $code' version "$3")
      code=$?
      [ -z "$text" ] && [ "$code" = 0 ] && text=$(said 10 bash -c 'bash -c "$1" 2>&1; code=$?; trap "" TERM; kill -TERM 0; exit $code' version "$3")
      printf '%s\n' "$text"
      case $code in
        0) ;;
        124) cannot "version of $2" "its version command took more than 10 s" ;;
        127) ;; # another host has it
        *) cannot "version of $2" "its version command failed" ;;
      esac
      shift 3 ;;
    schema)
      if have psql; then
        section "schema-version $2"
        said=$(within 15 "${as_postgres[@]}" -v ON_ERROR_STOP=1 -d "$2" 2>&1 <<<"$3
;")
        printf '%d\n%s\n' $? "${said:0:4096}"
      fi
      shift 3 ;;
    database)
      case $2 in
        postgresql) if [ -n "$FULLDRESS_TREE" ] && ! within 5 "${as_postgres[@]}" -d "$3" -c 'SELECT 1' >/dev/null 2>&1; then
          cannot "databases" "$3: this is a tree of files, and no server answers in it"
        else have psql && {
          section "database postgresql $3"
          within 20 "${as_postgres[@]}" -v ON_ERROR_STOP=0 -d "$3" 2>&1 <<'SQL'
\set drift NULL
SELECT 150000 <= current_setting('server_version_num')::int AS knows_drift \gset
\if :knows_drift
  \set drift '(CASE WHEN NOT d.datcollversion = pg_database_collation_actual_version(d.oid) THEN d.datcollversion || '' to '' || pg_database_collation_actual_version(d.oid) END)'
\endif
SELECT json_build_object('server', current_setting('server_version'), 'size', pg_database_size(current_database()),
  'tables', coalesce((SELECT json_object_agg(n.nspname || '.' || c.relname,
      greatest(c.reltuples::bigint, pg_stat_get_live_tuples(c.oid), 0)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_t%'), '{}'),
  'bytes', coalesce((SELECT json_object_agg(name, bytes) FROM (
    SELECT n.nspname || '.' || c.relname AS name, pg_total_relation_size(c.oid) AS bytes FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_t%'
    ORDER BY c.relpages DESC LIMIT 500) largest), '{}'),
  'extensions', coalesce((SELECT json_object_agg(extname, extversion) FROM pg_extension), '{}'),
  'encoding', pg_encoding_to_char(d.encoding), 'collation', CASE WHEN jsonb_extract_path_text(row, 'datlocprovider') IN ('i', 'b')
      THEN CASE jsonb_extract_path_text(row, 'datlocprovider') WHEN 'i' THEN 'icu:' ELSE 'builtin:' END || coalesce(jsonb_extract_path_text(row, 'datlocale'), jsonb_extract_path_text(row, 'daticulocale'), '')
      ELSE d.datcollate::text END,
  'drift', coalesce(:drift, ''),
  'columns', coalesce((SELECT json_object_agg(name, of) FROM (
    SELECT n.nspname || '.' || c.relname AS name, json_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END ORDER BY a.attnum) AS of
      FROM (SELECT * FROM pg_class WHERE relkind IN ('r', 'p') ORDER BY oid LIMIT 3000) c
      JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND 0 < a.attnum AND NOT a.attisdropped
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_t%' GROUP BY 1) described), '{}'),
  'invalid', coalesce((SELECT json_agg(i.indexrelid::regclass::text) FROM pg_index i WHERE NOT i.indisvalid), '[]'),
  'objects', coalesce((SELECT json_object_agg(kind, n) FROM (
    SELECT CASE c.relkind WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
        WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind, count(*) AS n FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
      WHERE c.relkind IN ('r','p','i','I','v','m','S','f') AND s.nspname NOT IN ('pg_catalog', 'information_schema') AND s.nspname NOT LIKE 'pg\_t%' GROUP BY 1
    UNION ALL SELECT 'function', count(*) FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace WHERE s.nspname NOT IN ('pg_catalog', 'information_schema')
    UNION ALL SELECT 'trigger', count(*) FROM pg_trigger WHERE NOT tgisinternal) counted WHERE n <> 0), '{}'))
  FROM (SELECT d.*, to_jsonb(d) AS row FROM pg_database d WHERE datname = current_database()) d;
SQL
          section "migrations postgresql $3"
          within 20 "${as_postgres[@]}" -v ON_ERROR_STOP=0 -d "$3" 2>/dev/null <<'SQL'
WITH t AS (SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relname AS rel,
    (SELECT array_agg(attname::text) FROM pg_attribute a WHERE a.attrelid = c.oid AND 0 < attnum AND NOT attisdropped) AS cols
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%'),
k(tool, rel, needs, applied, version, trouble) AS (VALUES
  ('flyway', 'flyway_schema_history', '{version,success,installed_rank,description}', 'count(*) FILTER (WHERE success)', '(array_agg(version ORDER BY installed_rank DESC) FILTER (WHERE version IS NOT NULL AND success))[1]', 'string_agg(''failed: '' || coalesce(version, description), '', '') FILTER (WHERE NOT success)'),
  ('liquibase', 'databasechangelog', '{id,orderexecuted}', 'count(*)', '(array_agg(id ORDER BY orderexecuted DESC))[1]', 'NULL'),
  ('liquibase lock', 'databasechangeloglock', '{locked,lockedby}', '0', 'NULL', 'string_agg(''locked by '' || coalesce(lockedby, ''?''), '', '') FILTER (WHERE locked)'),
  ('alembic', 'alembic_version', '{version_num}', 'count(*)', 'string_agg(version_num, '','' ORDER BY version_num)', 'CASE WHEN 1 < count(*) THEN ''several heads'' END'),
  ('django', 'django_migrations', '{app,name}', 'count(*)', '(SELECT string_agg(app || ''.'' || name, '','' ORDER BY app) FROM (SELECT app, max(name) AS name FROM TABLE_NAME GROUP BY app) x)', 'NULL'),
  ('golang-migrate', 'schema_migrations', '{version,dirty}', 'count(*)', 'max(version)::text', 'CASE WHEN bool_or(dirty) THEN ''dirty'' END'),
  ('rails', 'schema_migrations', '{version}', 'count(*)', 'max(version)::text', 'NULL'),
  ('goose', 'goose_db_version', '{version_id,is_applied,id}', 'count(*) FILTER (WHERE is_applied)', '(array_agg(version_id ORDER BY id DESC) FILTER (WHERE is_applied))[1]::text', 'NULL'),
  ('sqlx', '_sqlx_migrations', '{version,success}', 'count(*) FILTER (WHERE success)', 'max(version)::text', 'string_agg(''failed: '' || version, '', '') FILTER (WHERE NOT success)'),
  ('knex', 'knex_migrations', '{name,id}', 'count(*)', '(array_agg(name ORDER BY id DESC))[1]', 'NULL'),
  ('knex lock', 'knex_migrations_lock', '{is_locked}', '0', 'NULL', 'CASE WHEN max(is_locked) = 1 THEN ''locked'' END'),
  ('laravel', 'migrations', '{migration,batch}', 'count(*)', 'max(migration)', 'NULL'),
  ('typeorm', 'migrations', '{timestamp,name}', 'count(*)', '(array_agg(name ORDER BY timestamp DESC))[1]', 'NULL'),
  ('doctrine', 'doctrine_migration_versions', '{version}', 'count(*)', 'max(version)', 'NULL'),
  ('sequelize', 'SequelizeMeta', '{name}', 'count(*)', 'max(name)', 'NULL'),
  ('ef-core', '__EFMigrationsHistory', '{MigrationId}', 'count(*)', 'max("MigrationId")', 'NULL'),
  ('phinx', 'phinxlog', '{version,migration_name}', 'count(*)', 'max(version)::text', 'NULL'),
  ('drizzle', '__drizzle_migrations', '{hash,created_at}', 'count(*)', '(array_agg(hash ORDER BY created_at DESC))[1]', 'NULL'),
  ('node-pg-migrate', 'pgmigrations', '{name,run_on}', 'count(*)', '(array_agg(name ORDER BY run_on DESC, name DESC))[1]', 'NULL'),
  ('prisma', '_prisma_migrations', '{migration_name,finished_at,rolled_back_at}', 'count(*) FILTER (WHERE finished_at IS NOT NULL)', 'max(migration_name) FILTER (WHERE finished_at IS NOT NULL)', 'string_agg(''not finished: '' || migration_name, '', '') FILTER (WHERE finished_at IS NULL AND rolled_back_at IS NULL)'))
SELECT format('SELECT json_build_object(''tool'', %L, ''table'', %L, ''applied'', %s, ''version'', coalesce(%s, ''''), ''trouble'', coalesce(%s, '''')) FROM %s',
  k.tool, t.name, k.applied, replace(k.version, 'TABLE_NAME', t.name), k.trouble, t.name)
FROM k JOIN t ON t.rel = k.rel AND k.needs::text[] <@ t.cols WHERE NOT (k.tool = 'rails' AND 'dirty' = ANY (t.cols))
UNION ALL -- hand-made: named like one, small, and with a column that is named like a version; Flyway's before its fifth among them
SELECT format('SELECT json_build_object(''tool'', %L, ''table'', %L, ''applied'', count(*), ''version'', coalesce(string_agg(DISTINCT %I::text, ''|''), '''')) FROM %s HAVING count(*) < 100000',
  CASE WHEN '{installed_rank,script,checksum}' <@ t.cols THEN 'flyway' ELSE 'hand-made' END, t.name,
  (SELECT col FROM unnest(t.cols) col WHERE col ~* '^(schema_?|db_?)?(version(_?(num|number|no|id))?|revision|migration(_?(id|name))?|patch(_?(id|name|level))?|release|script(_?name)?)$'
    ORDER BY col !~* 'version', col LIMIT 1), t.name)
FROM t WHERE t.rel ~* '^(\w+_)?((schema|db|database)_?(version|migration|change|patch|update|upgrade|revision|info)s?(_?(history|log|info))?|migrations?(_?(history|log))?|(version|upgrade|patch|change)_?(history|log)|patch_?level|applied_(patches|migrations|scripts)|db_?ver)$'
  AND NOT EXISTS (SELECT FROM k WHERE k.rel = t.rel AND k.needs::text[] <@ t.cols)
  AND EXISTS (SELECT FROM unnest(t.cols) col WHERE col ~* '^(schema_?|db_?)?(version(_?(num|number|no|id))?|revision|migration(_?(id|name))?|patch(_?(id|name|level))?|release|script(_?name)?)$')
\gexec
SQL
        }; fi ;;
        mysql)
          answers() { [ -z "$FULLDRESS_TREE" ] || within 5 "$client" -e 'SELECT 1' >/dev/null 2>&1 || { cannot "databases" "$1: this is a tree of files, and no server answers in it"; false; }; }
          client=$(command -v mariadb || command -v mysql) && answers "$3" && {
            ask() { within 15 "$client" --batch --skip-column-names --connect-timeout=5 -D "$1" -e "SET SESSION TRANSACTION READ ONLY; $2" 2>&1; }
            section "database mysql $3"; ask "$3" "SELECT 'server', VERSION(); SELECT 'charset', DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE(); SELECT 'column', TABLE_NAME, COLUMN_NAME, CONCAT(COLUMN_TYPE, IF(IS_NULLABLE = 'NO', ' not null', '')) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION LIMIT 50000; SELECT 'table', TABLE_NAME, COALESCE(TABLE_ROWS, 0), COALESCE(DATA_LENGTH + INDEX_LENGTH, 0), COALESCE(TABLE_COLLATION, '') FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'; SELECT 'object', 'view', COUNT(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE(); SELECT 'object', 'trigger', COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE(); SELECT 'object', 'function', COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE();"
            section "migrations mysql $3"
            tables=$(ask "$3" "SELECT CONCAT(TABLE_NAME, ':', GROUP_CONCAT(COLUMN_NAME)) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() GROUP BY TABLE_NAME;")
            tell() { case $tables in *"$2:"*) ask "$db" "SELECT '$1', '$2', $3, COALESCE($4, ''), COALESCE($5, '') FROM \`$2\`;" 2>/dev/null ;; esac; }
            db=$3
            tell flyway flyway_schema_history "SUM(success)" "(SELECT version FROM flyway_schema_history WHERE success AND version IS NOT NULL ORDER BY installed_rank DESC LIMIT 1)" "GROUP_CONCAT(IF(success, NULL, CONCAT('failed: ', COALESCE(version, description))))"
            tell liquibase DATABASECHANGELOG "COUNT(*)" "(SELECT ID FROM DATABASECHANGELOG ORDER BY ORDEREXECUTED DESC LIMIT 1)" NULL
            tell "liquibase lock" DATABASECHANGELOGLOCK 0 NULL "GROUP_CONCAT(IF(LOCKED, CONCAT('locked by ', COALESCE(LOCKEDBY, '?')), NULL))"
            tell alembic alembic_version "COUNT(*)" "GROUP_CONCAT(version_num)" "IF(1 < COUNT(*), 'several heads', NULL)"
            tell django django_migrations "COUNT(*)" "(SELECT GROUP_CONCAT(x) FROM (SELECT CONCAT(app, '.', MAX(name)) AS x FROM django_migrations GROUP BY app) y)" NULL
            if grep -qE '^schema_migrations:.*\bdirty\b' <<<"$tables"; then
              tell golang-migrate schema_migrations "COUNT(*)" "MAX(version)" "IF(MAX(dirty), 'dirty', NULL)"
            else tell rails schema_migrations "COUNT(*)" "MAX(version)" NULL; fi
            tell goose goose_db_version "SUM(is_applied)" "(SELECT version_id FROM goose_db_version WHERE is_applied ORDER BY id DESC LIMIT 1)" NULL
            tell sqlx _sqlx_migrations "SUM(success)" "MAX(version)" "GROUP_CONCAT(IF(success, NULL, CONCAT('failed: ', version)))"
            tell knex knex_migrations "COUNT(*)" "(SELECT name FROM knex_migrations ORDER BY id DESC LIMIT 1)" NULL
            tell "knex lock" knex_migrations_lock 0 NULL "IF(MAX(is_locked), 'locked', NULL)"
            tell doctrine doctrine_migration_versions "COUNT(*)" "MAX(version)" NULL
            tell sequelize SequelizeMeta "COUNT(*)" "MAX(name)" NULL
            tell ef-core __EFMigrationsHistory "COUNT(*)" "MAX(MigrationId)" NULL
            tell phinx phinxlog "COUNT(*)" "MAX(version)" NULL
            grep -qE '^migrations:(.*,)?batch(,|$)' <<<"$tables" && tell laravel migrations "COUNT(*)" "MAX(migration)" NULL
            grep -qE '^migrations:(.*,)?timestamp(,|$)' <<<"$tables" && tell typeorm migrations "COUNT(*)" "(SELECT name FROM migrations ORDER BY timestamp DESC LIMIT 1)" NULL
            grep -iE '^(\w+_)?((schema|db|database)_?(version|migration|change|patch|update|upgrade|revision|info)s?(_?(history|log|info))?|(version|upgrade|patch|change)_?(history|log)|patch_?level|db_?ver):' <<<"$tables" |
              grep -vE '^(schema_migrations|alembic_version|flyway_schema_history|django_migrations|goose_db_version):' | head -n 20 | while IFS=: read -r table columns; do
                column=$(tr , '\n' <<<"$columns" | grep -iE '^(schema_?|db_?)?(version(_?(num|number|no|id))?|revision|patch(_?(id|name|level))?|release)$' | head -n 1)
                [ -z "$column" ] || tell hand-made "$table" "COUNT(*)" "GROUP_CONCAT(DISTINCT \`$column\` ORDER BY LENGTH(\`$column\`) DESC, \`$column\` DESC SEPARATOR '|')" NULL
              done
            tell prisma _prisma_migrations "SUM(finished_at IS NOT NULL)" "MAX(IF(finished_at IS NULL, NULL, migration_name))" "GROUP_CONCAT(IF(finished_at IS NULL AND rolled_back_at IS NULL, CONCAT('not finished: ', migration_name), NULL))"
          } ;;
      esac
      shift 3 ;;
    *) shift ;;
  esac
done
section end
