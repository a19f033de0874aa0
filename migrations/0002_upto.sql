-- Payments of which a part may be settled: the scheme `upto`. What is to be settled is written once,
-- before a facilitator is asked, and does not change afterwards.

ALTER TABLE payments ADD COLUMN scheme TEXT NOT NULL DEFAULT 'exact';

-- What was signed, once `amount` is what is to be settled of it.
ALTER TABLE payments ADD COLUMN signed_amount TEXT;

DROP TRIGGER payments_keep_their_terms;

CREATE TRIGGER payments_keep_their_terms BEFORE UPDATE ON payments
WHEN NEW.payment_id <> OLD.payment_id OR NEW.payer <> OLD.payer OR NEW.nonce <> OLD.nonce
    OR NEW.network <> OLD.network OR lower(NEW.asset) <> lower(OLD.asset)
    OR (NEW.state <> 'claimed' OR OLD.state <> 'failed') AND (
        (NEW.amount <> OLD.amount OR NEW.amount_micros <> OLD.amount_micros
            OR NEW.signed_amount IS NOT OLD.signed_amount)
        AND NOT (OLD.scheme = 'upto' AND OLD.signed_amount IS NULL
            AND NEW.signed_amount IS OLD.amount AND NEW.amount <> '0'
            AND (length(NEW.amount) < length(OLD.amount)
                OR (length(NEW.amount) = length(OLD.amount) AND NEW.amount <= OLD.amount))
            AND NEW.amount_micros <= OLD.amount_micros
            AND OLD.state IN ('claimed', 'pending') AND NEW.state = OLD.state)
        OR NEW.scheme <> OLD.scheme
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
