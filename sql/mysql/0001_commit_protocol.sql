-- The tables of the commit protocol, for MySQL and MariaDB.
-- ":schema" is replaced by the quoted name of the database, ":collation" by the one that compares text byte by byte,
-- trailing spaces included: names that differ are different, and SQL sorts partitions as the code locks them.
--
-- Each statement commits by itself here. A process that dies half-way leaves the file to the next one, which runs it
-- from the top: a statement whose effect is there already (a table, column, index or constraint of that name) counts
-- as done. So every statement must be of that kind, or harmless when it is run twice. Statements end with a
-- semicolon at the end of a line.
--
-- Times are UTC.

CREATE TABLE :schema.oncesink_jobs (
  job          varchar(200) NOT NULL PRIMARY KEY,
  shape        longtext NOT NULL,            -- canonical JSON; compared in every claim
  code_version varchar(200) NOT NULL,
  sink_tables  longtext NOT NULL,            -- a JSON array of names
  cluster_id   varchar(255) NOT NULL,
  created_at   datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
  updated_at   datetime(6) NOT NULL DEFAULT (utc_timestamp(6))
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE :collation;

CREATE TABLE :schema.oncesink_topics (
  job              varchar(200) NOT NULL,
  topic            varchar(249) NOT NULL,
  topic_id         varchar(255) NOT NULL,
  known_partitions int NOT NULL CHECK (known_partitions >= 0),
  PRIMARY KEY (job, topic),
  CONSTRAINT oncesink_topics_job FOREIGN KEY (job) REFERENCES :schema.oncesink_jobs (job)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE :collation;

-- One row per partition: where the job resumes, and who may move it.
CREATE TABLE :schema.oncesink_offsets (
  job          varchar(200) NOT NULL,
  topic        varchar(249) NOT NULL,
  `partition`  int NOT NULL CHECK (`partition` >= 0),
  next_offset  bigint NOT NULL CHECK (next_offset >= 0),
  epoch        bigint NOT NULL DEFAULT 0,    -- raised by one by every claim
  claim_id     char(36) CHARACTER SET ascii COLLATE ascii_bin,  -- random, fresh with every claim; null before the first
  owner        varchar(300),
  seq          bigint NOT NULL DEFAULT 0,    -- batches committed since the start row was written
  incarnation  int NOT NULL DEFAULT 0,       -- raised by operator acts that move next_offset
  leader_epoch int NOT NULL DEFAULT -1,
  updated_at   datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
  PRIMARY KEY (job, topic, `partition`),
  CONSTRAINT oncesink_offsets_topic FOREIGN KEY (job, topic) REFERENCES :schema.oncesink_topics (job, topic)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE :collation;

-- The ledger: how next_offset came to be what it is, one row per range, written with the range's rows.
-- The key begins with the partition and the kind: starts and operator acts, which are few and read by every claim,
-- stand apart from the batches, and these in the order of their chain, from whose beginning old ones are pruned.
-- No foreign key: every batch would lock the row of its topic.
CREATE TABLE :schema.oncesink_batches (
  job          varchar(200) NOT NULL,
  topic        varchar(249) NOT NULL,
  `partition`  int NOT NULL,
  kind         varchar(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  incarnation  int NOT NULL,
  epoch        bigint NOT NULL,
  from_offset  bigint NOT NULL CHECK (from_offset >= 0),
  until_offset bigint NOT NULL CHECK (until_offset >= 0),
  claim_id     char(36) CHARACTER SET ascii COLLATE ascii_bin,
  batch_id     char(36) CHARACTER SET ascii COLLATE ascii_bin,
  records      bigint NOT NULL CHECK (records >= 0),
  reason       text,
  committed_at datetime(6) NOT NULL DEFAULT (utc_timestamp(6)),
  PRIMARY KEY (job, topic, `partition`, kind, incarnation, epoch, from_offset),
  CONSTRAINT oncesink_batches_kind CHECK (kind IN ('start', 'batch', 'reset', 'accept_loss', 'rebuild')),
  CONSTRAINT oncesink_batches_forward CHECK (kind <> 'batch' OR until_offset > from_offset),
  CONSTRAINT oncesink_batches_identified
    CHECK (kind <> 'batch' OR (claim_id IS NOT NULL AND batch_id IS NOT NULL))
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE :collation;
