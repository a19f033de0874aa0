#!/bin/sh
# Stands in for workerd (MINIFLARE_WORKERD_PATH): adds the folder of the local Pyodide
# bundle, an option that `wrangler dev` has no way to pass.
command=$1
shift
if [ "$command" = serve ]; then
    exec "$CLAWR_WORKERD" serve "--pyodide-bundle-disk-cache-dir=$CLAWR_PYODIDE_BUNDLE" "$@"
fi
exec "$CLAWR_WORKERD" "$command" "$@"
