"""Every bound and duration of the dispatcher, each with its unit and its reason.

A bound set by Cloudflare names its source. All others are ours and say what they protect.
"""

from __future__ import annotations

from typing import NamedTuple

INTEGER_MAX = (1 << 53) - 1
"""The largest integer that is exact in JavaScript (`Number.MAX_SAFE_INTEGER`), and so in D1."""


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

RATE_REQUESTS_MAX = 2 * 4_096 - 1
"""The largest rate: the sum of the rate-limit bindings, powers of two, in `wrangler.toml`."""

CAP_WAIT_MS = 10_000
"""How long a request waits for a cap that is exceeded only while others settle their payments."""

PAYMENTS_AT_ONCE_MIN = 4
"""Payments of one sender that an API verifies at the same time, although its rate is lower."""

PAYMENT_SENDERS_MAX = 4_096
"""Senders of payments that an isolate keeps, about 1 MB; the oldest is dropped first."""

QUOTA_REQUESTS_MAX = 1_000_000_000_000
"""The largest quota; a header field's integers have at most 15 digits (RFC 9651 section 3.3.1)."""

# The recorder of an isolate

SEND_DELAY_MS = 100
"""How long a recorder waits for more events before it sends them."""

BATCH_EVENTS_MAX = 2_000
"""Events in one batch: what an isolate gets in a second at its highest rate."""

BATCH_LENGTH_MAX = 1_000_000
"""Characters of an encoded batch; 2,000 events have about 250,000. A commit is one row of SQLite,
which has at most 2 MB (Cloudflare)."""

SPILL_AFTER_MS = 5_000
"""How long a batch is sent again to a shard that does not respond, until it is written to KV."""

SEND_DEADLINE_MS = 20_000
"""How long one request's background work sends batches; it is canceled after 30 s (Cloudflare)."""

SHARD_TIMEOUT_MS = 4_000
"""How long a shard may take to respond; a commit takes less than 100 ms."""

SNAPSHOTS_TIMEOUT_MS = 15_000
"""Time for shard 0 to read snapshots; the first read of 10,000 APIs takes seconds."""

BUFFERED_EVENTS_MAX = 50_000
"""Events an isolate buffers while shards and KV fail, about 20 MB; more are dropped and counted."""

WRITER_RENAME_MS = 86_400_000
"""A recorder that sent a shard nothing for this long takes a new name, because shards forget
writers."""

SPILL_DAYS = 7
"""How long after its first attempt KV keeps a batch that a shard did not accept; a shard checks
every few minutes."""

ABANDON_MS = (SPILL_DAYS - 1) * 86_400_000
"""A batch that neither its shard nor KV accepted for this long is dropped and reported, because the
shard may have had it and forgotten."""

# A shard

SHARDS_MAX = 64
"""The most shards: a read calls each of them."""

COMMIT_DELAY_MS = 50
"""How long a commit waits for other batches."""

COMMIT_LENGTH_MAX = 1_500_000
"""Characters of a commit; a row of SQLite has at most 2 MB (Cloudflare)."""

WRITER_DAYS = SPILL_DAYS + 1
"""How long a shard remembers the sequences of a writer: longer than a batch of it can arrive."""

FLUSH_MS = 10_000
"""How long an event waits at most until it is written to `USAGE_KV`."""

SEGMENT_LENGTH_MAX = 1_000_000
"""Characters of a segment after which it is written early. One commit may be longer."""

SEGMENT_DAYS = 400
"""How long KV keeps a segment. Totals are kept forever; a day can be rebuilt as long as its
segments exist."""

CHECKPOINT_MS = 300_000
"""How often the totals are stored in SQLite, if they changed."""

CHECKPOINT_EVENTS_MAX = 50_000
"""Events after which they are stored early, so that recovery adds at most so many."""

CHECKPOINT_LENGTH_MAX = 1_000_000
"""Characters of one row of a checkpoint; a row has at most 2 MB (Cloudflare)."""

FOLD_DELAY_MS = 180_000
"""How long after midnight a day is folded, so that most late events are in it."""

FOLD_LATE_MS = 3_600_000
"""How long late events of a day that is folded already are collected before they are folded."""

LATE_APIS_MAX = 3_000
"""APIs that the parts of past days have together, about 30 MB; more are folded at once, and twice
as many stop imports until then."""

REPAIR_MS = 600_000
"""How long unreadable totals or segments are read again before they count as damaged: KV may not
show everything at once."""

RETRY_MS_MIN = 1_000
RETRY_MS_MAX = 60_000
"""The pause before a shard tries a failed write to KV again; it doubles up to the maximum."""

SPILL_CHECK_MS = 300_000
"""How often an active shard looks for spilled batches; each time costs a KV list operation."""

OBSOLETE_MS = 3_600_000
"""How long totals that were replaced are kept for readers that still have their keys."""

SHARD_READ_LENGTH_MAX = 4_000_000
"""Characters of the totals in one response of a shard; a reader calls again for the rest."""

REBUILD_SEGMENTS_MAX = 20
"""Segments that one step of a rebuild reads: about 20 MB, some seconds of CPU time."""

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

ROLLUP_PIECE_LENGTH_MAX = 2_000_000
"""Characters of totals under one key; writing or reading one takes several times the memory."""

# Analytics responses

TOP_DEFAULT = 25
TOP_MAX = 100
ALL_APIS_MAX = 1_000
TREND_DAYS = 30
"""Days that `overall` shows for each API, and keeps in its base."""

COMPARED_DAYS = 14
"""Days before today whose hours a manifest has, to compare a week with the one before."""

SERIES_POINTS_MAX = 3_660
"""Points of a series: ten years of days."""

READ_APIS_MAX = 5_000
"""APIs in bases that a reader keeps for more than one window, some kilobytes each. With more, a
window that was not read last is read again."""

DAMAGED_RETRY_MS = 10_000
"""The pause before a reader tries damaged totals again, which a rebuild may have replaced."""

EVENTS_DEFAULT = 100
EVENTS_MAX = 2_000
SETTLEMENTS_DEFAULT = 100
SETTLEMENTS_MAX = 1_000

REBUILD_DAYS_MAX = 40
"""UTC days that one call of the platform API rebuilds at most."""

REBUILD_MS = 20_000
"""How long one call of the platform API rebuilds days before it says where to go on."""

IMPORT_EVENTS_MAX = 2_000
"""Old events in one request: one batch, and about two seconds of CPU time."""

IMPORT_BYTES_MAX = 2_000_000
"""Bytes of such a request; an event has 300 to 500."""

IMPORT_ERRORS_MAX = 100
"""Rejected events that a response describes."""

ANALYTICS_AGE_SECONDS = 5
"""How long a client may cache analytics."""

OPENAPI_AGE_SECONDS = 300
"""How long a client may cache the OpenAPI document; only a deployment changes it."""

# The explore page

EXPLORE_FRESH_SECONDS = 5
"""How long a response is served before a new one is made. With 300 isolates that serve the page
all the time, the shard gets 60 reads a second for each window."""

EXPLORE_STALE_SECONDS = 60
"""How long a stale response is served while another request makes a new one."""

EXPLORE_STALE_IF_ERROR_SECONDS = 600
"""How long a stale response is served if making a new one fails; then an empty one is served."""

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

CLAIM_LEASE_MS = 120_000
"""How long a paid request has its payment alone, which lets its payer return in time if the
isolate dies. A slower request is served unless its payer presents the payment again."""

SERVE_LEASE_MS = 60_000
"""How long a response may take to be sent after its settlement was recorded."""

PAYMENT_WAIT_MS = 3_000
"""How long a request waits for another request with the same payment."""

PAYMENT_RETRY_SECONDS = 30
"""When a caller whose payment is pending should retry."""

# Facilitators

FACILITATORS_MAX = 10
"""Facilitators of a deployment."""

VERIFY_TIMEOUT_MS = 10_000
"""How long a facilitator may take to verify; the official one takes less than a second."""

VERIFY_SHARE_MS = 4_000
VERIFY_TOTAL_MS = 14_000
"""How long it may take if another one can be asked after it, and all of them together."""

REDIRECTS_MAX = 3
"""Redirects of one request to a facilitator that are followed."""

CIRCUIT_OPEN_MS_MIN = 30_000
CIRCUIT_OPEN_MS_MAX = 300_000
"""How long a facilitator that failed is asked only after the others; doubled with each failure."""

SETTLE_TIMEOUT_MS = 20_000
"""How long a facilitator may take to settle: some blocks of a busy chain, and with the rest
of the work below the 30 s that a request has after its client disconnects (Cloudflare)."""

SETTLE_RETRY_TIMEOUT_MS = 8_000
"""How long the second settle call may take after `settlement_pending`: with the first one, its
pause and the verification, a client waits at most 43 s for facilitators."""

SETTLE_RETRY_DELAY_MS = 1_000
"""The pause before the second settle call after a facilitator returned `settlement_pending`."""

SUPPORTED_TIMEOUT_MS = 5_000
"""How long a facilitator may take to list what it supports."""

SUPPORTED_CACHE_SECONDS = 600
"""How long an isolate caches what a facilitator supports."""

FACILITATOR_BODY_BYTES_MAX = 65_536
"""Bytes of a facilitator's response; a verify result has a few hundred."""

# Resolution and reconciliation of payments, by cron

CRON_ROWS_MAX = 50
"""Payments that one cron run processes, all at the same time."""

PENDING_BACKOFF_MS_MAX = 3_600_000
"""The longest pause between two attempts to resolve a payment."""

EXPIRY_MARGIN_MS = 120_000
"""How much later than `validBefore` a block must be, to prove that no block before it took an
authorization: long enough for a reorganization to be over."""

BLOCK_AHEAD_MS_MAX = 3_600_000
"""How far the newest block may be ahead of our clock; a node that reports more is not believed."""

RPC_TIMEOUT_MS = 5_000
RPC_TOTAL_MS = 10_000
"""How long a node may take for one call, and for all of a query: a caller may be waiting."""

CHAIN_CACHE_SECONDS = 600
"""How long a node is trusted to be one of the network that it was asked for."""

RPC_BODY_BYTES_MAX = 1_048_576
"""Bytes of a node's response; the receipt of a large transaction has about 100 KB."""

RPC_BLOCKS_BEFORE = 600
"""Blocks before a claim that are also searched, because clocks and block times are inexact."""

RPC_BLOCKS_MAX = 9_000
"""Blocks searched at most; public nodes reject ranges of 10,000 or more."""
