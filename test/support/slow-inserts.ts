/**
 * Makes each row that is inserted into `table` take as long as the only row of the new table `slowness` says: 0 seconds
 * at first. For PostgreSQL.
 */
export const slowInserts = (table: string): string => `
  CREATE TABLE slowness (row_seconds double precision NOT NULL);
  INSERT INTO slowness VALUES (0);
  CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM pg_sleep((SELECT row_seconds FROM slowness) * (SELECT count(*) FROM inserted));
    RETURN NULL;
  END $$;
  CREATE TRIGGER be_slow AFTER INSERT ON ${table}
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION be_slow()`
