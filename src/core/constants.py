"""Every bound and duration of the dispatcher, each with its unit and its reason.

A bound set by Cloudflare names its source. All others are ours and say what they protect.
"""

from __future__ import annotations

from typing import NamedTuple


class ScriptLimits(NamedTuple):
    """What one invocation of a tenant's script may use."""

    cpu_ms: int
    sub_requests: int


PLAN_LIMITS = {
    "free": ScriptLimits(50, 10),
    "pro": ScriptLimits(200, 50),
    "business": ScriptLimits(350, 100),
    "enterprise": ScriptLimits(600, 250),
    "quarantine": ScriptLimits(25, 3),
}
"""The limits of each plan. A tenant's own `limits` override them field by field."""

SCRIPT_CPU_MS_MAX = 300_000
"""Cloudflare's maximum CPU time of an invocation, in milliseconds."""

SCRIPT_SUB_REQUESTS_MAX = 10_000
"""Cloudflare's maximum of sub-requests of an invocation."""

# Requests

URL_LENGTH_MAX = 16_384
"""Cloudflare's edge rejects longer URLs; so does local development."""

HEADERS_LENGTH_MAX = 131_072
"""Names and values of all headers of a request together: 128 KB, Cloudflare's own limit.
(https://developers.cloudflare.com/workers/platform/limits/#request-and-response-limits)"""

IDENTITY_LENGTH_MAX = 4_096
"""Characters of a caller's identity header that are hashed."""

# The tenant directory

DIRECTORY_CACHE_SECONDS = 30
"""A change in `TENANT_KV` takes effect within this time (docs/reference/directory.md)."""

DIRECTORY_CACHE_ENTRIES = 10_000
"""Lookups cached per isolate, found or not; a flood of invented hosts must not fill memory."""

DIRECTORY_RECORDS_MAX = 20_000
"""Records of a directory in a variable."""

RECORD_LENGTH_MAX = 65_536
"""Characters of a record in `TENANT_KV`; one with every field has about 1,000."""

TEXT_LENGTH_MAX = 200
"""Characters of an owner, a category or an id."""

DESCRIPTION_LENGTH_MAX = 2_000
"""Characters of a tenant's description."""

PRICE_MICROS_MAX = 10_000_000_000
"""The highest price of a request: $10,000, in micro-dollars."""

# Rate limits and quotas

RATE_WINDOWS_SECONDS = (10, 60)
"""The possible windows of a rate-limit binding (Cloudflare)."""

RATE_BINDING_LARGEST = 4_096
"""The largest limit of a rate-limit binding in `wrangler.toml`, a power of two."""

RATE_REQUESTS_MAX = 2 * RATE_BINDING_LARGEST - 1
"""The largest rate that the bindings can represent: the sum of all of them."""

QUOTA_REQUESTS_MAX = 1_000_000_000_000
"""The largest quota; a header field's integers have at most 15 digits (RFC 9651 section 3.3.1)."""

# Recording usage

COMMIT_DELAY_MS = 250
"""How long a group commit waits for more events."""

BATCH_EVENTS_MAX = 500
"""Events in one batch; the last one triggers a commit at once."""

COMMIT_DEADLINE_MS = 25_000
"""How long a commit is retried; its `waitUntil` is canceled after 30 s (Cloudflare)."""

BUFFERED_EVENTS_MAX = 50_000
"""Events an isolate buffers while KV fails, about 20 MB; more are dropped and counted."""

BATCH_DAYS = 40
"""How long KV keeps a batch. Longer than any month, so that a month can be rebuilt from the log;
not forever, because storage costs $0.50 per GB and month. Summaries keep the totals."""

BATCH_TTL_SECONDS = BATCH_DAYS * 86_400
REBUILD_DAYS = 39
"""How far back summaries may be rebuilt from the log alone. The one day of difference allows for
clocks that differ, and for batches that expire while they are read."""

LATE_AFTER_MINUTES = 5
"""A batch written this long after its minute gets a late marker for compaction."""

FIRST_YEAR = 2025
"""No log is older than this."""

LAST_YEAR = 9_999
"""The last year that a key can represent."""

# KV

KV_LIST_KEYS_MAX = 1_000
"""Keys in one page of a listing (Cloudflare)."""

KV_BULK_GET_KEYS_MAX = 100
"""Keys in one bulk get (Cloudflare)."""

KV_SETTLE_SECONDS = 60
"""How long a write may take to be visible elsewhere (Cloudflare: "60 seconds or more")."""

SUMMARY_PART_LENGTH_MAX = 2_000_000
"""Characters under one key of a summary; writing or reading one takes several times the memory."""

# Reading analytics

NEWEST_KEYS_MIN = 200
"""The fewest keys of the newest batches that a read lists; keys that it does not need cost time."""

READ_OPERATIONS_MAX = 800
"""KV operations of one read, below Cloudflare's 1,000 for an invocation."""

SNAPSHOT_OPERATIONS_MAX = 6
"""KV operations of one snapshot, whatever the traffic."""

TAIL_GETS_MAX = 3
"""Bulk gets that a read spends on batches without a summary: 300 batches."""

CACHED_EVENTS_MAX = 20_000
"""Events of such batches that an isolate keeps between reads, some megabytes."""

RECENT_EVENTS_MAX = 20_000
"""Events of committed batches that an isolate keeps for its own reads."""

PUBLISHED_APIS_MIN = 100
"""Called APIs from which cron publishes snapshots; any isolate can read fewer quickly."""

PUBLISHED_TTL_SECONDS = 150
"""Lifetime of a published snapshot: cron runs every minute, and KV shows it a minute later."""

WARMING_PAUSE_MS = 50
"""The pause before each window while an isolate reads ahead, so that requests can run."""

WARMING_MS_MAX = 30_000
"""How long an isolate may read ahead; then its `waitUntil` is canceled (Cloudflare)."""

# Compaction

COMPACTION_OPERATIONS = 700
"""KV operations of one compaction run, below Cloudflare's 1,000 for an invocation."""

COMPACTION_PAGES_MAX = 300
"""Pages in which one run lists all batches that have not settled, about 20 minutes of them."""

CATCH_UP_OPERATIONS = 100
"""KV operations that a read spends on compaction if it finds a gap."""

BACKLOG_MINUTES_MAX = 180
"""How long a minute may wait for its summary before health reports it. Cron takes two minutes,
and batches expire after `BATCH_DAYS`."""

REBUILD_MINUTES_MAX = 180
"""Minutes that one request may rebuild; each costs three operations or more."""

PREVIOUS_PERIOD_TTL_SECONDS = 9 * 86_400
"""How long the totals of past hours are kept; the oldest that are shown are a week old."""

# Analytics responses

TOP_DEFAULT = 25
TOP_MAX = 100
ALL_APIS_MAX = 1_000
TREND_DAYS = 30
"""Days that `overall` shows for each API, and keeps in its base."""

SERIES_POINTS_MAX = 3_660
"""Points of a series: ten years of days."""

EVENTS_DEFAULT = 100
EVENTS_MAX = 2_000
SETTLEMENTS_DEFAULT = 100
SETTLEMENTS_MAX = 1_000
ANALYTICS_AGE_SECONDS = 5
"""How long a client may cache analytics; they are a minute behind anyway."""

OPENAPI_AGE_SECONDS = 300
"""How long a client may cache the OpenAPI document; only a deployment changes it."""

# The explore page

EXPLORE_FRESH_SECONDS = 5
"""How long a snapshot is served before a new one is made; totals are a minute behind anyway."""

EXPLORE_STALE_SECONDS = 60
"""How long a stale snapshot is served while a new one is made in the background."""

EXPLORE_STALE_IF_ERROR_SECONDS = 600
"""How long a stale snapshot is served if making a new one fails; then an empty one is served."""

EXPLORE_RETRY_SECONDS = 2
"""The pause after a failure, so that an outage costs one read in this time."""

EXPLORE_LEASE_MS = 15_000
EXPLORE_POLL_MS = 25
"""How long one request may take to make a snapshot before another takes over, and how often
waiting requests check for it."""

UPSTREAM_TIMEOUT_MS = 5_000
UPSTREAM_BODY_BYTES_MAX = 4_194_304
"""Time and length of another dispatcher's response; with 1,000 APIs it has about 800 KB."""

# Platform tokens

TOKEN_LENGTH_MIN = 24
"""Characters that a token needs so that it cannot be guessed."""

TOKENS_MAX = 50
TOKENS_LENGTH_MAX = 16_384
"""Entries and characters of `PLATFORM_TOKENS`; each token sent is compared with every entry."""

TOKEN_WARNING_DAYS = 14
"""How long before it expires a token is reported at health."""

AUTH_WINDOW_SECONDS = 60
AUTH_FAILURES_MAX = 32
"""Wrong tokens that one address may send in a window; a rate-limit binding has this limit."""

AUTH_FAILURES_ALL_MAX = 512
"""Wrong tokens of all addresses in a window after which each address has one attempt."""

AUTH_CALLERS_MAX = 4_096
"""Addresses whose failures an isolate keeps, about 1 MB; the oldest is dropped first."""

# Payments

PAYMENT_VALID_SECONDS = 300
"""How long an authorization must be valid: time for the script, for the settlement, and for
some cron runs if the outcome is unknown."""

PAYMENT_HEADER_LENGTH_MAX = 16_384
"""Characters of a payment header; one with a contract wallet's signature has about 6,000."""

ECHOED_VALUE_LENGTH_MAX = 120
"""Characters of a caller's value that an error message repeats."""

CLAIM_LEASE_MS = 300_000
"""How long a script may take to respond to a paid request before its claim may be released."""

PAYMENT_WAIT_MS = 3_000
"""How long a request waits for another request with the same payment."""

PAYMENT_RETRY_SECONDS = 30
"""When a caller whose payment is pending should retry."""

# Facilitators

VERIFY_TIMEOUT_MS = 10_000
"""How long a facilitator may take to verify; the official one takes less than a second."""

SETTLE_TIMEOUT_MS = 20_000
"""How long a facilitator may take to settle: some blocks of a busy chain, and with the rest
of the work below the 30 s that a request has after its client disconnects (Cloudflare)."""

SETTLE_RETRY_DELAY_MS = 1_000
"""The pause before the second settle call after a facilitator returned `settlement_pending`."""

SETTLE_LEASE_MS = 2 * SETTLE_TIMEOUT_MS + SETTLE_RETRY_DELAY_MS + 9_000
"""The lease of a payment that is being settled: two settle calls, and a margin."""

SUPPORTED_TIMEOUT_MS = 5_000
"""How long a facilitator may take to list what it supports."""

SUPPORTED_CACHE_SECONDS = 600
"""How long an isolate caches what a facilitator supports."""

FACILITATOR_BODY_BYTES_MAX = 65_536
"""Bytes of a facilitator's response; a verify result has a few hundred."""

# Resolution and reconciliation of payments, by cron

PENDING_ROWS_MAX = 20
"""Pending payments that one cron run resolves."""

PENDING_BACKOFF_MS_MAX = 3_600_000
"""The longest pause between two attempts to resolve a payment."""

RECONCILED_ROWS_MAX = 90
"""Settled payments that one cron run compares. D1 binds 100 values to a statement
(https://developers.cloudflare.com/d1/platform/limits/), KV reads 100 keys at once."""

EXPIRY_MARGIN_MS = 120_000
"""How much later than `validBefore` a block must be, to prove that no block before it took an
authorization: long enough for a reorganization to be over."""

RPC_TIMEOUT_MS = 5_000
"""How long a node may take to respond to one call."""

RPC_BODY_BYTES_MAX = 1_048_576
"""Bytes of a node's response; the receipt of a large transaction has about 100 KB."""

RPC_BLOCKS_BEFORE = 600
"""Blocks before a claim that are also searched, because clocks and block times are inexact."""

RPC_BLOCKS_MAX = 9_000
"""Blocks searched at most; public nodes reject ranges of 10,000 or more."""
