import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { GroupMirror } from '../../../src/driver/group-mirror.ts'
import { OncesinkError } from '../../../src/errors.ts'
import type { OffsetRange } from '../../../src/model/offset-range.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import type { GroupOffset } from '../../../src/source/source.ts'
import { EventBus, type JobEvents } from '../../../src/telemetry/events.ts'
import { eventually } from '../../support/eventually.ts'

const range = (partition: number, until: bigint): OffsetRange => ({
  topic: 't',
  partition,
  from: until - 1n,
  until,
})

/** A mirror whose pauses are short, and whose broker is `answer`. */
function mirrorTo(answer: (call: number) => Promise<void>) {
  const sent: string[] = []
  const pauses: number[] = []
  const events = new EventBus<JobEvents>()
  const heard: JobEvents['offsetsMirrored'][] = []
  const warnings: string[] = []
  events.on('offsetsMirrored', (event) => heard.push(event))
  events.on('warning', ({ message }) => warnings.push(message))
  const { clock } = systemRuntime
  const runtime = {
    ...systemRuntime,
    clock: {
      ...clock,
      sleep: (ms: number, signal?: AbortSignal) => {
        pauses.push(ms)
        return clock.sleep(ms / 20, signal)
      },
    },
  }
  const source = {
    mirrorOffsets: (group: string, offsets: readonly GroupOffset[]) => {
      sent.push(`${group}: ${offsets.map((o) => `${o.topic}/${o.partition}=${o.offset}`).join(' ')}`)
      return answer(sent.length)
    },
  }
  const mirror = new GroupMirror({ group: 'g', source, events, runtime, follows: 'batch' })
  mirror.start()
  const commit = (...ranges: OffsetRange[]) =>
    events.emit('batch', { ranges } as unknown as JobEvents['batch'])
  return { mirror, events, sent, pauses, heard, warnings, commit }
}

const taken = () => Promise.resolve()

describe('the mirror of committed offsets', () => {
  test.each(['after it has failed', 'while it fails'])(
    'that has failed waits, instead of turning round and round, when partitions go to another owner: %s',
    async (when) => {
      const lose = () => events.emit('lost', { partitions: [{ topic: 't', partition: 0 }] })
      const { mirror, events, sent, commit } = mirrorTo((call) => {
        if (call > 1) return Promise.resolve()
        if (when === 'while it fails') lose()
        return Promise.reject(new OncesinkError('SOURCE_UNAVAILABLE', 'the group rebalances'))
      })
      commit(range(0, 1n))
      await eventually(() => sent.length === 1)
      if (when === 'after it has failed') lose()
      // A process that turns round and round hears of nothing any more: neither of a claim, nor that it is to stop.
      await systemRuntime.clock.sleep(200)
      commit(range(1, 5n))
      await eventually(() => sent.length === 2)
      await mirror.close(true)
      expect(sent).toEqual(['g: t/0=1', 'g: t/1=5'])
    },
  )

  test('sends the newest of each partition only, however many commits there were in the meantime', async () => {
    const { mirror, sent, commit, heard } = mirrorTo(taken)
    commit(range(1, 1n))
    await eventually(() => sent.length === 1)
    for (let until = 2n; until <= 50n; until++) commit(range(1, until), range(0, until))
    await eventually(() => sent.length === 2)
    await mirror.close(true)
    expect(sent).toEqual(['g: t/1=1', 'g: t/0=50 t/1=50'])
    expect(heard[1]).toMatchObject({
      group: 'g',
      error: null,
      failures: 0,
      offsets: [{ offset: 50n }, { offset: 50n }],
    })
  })

  test.each([true, false])(
    'rests when everything was lost before it could be sent (brokers take what is under way: %s)',
    async (isTaken) => {
      // One that does not rest leaves no turn to anybody else, this test's timers included: it must fail by itself.
      let made = 0
      vi.stubGlobal(
        'AbortController',
        class extends AbortController {
          constructor() {
            super()
            if (++made > 1_000) throw new Error('the mirror goes round and round')
          }
        },
      )
      onTestFinished(() => void vi.unstubAllGlobals())
      let answer = () => {}
      const { mirror, events, sent, commit } = mirrorTo(
        () =>
          new Promise((resolve, reject) => {
            answer = isTaken ? resolve : () => reject(new Error('rebalancing'))
          }),
      )
      commit(range(0, 1n))
      await eventually(() => sent.length === 1)
      commit(range(0, 2n))
      events.emit('lost', { partitions: [{ topic: 't', partition: 0 }] })
      answer()
      await new Promise((resolve) => setTimeout(resolve, 200))
      expect(sent).toHaveLength(1)
      // What is claimed next is sent again.
      commit(range(1, 7n))
      await eventually(() => sent.length === 2)
      expect(sent[1]).toBe('g: t/1=7')
      answer()
      events.emit('lost', { partitions: [{ topic: 't', partition: 1 }] })
      await mirror.close(true)
      expect(sent).toHaveLength(2)
    },
  )

  test('has one request under way, and no commit waits for it', async () => {
    let arrive = () => {}
    const { mirror, sent, commit } = mirrorTo(
      () =>
        new Promise((resolve) => {
          arrive = resolve
        }),
    )
    commit(range(0, 1n))
    await eventually(() => sent.length === 1)
    for (let until = 2n; until <= 9n; until++) commit(range(0, until))
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(sent).toEqual(['g: t/0=1'])
    arrive()
    await eventually(() => sent.length === 2)
    arrive()
    await mirror.close(true)
    expect(sent).toEqual(['g: t/0=1', 'g: t/0=9'])
  })

  test('says the positions of a claim too, and nothing of partitions that were lost', async () => {
    const { mirror, events, sent } = mirrorTo(taken)
    const claims = [0, 1].map((partition) => ({ topic: 't', partition, nextOffset: 7n }))
    events.emit('claimed', { claims } as unknown as JobEvents['claimed'])
    events.emit('lost', { partitions: [{ topic: 't', partition: 0 }] })
    await eventually(() => sent.length === 1)
    await mirror.close(true)
    expect(sent).toEqual(['g: t/1=7'])
  })

  test('fails without harm: it is told with a count, warned of once, and tried again more and more slowly', async () => {
    const refused = new OncesinkError('SOURCE_REFUSED', 'no right on it')
    const { mirror, sent, commit, heard, warnings, pauses } = mirrorTo((call) =>
      call <= 3 ? Promise.reject(refused) : taken(),
    )
    commit(range(0, 1n))
    await eventually(() => sent.length === 4)
    await mirror.close(true)
    expect(heard.map(({ error, failures }) => [error, failures])).toEqual([
      [refused, 1],
      [refused, 2],
      [refused, 3],
      [null, 0],
    ])
    expect(warnings).toEqual(['the job goes on, but its offsets are not mirrored to Kafka: no right on it'])
    expect(Math.max(...pauses.filter((ms) => ms < 60_000))).toBeGreaterThan(1000)
  })

  test('of brokers that are away it does not warn: the source does', async () => {
    const { mirror, commit, heard, warnings } = mirrorTo(() =>
      Promise.reject(new OncesinkError('SOURCE_UNAVAILABLE', 'away')),
    )
    commit(range(0, 1n))
    await eventually(() => heard.length === 1)
    await mirror.close(false)
    expect(warnings).toEqual([])
  })

  test('ends with the last positions, unless they are no longer its own; brokers that are silent do not hold it up', async () => {
    const clean = mirrorTo(taken)
    clean.commit(range(0, 1n))
    await eventually(() => clean.sent.length === 1)
    clean.commit(range(0, 2n))
    await clean.mirror.close(true)
    expect(clean.sent).toEqual(['g: t/0=1', 'g: t/0=2'])

    const fenced = mirrorTo(taken)
    fenced.commit(range(0, 1n))
    await eventually(() => fenced.sent.length === 1)
    fenced.commit(range(0, 2n))
    await fenced.mirror.close(false)
    expect(fenced.sent).toEqual(['g: t/0=1'])

    const silent = mirrorTo(() => new Promise(() => undefined))
    silent.commit(range(0, 1n))
    await eventually(() => silent.sent.length === 1)
    await silent.mirror.close(true)
    expect(silent.pauses.at(-1)).toBe(2_000)
  })
})
