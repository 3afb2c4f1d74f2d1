CREATE TABLE IF NOT EXISTS orders_by_item (
  item    text           NOT NULL,
  minute  timestamptz    NOT NULL,
  orders  bigint         NOT NULL,
  revenue numeric(14, 2) NOT NULL,
  PRIMARY KEY (item, minute)
);
