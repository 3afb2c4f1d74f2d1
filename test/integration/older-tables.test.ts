import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { listDeadLetters, showDeadLetter } from '../../src/cli/dlq.ts'
import { doctor } from '../../src/cli/doctor.ts'
import { migrate } from '../../src/cli/migrate.ts'
import { peek } from '../../src/cli/peek.ts'
import { status } from '../../src/cli/status.ts'
import { verify } from '../../src/cli/verify.ts'
import { onEveryEngine } from '../support/engines.ts'
import { makeOlderTables } from '../support/older-tables.ts'
import { type Bench, drain, intoTotals, openBench } from '../support/running-job.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

async function jobFile(bench: Bench): Promise<string> {
  const path = join(await temporaryFolder(), 'job.ts')
  const database = bench.database.engine.name === 'postgres' ? 'postgres' : 'mysql'
  await writeFile(
    path,
    `import { count, defineJob, from, json, kafka, merge, ${database}, sum } from 'oncesink'
     export default defineJob({
       name: ${JSON.stringify(bench.name)},
       database: ${database}({ connectionString: ${JSON.stringify(bench.database.url)} }),
       pipeline: from(kafka({ brokers: ${JSON.stringify(bench.brokers)}, topics: [${JSON.stringify(bench.topic)}] }))
         .decode(json<{ k: string; v: number }>())
         .groupBy({ k: (o) => o.k }).aggregate({ n: count(), total: sum((o) => o.v) })
         .into(merge({ table: 'totals' })),
     })`,
  )
  return path
}

onEveryEngine((engine) => {
  test('commands that look refuse tables of an older oncesink, say how to go on, and change nothing', async () => {
    const bench = await openBench('older-tables', { engine })
    await makeOlderTables(bench.database, 1)
    const file = await jobFile(bench)
    const commands = {
      status: () => status(file, 'table'),
      peek: () => peek(file, { records: 1, rows: 1 }, 'table'),
      verify: () => verify(file, { chain: false }, 'table'),
      'dlq list': () => listDeadLetters(file, { limit: 1 }, 'table'),
      'dlq show': () => showDeadLetter(file, `${bench.topic}/0/0`, 'table'),
    }
    const refusal = {
      code: 'PREFLIGHT_FAILED',
      message: expect.stringMatching(
        /tables in this .* database have version 1, .*lack 0002_dead_letters, 0003_.*run `oncesink migrate <job file>`/,
      ),
    }
    for (const [name, command] of Object.entries(commands)) {
      await expect(command(), name).rejects.toMatchObject(refusal)
    }
    // Who only examines says that the start of the job mends it.
    const printed = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    onTestFinished(() => printed.mockRestore())
    expect(await doctor(file, 'table'), printed.mock.calls.join('')).toBe(0)
    expect(printed.mock.calls.join('')).toMatch(/0004_\w+ not applied yet: the start of the job does/)
    printed.mockClear()

    const versions = await bench.database.rows(`SELECT version FROM ${engine.own('oncesink_migrations')}`)
    expect(versions).toHaveLength(1)

    expect(await migrate(file, 'json')).toBe(0)
    expect(printed.mock.calls.join('')).toContain('"applied":["0002_dead_letters","0003_')
    await bench.produce(10)
    await drain(bench.job({ pipelines: intoTotals }))
    expect(await commands['dlq list']()).toBe(0)
    expect(await commands.status()).toBe(0)
    expect(await commands.verify()).toBe(0)
  })
})
