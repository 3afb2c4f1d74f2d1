-- What a batch has read: the sum over its records' hashes, for jobs with `ledger: { digest: true }`.
-- ":schema" is replaced by the quoted name of the schema; this file runs inside one transaction.

-- 64 bits without a sign, kept as with one; null where none was made.
ALTER TABLE :schema.oncesink_batches
  ADD COLUMN digest bigint;
