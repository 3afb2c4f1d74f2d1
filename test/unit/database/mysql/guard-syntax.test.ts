import { expect, test } from 'vitest'
import { mysqlGuard } from '../../../../src/database/mysql/guard-syntax.ts'
import { refuseStatement } from '../../../../src/database/statement-guard.ts'

test.each([
  'SELECT 1',
  'insert into t values (1)',
  'REPLACE INTO t VALUES (1)',
  'WITH a AS (SELECT 1) SELECT * FROM a',
  '# COMMIT\nSELECT 1',
  '-- COMMIT\nSELECT 1',
  '/* COMMIT */ SELECT 1',
  'SELECT /*+ NO_INDEX(t) */ 1',
  'CALL p()',
  'DO SLEEP(0)',
  'EXPLAIN SELECT 1',
  'commitment',
])('%j may be sent', (sql) => {
  expect(refuseStatement(sql, mysqlGuard)).toBeNull()
})

test.each([
  'COMMIT',
  'begin',
  'START TRANSACTION',
  'SAVEPOINT a',
  'XA END x',
  'BEGIN NOT ATOMIC COMMIT; END',
  'IF 1 THEN COMMIT; END IF',
  "PREPARE s FROM 'COMMIT'",
  "EXECUTE IMMEDIATE 'COMMIT'",
  'LOCK TABLES t WRITE',
  'UNLOCK TABLES',
  'CREATE TEMPORARY TABLE t (x int)',
  'TRUNCATE t',
  'RENAME TABLE a TO b',
  'ANALYZE TABLE t',
  'OPTIMIZE TABLE t',
  'REPAIR TABLE t',
  'FLUSH TABLES',
  'GRANT ALL ON *.* TO u',
  'SET autocommit = 1',
  'SET TRANSACTION READ ONLY',
  'SET @a = 1',
  'SET STATEMENT max_statement_time = 1 FOR COMMIT',
  'USE other',
  "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
  '/*! COMMIT */',
  '/*!40000 COMMIT */',
  '/*M! COMMIT */',
  '# a\r SELECT 1\n COMMIT',
  '/* /* */ COMMIT',
  ';(COMMIT',
])('%j may not be sent', (sql) => {
  expect(refuseStatement(sql, mysqlGuard)).not.toBeNull()
})
