"""The operations of the fake account, with the SDK's types of their parameters.

Fields that wrangler sends but the types lack are listed with the reason; all others are rejected.
"""

from cloudflare.types import accounts, d1, durable_objects, kv, workers, zones
from cloudflare.types.kv import namespaces as kv_namespaces
from cloudflare.types.workers import assets, scripts
from cloudflare.types.workers.scripts import assets as script_assets
from cloudflare.types.workers_for_platforms import dispatch
from cloudflare.types.workers_for_platforms.dispatch import namespaces as dispatched
from cloudflare.types.workers_for_platforms.dispatch.namespaces import scripts as user_scripts

from tests.cloudflare import wrangler_types
from tests.cloudflare.operation import Body, Operation

ACCOUNT = "/accounts/{account_id}"
KV = f"{ACCOUNT}/storage/kv/namespaces"
KV_ONE = f"{KV}/{{namespace_id}}"
D1 = f"{ACCOUNT}/d1/database"
WORKERS = f"{ACCOUNT}/workers"
SCRIPT = f"{WORKERS}/scripts/{{script_name}}"
DISPATCH = f"{WORKERS}/dispatch/namespaces"
USER_SCRIPT = f"{DISPATCH}/{{dispatch_namespace}}/scripts/{{script_name}}"

UPLOADED_BY_WRANGLER = {
    "?excludeScript": "wrangler needs no code in the response",
    "metadata.code_update_strategy": "wrangler sends how Durable Objects are updated",
    "metadata.bindings[].id": "wrangler names a database by `id`, the SDK by `database_id`",
    "metadata.bindings[].database_id": "wrangler names a database by `id`",
}
VERSIONED_BY_WRANGLER = {
    **UPLOADED_BY_WRANGLER,
    "metadata.assets": "wrangler uploads a version with its assets; the SDK's type has none",
    "metadata.observability": "wrangler sends the same for a version as for a script",
}
DEPLOYED_BY_WRANGLER = {
    "code_update_strategy": "wrangler sends how Durable Objects are updated",
}
PAGED_BY_WRANGLER = {"?page": "wrangler requests all lists in pages"}
FIELDS_BY_WRANGLER = {"?fields": "wrangler requests the two fields that it reads"}

ACCOUNT_OPERATIONS = (
    Operation("GET", "/user"),
    Operation("GET", "/user/tokens/verify"),
    Operation("GET", f"{ACCOUNT}/tokens/verify"),
    Operation(
        "GET", "/accounts", accounts.AccountListParams, query=("direction", "page", "per_page")
    ),
    Operation("GET", ACCOUNT),
    Operation("GET", "/memberships", beyond=PAGED_BY_WRANGLER),
)

KV_OPERATIONS = (
    Operation("GET", KV, kv.NamespaceListParams, query=("direction", "order", "page", "per_page")),
    Operation("POST", KV, kv.NamespaceCreateParams, Body.FIELDS),
    Operation("GET", KV_ONE),
    Operation("PUT", KV_ONE, kv.NamespaceUpdateParams, Body.FIELDS),
    Operation("DELETE", KV_ONE),
    Operation(
        "GET",
        f"{KV_ONE}/keys",
        kv_namespaces.KeyListParams,
        query=("cursor", "limit", "prefix"),
    ),
    Operation("GET", f"{KV_ONE}/values/{{key_name:path}}"),
    Operation(
        "PUT",
        f"{KV_ONE}/values/{{key_name:path}}",
        kv_namespaces.ValueUpdateParams,
        Body.VALUE,
        query=("expiration", "expiration_ttl"),
    ),
    Operation("DELETE", f"{KV_ONE}/values/{{key_name:path}}"),
    Operation("GET", f"{KV_ONE}/metadata/{{key_name:path}}"),
    Operation("PUT", f"{KV_ONE}/bulk", kv.NamespaceBulkUpdateParams, Body.WHOLE),
    Operation("DELETE", f"{KV_ONE}/bulk", kv.NamespaceBulkDeleteParams, Body.WHOLE),
    Operation("POST", f"{KV_ONE}/bulk/delete", kv.NamespaceBulkDeleteParams, Body.WHOLE),
    Operation("POST", f"{KV_ONE}/bulk/get", kv.NamespaceBulkGetParams, Body.FIELDS),
)

D1_OPERATIONS = (
    Operation("GET", D1, d1.DatabaseListParams, query=("name", "page", "per_page")),
    Operation("POST", D1, d1.DatabaseCreateParams, Body.FIELDS),
    Operation("GET", f"{D1}/{{database_id}}", beyond=FIELDS_BY_WRANGLER),
    Operation("DELETE", f"{D1}/{{database_id}}"),
    Operation("POST", f"{D1}/{{database_id}}/query", d1.DatabaseQueryParams, Body.FIELDS),
    Operation("POST", f"{D1}/{{database_id}}/raw", d1.DatabaseRawParams, Body.FIELDS),
)

WORKER_OPERATIONS = (
    Operation("GET", f"{WORKERS}/scripts", workers.ScriptListParams, query=("tags",)),
    Operation("GET", SCRIPT),
    Operation(
        "PUT",
        SCRIPT,
        workers.ScriptUpdateParams,
        Body.UPLOAD,
        ("bindings_inherit",),
        UPLOADED_BY_WRANGLER,
    ),
    Operation("DELETE", SCRIPT, workers.ScriptDeleteParams, query=("force",)),
    Operation("GET", f"{SCRIPT}/content"),
    Operation("PUT", f"{SCRIPT}/content", scripts.ContentUpdateParams, Body.UPLOAD),
    Operation("GET", f"{SCRIPT}/settings"),
    Operation(
        "PATCH",
        f"{SCRIPT}/settings",
        scripts.ScriptAndVersionSettingEditParams,
        Body.UPLOAD,
    ),
    Operation("GET", f"{SCRIPT}/script-settings"),
    Operation("PATCH", f"{SCRIPT}/script-settings", scripts.SettingEditParams, Body.FIELDS),
    Operation("GET", f"{SCRIPT}/secrets"),
    Operation("PUT", f"{SCRIPT}/secrets", scripts.SecretUpdateParams, Body.FIELDS),
    Operation("PATCH", f"{SCRIPT}/secrets-bulk", scripts.SecretBulkUpdateParams, Body.FIELDS),
    Operation(
        "GET",
        f"{SCRIPT}/secrets/{{secret_name}}",
        scripts.SecretGetParams,
        query=("url_encoded",),
    ),
    Operation(
        "DELETE",
        f"{SCRIPT}/secrets/{{secret_name}}",
        scripts.SecretDeleteParams,
        query=("url_encoded",),
    ),
    Operation("GET", f"{SCRIPT}/tails"),
    Operation("POST", f"{SCRIPT}/tails", wrangler_types.Tail, Body.FIELDS),
    Operation("DELETE", f"{SCRIPT}/tails/{{tail_id}}"),
    Operation("GET", f"{SCRIPT}/schedules"),
    Operation("PUT", f"{SCRIPT}/schedules", scripts.ScheduleUpdateParams, Body.WHOLE),
    Operation("GET", f"{SCRIPT}/subdomain"),
    Operation("POST", f"{SCRIPT}/subdomain", scripts.SubdomainCreateParams, Body.FIELDS),
    Operation("GET", f"{SCRIPT}/versions", scripts.VersionListParams, query=("deployable", "page")),
    Operation(
        "POST",
        f"{SCRIPT}/versions",
        scripts.VersionCreateParams,
        Body.UPLOAD,
        ("bindings_inherit",),
        VERSIONED_BY_WRANGLER,
    ),
    Operation("GET", f"{SCRIPT}/versions/{{version_id}}"),
    Operation("GET", f"{SCRIPT}/deployments"),
    Operation(
        "POST",
        f"{SCRIPT}/deployments",
        scripts.DeploymentCreateParams,
        Body.FIELDS,
        ("force",),
        DEPLOYED_BY_WRANGLER,
    ),
    Operation("GET", f"{WORKERS}/services/{{script_name}}"),
    Operation(
        "DELETE",
        f"{WORKERS}/services/{{script_name}}",
        wrangler_types.Removal,
        query=("force",),
    ),
    Operation("GET", f"{WORKERS}/workers/{{script_name}}"),
    Operation(
        "GET",
        f"{WORKERS}/durable_objects/namespaces",
        durable_objects.NamespaceListParams,
        query=("page", "per_page"),
    ),
    Operation("GET", f"{WORKERS}/subdomain"),
    Operation(
        "POST",
        f"{SCRIPT}/assets-upload-session",
        script_assets.UploadCreateParams,
        Body.FIELDS,
    ),
    Operation(
        "POST", f"{WORKERS}/assets/upload", assets.UploadCreateParams, Body.FILES, ("base64",)
    ),
)

DISPATCH_OPERATIONS = (
    Operation("GET", DISPATCH, beyond=PAGED_BY_WRANGLER),
    Operation("POST", DISPATCH, dispatch.NamespaceCreateParams, Body.FIELDS),
    Operation("GET", f"{DISPATCH}/{{dispatch_namespace}}"),
    Operation("DELETE", f"{DISPATCH}/{{dispatch_namespace}}"),
    Operation(
        "GET",
        f"{DISPATCH}/{{dispatch_namespace}}/scripts",
        beyond={"?tags": "documented for Workers for Platforms, but not in the SDK yet"},
    ),
    Operation("GET", USER_SCRIPT),
    Operation(
        "PUT",
        USER_SCRIPT,
        dispatched.ScriptUpdateParams,
        Body.UPLOAD,
        ("bindings_inherit",),
        UPLOADED_BY_WRANGLER,
    ),
    Operation("DELETE", USER_SCRIPT, dispatched.ScriptDeleteParams, query=("force",)),
    Operation("GET", f"{USER_SCRIPT}/content"),
    Operation("PUT", f"{USER_SCRIPT}/content", user_scripts.ContentUpdateParams, Body.UPLOAD),
    Operation("GET", f"{USER_SCRIPT}/bindings"),
    Operation("GET", f"{USER_SCRIPT}/settings"),
    Operation("PATCH", f"{USER_SCRIPT}/settings", user_scripts.SettingEditParams, Body.UPLOAD),
    Operation("GET", f"{USER_SCRIPT}/secrets"),
    Operation("PUT", f"{USER_SCRIPT}/secrets", user_scripts.SecretUpdateParams, Body.FIELDS),
    Operation(
        "PATCH", f"{USER_SCRIPT}/secrets-bulk", user_scripts.SecretBulkUpdateParams, Body.FIELDS
    ),
    Operation(
        "GET",
        f"{USER_SCRIPT}/secrets/{{secret_name}}",
        user_scripts.SecretGetParams,
        query=("url_encoded",),
    ),
    Operation(
        "DELETE",
        f"{USER_SCRIPT}/secrets/{{secret_name}}",
        user_scripts.SecretDeleteParams,
        query=("url_encoded",),
    ),
    Operation("GET", f"{USER_SCRIPT}/tags"),
    Operation("PUT", f"{USER_SCRIPT}/tags", user_scripts.TagUpdateParams, Body.WHOLE),
    Operation("PUT", f"{USER_SCRIPT}/tags/{{tag}}"),
    Operation("DELETE", f"{USER_SCRIPT}/tags/{{tag}}"),
    Operation(
        "POST",
        f"{USER_SCRIPT}/assets-upload-session",
        user_scripts.AssetUploadCreateParams,
        Body.FIELDS,
    ),
)

ZONE_ROUTES = "/zones/{zone_id}/workers/routes"
ZONE_OPERATIONS = (
    Operation(
        "GET",
        "/zones",
        zones.ZoneListParams,
        query=("name", "page", "per_page"),
        beyond={"?account.id": "the SDK has it as a field of `account`"},
    ),
    Operation("GET", ZONE_ROUTES, beyond=PAGED_BY_WRANGLER),
    Operation("POST", ZONE_ROUTES, workers.RouteCreateParams, Body.FIELDS),
    Operation("PUT", f"{ZONE_ROUTES}/{{route_id}}", workers.RouteUpdateParams, Body.FIELDS),
    Operation("DELETE", f"{ZONE_ROUTES}/{{route_id}}"),
    Operation(
        "GET",
        f"{WORKERS}/domains",
        workers.DomainListParams,
        query=("environment", "hostname", "service", "zone_id", "zone_name"),
    ),
    Operation("PUT", f"{WORKERS}/domains", workers.DomainUpdateParams, Body.FIELDS),
    Operation("DELETE", f"{WORKERS}/domains/{{domain_id}}"),
    Operation("PUT", f"{SCRIPT}/routes", wrangler_types.ScriptRoutes, Body.WHOLE),
    Operation(
        "POST",
        f"{SCRIPT}/domains/changeset",
        wrangler_types.Changeset,
        Body.WHOLE,
        ("replace_state",),
    ),
    Operation("PUT", f"{SCRIPT}/domains/records", wrangler_types.Records, Body.FIELDS),
)

OPERATIONS = (
    *ACCOUNT_OPERATIONS,
    *KV_OPERATIONS,
    *D1_OPERATIONS,
    *WORKER_OPERATIONS,
    *DISPATCH_OPERATIONS,
    *ZONE_OPERATIONS,
)
