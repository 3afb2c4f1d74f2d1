import { describe, expect, test } from 'vitest'
import { blockersOf } from '../../../../src/database/mysql/end-blockers.ts'
import { privilegesOn } from '../../../../src/database/mysql/grants.ts'
import { quoteIdentifier, quoteTable } from '../../../../src/database/mysql/identifiers.ts'
import { listMigrations, statementsOf } from '../../../../src/database/mysql/migrations.ts'
import { readVersion } from '../../../../src/database/mysql/server-version.ts'
import { sessionLock, startLock } from '../../../../src/database/mysql/session-lock.ts'
import { unfitReason } from '../../../../src/database/mysql/session-settings.ts'
import { listMigrations as postgresMigrations } from '../../../../src/database/postgres/migrations.ts'

describe('the server’s version', () => {
  test.each([
    ['9.7.4', 'MySQL 9.7.4'],
    ['8.0.19', 'MySQL 8.0.19'],
    ['8.0.36-0ubuntu0.22.04.1', 'MySQL 8.0.36'],
    ['10.6.0-MariaDB', 'MariaDB 10.6.0'],
    ['11.4.5-MariaDB-ubu2404-log', 'MariaDB 11.4.5'],
    ['5.5.5-10.11.6-MariaDB', 'MariaDB 10.11.6'],
  ])('%s is %s', (text, version) => {
    expect(readVersion(text)).toMatchObject({ version, tooOld: null })
  })

  test.each([
    ['5.7.44-log', /MySQL 5\.7\.44: oncesink needs MySQL 8\.0\.19 or newer/],
    ['8.0.18', /needs MySQL 8\.0\.19/],
    ['10.5.29-MariaDB', /MariaDB 10\.5\.29: oncesink needs MariaDB 10\.6\.0 or newer/],
    ['5.5.68-MariaDB', /needs MariaDB/],
    ['what', /unknown version \(what\)/],
  ])('%s is refused', (text, why) => {
    expect(readVersion(text).tooOld).toMatch(why)
  })

  test('a binary log of statements is refused, with the cure', () => {
    const reason = (...pairs: [string, string][]) => unfitReason(new Map(pairs))
    expect(reason(['log_bin', 'ON'], ['binlog_format', 'STATEMENT'])).toMatch(
      /READ COMMITTED.*Set binlog_format to ROW/,
    )
    expect(reason(['log_bin', 'OFF'], ['binlog_format', 'STATEMENT'])).toBeNull()
    expect(reason(['log_bin', 'ON'], ['binlog_format', 'ROW'])).toBeNull()
    expect(reason(['log_bin', 'ON'])).toBeNull()
  })
})

describe('names', () => {
  test('mean exactly what they say, whatever is in them', () => {
    expect(quoteIdentifier('a`b"c\\')).toBe('`a``b"c\\`')
    expect(quoteTable('shop.orders')).toBe('`shop`.`orders`')
    for (const wrong of ['a.b.c', '', '.a', 'a.', 'a\0', 'a ']) {
      expect(() => quoteTable(wrong)).toThrow("write 'table' or 'database.table'")
    }
  })

  test('of locks have 64 characters at most, and differ by job, database and id', () => {
    const longest = 2 ** 53 - 1
    expect(startLock(longest, '2025-11-25 03:55:23.643483').length).toBeLessThanOrEqual(64)
    expect(sessionLock('s', 'j'.repeat(200), longest).length).toBeLessThanOrEqual(64)
    const locks = [
      sessionLock('s', 'j', 1),
      sessionLock('s', 'j', 2),
      sessionLock('s', 'k', 1),
      sessionLock('t', 'j', 1),
      // The server compares the names of locks without their case.
      sessionLock('s', 'J', 1),
      sessionLock('s', `${'j'.repeat(199)}a`, 1),
      sessionLock('s', `${'j'.repeat(199)}A`, 1),
    ]
    expect(new Set(locks.map((lock) => lock.toLowerCase())).size).toBe(7)
  })
})

describe('who waits for whom', () => {
  test('is followed through everybody in between, in circles too', () => {
    const waits = [
      { waiting: 1, blocking: 2 },
      { waiting: 1, blocking: 3 },
      { waiting: 2, blocking: 4 },
      { waiting: 4, blocking: 2 },
      { waiting: 9, blocking: 1 },
    ]
    expect(blockersOf(1, waits).sort()).toEqual([2, 3, 4])
    expect(blockersOf(9, waits).sort()).toEqual([1, 2, 3, 4])
    expect(blockersOf(3, waits)).toEqual([])
  })
})

describe('SHOW GRANTS', () => {
  test.each([
    ['GRANT SELECT, CREATE ON *.* TO `u`@`%`', ['SELECT', 'CREATE']],
    ['GRANT ALL PRIVILEGES ON `sales\\_data`.* TO `u`@`%` WITH GRANT OPTION', ['ALL PRIVILEGES']],
    ['GRANT CREATE ON `sales%`.* TO `u`@`%`', ['CREATE']],
    ['GRANT CREATE ON `sales_data`.* TO `u`@`%`', ['CREATE']],
    ['GRANT CREATE ON `salesXdata`.* TO `u`@`%`', []],
    ['GRANT CREATE ON `sales_data`.`orders` TO `u`@`%`', []],
    ['GRANT PROXY ON ``@`` TO `u`@`%`', []],
  ])('%s', (line, privileges) => {
    expect(privilegesOn('sales_data', line)).toEqual(privileges)
  })
})

describe('migrations', () => {
  test('are the same acts, by number and name, as PostgreSQL’s', async () => {
    const names = (await listMigrations()).map(({ name }) => name)
    expect(names).toEqual((await postgresMigrations()).map(({ name }) => name))
  })

  test('are cut into statements at the ends of lines, without comments', () => {
    expect(
      statementsOf(
        "-- a comment; here\nCREATE TABLE a (\n  x int -- ; not here\n);\n\nINSERT INTO a VALUES (';', 1); \n",
      ),
    ).toEqual(['CREATE TABLE a (\n  x int\n)', "INSERT INTO a VALUES (';', 1)"])
  })
})
