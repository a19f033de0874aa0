#!/bin/sh
# Stands in for workerd (MINIFLARE_WORKERD_PATH): adds the folder of the local Pyodide
# bundle, an option that `wrangler dev` has no way to pass.
#
# Where CLAWR_KEPT_STARTS names a folder, a copy is kept there of each start: the arguments,
# one a line, and the configuration that comes on the standard input.
command=$1
shift
if [ "$command" = serve ]; then
    if [ -n "$CLAWR_KEPT_STARTS" ]; then
        printf '%s\n' "$@" >"$CLAWR_KEPT_STARTS/$$.arguments"
        cat >"$CLAWR_KEPT_STARTS/$$.config"
        exec "$CLAWR_WORKERD" serve "--pyodide-bundle-disk-cache-dir=$CLAWR_PYODIDE_BUNDLE" "$@" \
            <"$CLAWR_KEPT_STARTS/$$.config"
    fi
    exec "$CLAWR_WORKERD" serve "--pyodide-bundle-disk-cache-dir=$CLAWR_PYODIDE_BUNDLE" "$@"
fi
exec "$CLAWR_WORKERD" "$command" "$@"
