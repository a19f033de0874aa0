#!/bin/sh
# Runs workerd (MINIFLARE_WORKERD_PATH) with the folder of the local Pyodide bundle, an option
# that `wrangler dev` cannot pass.
#
# If CLAWR_KEPT_STARTS is a folder, each start is recorded there: the arguments, one per line,
# and the configuration from the standard input.
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
