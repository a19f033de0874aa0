"""Every bound in the dispatcher, each with its unit and its reason.

Owns numbers only. A bound that Cloudflare sets names its source; the others
are ours and say what they protect.
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
"""The contract's plans. A tenant's own `limits` override field by field."""

SCRIPT_CPU_MS_MAX = 300_000
"""Cloudflare's own ceiling for CPU time of an invocation, in milliseconds."""

SCRIPT_SUB_REQUESTS_MAX = 10_000
"""Cloudflare's own ceiling for sub-requests of an invocation."""

URL_LENGTH_MAX = 16_384
"""Cloudflare's edge refuses longer URLs; so does local development."""

HEADERS_LENGTH_MAX = 131_072
"""Names and values of all headers of a request together: 128 KB, Cloudflare's own limit.
(https://developers.cloudflare.com/workers/platform/limits/#request-and-response-limits)"""

IDENTITY_LENGTH_MAX = 4_096
"""Characters of a caller's identity header that go into its hash."""

DIRECTORY_CACHE_SECONDS = 30
"""The contract: a change in `TENANT_KV` is seen within this time."""

DIRECTORY_CACHE_ENTRIES = 10_000
"""Look-ups kept in an isolate, found or not; a flood of made-up hosts must not fill memory."""

DIRECTORY_RECORDS_MAX = 20_000
"""Records that a directory in a variable may hold."""

RECORD_LENGTH_MAX = 65_536
"""Characters of a record in `TENANT_KV`; one with every field has some 1,000."""

TEXT_LENGTH_MAX = 200
"""Characters of an owner, a category or an id."""

DESCRIPTION_LENGTH_MAX = 2_000
"""Characters of a tenant's description."""

PRICE_MICROS_MAX = 10_000_000_000
"""The dearest request: $10,000, in micro-dollars."""

RATE_WINDOWS_SECONDS = (10, 60)
"""The windows that a rate-limit binding can have (Cloudflare)."""

RATE_BINDING_LARGEST = 4_096
"""The largest limit of a rate-limit binding in `wrangler.toml`, a power of two."""

RATE_REQUESTS_MAX = 2 * RATE_BINDING_LARGEST - 1
"""The largest rate that the bindings can stand for: the sum of all of them."""

QUOTA_REQUESTS_MAX = 1_000_000_000_000
"""The largest quota; a header field's integers have at most 15 digits (RFC 9651 section 3.3.1)."""

COMMIT_DELAY_MS = 250
"""How long the leader of a group commit waits for company."""

BATCH_EVENTS_MAX = 500
"""Events in one batch; whoever adds the last one commits at once."""

COMMIT_DEADLINE_MS = 25_000
"""A leader retries this long; its `waitUntil` is cut off at 30 s (Cloudflare)."""

HELD_EVENTS_MAX = 50_000
"""Events an isolate holds while KV refuses writes, about 20 MB; more are dropped and counted."""

BATCH_DAYS = 40
"""How long KV keeps a batch: longer than any month, so that each can still be made of its days
from the log, and not for ever, because storage costs $0.50 per GB and month. What batches come
to stays in the summaries."""

BATCH_TTL_SECONDS = BATCH_DAYS * 86_400
REBUILD_DAYS = 39
"""How far back summaries may be made again from the log alone. The day between is for clocks
that differ, and for batches that expire while they are being counted."""

KV_LIST_KEYS_MAX = 1_000
"""Keys in one page of a listing (Cloudflare)."""

KV_BULK_GET_KEYS_MAX = 100
"""Keys in one bulk get (Cloudflare)."""

KV_VALUE_LENGTH_MAX = 26_214_400
"""Bytes of one value, and of all values of one bulk get together: 25 MiB (Cloudflare)."""

SUMMARY_PART_LENGTH_MAX = 2_000_000
"""Characters under one key of a summary; writing and reading one takes several times as much."""

NEWEST_KEYS_MIN = 200
"""Keys that a read lists of the newest batches at least; of more than it needs, each costs time."""

READ_OPERATIONS_MAX = 800
"""KV operations one read may spend, below Cloudflare's 1,000 for an invocation."""

SNAPSHOT_OPERATIONS_MAX = 6
"""KV operations of one snapshot, whatever the traffic."""

TAIL_GETS_MAX = 3
"""Bulk gets that a read spends on batches without a summary: 300 of them."""

KEPT_EVENTS_MAX = 20_000
"""Events of such batches that an isolate keeps between reads, some megabytes."""

PUBLISHED_APIS_MIN = 100
"""Called APIs from which on cron publishes snapshots: fewer are read quickly by any isolate."""

PUBLISHED_TTL_SECONDS = 150
"""How old a published snapshot may be: cron comes every minute, KV shows it a minute later."""

WARMING_PAUSE_MS = 50
"""How long an isolate that reads ahead lets others go first, before each window."""

WARMING_MS_MAX = 30_000
"""How long an isolate may be busy reading ahead; `waitUntil` is cut off then (Cloudflare)."""

COMPACTION_OPERATIONS = 700
"""KV operations of one run of compaction, below Cloudflare's 1,000 for an invocation."""

COMPACTION_PAGES_MAX = 300
"""Pages in which one run lists all batches that have not settled, those of some 20 minutes."""

CATCH_UP_OPERATIONS = 100
"""KV operations that a read spends on compaction when it meets a gap."""

BACKLOG_MINUTES_MAX = 180
"""How long a minute may wait for its summary before somebody should look: cron does it in two,
and batches expire after `BATCH_DAYS`."""

FIRST_YEAR = 2025
"""No log is older than this."""

LAST_YEAR = 9_999
"""The form of the keys ends here."""

REBUILD_MINUTES_MAX = 180
"""How much one request may have made again; each minute costs three operations or more."""

LATE_AFTER_MINUTES = 5
"""A batch written this long after its minute leaves a mark for compaction."""

RECENT_EVENTS_MAX = 20_000
"""Events of committed batches that an isolate keeps for its own reads."""

KV_SETTLE_SECONDS = 60
"""How long a write may take to be seen elsewhere (Cloudflare: "60 seconds or more")."""

TOP_DEFAULT = 25
TOP_MAX = 100
ALL_APIS_MAX = 1_000
TREND_DAYS = 30
"""Days that `overall` shows of each API, and keeps for that in its base."""

PAST_TTL_SECONDS = 9 * 86_400
"""How long the totals of past hours are kept; the oldest that are shown are a week old."""

ANALYTICS_AGE_SECONDS = 5
"""How long a client may show figures without asking again; they are a minute behind anyway."""

OPENAPI_AGE_SECONDS = 300
"""How long a client may keep the OpenAPI document; only a deployment changes it."""

EXPLORE_FRESH_SECONDS = 5
"""How long a snapshot is shown before a new one is made; figures are a minute behind anyway."""

EXPLORE_STALE_SECONDS = 60
"""How long one is shown at once while a new one is made behind the answer."""

EXPLORE_KEPT_SECONDS = 600
"""How long one is shown when no new one can be had; then an empty one says so."""

EXPLORE_RETRY_SECONDS = 2
"""The pause after a failure: nobody asks again meanwhile, so an outage costs one read in it."""

EXPLORE_LEASE_MS = 15_000
EXPLORE_POLL_MS = 25
"""How long one request may make a snapshot until another takes over; how often others look."""

UPSTREAM_TIMEOUT_MS = 5_000
UPSTREAM_BODY_BYTES_MAX = 4_194_304
"""Time and length of another dispatcher's answer; that of 1,000 APIs has some 800 KB."""

SERIES_POINTS_MAX = 3_660
"""Points of a series that are shown: ten years of days."""

EVENTS_DEFAULT = 100
EVENTS_MAX = 2_000
TOKEN_LENGTH_MIN = 24
"""Characters that a token must have to count as one that nobody guesses."""

TOKENS_MAX = 50
TOKENS_LENGTH_MAX = 16_384
"""Entries and characters of `PLATFORM_TOKENS`; every entry is compared with every token offered."""

TOKEN_WARNING_DAYS = 14
"""How long before its end a token is named at health."""

AUTH_WINDOW_SECONDS = 60
AUTH_FAILURES_MAX = 32
"""Wrong tokens that one address may try in a window; a rate-limit binding has just this limit."""

AUTH_FAILURES_ALL_MAX = 512
"""Wrong tokens of all addresses in a window, from which on each address has one try."""

AUTH_CALLERS_MAX = 4_096
"""Addresses whose failures an isolate keeps, about 1 MB; the oldest is forgotten first."""

PAYMENT_VALID_SECONDS = 300
"""What an offer asks an authorization to be valid for: the script's time, the settlement's,
and some rounds of cron should its outcome not be known."""

PAYMENT_HEADER_LENGTH_MAX = 16_384
"""Characters of a payment header; one with a contract wallet's signature has some 6,000."""

SHOWN_LENGTH_MAX = 120
"""Characters of a caller's value that an error repeats."""

CLAIM_LEASE_MS = 300_000
"""How long a script may take to answer a paid request until its claim may be given up."""

VERIFY_TIMEOUT_MS = 10_000
"""How long a facilitator may take to verify; the official one takes under a second."""

SETTLE_TIMEOUT_MS = 20_000
"""How long a facilitator may take to settle: some blocks of a busy chain, and with the rest
of the work below the 30 s that a request has when its client is gone (Cloudflare)."""

SUPPORTED_TIMEOUT_MS = 5_000
"""How long a facilitator may take to say what it supports."""

SUPPORTED_CACHE_SECONDS = 600
"""How long an isolate believes what a facilitator said it supports."""

FACILITATOR_BODY_BYTES_MAX = 65_536
"""Bytes of a facilitator's answer that are read; a verdict has some hundred."""

SETTLE_AGAIN_DELAY_MS = 1_000
"""The pause before a facilitator that said `settlement_pending` is asked a second time."""

SETTLE_LEASE_MS = 2 * SETTLE_TIMEOUT_MS + SETTLE_AGAIN_DELAY_MS + 9_000
"""How long whoever asks a facilitator to settle holds a payment: two questions and a rest."""

PAYMENT_WAIT_MS = 3_000
"""How long a request waits for another one with the same payment."""

PAYMENT_RETRY_SECONDS = 30
"""When a caller whose payment is pending should come again."""

PENDING_ROWS_MAX = 20
"""Payments that one run of cron asks facilitators about."""

PENDING_BACKOFF_MS_MAX = 3_600_000
"""The longest pause between two questions about a pending payment."""

RECONCILED_ROWS_MAX = 90
"""Settled payments that one run of cron compares. D1 binds 100 values to a statement
(https://developers.cloudflare.com/d1/platform/limits/), KV reads 100 keys at once."""

EXPIRY_MARGIN_MS = 120_000
"""How long after `validBefore` a block must have been made to prove that none before it took an
authorization: long enough for a reorganisation to be over."""

SETTLEMENTS_DEFAULT = 100
SETTLEMENTS_MAX = 1_000
RPC_TIMEOUT_MS = 5_000
"""How long a node may take to answer one question."""

RPC_BODY_BYTES_MAX = 1_048_576
"""Bytes of a node's answer that are read; the receipt of a large transaction has some 100 KB."""

RPC_BLOCKS_BEFORE = 600
"""Blocks before a claim that are searched as well, for clocks and counts that are off."""

RPC_BLOCKS_MAX = 9_000
"""Blocks searched at most; public nodes refuse ranges from 10,000 up."""
