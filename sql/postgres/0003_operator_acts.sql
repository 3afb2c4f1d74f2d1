-- What an operator does to positions by hand stands in the ledger, beside the batches: who, why, and what was the cause.
-- ":schema" is replaced by the quoted name of the schema; this file runs inside one transaction.

ALTER TABLE :schema.oncesink_batches
  ADD COLUMN actor    text,                   -- who has acted; null for starts and batches
  ADD COLUMN cause    text COLLATE "C"        -- of accept_loss: why the log no longer continued the position
    CHECK (cause IN ('retention', 'truncated', 'recreated')),
  ADD COLUMN topic_id text,                   -- of accept_loss: the topic id that until_offset belongs to
  ADD CONSTRAINT oncesink_batches_accounted CHECK (
    kind <> 'accept_loss'
    OR (actor IS NOT NULL AND reason IS NOT NULL AND cause IS NOT NULL AND topic_id IS NOT NULL AND claim_id IS NOT NULL)
  );
