-- Records that a job has left out: written in the transaction that moves the position past them.
-- How a file is applied, and what its placeholders are: see 0001.

CREATE TABLE :schema.oncesink_dead_letters (
  job           varchar(200) NOT NULL,
  topic         varchar(249) NOT NULL,
  `partition`   int NOT NULL CHECK (`partition` >= 0),
  record_offset bigint NOT NULL CHECK (record_offset >= 0),
  incarnation   int NOT NULL,                -- of the position when the record was left out
  batch_id      char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,  -- the batch of the ledger that skips the record
  timestamp_ms  bigint NOT NULL,             -- the record's, milliseconds since 1970: any number, so no datetime
  `key`         longblob,                    -- the first bytes; key_length is the true length. Both null for a null key
  key_length    bigint,
  value         longblob,
  value_length  bigint,
  headers       longtext NOT NULL,           -- JSON: [[name, base64 or null], ...] in the record's order
  truncated     tinyint NOT NULL,            -- 1 where key, value or headers are not whole here
  error_code    varchar(64) NOT NULL,
  stage         longtext NOT NULL,           -- which part of the job could not take the record
  message       longtext NOT NULL,
  stack         longtext,
  status        varchar(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'open',
  created_at    datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
  PRIMARY KEY (job, topic, `partition`, record_offset, incarnation),
  CONSTRAINT oncesink_dead_letters_status CHECK (status IN ('open', 'replayed', 'dropped'))
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE :collation;

-- The budget counts what was left out lately.
CREATE INDEX oncesink_dead_letters_created ON :schema.oncesink_dead_letters (job, created_at);

-- How many of a range's records were left out: a dead letter that disappears contradicts the ledger.
ALTER TABLE :schema.oncesink_batches
  ADD COLUMN dead_letters bigint NOT NULL DEFAULT 0,
  ADD CONSTRAINT oncesink_batches_dead_letters CHECK (dead_letters BETWEEN 0 AND records);
