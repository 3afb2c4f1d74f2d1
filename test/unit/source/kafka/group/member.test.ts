import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { OncesinkError } from '../../../../../src/errors.ts'
import type { TopicPartition } from '../../../../../src/model/topic-partition.ts'
import { systemRuntime } from '../../../../../src/runtime/runtime.ts'
import { Brokers } from '../../../../../src/source/kafka/brokers.ts'
import { Coordinator } from '../../../../../src/source/kafka/group/coordinator.ts'
import { Member } from '../../../../../src/source/kafka/group/member.ts'
import {
  decodeMemberData,
  encodeAssignment,
  wantsDigest,
} from '../../../../../src/source/kafka/group/member-data.ts'
import { kafka } from '../../../../../src/source/kafka/options.ts'
import { ErrorCode } from '../../../../../src/source/kafka/protocol/error-codes.ts'
import type { JoinGroup } from '../../../../../src/source/kafka/protocol/join-group.ts'
import { EventBus, type JobEvents } from '../../../../../src/telemetry/events.ts'
import { eventually } from '../../../../support/eventually.ts'

const t = (...partitions: number[]): TopicPartition[] =>
  partitions.map((partition) => ({ topic: 't', partition }))

afterEach(() => {
  vi.restoreAllMocks()
})

/** A member and what its coordinator is to say: to joins one after another, to heartbeats always the same. */
function memberOf(generations: readonly (number | OncesinkError)[], assigned: readonly TopicPartition[]) {
  const rest = [...generations]
  const asked: JoinGroup[] = []
  const coordinator = { heartbeat: ErrorCode.NONE as number }
  vi.spyOn(Coordinator.prototype, 'join').mockImplementation((join) => {
    asked.push(join)
    const generation = rest.length > 1 ? rest.shift() : rest[0]
    if (typeof generation !== 'number') return Promise.reject(generation ?? new Error('nothing more to say'))
    coordinator.heartbeat = ErrorCode.NONE
    return Promise.resolve({ errorCode: 0, generation, leaderId: 'other', memberId: 'me', members: [] })
  })
  const basis = wantsDigest([{ topic: 't', partitions: 4 }])
  const assignment = encodeAssignment({ partitions: assigned, basis, isPartial: false, isAwaited: false })
  vi.spyOn(Coordinator.prototype, 'sync').mockResolvedValue({ errorCode: 0, assignment })
  vi.spyOn(Coordinator.prototype, 'heartbeat').mockImplementation(() =>
    Promise.resolve(coordinator.heartbeat),
  )
  vi.spyOn(Coordinator.prototype, 'leave').mockResolvedValue(0)
  const describeTopics = () =>
    Promise.resolve({
      clusterId: 'c',
      topics: [{ topic: 't', topicId: 'id', partitions: 4, byPattern: false }],
    })
  const plan = kafka({ brokers: ['localhost:1'], topics: ['t'], heartbeatIntervalMs: 1 })
  const member = new Member(
    plan,
    {
      job: 'j',
      group: 'g',
      database: () => Promise.resolve('d'),
      source: { describe: describeTopics },
      events: new EventBus<JobEvents>(),
      runtime: systemRuntime,
      coordinate: (names) => new Coordinator(new Brokers(plan, systemRuntime.clock), names),
      holdId: () => Promise.reject(new Error('it has one')),
    },
    { id: 'me', release: () => Promise.resolve() },
    () => {},
  )
  onTestFinished(() => member.leave())
  return { member, asked, coordinator }
}

describe('a member of a group', () => {
  test('goes on trying while its coordinator is away, and has its first assignment when it has joined', async () => {
    const away = new OncesinkError('SOURCE_UNAVAILABLE', 'away')
    const { member, asked } = memberOf([away, away, 1], t(0, 1))
    await member.join()
    expect(asked).toHaveLength(3)
    expect(member.takeChanges()).toEqual({ gained: t(0, 1), lost: [] })
  })

  test('keeps what it has through the next generation, and says which generation that is of', async () => {
    const { member, asked, coordinator } = memberOf([5, 6], t(0, 1))
    await member.join()
    member.takeChanges()
    coordinator.heartbeat = ErrorCode.REBALANCE_IN_PROGRESS
    await eventually(() => asked.length === 2)
    expect(asked.map(({ metadata }) => decodeMemberData(metadata))).toMatchObject([
      { owned: [], generation: -1 },
      { owned: t(0, 1), generation: 5 },
    ])
    await member.confirm()
    expect(member.takeChanges()).toEqual({ gained: [], lost: [] })
  })

  test('that hears of a generation beyond the next has missed one: it may have had other owners, and is gained anew', async () => {
    const { member, asked, coordinator } = memberOf([5, 7], t(0, 1))
    await member.join()
    member.takeChanges()
    coordinator.heartbeat = ErrorCode.REBALANCE_IN_PROGRESS
    await eventually(() => asked.length === 2)
    await eventually(() => {
      const { gained, lost } = member.takeChanges()
      return lost.length > 0 && { gained, lost }
    }).then((change) => expect(change).toEqual({ gained: t(0, 1), lost: t(0, 1) }))
  })

  test.each([ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID])(
    'that is told %d was left out: it owns nothing when it joins again, and says so when it is asked',
    async (code) => {
      const { member, asked, coordinator } = memberOf([5, 9], t(0, 1))
      await member.join()
      member.takeChanges()
      coordinator.heartbeat = code
      await eventually(() => asked.length === 2)
      expect(await member.confirm()).toBe(false)
      expect(member.takeChanges().lost).toEqual(t(0, 1))
      expect(asked.at(-1)).toMatchObject({ memberId: code === ErrorCode.UNKNOWN_MEMBER_ID ? '' : 'me' })
      expect(decodeMemberData(asked.at(-1)?.metadata ?? Buffer.alloc(0))).toMatchObject({
        owned: [],
        generation: -1,
      })
    },
  )

  test('whose id somebody else has taken ends with exit code 3, and asks no more', async () => {
    const { member, asked, coordinator } = memberOf([5], t(0))
    await member.join()
    coordinator.heartbeat = ErrorCode.FENCED_INSTANCE_ID
    await expect(member.confirm()).rejects.toMatchObject({ code: 'OWNERSHIP_LOST', exitCode: 3 })
    expect(() => member.takeChanges()).toThrow(/member id 'me'/)
    expect(asked).toHaveLength(1)
  })
})
