import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { type Ended, logLines, oncesink, startOncesink } from '../support/job-process.ts'
import { createWorld, type World } from '../support/witness-world.ts'

const json = ['--format', 'json']

function parsed<T>({ stdout }: Ended): T {
  return JSON.parse(stdout) as T
}

describe('a job that has never run', () => {
  let world: World

  beforeAll(async () => {
    world = await createWorld()
    await world.produce(30)
  })

  async function expectUntouched(): Promise<void> {
    const { rows } = await world.database.knex.raw<{ rows: unknown[] }>(
      `SELECT to_regnamespace('oncesink') AS schema, (SELECT count(*)::int FROM witness) AS rows`,
    )
    expect(rows).toEqual([{ schema: null, rows: 0 }])
  }

  test('can be peeked at: the rows of its first batch are printed, and not even a schema is created', async () => {
    const { code, stdout, stderr } = await world.command('peek', json)
    expect(code, stderr).toBe(0)
    const [witness, totals] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>[])
    // Twenty rows are printed unless told otherwise.
    expect(witness).toHaveLength(20)
    expect(witness?.[0]).toMatchObject({ value: 0, padding: '' })
    expect(totals).toHaveLength(7)
    expect(totals?.find(({ key }) => key === 'key 3')).toEqual({
      key: 'key 3',
      records: 4,
      total: 3 + 10 + 17 + 24,
    })
    expect(stderr).toContain('... and 10 more rows')
    await expectUntouched()
  })

  test('has no status: exit code 2, and the message says that it has never run here', async () => {
    const { code, stdout, stderr } = await world.command('status')
    expect([code, stdout]).toEqual([2, ''])
    expect(logLines({ stderr })[0]?.msg).toMatch(/job 'witnessed' has no positions .* it has never run here/)
    await expectUntouched()
  })

  test('cannot be verified: exit code 5, and the report says that there is nothing', async () => {
    const { code, stdout } = await world.command('verify')
    expect(code).toBe(5)
    expect(stdout).toContain('the job has never run here')
    await expectUntouched()
  })
})

describe('a job that has run', () => {
  let world: World

  beforeAll(async () => {
    world = await createWorld({ maxRecords: 40 })
    await world.produce(300)
  })

  test('run --once commits what is in the topic and ends with 0, also when there is nothing to do', async () => {
    await world.drain()
    const { witness, positions } = await world.expectExact()
    expect(witness).toHaveLength(300)
    await world.drain()
    const again = await world.expectExact()
    expect(again.positions.map(({ seq }) => seq)).toEqual(positions.map(({ seq }) => seq))
  })

  test('status shows per partition how far the log is ahead, as a table and as JSON', async () => {
    await world.produce(6)
    const asJson = await world.command('status', json)
    expect(asJson.code, asJson.stderr).toBe(0)
    expect(parsed(asJson)).toMatchObject({
      partitions: [0, 1, 2].map((partition) => ({
        topic: world.topic,
        partition,
        nextOffset: 100,
        logEnd: 102,
        lag: 2,
        epoch: 2,
        member: null,
      })),
      members: [],
    })
    const asTable = await world.command('status')
    expect(asTable.code).toBe(0)
    const [head, rule, ...rows] = asTable.stdout.trimEnd().split('\n')
    expect(head).toMatch(
      /^topic +partition +nextOffset +logEnd +lag +groupOffset +batches +epoch +member +owner +updatedAt$/,
    )
    expect(rule).toMatch(/^[- ]+$/)
    expect(rows).toHaveLength(3)
    expect(rows[1]).toMatch(
      new RegExp(`^${world.topic} +1 +100 +102 +2 +(100|-) +\\d+ +2 +- +\\S+:\\d+ \\(\\S+\\) +\\S+Z$`),
    )
  })

  test('peek goes on at the stored positions, takes what it was told, and changes nothing', async () => {
    const before = await world.snapshot()
    const { code, stdout, stderr } = await world.command('peek', json)
    expect(code, stderr).toBe(0)
    const [witness] = stdout.trim().split('\n')
    expect((JSON.parse(witness ?? '') as { value: number }[]).map(({ value }) => value).sort()).toEqual([
      300, 301, 302, 303, 304, 305,
    ])
    const limited = await world.command('peek', ['--records', '2', '--rows', '1'])
    expect(limited.code).toBe(0)
    expect(limited.stderr).toContain('... and 1 more rows (--rows)')
    expect(await world.snapshot()).toEqual(before)
  })

  test('status and verify look at a job while it is running, and take nothing from it', async () => {
    const watching = startOncesink([...json, 'status', world.job, '--watch', '1'], world.env)
    const seen = (nextOffset: number, lag: number) =>
      eventually(() =>
        watching.lines.some((line) =>
          lookOf(line).partitions.every((row) => row.nextOffset === nextOffset && row.lag === lag),
        ),
      )
    await seen(100, 2)
    const process = world.run()
    await world.drained()
    await world.produce(6)
    expect((await world.command('verify')).code).toBe(0)
    await world.drained()
    await seen(104, 0)
    // Who has what: as the group says, and as the database does.
    const [member] = lookOf(watching.lines.at(-1) ?? '').members
    expect(member?.partitions).toEqual([0, 1, 2].map((partition) => `${world.topic}/${partition}`))
    expect(member?.owners).toEqual([
      expect.stringMatching(new RegExp(`:${process.pid} \\(${member?.member}\\)$`)),
    ])
    const table = await world.command('status')
    expect(table.stdout).toMatch(
      new RegExp(
        `\nmember +host +count +partitions +owners\n[- ]+\n${member?.member} +\\S+ +3 +${world.topic}/0 `,
      ),
    )
    watching.kill('SIGINT')
    expect(await watching.ended).toMatchObject({ code: 0, signal: null, stderr: '' })
    process.kill('SIGTERM')
    expect((await process.ended).code).toBe(0)
    await world.expectExact()
  })

  test('status --watch wants seconds, and fails at once where there is nothing to look at', async () => {
    const none = await world.command('status', ['--watch', '0'])
    expect([none.code, logLines(none)[0]?.msg]).toEqual([
      2,
      "--watch must be a whole number above 0, not '0'",
    ])
    const { env } = await createWorld()
    const ended = await startOncesink(['status', world.job, '--watch', '60'], env).ended
    expect([ended.code, ended.stdout]).toEqual([2, ''])
  })

  test('verify finds a job in order: exit code 0, nothing lost, nothing duplicated', async () => {
    const asJson = await world.command('verify', json)
    expect(asJson.code, asJson.stdout).toBe(0)
    expect(parsed(asJson)).toMatchObject({
      outcome: 'ok',
      lost: 0,
      duplicated: 0,
      recordsReplayed: 312,
      chain: { unbroken: true, records: 312 },
    })
    const asText = await world.command('verify')
    expect(asText.code).toBe(0)
    expect(asText.stdout).toMatch(/^verify witnessed: OK\n/)
    expect(asText.stdout).toMatch(/lost +0\n +duplicated +0\n/)
  })

  const tamperings: readonly (readonly [what: string, sql: string, named: readonly RegExp[]])[] = [
    [
      'a changed sum',
      `UPDATE totals SET total = total + 1 WHERE key = 'key 3'`,
      [/row-different: totals key=key 3: expected .*total=7065.*, found .*total=7066/],
    ],
    [
      'a deleted row of a merge table',
      `DELETE FROM totals WHERE key = 'key 5'`,
      [/row-missing: totals key=key 5/, /lost +44/],
    ],
    [
      'a deleted row of an append table',
      `DELETE FROM witness WHERE "partition" = 1 AND "offset" = 7`,
      [/row-missing: witness .*partition=1 offset=7/, /lost +1\n/],
    ],
    [
      'a row that was inserted twice',
      `INSERT INTO witness SELECT * FROM witness WHERE "partition" = 2 AND "offset" = 9`,
      [
        /row-repeated: witness .*partition=2 offset=9|row-unexpected: witness .*partition=2 offset=9/,
        /duplicated +1\n/,
      ],
    ],
    [
      'a row that nobody sent',
      `INSERT INTO totals VALUES ('nobody', 1, 1)`,
      [/row-unexpected: totals key=nobody/],
    ],
    [
      'a position that was moved back',
      `UPDATE oncesink.oncesink_offsets SET next_offset = next_offset - 1 WHERE partition = 0`,
      [/position-behind-ledger: .*\/0 /],
    ],
    [
      'a position that was moved ahead',
      `UPDATE oncesink.oncesink_offsets SET next_offset = next_offset + 1 WHERE partition = 0`,
      [/position-past-ledger: .*\/0 /],
    ],
    [
      'a hole in the ledger',
      `DELETE FROM oncesink.oncesink_batches b WHERE kind = 'batch' AND partition = 1
         AND from_offset = (SELECT min(from_offset) FROM oncesink.oncesink_batches
                            WHERE kind = 'batch' AND partition = 1 AND from_offset > 0)`,
      [/gap: .*\/1 /],
    ],
  ]
  for (const [what, sql, named] of tamperings) {
    test(`verify finds ${what}, and only until it is mended: exit code 4, the difference is named`, async () => {
      const { knex } = world.database
      // What is damaged is put back as it was afterwards.
      const tables = ['witness', 'totals', 'oncesink.oncesink_offsets', 'oncesink.oncesink_batches']
      for (const [i, table] of tables.entries()) {
        await knex.raw(`DROP TABLE IF EXISTS copy_${i}; CREATE TABLE copy_${i} AS TABLE ${table}`)
      }
      await knex.raw(sql)
      const verified = await world.command('verify')
      for (const [i, table] of tables.entries()) {
        await knex.raw(`DELETE FROM ${table}; INSERT INTO ${table} TABLE copy_${i}`)
      }
      expect(verified.code, verified.stdout + verified.stderr).toBe(4)
      expect(verified.stdout).toMatch(/^verify witnessed: VIOLATION\n/)
      for (const pattern of named) expect(verified.stdout).toMatch(pattern)
    })
  }

  test('verify is satisfied again once everything is as it was', async () => {
    expect((await world.command('verify')).code).toBe(0)
  })

  test('verify is inconclusive once retention has passed the start: exit code 5, and it says so', async () => {
    await world.deleteRecords(2, 10)
    const { code, stdout } = await world.command('verify')
    expect(code, stdout).toBe(5)
    expect(stdout).toMatch(/^verify witnessed: INCONCLUSIVE\n/)
    expect(stdout).toMatch(new RegExp(`inconclusive +.*${world.topic}/2`))
    expect(stdout).toMatch(/ledger chain +unbroken/)
  })
})

onEveryEngine((engine) => {
  test('what write() has done cannot be verified: exit code 5, with the chain and the batch totals checked', async () => {
    const world = await createWorld({ engine })
    await world.produce(30)
    await world.database.run('CREATE TABLE batches (records integer NOT NULL, ranges integer NOT NULL)')
    const job = join(import.meta.dirname, '..', 'support', 'write-job.ts')
    const ran = await oncesink(['run', '--once', job], world.env)
    expect(ran.code, ran.stderr).toBe(0)
    const { code, stdout } = await oncesink(['verify', job], world.env)
    expect(code, stdout).toBe(5)
    expect(stdout).toContain('what write() has written cannot be recomputed')
    expect(stdout).toMatch(/ledger chain +unbroken/)
    expect(stdout).toMatch(/batches counted, 0 with a digest, all as in the log/)
    const [total] = await world.database.knex('batches').sum('records as records')
    expect(Number(total?.records)).toBe(30)
  })
})

test('standard output carries results only; the log is on standard error, one JSON value a line', async () => {
  const world = await createWorld()
  await world.produce(30)
  const ran = await world.command('run', ['--once', '--log-format', 'json', '--log-level', 'debug'])
  expect([ran.code, ran.stdout]).toEqual([0, ''])
  const lines = ran.stderr.trimEnd().split('\n')
  expect(logLines(ran)).toHaveLength(lines.length)
  expect(logLines(ran).map(({ event }) => event)).toEqual(
    expect.arrayContaining(['process', 'claimed', 'state', 'batch']),
  )
  for (const line of logLines(ran)) {
    expect(line).toMatchObject({
      level: expect.any(String),
      time: expect.any(String),
      msg: expect.any(String),
    })
    expect(new Date(String(line.time)).toISOString()).toBe(line.time)
  }
  // Only warnings and worse are left when no more is wanted; and people can have it readable.
  const quiet = await world.command('run', ['--once', '--log-level', 'warn'])
  expect([quiet.code, quiet.stdout, quiet.stderr]).toEqual([0, '', ''])
  const pretty = await world.command('run', ['--once', '--log-format', 'pretty'])
  expect(pretty.stderr).toMatch(/^\[?\d\d:\d\d:\d\d\.\d{3}\]? INFO/m)
  // No colours where nobody looks.
  expect(pretty.stderr).not.toContain('\u001b[')
})

/** What `status` prints as JSON. */
function lookOf(line: string) {
  return JSON.parse(line) as {
    readonly partitions: readonly { readonly nextOffset: number; readonly lag: number }[]
    readonly members: readonly {
      readonly member: string
      readonly partitions: readonly string[]
      readonly owners: readonly string[]
    }[]
  }
}
