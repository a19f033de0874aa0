// The module openapi.js, which `cli/publish/scripts/wrap.py` generates, for the type check.

/** The OpenAPI document of this API; null if it is not known. */
export const openapi: object | null;
