-- What an operator does to positions by hand stands in the ledger, beside the batches: who, why, and what was the cause.
-- How a file is applied, and what its placeholders are: see 0001.

ALTER TABLE :schema.oncesink_batches
  ADD COLUMN actor    varchar(300),           -- who has acted; null for starts and batches
  ADD COLUMN cause    varchar(20) CHARACTER SET ascii COLLATE ascii_bin,  -- of accept_loss: why the log no longer continued the position
  ADD COLUMN topic_id varchar(255),           -- of accept_loss: the topic id that until_offset belongs to
  ADD CONSTRAINT oncesink_batches_cause CHECK (cause IN ('retention', 'truncated', 'recreated')),
  ADD CONSTRAINT oncesink_batches_accounted CHECK (
    kind <> 'accept_loss'
    OR (actor IS NOT NULL AND reason IS NOT NULL AND cause IS NOT NULL AND topic_id IS NOT NULL AND claim_id IS NOT NULL)
  );
