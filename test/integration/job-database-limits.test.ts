import { execFile } from 'node:child_process'
import { chown, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { mysql } from '../../src/database/mysql/options.ts'
import type { Stream } from '../../src/pipeline/stream.ts'
import type { NativeDatabase } from '../../src/services/index.ts'
import { Authority } from '../support/certificates.ts'
import { complaints, examined } from '../support/doctor.ts'
import { cleanUpAfterFile, onEveryEngine, ownServer, type TestDatabase } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import {
  drain,
  intoSeenWithText,
  intoTotals,
  type Order,
  observe,
  openBench,
  startFailure,
} from '../support/running-job.ts'

/** Where InnoDB keeps everything when it has no file for each table, in bytes at most: what makes it full. */
const MYSQL_SPACE = '24M'
/** Beyond which PostgreSQL cannot make a file larger, in bytes. Its log has files of 16 MiB. No multiple of a page. */
const POSTGRES_FILE = 17 * 1024 * 1024 + 1000

/** Text that makes a row wide, and yet stays within it. */
const wide = (letter: string) => letter.repeat(1_500)

onEveryEngine((engine) => {
  const isPostgres = engine.name === 'postgres'
  let server: NativeDatabase
  let authority: Authority

  beforeAll(async () => {
    authority = await Authority.create('test authority')
    cleanUpAfterFile(() => authority.remove())
    const { key, cert } = await authority.issue('localhost', ['DNS:localhost'])
    const file = async (name: string, text: string) => {
      await writeFile(join(authority.dir, name), text)
      return join(authority.dir, name)
    }
    server = await ownServer(engine, {
      settings: isPostgres
        ? {}
        : {
            'innodb-file-per-table': '0',
            'innodb-data-file-path': `ibdata1:12M:autoextend:max:${MYSQL_SPACE}`,
            'ssl-ca': join(authority.dir, 'ca.pem'),
            'ssl-cert': await file('server.pem', cert),
            'ssl-key': await file('server.key', key),
          },
    })
  })

  /** The URL of a user who may do everything in this database and nothing to the server. */
  async function plainUser(database: TestDatabase): Promise<string> {
    const url = new URL(database.url)
    if (isPostgres) return url.href
    await database.run(`CREATE USER 'plain'@'%' IDENTIFIED BY 'secret';
      CREATE USER 'plain'@'localhost' IDENTIFIED BY 'secret';
      GRANT ALL ON ${database.name}.* TO 'plain'@'%'; GRANT ALL ON ${database.name}.* TO 'plain'@'localhost'`)
    url.username = 'plain'
    url.password = 'secret'
    return url.href
  }

  /** Makes the server read-only, or ends that: PostgreSQL goes down, comes back as a standby, and is promoted. */
  async function setReadOnly({ knex }: TestDatabase, on: boolean): Promise<void> {
    if (!isPostgres) await knex.raw(`SET GLOBAL read_only = ${on ? 'ON' : 'OFF'}`)
    else if (on) {
      const signal = join(dirname(server.logFile), 'data', 'standby.signal')
      await writeFile(signal, '')
      const { uid, gid } = await stat(dirname(signal))
      await chown(signal, uid, gid)
      await server.restart()
    } else await knex.raw('SELECT pg_promote()')
  }

  test('a server that becomes read-only is waited for, and a start on one is refused in time', async () => {
    const bench = await openBench('readonly', { engine, serverUrl: server.url })
    const url = await plainUser(bench.database)
    await bench.produce(10)
    const { heard, running } = await observe(bench.job({ url }))
    await bench.untilCommitted()
    await setReadOnly(bench.database, true)
    await bench.produce(10)
    const reasons = () => heard.retrying.map(({ error }) => error.message)
    await eventually(() => reasons().some((reason) => /read.only.*connect to the primary/i.test(reason)))
    expect(complaints(await examined(bench.job({ url })))).toEqual([
      expect.stringMatching(/^problem writable: .*takes no writes.*connect to the primary/),
    ])
    expect(await bench.positions()).toEqual([5, 5])

    const late = bench.job({ url, name: `${bench.name} late`, limits: { startupTimeoutMs: 300 } })
    expect(await startFailure(late)).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringMatching(/takes no writes \(a replica, or read-only\); connect to the primary/),
    })
    await setReadOnly(bench.database, false)
    await bench.untilCommitted()
    await running.stop()
    expect(await bench.actual()).toEqual(bench.expected())
  })

  /** Leaves room for a few more rows at most; returns what makes room again. */
  async function fillUp(database: TestDatabase): Promise<() => Promise<void>> {
    if (isPostgres) {
      await database.run(`INSERT INTO seen SELECT -1, i, 0, '${wide('x')}'
        FROM generate_series(1, ${Math.floor(POSTGRES_FILE / 8192 - 20) * 5}) i`)
      // A process may lower the limit of its own, and what it starts inherits it.
      const limit = (size: string) =>
        promisify(execFile)('prlimit', [`--pid=${process.pid}`, `--fsize=${size}:unlimited`])
      await limit(String(POSTGRES_FILE))
      await server.restart().finally(() => limit('unlimited'))
      return () => server.restart()
    }
    await database.run('CREATE TABLE filler (bytes varbinary(7000) NOT NULL)')
    for (const rows of [100, 1]) {
      const more = Array.from({ length: rows }, () => `(repeat('x', 7000))`).join()
      await expect(
        (async () => {
          for (;;) await database.run(`INSERT INTO filler VALUES ${more}`)
        })(),
      ).rejects.toThrow(/The table 'filler' is full/)
    }
    return () => database.run('DROP TABLE filler')
  }

  test('no room for more rows stops the job with the reason; with room again it goes on, and nothing is lost', async () => {
    const bench = await openBench('full', {
      engine,
      serverUrl: server.url,
      tables: ({ text, longText }) => `
        CREATE TABLE totals (k ${text} PRIMARY KEY, n bigint NOT NULL, total bigint NOT NULL);
        CREATE TABLE seen ("partition" int NOT NULL, log_offset bigint NOT NULL, v bigint NOT NULL, k ${longText} NOT NULL);`,
    })
    const initials = (orders: Stream<Order>) => orders.map(({ k, v }) => ({ k: k.charAt(0), v }))
    const job = () =>
      bench.job({ pipelines: (orders) => [intoTotals(initials(orders)), intoSeenWithText(orders)] })
    const produce = (records: number) =>
      bench.produce(Array.from({ length: records }, (_, v) => ({ k: wide('abc'.charAt(v % 3)), v })))
    await produce(10)
    await drain(job())
    const makeRoom = await fillUp(bench.database)
    // More than what is left in pages that are begun, of which InnoDB may have an extent (1 MiB); no request takes it all.
    for (let i = 0; i < 5; i++) await produce(400)
    const { failure } = await observe(job())
    expect(await failure()).toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringMatching(
        isPostgres
          ? /could not append rows to seen .*File too large.*free space on its disk, or raise its limit .*start again/
          : /full: free space, then start again/,
      ),
    })
    expect(await bench.brokenLinks()).toEqual([])
    await makeRoom()
    // MariaDB hands the room of a dropped table out somewhat later.
    await eventually(() => drain(job()))
    await bench.database.knex('seen').where({ partition: -1 }).delete()
    const counted = bench.produced.map((order) => ({ ...order, k: order.k.charAt(0) }))
    expect(await bench.actual()).toEqual(bench.expected(counted))
  })

  if (isPostgres) return
  describe('TLS', () => {
    test('the server’s certificate is verified, by an authority and by name; a password may be asked for', async () => {
      const bench = await openBench('tls', { engine, serverUrl: server.url })
      await bench.produce(10)
      const { hostname, port, username, password, pathname } = new URL(bench.database.url)
      let asked = 0
      const database = (host: string, ca: string) =>
        mysql({
          host,
          port: Number(port),
          user: username,
          database: pathname.slice(1),
          password: () => {
            asked += 1
            return Promise.resolve(password)
          },
          ssl: { ca },
        })
      await drain(bench.job({ database: database('localhost', authority.ca) }))
      expect(asked).toBeGreaterThan(0)
      expect(await bench.actual()).toEqual(bench.expected())

      const strangers = await Authority.create('strangers')
      onTestFinished(() => strangers.remove())
      expect(await startFailure(bench.job({ database: database('localhost', strangers.ca) }))).toMatchObject({
        code: 'DATABASE_REFUSED',
        message: expect.stringMatching(/certificate.*Give the certificate authority in ssl\.ca/s),
      })
      expect(() => database(hostname, authority.ca)).toThrow(/127\.0\.0\.1 is an address: give the name/)
    })
  })
})
