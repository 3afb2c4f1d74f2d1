import { expect, test } from 'vitest'
import { deadLetter } from '../../src/job/poison.ts'
import { append } from '../../src/sink/append.ts'
import { onEveryEngine } from '../support/engines.ts'
import { produce } from '../support/kafka-service.ts'
import { drain, openBench } from '../support/running-job.ts'

interface Measure {
  readonly n?: number
  readonly d?: number | string
  readonly f?: number
  readonly at?: string
}

onEveryEngine((engine) => {
  test('what a column would round is refused with its record; what it holds exactly is stored', async () => {
    const seconds = engine.name === 'postgres' ? 'timestamptz(0)' : 'datetime'
    const bench = await openBench('exact', {
      engine,
      partitions: 1,
      tables: `CREATE TABLE held (log_offset bigint, n bigint, d decimal(30, 2), f double precision, at ${seconds})`,
    })
    const records: readonly (readonly [string | null, string])[] = [
      [null, '{"n":9007199254740991,"d":0.25,"f":1e300,"at":"2026-03-29T01:30:00Z"}'],
      ['beyond 2^53', '{"n":9007199254740993}'],
      ['beyond 2^53', '{"d":100000000000000000001}'],
      [null, '{"d":"100000000000000000001.50","f":9007199254740993}'],
      ['digits after the point', '{"d":1.005}'],
      ['digits after the point', '{"d":"0.001"}'],
      [null, '{"d":12.3}'],
      ['the column', '{"at":"2026-03-29T01:30:00.250Z"}'],
    ]
    await produce(
      bench.topic,
      records.map(([, value]) => ({ partition: 0, value })),
    )
    const { heard } = await drain(
      bench.job({
        poison: deadLetter(),
        pipelines: (values) =>
          values
            .map((value) => {
              const { n = null, d = null, f = null, at } = value as Measure
              return { n, d, f, at: at === undefined ? null : new Date(at) }
            })
            .into(append({ table: 'held', meta: { offset: 'log_offset' } })),
      }),
    )
    const refused = heard.deadLettered.flatMap(({ letters }) => letters)
    expect(refused.map(({ offset, cause }) => [Number(offset), cause.code])).toEqual(
      records.flatMap(([reason], offset) => (reason === null ? [] : [[offset, 'ROWS_REJECTED']])),
    )
    for (const { offset, cause } of refused) {
      expect(cause.message).toContain(records[Number(offset)]?.[0] ?? 'none')
    }
    const rows = await bench.database.rows<Record<string, unknown>>(
      'SELECT log_offset, n, d, f FROM held ORDER BY log_offset',
    )
    expect(rows.map(({ log_offset, n, d, f }) => [Number(log_offset), n, d, f])).toEqual([
      [0, '9007199254740991', '0.25', 1e300],
      [3, null, '100000000000000000001.50', 9007199254740992],
      [6, null, '12.30', null],
    ])
  })
})
