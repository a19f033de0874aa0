-- The payout ledger: one row for each payment authorization, entries that never change,
-- and a line for each change of state. docs/reference/ledger.md says what is what.

CREATE TABLE payments (
    payment_id TEXT PRIMARY KEY,
    attempt INTEGER NOT NULL CHECK (attempt >= 1),
    state TEXT NOT NULL CHECK (state IN ('claimed', 'pending', 'settled', 'failed')),
    reason TEXT NOT NULL DEFAULT '',
    changed_at_ms INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    lease_until_ms INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    proof_digest TEXT NOT NULL,
    proof TEXT,
    identifier TEXT,
    payer TEXT NOT NULL,
    pay_to TEXT NOT NULL,
    network TEXT NOT NULL,
    asset TEXT NOT NULL,
    nonce TEXT NOT NULL,
    amount TEXT NOT NULL,
    amount_micros INTEGER NOT NULL CHECK (amount_micros > 0),
    valid_before_ms INTEGER NOT NULL,
    claimed_at_ms INTEGER NOT NULL,
    tenant_id TEXT NOT NULL,
    slug TEXT NOT NULL,
    owner TEXT NOT NULL,
    directory TEXT NOT NULL,
    method TEXT NOT NULL,
    caller TEXT NOT NULL,
    shard INTEGER NOT NULL CHECK (shard >= 0),
    asked INTEGER NOT NULL DEFAULT 0,
    facilitator TEXT NOT NULL DEFAULT '',
    transaction_id TEXT NOT NULL DEFAULT '',
    settled_at_ms INTEGER,
    served INTEGER NOT NULL DEFAULT 0 CHECK (served IN (0, 1)),
    usage_batch TEXT,
    reconciled_at_ms INTEGER,
    CHECK ((state = 'settled') = (settled_at_ms IS NOT NULL)),
    CHECK (state <> 'settled' OR (transaction_id <> '' AND usage_batch IS NOT NULL)),
    CHECK (served = 0 OR state = 'settled')
);

-- A payer's own name for a payment stands for one authorization at a time.
CREATE UNIQUE INDEX payments_by_identifier ON payments (payer, identifier)
    WHERE identifier IS NOT NULL;

-- A transaction moves one authorization's money.
CREATE UNIQUE INDEX payments_by_transaction ON payments (network, transaction_id, payer, nonce)
    WHERE state = 'settled';

-- What cron looks for every minute: a few rows, whatever else the table holds.
CREATE INDEX payments_unresolved ON payments (lease_until_ms)
    WHERE state IN ('claimed', 'pending');
CREATE INDEX payments_unreconciled ON payments (settled_at_ms)
    WHERE state = 'settled' AND reconciled_at_ms IS NULL;
CREATE INDEX payments_by_claim ON payments (claimed_at_ms);

CREATE TABLE entries (
    entry INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('settlement', 'refusal', 'correction')),
    payment_id TEXT NOT NULL REFERENCES payments (payment_id),
    attempt INTEGER NOT NULL,
    tenant_id TEXT NOT NULL,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    amount_micros INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    note TEXT NOT NULL,
    CHECK (kind <> 'settlement' OR amount_micros > 0),
    CHECK (kind <> 'refusal' OR amount_micros = 0),
    CHECK (debit <> credit)
);

CREATE UNIQUE INDEX entries_settle_once ON entries (payment_id) WHERE kind = 'settlement';
CREATE INDEX entries_by_payment ON entries (payment_id);

CREATE TABLE audit (
    line INTEGER PRIMARY KEY AUTOINCREMENT,
    payment_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    reason TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL
);

CREATE INDEX audit_by_payment ON audit (payment_id);

-- Everything below makes the rules hold whoever writes, a person at a console included.

CREATE TRIGGER payments_begin_claimed BEFORE INSERT ON payments
WHEN NEW.state <> 'claimed' OR NEW.attempt <> 1
BEGIN
    SELECT RAISE(ABORT, 'a payment begins claimed, at its first attempt');
END;

CREATE TRIGGER payments_move_forward BEFORE UPDATE OF state ON payments
WHEN NEW.state <> OLD.state AND NOT (
    (OLD.state = 'claimed' AND NEW.state IN ('pending', 'failed'))
    OR (OLD.state = 'pending' AND NEW.state IN ('settled', 'failed'))
    OR (OLD.state = 'failed' AND NEW.state = 'claimed' AND NEW.attempt = OLD.attempt + 1)
)
BEGIN
    SELECT RAISE(ABORT, 'a payment does not move this way');
END;

CREATE TRIGGER payments_keep_their_terms BEFORE UPDATE ON payments
WHEN OLD.state <> 'failed' AND (
    NEW.payer <> OLD.payer OR NEW.nonce <> OLD.nonce OR NEW.amount <> OLD.amount
    OR NEW.amount_micros <> OLD.amount_micros OR NEW.pay_to <> OLD.pay_to
    OR NEW.network <> OLD.network OR NEW.asset <> OLD.asset OR NEW.attempt <> OLD.attempt
    OR NEW.tenant_id <> OLD.tenant_id OR NEW.shard <> OLD.shard
    OR NEW.claimed_at_ms <> OLD.claimed_at_ms
)
BEGIN
    SELECT RAISE(ABORT, 'the terms of a payment do not change');
END;

CREATE TRIGGER payments_stay BEFORE DELETE ON payments
BEGIN
    SELECT RAISE(ABORT, 'payments are never deleted');
END;

CREATE TRIGGER payments_audit_claim AFTER INSERT ON payments
BEGIN
    INSERT INTO audit (payment_id, attempt, from_state, to_state, reason, request_id, at_ms)
    VALUES (NEW.payment_id, NEW.attempt, '', NEW.state, NEW.reason, NEW.request_id,
        NEW.changed_at_ms);
END;

CREATE TRIGGER payments_audit_change AFTER UPDATE OF state ON payments
WHEN NEW.state <> OLD.state
BEGIN
    INSERT INTO audit (payment_id, attempt, from_state, to_state, reason, request_id, at_ms)
    VALUES (NEW.payment_id, NEW.attempt, OLD.state, NEW.state, NEW.reason, NEW.request_id,
        NEW.changed_at_ms);
END;

CREATE TRIGGER payments_enter_settlement AFTER UPDATE OF state ON payments
WHEN NEW.state = 'settled' AND OLD.state <> 'settled'
BEGIN
    INSERT INTO entries
        (kind, payment_id, attempt, tenant_id, debit, credit, amount_micros, at_ms, note)
    VALUES ('settlement', NEW.payment_id, NEW.attempt, NEW.tenant_id, 'payer:' || NEW.payer,
        'payee:' || NEW.pay_to, NEW.amount_micros, NEW.settled_at_ms, NEW.transaction_id);
END;

CREATE TRIGGER payments_enter_refusal AFTER UPDATE OF state ON payments
WHEN NEW.state = 'failed' AND OLD.state <> 'failed'
BEGIN
    INSERT INTO entries
        (kind, payment_id, attempt, tenant_id, debit, credit, amount_micros, at_ms, note)
    VALUES ('refusal', NEW.payment_id, NEW.attempt, NEW.tenant_id, 'payer:' || NEW.payer,
        'payee:' || NEW.pay_to, 0, NEW.changed_at_ms, NEW.reason);
END;

CREATE TRIGGER entries_never_change BEFORE UPDATE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries never change; write a correction');
END;

CREATE TRIGGER entries_stay BEFORE DELETE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries are never deleted; write a correction');
END;

CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit never changes');
END;

CREATE TRIGGER audit_stays BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is never deleted');
END;
