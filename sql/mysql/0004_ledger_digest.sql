-- What a batch has read: the sum over its records' hashes, for jobs with `ledger: { digest: true }`.
-- How a file is applied, and what its placeholders are: see 0001.

-- 64 bits without a sign, kept as with one; null where none was made.
ALTER TABLE :schema.oncesink_batches
  ADD COLUMN digest bigint;
