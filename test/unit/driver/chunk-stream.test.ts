import { describe, expect, test } from 'vitest'
import { ChunkStream, type ChunkStreamOptions } from '../../../src/driver/chunk-stream.ts'
import type { BatchPlan, PartitionResult } from '../../../src/executor/executor.ts'
import { systemClock } from '../../../src/runtime/clock.ts'

const range = (partition: number, from: number, until: number) => {
  return { topic: 't', partition, from: BigInt(from), until: BigInt(until) }
}
function result(
  partition: number,
  from: number,
  until: number,
  more: Partial<PartitionResult> = {},
): PartitionResult {
  return {
    range: range(partition, from, until),
    records: until - from,
    deadLetters: [],
    digest: null,
    lastOffset: BigInt(until - 1),
    bytes: 10 * (until - from),
    leaderEpoch: 3,
    computeMs: 1,
    partials: [],
    ...more,
  }
}
const limits = { maxRecords: 10, maxBytes: 1_000, maxStallMs: 50, maxOpenMs: 60_000 }

/** A stream whose executor answers with one of `answers` after the other, then with nothing. */
function streamOf(
  answers: readonly (readonly PartitionResult[] | Error | Promise<readonly PartitionResult[]>)[],
  options: Partial<ChunkStreamOptions> = {},
) {
  const plans: BatchPlan[] = []
  let running = 0
  const executor = {
    async compute(plan: BatchPlan, signal: AbortSignal): Promise<PartitionResult[]> {
      expect(running, 'computed at once').toBe(0)
      running += 1
      try {
        plans.push(plan)
        const answer = await answers[plans.length - 1]
        if (answer instanceof Error) throw answer
        if (!answer) await systemClock.sleep(plan.maxWaitMs, signal)
        return [...(answer ?? [])]
      } finally {
        running -= 1
      }
    },
  }
  const stream = new ChunkStream({
    executor,
    clock: systemClock,
    limits,
    plan: {},
    ranges: [range(0, 0, 30), range(1, 5, 10)],
    first: [result(0, 0, 10), result(1, 5, 10)],
    held: [{ topic: 't', partition: 2, nextOffset: 7n }],
    stop: new AbortController().signal,
    ...options,
  })
  return { stream, plans }
}

async function read(stream: ChunkStream): Promise<string[]> {
  const chunks: string[] = []
  for await (const chunk of stream) {
    chunks.push(chunk.map(({ range: r }) => `${r.partition}:${r.from}-${r.until}`).join(' '))
  }
  return chunks
}

describe('the chunks of a batch', () => {
  test('come until every range is read to its end, and nothing else is taken', async () => {
    const { stream, plans } = streamOf([[result(0, 10, 20)], [], [result(0, 20, 30)]])
    expect(await read(stream)).toEqual(['0:0-10 1:5-10', '0:10-20', '0:20-30'])
    await stream.ended
    expect(plans).toHaveLength(3)
    expect(plans[0]).toMatchObject({
      maxRecords: 10,
      maxBytes: 1_000,
      includeEmptyRanges: true,
      order: 'fair',
    })
    expect([...(plans[0]?.until ?? [])]).toEqual([
      ['t/2', 7n],
      ['t/0', 30n],
      ['t/1', 10n],
    ])
  })

  test('have digests that are added up, range by range', async () => {
    const { stream } = streamOf(
      [[result(0, 10, 20, { digest: 2n ** 64n - 1n })], [result(0, 20, 30, { digest: 5n })]],
      { first: [result(0, 0, 10, { digest: 1n }), result(1, 5, 10, { digest: 7n })] },
    )
    await read(stream)
    expect(stream.contents().map(({ digest }) => digest)).toEqual([5n, 7n])
  })

  test('are added up', async () => {
    const letter = { offset: 12n } as PartitionResult['deadLetters'][number]
    const { stream, plans } = streamOf([
      [result(0, 10, 20, { deadLetters: [letter], leaderEpoch: 4 })],
      [result(0, 20, 30, { records: 0, lastOffset: null, leaderEpoch: 5 })],
    ])
    await read(stream)
    expect(stream.contents()[0]).toMatchObject({
      records: 20,
      deadLetters: [letter],
      leaderEpoch: 5,
      bytes: 300,
    })
    expect(stream.results()).toMatchObject([
      { range: range(0, 0, 30), records: 20, lastOffset: 19n },
      { range: range(1, 5, 10), records: 5, lastOffset: 9n },
    ])
    expect(stream.results()[0]?.range).toBe(stream.ranges[0])
    expect(plans.map(({ deadLettersBefore }) => deadLettersBefore)).toEqual([0, 1])
    expect(stream.contents().map(({ digest }) => digest)).toEqual([null, null])
  })

  test('are computed one ahead of what is written', async () => {
    const { stream, plans } = streamOf([[result(0, 10, 20)], [result(0, 20, 30)]])
    const computed: number[] = []
    for await (const _ of stream) {
      await systemClock.yield()
      computed.push(plans.length)
    }
    expect(computed).toEqual([1, 2, 2])
  })

  test('the executor is free once the last one is read, although it is still to be written', async () => {
    const { stream } = streamOf([[result(0, 10, 30)]])
    let ended = false
    void stream.ended.then(() => {
      ended = true
    })
    const seen: boolean[] = []
    for await (const _ of stream) {
      await systemClock.yield()
      seen.push(ended)
    }
    expect(seen).toEqual([false, true])
  })

  test('that leave a gap are refused', async () => {
    const { stream } = streamOf([[result(0, 11, 20)]])
    await expect(read(stream)).rejects.toThrow('t/0 [11, 20) came, which is not how t/0 [0, 30) goes on')
  })

  test('that come too late fail the batch, without waiting for what is being computed', async () => {
    let answer: (results: readonly PartitionResult[]) => void = () => {}
    const slow = new Promise<readonly PartitionResult[]>((resolve) => {
      answer = resolve
    })
    const { stream } = streamOf([slow])
    await expect(read(stream)).rejects.toMatchObject({ code: 'TRANSACTION_ABORTED', message: /maxStallMs/ })
    expect(stream.failure).toBeNull()
    expect(stream.results().map(({ range: r }) => r)).toEqual([range(0, 0, 10), range(1, 5, 10)])
    let ended = false
    void stream.ended.then(() => {
      ended = true
    })
    await systemClock.yield()
    expect(ended).toBe(false)
    answer([])
    await stream.ended
  })

  test('that take too long in all fail the batch, so that the next one has less', async () => {
    const { stream } = streamOf([[result(0, 10, 20)], [result(0, 20, 30)]], {
      limits: { ...limits, maxOpenMs: 0 },
    })
    await expect(read(stream)).rejects.toMatchObject({ code: 'STATEMENT_TIMEOUT', message: /maxOpenMs/ })
  })

  test('that cannot be computed fail the batch with that', async () => {
    const error = new Error('a function threw')
    const { stream } = streamOf([error])
    await expect(read(stream)).rejects.toBe(error)
    expect(stream.failure).toBe(error)
  })

  test('end at once when the job is to stop, unless all of them are read', async () => {
    const stop = new AbortController()
    const { stream } = streamOf([], { stop: stop.signal, limits: { ...limits, maxStallMs: 60_000 } })
    const reading = read(stream)
    await systemClock.sleep(5)
    stop.abort()
    await expect(reading).rejects.toMatchObject({ code: 'TRANSACTION_ABORTED' })
    expect(stream.isAbandoned).toBe(true)
    const whole = streamOf([], { stop: stop.signal, ranges: [range(0, 0, 10), range(1, 5, 10)] })
    expect(await read(whole.stream)).toHaveLength(1)
    expect(whole.stream.isAbandoned).toBe(false)
  })

  test('are not waited for when nobody takes them', async () => {
    const { stream } = streamOf([])
    stream.close()
    await stream.ended
  })
})
