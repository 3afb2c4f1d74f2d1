-- What is part of a key must tell every two texts apart, as the job does: by a binary collation that does not pad.
CREATE TABLE IF NOT EXISTS orders_by_item (
  item    varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  minute  datetime(3)    NOT NULL,
  orders  bigint         NOT NULL,
  revenue decimal(14, 2) NOT NULL,
  PRIMARY KEY (item, minute)
);
