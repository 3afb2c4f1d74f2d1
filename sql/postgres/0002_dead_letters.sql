-- Records that a job has left out: written in the transaction that moves the position past them.
-- ":schema" is replaced by the quoted name of the schema; this file runs inside one transaction.

CREATE TABLE :schema.oncesink_dead_letters (
  job           text COLLATE "C" NOT NULL,
  topic         text COLLATE "C" NOT NULL,
  partition     integer NOT NULL CHECK (partition >= 0),
  record_offset bigint NOT NULL CHECK (record_offset >= 0),
  incarnation   integer NOT NULL,            -- of the position when the record was left out
  batch_id      uuid NOT NULL,               -- the batch of the ledger that skips the record
  timestamp_ms  bigint NOT NULL,             -- the record's, milliseconds since 1970: any number, so no timestamptz
  key           bytea,                       -- the first bytes; key_length is the true length. Both null for a null key
  key_length    bigint,
  value         bytea,
  value_length  bigint,
  headers       text NOT NULL,               -- JSON: [[name, base64 or null], ...] in the record's order
  truncated     boolean NOT NULL,            -- key, value or headers are not whole here
  error_code    text NOT NULL,
  stage         text NOT NULL,               -- which part of the job could not take the record
  message       text NOT NULL,
  stack         text,
  status        text COLLATE "C" NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'replayed', 'dropped')),
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (job, topic, partition, record_offset, incarnation)
);

-- The budget counts what was left out lately.
CREATE INDEX oncesink_dead_letters_created ON :schema.oncesink_dead_letters (job, created_at);

-- How many of a range's records were left out: a dead letter that disappears contradicts the ledger.
ALTER TABLE :schema.oncesink_batches
  ADD COLUMN dead_letters bigint NOT NULL DEFAULT 0,
  ADD CONSTRAINT oncesink_batches_dead_letters CHECK (dead_letters BETWEEN 0 AND records);
