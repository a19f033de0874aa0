#!/bin/sh
# Runs workerd (MINIFLARE_WORKERD_PATH) with options that `wrangler dev` cannot pass: the folder
# of the local Pyodide bundle and, optionally, a memory snapshot.
#
# If CLAWR_SNAPSHOTS is a folder, the dispatcher starts from the memory snapshot in it; if there
# is none, it writes one after its imports, as Cloudflare does at an upload.
#
# If CLAWR_KEPT_STARTS is a folder, each start is recorded there: the arguments, one per line,
# and the configuration from the standard input.
command=$1
shift
[ "$command" = serve ] || exec "$CLAWR_WORKERD" "$command" "$@"

set -- "--pyodide-bundle-disk-cache-dir=$CLAWR_PYODIDE_BUNDLE" "$@"
[ -n "$CLAWR_SNAPSHOTS$CLAWR_KEPT_STARTS" ] || exec "$CLAWR_WORKERD" serve "$@"

config=$(mktemp)
cat >"$config"
if [ -n "$CLAWR_KEPT_STARTS" ]; then
    cp "$config" "$CLAWR_KEPT_STARTS/$$.config"
    (shift && printf '%s\n' "$@") >"$CLAWR_KEPT_STARTS/$$.arguments"
fi
# wrangler's other workerds run no module of the dispatcher.
if [ -n "$CLAWR_SNAPSHOTS" ] && grep -q gateway/dispatcher.py "$config"; then
    if [ -f "$CLAWR_SNAPSHOTS/snapshot.bin" ]; then
        set -- --python-load-snapshot=snapshot.bin "$@"
    else
        set -- --python-save-snapshot "$@"
    fi
    set -- "--python-snapshot-dir=$CLAWR_SNAPSHOTS" "$@"
fi
exec <"$config"
rm "$config"
exec "$CLAWR_WORKERD" serve "$@"
