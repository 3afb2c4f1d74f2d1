import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { postgresGuard } from '../../../src/database/postgres/guard-syntax.ts'
import { type GuardSyntax, refuseStatement } from '../../../src/database/statement-guard.ts'

const refused = (sql: string) => refuseStatement(sql, postgresGuard)

describe('statements of user code', () => {
  test.each([
    'SELECT 1',
    'insert into t values (1)',
    '  (( select 1 ))',
    'WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a',
    'MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE',
    "UPDATE t SET begin = 'COMMIT'",
    'DELETE FROM commit',
    'SELECT * FROM t FOR UPDATE',
    'LOCK TABLE t',
    'SET LOCAL statement_timeout = 100',
    'set /* a */ local a = 1',
    'SET CONSTRAINTS ALL IMMEDIATE',
    'DO $$ BEGIN END $$',
    'CALL p()',
    'DECLARE c CURSOR FOR SELECT 1',
    'EXPLAIN SELECT 1',
    'NOTIFY a',
    '-- COMMIT\nSELECT 1',
    '/* COMMIT */ SELECT 1',
    'commitment',
    '"COMMIT"',
    '',
    '--',
    '/* never closed',
  ])('%j may be sent', (sql) => {
    expect(refused(sql)).toBeNull()
  })

  test.each([
    ['COMMIT', 'COMMIT'],
    ['end;', 'END'],
    ['/* a */COMMIT', 'COMMIT'],
    ['/* a /* b */ SELECT */ COMMIT', 'COMMIT'],
    ['-- a\r\nROLLBACK', 'ROLLBACK'],
    ['-- a\rROLLBACK', 'ROLLBACK'],
    ['((((abort', 'ABORT'],
    ['; ;\t;begin', 'BEGIN'],
    ['COMMIT/**/AND CHAIN', 'COMMIT'],
    ['SET x = 1', 'SET'],
    ['SET', 'SET'],
    ['SET SESSION x = 1', 'SET'],
    ['SET ROLE postgres', 'SET'],
    ['SET transaction read only', 'SET TRANSACTION'],
    ['COPY t FROM STDIN', 'COPY'],
    ['vacuum', 'VACUUM'],
    ['PREPARE TRANSACTION $$x$$', 'PREPARE'],
  ])('%j is refused, and the reason names %s', (sql, word) => {
    expect(refused(sql)).toMatch(new RegExp(`^${word}: `))
  })

  test('nothing that may stand before a keyword hides it', () => {
    const noise = fc
      .array(
        fc.constantFrom(
          ' ',
          '\n',
          '\t',
          '(',
          ';',
          '/* COMMENT */',
          '/* /* */ */',
          '-- x\n',
          '/**/',
          '/* -- */',
        ),
      )
      .map((parts) => parts.join(''))
    const cased = fc
      .constantFrom(...postgresGuard.refused.keys())
      .chain((word) => fc.constantFrom(word, word.toLowerCase(), word[0] + word.slice(1).toLowerCase()))
    fc.assert(
      fc.property(
        noise,
        cased,
        fc.constantFrom('', ' ', ';', '\n', '(', '/*', '--'),
        (before, word, after) => {
          expect(refused(before + word + after)).not.toBeNull()
          // A longer word is another word.
          expect(refused(`${before}${word}s`)).toBeNull()
        },
      ),
    )
  })

  test('where the engine has them, executable comments are refused, and # begins a comment', () => {
    const mysql: GuardSyntax = {
      ...postgresGuard,
      nestedComments: false,
      hashComments: true,
      executableComments: true,
      lineEnds: '\n',
    }
    expect(refuseStatement('/*!40000 COMMIT */', mysql)).toContain('comment that the server would execute')
    expect(refuseStatement('/*M!100 COMMIT */', mysql)).toContain('comment that the server would execute')
    expect(refuseStatement('SET /*!1 GLOBAL */ LOCAL x = 1', mysql)).not.toBeNull()
    expect(refuseStatement('# a\nCOMMIT', mysql)).toMatch(/^COMMIT/)
    expect(refuseStatement('/* /* */ COMMIT', mysql)).toMatch(/^COMMIT/)
    expect(refuseStatement('/* ! */ SELECT 1', mysql)).toBeNull()
    // Of the two line ends only this one ends a comment there, and what follows the other is still in it.
    expect(refuseStatement('# a\r SELECT 1\nCOMMIT', mysql)).toMatch(/^COMMIT/)
    expect(refuseStatement('-- a\r SELECT 1\nCOMMIT', postgresGuard)).toBeNull()
  })
})
