import { afterEach, describe, expect, test, vi } from 'vitest'
import { verifyJob } from '../../src/check/verify-job.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { Brokers } from '../../src/source/kafka/brokers.ts'
import type { WireRequest } from '../../src/source/kafka/kafkajs.ts'
import type { FetchResponse } from '../../src/source/kafka/protocol/fetch.ts'
import { createDialect, createLogToCheck } from '../../src/wire.ts'
import { createTopic, produce } from '../support/kafka-service.ts'
import { drain, intoSeenWithText, observe, openBench, startFailure } from '../support/running-job.ts'

afterEach(() => vi.restoreAllMocks())

/** Every fetch on the waiting lane goes through `change`. Real brokers, real bytes, and what is done to them. */
function interfere(
  change: (request: WireRequest<FetchResponse>, fetch: number) => WireRequest<FetchResponse>,
) {
  const { sendWaiting } = Brokers.prototype
  let fetches = 0
  vi.spyOn(Brokers.prototype, 'sendWaiting').mockImplementation(function (this: Brokers, node, request) {
    // A member that joins its group waits on the same lane.
    if (request.request.apiName !== 'Fetch') return sendWaiting.call(this, node, request) as Promise<never>
    const changed = change(request as WireRequest<FetchResponse>, ++fetches)
    return sendWaiting.call(this, node, changed as unknown as WireRequest<unknown>) as Promise<never>
  })
}

describe('a fetch response', () => {
  test('with a record batch whose checksum is wrong halts the job at that batch, and nothing of it is committed', async () => {
    const bench = await openBench('crc', { partitions: 1 })
    await bench.produce(10)
    await drain(bench.job())
    await bench.produce(10)
    interfere((request) => ({
      ...request,
      response: {
        ...request.response,
        parse: async (decoded) => {
          const response = await request.response.parse(decoded)
          for (const { recordBatches } of response.partitions) {
            // One bit of the last record's value.
            const last = recordBatches.length - 5
            if (last > 0) recordBatches[last] = (recordBatches[last] ?? 0) ^ 1
          }
          return response
        },
      },
    }))
    for (let start = 0; start < 2; start++) {
      await expect(drain(bench.job())).rejects.toMatchObject({
        code: 'RECORD_BATCH_CORRUPT',
        exitCode: 1,
        message: expect.stringMatching(
          `record batch at offset 10 of ${bench.topic}/0 cannot be read: .*checksum.*check the broker's log and disk`,
        ),
      })
    }
    expect(await bench.positions()).toEqual([10])
    vi.restoreAllMocks()
    await drain(bench.job())
    expect(await bench.actual()).toEqual(bench.expected())
  })

  test('that ends inside a field is asked for again, and every record counts once', async () => {
    const bench = await openBench('short', { partitions: 1 })
    await bench.produce(50)
    interfere((request, fetch) => ({
      ...request,
      response: {
        ...request.response,
        decode: (raw) => request.response.decode(fetch <= 3 ? raw.subarray(0, raw.length - 40) : raw),
      },
    }))
    const { heard } = await drain(bench.job())
    expect(heard.retrying.map(({ what, error }) => `${what}: ${error.message}`)).toContainEqual(
      expect.stringMatching(/^source: .*the response ends inside a field/),
    )
    expect(heard.recovered).toContainEqual({ what: 'source' })
    expect(await bench.actual()).toEqual(bench.expected())
  })
})

test('a record of 20 MB is read where the topic takes it, though it is larger than every limit of the job', async () => {
  const bench = await openBench('huge', {
    partitions: 1,
    tables: 'CREATE TABLE seen (partition int, log_offset bigint, k text, v bigint)',
  })
  const topic = await createTopic('huge', { config: { 'max.message.bytes': String(32 * 1024 * 1024) } })
  const text = 'x'.repeat(20 * 1024 * 1024)
  const send = (k: string, v: number) => produce(topic, [{ partition: 0, value: JSON.stringify({ k, v }) }])
  await send('before', 1)
  await send(text, 2)
  await send('after', 3)
  await drain(
    bench.job({
      source: { topics: [topic] },
      limits: { maxBufferedBytes: 1024 * 1024 },
      pipelines: intoSeenWithText,
    }),
  )
  const rows = await bench.database
    .knex('seen')
    .select(bench.database.knex.raw('log_offset, length(k) AS length, v'))
    .orderBy('log_offset')
  expect(rows.map((row: { length: number; v: string }) => [row.length, Number(row.v)])).toEqual([
    [6, 1],
    [text.length, 2],
    [5, 3],
  ])
})

test('a clock that is set back, and forth, changes nothing', async () => {
  const bench = await openBench('clock')
  const day = 86_400_000
  let jumps = 0
  const runtime = {
    ...systemRuntime,
    clock: {
      ...systemRuntime.clock,
      wallMs: () => systemRuntime.clock.wallMs() + (++jumps % 2 === 0 ? 3 : -400) * day,
    },
  }
  const { running } = await observe(bench.job(), { runtime })
  for (let round = 0; round < 3; round++) {
    await bench.produce(20)
    await bench.untilCommitted()
  }
  await running.stop()
  expect(await bench.actual()).toEqual(bench.expected())
  for (let look = 0; look < 2; look++) {
    const source = createLogToCheck(bench.job(), runtime)
    const dialect = createDialect(bench.job(), runtime)
    const report = await verifyJob({
      job: bench.job(),
      dialect,
      source,
      runtime,
      onProgress: () => undefined,
    })
    expect(report).toMatchObject({ outcome: 'ok', lost: 0n, duplicated: 0n })
  }
})

describe('one job name', () => {
  test('on other topics than those it has read is refused until somebody says that it is meant', async () => {
    const bench = await openBench('copied', { partitions: 1 })
    await bench.produce(10)
    await drain(bench.job())
    const other = await createTopic('copied_other')
    const copied = bench.job({ source: { topics: [other] } })
    expect(await startFailure(copied)).toMatchObject({
      code: 'JOB_IDENTITY_CONFLICT',
      message: expect.stringMatching(
        `^job '${bench.name}' has read ${bench.topic}, and would now read none of them: .*Give the job another name and table, or run once with --accept-shape-change`,
      ),
    })
    expect(await bench.positions()).toEqual([10])
    await drain(copied, { acceptShapeChange: true })
  })

  test('on one topic more than before goes on', async () => {
    const bench = await openBench('more', { partitions: 1 })
    await bench.produce(10)
    await drain(bench.job())
    const more = await createTopic('more_other')
    await produce(more, [{ partition: 0, value: '{"k":"new","v":1}' }])
    await drain(bench.job({ source: { topics: [bench.topic, more] } }))
    expect((await bench.totals()).at(-1)).toEqual({ k: 'new', n: 1, total: 1 })
  })
})
