"""The names of the dispatcher's settings (docs/reference/settings.md)."""

from typing import Final

CALLER_HASH_SECRET: Final = "CALLER_HASH_SECRET"  # noqa: S105 (the name of a setting)
DIRECTORY: Final = "TENANT_DIRECTORY_JSON"
SHARDS: Final = "USAGE_SHARDS"

VARIABLES: Final = (
    DIRECTORY,
    "ALLOW_PUBLIC_PLATFORM_ANALYTICS",
    "CALLER_KEY_HEADERS",
    "PLATFORM_CORS_ORIGINS",
    "IGNORED_USER_AGENTS",
    "ANALYTICS_BASE_URL",
    "FACILITATOR_URL",
    "FACILITATORS",
    "X402_NETWORK",
    "X402_ASSET",
    "X402_ASSET_NAME",
    "X402_ASSET_VERSION",
    "X402_ASSET_DECIMALS",
    "X402_RPC_URL",
    "PAY_TO_ADDRESS",
    SHARDS,
)
"""Settings that everyone with access to the Worker may see."""

SECRETS: Final = (
    CALLER_HASH_SECRET,
    "PLATFORM_ANALYTICS_TOKEN",
    "PLATFORM_TOKENS",
    "ANALYTICS_TOKEN",
    "FACILITATOR_API_KEY",
)
"""Settings that are stored as secrets, which Cloudflare never shows."""
