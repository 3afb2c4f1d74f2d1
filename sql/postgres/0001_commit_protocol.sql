-- The tables of the commit protocol.
-- ":schema" is replaced by the quoted name of the schema; this file runs inside one transaction.
-- Names are compared byte by byte (COLLATE "C"), so that SQL sorts partitions in the order in which the code locks them.

CREATE TABLE :schema.oncesink_jobs (
  job          text COLLATE "C" PRIMARY KEY,
  shape        text NOT NULL,               -- canonical JSON; compared in every claim
  code_version text NOT NULL,
  sink_tables  text[] NOT NULL,
  cluster_id   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE :schema.oncesink_topics (
  job              text COLLATE "C" NOT NULL REFERENCES :schema.oncesink_jobs,
  topic            text COLLATE "C" NOT NULL,
  topic_id         text NOT NULL,
  known_partitions integer NOT NULL CHECK (known_partitions >= 0),
  PRIMARY KEY (job, topic)
);

-- One row per partition: where the job resumes, and who may move it.
-- Rows are updated by every batch: room is left on the pages so that the updates stay on them.
CREATE TABLE :schema.oncesink_offsets (
  job          text COLLATE "C" NOT NULL,
  topic        text COLLATE "C" NOT NULL,
  partition    integer NOT NULL CHECK (partition >= 0),
  next_offset  bigint NOT NULL CHECK (next_offset >= 0),
  epoch        bigint NOT NULL DEFAULT 0,    -- raised by one by every claim
  claim_id     uuid,                         -- random, fresh with every claim; null before the first
  owner        text,
  seq          bigint NOT NULL DEFAULT 0,    -- batches committed since the start row was written
  incarnation  integer NOT NULL DEFAULT 0,   -- raised by operator acts that move next_offset
  leader_epoch integer NOT NULL DEFAULT -1,
  updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (job, topic, partition),
  FOREIGN KEY (job, topic) REFERENCES :schema.oncesink_topics
) WITH (fillfactor = 50);

-- The ledger: how next_offset came to be what it is, one row per range, written with the range's rows.
-- No foreign key: every batch would lock the row of its topic.
CREATE TABLE :schema.oncesink_batches (
  job          text COLLATE "C" NOT NULL,
  topic        text COLLATE "C" NOT NULL,
  partition    integer NOT NULL,
  incarnation  integer NOT NULL,
  epoch        bigint NOT NULL,
  kind         text COLLATE "C" NOT NULL
    CHECK (kind IN ('start', 'batch', 'reset', 'accept_loss', 'rebuild')),
  from_offset  bigint NOT NULL CHECK (from_offset >= 0),
  until_offset bigint NOT NULL CHECK (until_offset >= 0),
  claim_id     uuid,
  batch_id     uuid,
  records      bigint NOT NULL CHECK (records >= 0),
  reason       text,
  committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (job, topic, partition, incarnation, epoch, from_offset, kind),
  CONSTRAINT oncesink_batches_forward CHECK (kind <> 'batch' OR until_offset > from_offset),
  CONSTRAINT oncesink_batches_identified
    CHECK (kind <> 'batch' OR (claim_id IS NOT NULL AND batch_id IS NOT NULL))
);

-- Starts and operator acts are few, and read by every claim.
CREATE INDEX oncesink_batches_starts ON :schema.oncesink_batches (job, topic, partition, incarnation)
  WHERE kind <> 'batch';
