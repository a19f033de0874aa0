-- The payout ledger: one row for each payment authorization, entries that never change, and
-- what is left of payments in the archive. docs/reference/ledger.md describes it.

CREATE TABLE payments (
    payment_id TEXT NOT NULL PRIMARY KEY,
    attempt INTEGER NOT NULL CHECK (attempt >= 1),
    state TEXT NOT NULL CHECK (state IN ('claimed', 'pending', 'settled', 'failed')),
    reason TEXT NOT NULL,
    holder TEXT NOT NULL,
    due_ms INTEGER,
    changed_at_ms INTEGER NOT NULL,
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
    asked INTEGER NOT NULL,
    facilitator TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    settled_at_ms INTEGER,
    served INTEGER NOT NULL CHECK (served IN (0, 1)),
    usage_batch TEXT,
    reconciled_at_ms INTEGER,
    -- 1 if nothing is left to do: not charged, or served and in the usage log.
    is_done INTEGER AS (state = 'failed' OR (served = 1 AND reconciled_at_ms IS NOT NULL)) VIRTUAL,
    CHECK ((state = 'settled') = (settled_at_ms IS NOT NULL)),
    CHECK (state <> 'settled' OR (transaction_id <> '' AND usage_batch IS NOT NULL)),
    CHECK (state = 'settled' OR (served = 0 AND reconciled_at_ms IS NULL)),
    CHECK (state NOT IN ('claimed', 'pending') OR (proof IS NOT NULL AND due_ms IS NOT NULL))
) WITHOUT ROWID;

-- A payer's own name for a payment stands for one authorization at a time.
CREATE UNIQUE INDEX payments_by_identifier ON payments (payer, identifier)
    WHERE identifier IS NOT NULL;

-- What cron looks for every minute: the rows that are due, whatever else the table holds.
CREATE INDEX payments_due ON payments (is_done, due_ms);
CREATE INDEX payments_by_claim ON payments (claimed_at_ms);

-- A payment has one settlement, which has the number 0; its other entries are numbered from 1.
CREATE TABLE entries (
    payment_id TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 0),
    kind TEXT NOT NULL CHECK (kind IN ('settlement', 'pending', 'refusal', 'correction')),
    attempt INTEGER NOT NULL,
    tenant_id TEXT NOT NULL,
    request_id TEXT NOT NULL DEFAULT '',
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    amount_micros INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (payment_id, number),
    CONSTRAINT entries_settle_once CHECK ((kind = 'settlement') = (number = 0)),
    CHECK (kind <> 'settlement' OR amount_micros > 0),
    CHECK (kind NOT IN ('pending', 'refusal') OR amount_micros = 0),
    CHECK (debit <> credit)
) WITHOUT ROWID;

-- Finished payments are moved into objects of USAGE_KV, each with payments of one UTC day.
CREATE TABLE archives (
    archive INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    key TEXT NOT NULL UNIQUE,
    payments INTEGER NOT NULL CHECK (payments > 0)
);

CREATE INDEX archives_by_day ON archives (day);

CREATE TABLE archived (
    payment_id TEXT NOT NULL PRIMARY KEY,
    archive INTEGER NOT NULL,
    identifier TEXT
) WITHOUT ROWID;

CREATE INDEX archived_by_identifier ON archived (identifier) WHERE identifier IS NOT NULL;

-- Everything below makes the rules hold whoever writes, a person at a console included.
-- REPLACE deletes rows without firing triggers, so each insert that could replace is refused.

CREATE TRIGGER payments_begin_claimed BEFORE INSERT ON payments
WHEN NEW.state <> 'claimed' OR NEW.attempt <> 1
BEGIN
    SELECT RAISE(ABORT, 'a payment begins claimed, at its first attempt');
END;

CREATE TRIGGER payments_are_not_replaced BEFORE INSERT ON payments
WHEN EXISTS (SELECT 1 FROM payments WHERE payment_id = NEW.payment_id)
    OR EXISTS (SELECT 1 FROM archived WHERE payment_id = NEW.payment_id)
    OR (NEW.identifier IS NOT NULL AND (
        EXISTS (SELECT 1 FROM payments
            WHERE payer = NEW.payer AND identifier = NEW.identifier)
        OR EXISTS (SELECT 1 FROM archived WHERE identifier = NEW.payer || '/' || NEW.identifier)))
BEGIN
    SELECT RAISE(ABORT, 'the payment exists');
END;

CREATE TRIGGER payments_move_forward BEFORE UPDATE ON payments
WHEN (NEW.state <> OLD.state OR NEW.attempt <> OLD.attempt) AND NOT (
    (OLD.state = 'claimed' AND NEW.state IN ('pending', 'settled', 'failed')
        AND NEW.attempt = OLD.attempt)
    OR (OLD.state = 'pending' AND NEW.state IN ('settled', 'failed')
        AND NEW.attempt = OLD.attempt)
    OR (OLD.state = 'failed' AND NEW.state = 'claimed' AND NEW.attempt = OLD.attempt + 1)
)
BEGIN
    SELECT RAISE(ABORT, 'a payment does not move this way');
END;

CREATE TRIGGER payments_keep_their_terms BEFORE UPDATE ON payments
WHEN NEW.payment_id <> OLD.payment_id OR NEW.payer <> OLD.payer OR NEW.nonce <> OLD.nonce
    OR NEW.network <> OLD.network OR lower(NEW.asset) <> lower(OLD.asset)
    OR (NEW.state <> 'claimed' OR OLD.state <> 'failed') AND (
        NEW.amount <> OLD.amount OR NEW.amount_micros <> OLD.amount_micros
        OR NEW.pay_to <> OLD.pay_to OR NEW.asset <> OLD.asset
        OR NEW.valid_before_ms <> OLD.valid_before_ms
        OR NEW.claimed_at_ms <> OLD.claimed_at_ms OR NEW.fingerprint <> OLD.fingerprint
        OR NEW.proof_digest <> OLD.proof_digest OR NEW.tenant_id <> OLD.tenant_id
        OR NEW.slug <> OLD.slug OR NEW.method <> OLD.method OR NEW.caller <> OLD.caller
        OR NEW.owner <> OLD.owner OR NEW.directory <> OLD.directory OR NEW.shard <> OLD.shard
        OR (NEW.identifier IS NOT OLD.identifier
            AND (OLD.state <> 'failed' OR NEW.identifier IS NOT NULL)))
BEGIN
    SELECT RAISE(ABORT, 'the terms of a payment do not change');
END;

CREATE TRIGGER payments_keep_their_settlement BEFORE UPDATE ON payments
WHEN OLD.state = 'settled' AND (
    NEW.transaction_id <> OLD.transaction_id OR NEW.facilitator <> OLD.facilitator
    OR NEW.settled_at_ms <> OLD.settled_at_ms OR NEW.usage_batch <> OLD.usage_batch
    OR NEW.request_id <> OLD.request_id OR NEW.served < OLD.served
    OR (OLD.reconciled_at_ms IS NOT NULL AND NEW.reconciled_at_ms IS NOT OLD.reconciled_at_ms))
BEGIN
    SELECT RAISE(ABORT, 'a settlement does not change');
END;

CREATE TRIGGER payments_keep_identifiers_apart BEFORE UPDATE OF identifier ON payments
WHEN NEW.identifier IS NOT NULL AND (
    EXISTS (SELECT 1 FROM payments WHERE payer = NEW.payer AND identifier = NEW.identifier
        AND payment_id <> NEW.payment_id)
    OR EXISTS (SELECT 1 FROM archived WHERE identifier = NEW.payer || '/' || NEW.identifier))
BEGIN
    SELECT RAISE(ABORT, 'another payment has this identifier');
END;

CREATE TRIGGER payments_stay BEFORE DELETE ON payments
WHEN NOT EXISTS (SELECT 1 FROM archived WHERE payment_id = OLD.payment_id)
BEGIN
    SELECT RAISE(ABORT, 'payments are deleted only from here into the archive');
END;

CREATE TRIGGER payments_enter_settlement AFTER UPDATE OF state ON payments
WHEN NEW.state = 'settled' AND OLD.state <> 'settled'
BEGIN
    INSERT INTO entries
    VALUES (NEW.payment_id, 0, 'settlement', NEW.attempt, NEW.tenant_id, NEW.request_id,
        'payer:' || NEW.payer, 'payee:' || NEW.pay_to, NEW.amount_micros, NEW.settled_at_ms,
        NEW.transaction_id);
END;

CREATE TRIGGER payments_enter_change AFTER UPDATE OF state ON payments
WHEN NEW.state IN ('pending', 'failed') AND OLD.state <> NEW.state
BEGIN
    INSERT INTO entries
    SELECT NEW.payment_id, COALESCE(MAX(number), 0) + 1,
        CASE NEW.state WHEN 'failed' THEN 'refusal' ELSE 'pending' END,
        NEW.attempt, NEW.tenant_id, NEW.request_id, 'payer:' || NEW.payer,
        'payee:' || NEW.pay_to, 0, NEW.changed_at_ms, NEW.reason
    FROM entries WHERE payment_id = NEW.payment_id;
END;

CREATE TRIGGER entries_are_of_a_payment BEFORE INSERT ON entries
WHEN EXISTS (SELECT 1 FROM entries WHERE payment_id = NEW.payment_id AND number = NEW.number)
    OR (NEW.kind = 'correction'
        AND NOT EXISTS (SELECT 1 FROM payments WHERE payment_id = NEW.payment_id)
        AND NOT EXISTS (SELECT 1 FROM archived WHERE payment_id = NEW.payment_id))
    OR (NEW.kind <> 'correction' AND NOT EXISTS (
        SELECT 1 FROM payments WHERE payment_id = NEW.payment_id AND tenant_id = NEW.tenant_id
            AND attempt = NEW.attempt AND CASE NEW.kind
                WHEN 'settlement' THEN state = 'settled' AND amount_micros = NEW.amount_micros
                WHEN 'refusal' THEN state = 'failed'
                ELSE state = 'pending' END))
BEGIN
    SELECT RAISE(ABORT, 'the entry exists, or is not of this payment');
END;

CREATE TRIGGER entries_never_change BEFORE UPDATE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries never change; write a correction');
END;

CREATE TRIGGER entries_stay BEFORE DELETE ON entries
WHEN OLD.kind = 'correction'
    OR NOT EXISTS (SELECT 1 FROM archived WHERE payment_id = OLD.payment_id)
BEGIN
    SELECT RAISE(ABORT, 'entries are never deleted; write a correction');
END;

CREATE TRIGGER archives_are_not_replaced BEFORE INSERT ON archives
WHEN EXISTS (SELECT 1 FROM archives WHERE archive = NEW.archive OR key = NEW.key)
BEGIN
    SELECT RAISE(ABORT, 'the archive exists');
END;

CREATE TRIGGER archives_never_change BEFORE UPDATE ON archives
BEGIN
    SELECT RAISE(ABORT, 'archives never change');
END;

CREATE TRIGGER archives_stay BEFORE DELETE ON archives
BEGIN
    SELECT RAISE(ABORT, 'archives are never deleted');
END;

CREATE TRIGGER archived_are_finished BEFORE INSERT ON archived
WHEN EXISTS (SELECT 1 FROM archived WHERE payment_id = NEW.payment_id)
    OR NOT EXISTS (
        SELECT 1 FROM payments JOIN archives
        WHERE payment_id = NEW.payment_id AND is_done = 1 AND archive = NEW.archive
            AND claimed_at_ms / 86400000 = day)
BEGIN
    SELECT RAISE(ABORT, 'only a finished payment is archived, once, with its day');
END;

CREATE TRIGGER archived_never_change BEFORE UPDATE ON archived
BEGIN
    SELECT RAISE(ABORT, 'archived payments never change');
END;

CREATE TRIGGER archived_stay BEFORE DELETE ON archived
BEGIN
    SELECT RAISE(ABORT, 'archived payments are never deleted');
END;
