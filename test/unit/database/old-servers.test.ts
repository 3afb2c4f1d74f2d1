import { expect, test } from 'vitest'
import { createMysqlDialect } from '../../../src/database/mysql/dialect.ts'
import { mysql } from '../../../src/database/mysql/options.ts'
import { createPostgresDialect } from '../../../src/database/postgres/dialect.ts'
import { postgres } from '../../../src/database/postgres/options.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import { oldMysql, oldPostgres } from '../../support/old-servers.ts'

const ofMysql = (connectionString: string) => createMysqlDialect(mysql({ connectionString }), systemRuntime)
const ofPostgres = (connectionString: string) =>
  createPostgresDialect(postgres({ connectionString }), systemRuntime)

test.each([
  [
    'MySQL 5.7',
    () => oldMysql('5.7.44-log').then(ofMysql),
    'is MySQL 5.7.44: oncesink needs MySQL 8.0.19 or newer. Upgrade the server, or name another one',
  ],
  [
    'MySQL 8.0 before it could name the new row of an upsert',
    () => oldMysql('8.0.18').then(ofMysql),
    'is MySQL 8.0.18: oncesink needs MySQL 8.0.19 or newer. Upgrade the server, or name another one',
  ],
  [
    'MariaDB 10.3',
    () => oldMysql('5.5.5-10.3.39-MariaDB').then(ofMysql),
    'is MariaDB 10.3.39: oncesink needs MariaDB 10.6.0 or newer. Upgrade the server, or name another one',
  ],
  [
    'PostgreSQL 11',
    () => oldPostgres('11.22').then(ofPostgres),
    'is PostgreSQL 11.22: oncesink needs version 12 or newer. Upgrade the server, or name another one',
  ],
])('%s is refused, with its version and what to do', async (_, open, words) => {
  const dialect = await open()
  await expect(dialect.connect({ job: 'j', owner: 'o' })).rejects.toMatchObject({
    code: 'DATABASE_REFUSED',
    message: expect.stringMatching(
      new RegExp(`^127\\.0\\.0\\.1:\\d+/shop as me ${words.replaceAll('.', '\\.')}$`),
    ),
  })
})

test.each([
  ['MySQL 8.0.19', () => oldMysql('8.0.19').then(ofMysql)],
  ['MariaDB 10.6', () => oldMysql('5.5.5-10.6.0-MariaDB').then(ofMysql)],
  ['PostgreSQL 12', () => oldPostgres('12.0').then(ofPostgres)],
])('%s is new enough to be asked more', async (_, open) => {
  const failure: unknown = await (await open())
    .connect({ job: 'j', owner: 'o' })
    .then((connection) => connection.close())
    .catch((error: unknown) => error)
  expect(String(failure)).not.toContain('needs')
})
