import { describe, expect, test, vi } from 'vitest'
import { OncesinkError } from '../../../../src/errors.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { Caretaker } from '../../../../src/source/kafka/caretaker.ts'
import type { ClusterState } from '../../../../src/source/kafka/cluster-view.ts'
import { LeaderLoop } from '../../../../src/source/kafka/leader-loop.ts'
import type { CheckedPosition } from '../../../../src/source/kafka/position-check.ts'
import { scanRecordBatches } from '../../../../src/source/kafka/record-batch.ts'
import type { SeekPosition } from '../../../../src/source/source.ts'
import { eventually } from '../../../support/eventually.ts'
import { fakeLeader, recordsAt, topicId } from '../../../support/fake-leader.ts'

function stateWith(leader: number, leaderEpoch: number, id = topicId): ClusterState {
  const partitions = [{ errorCode: 0, partition: 0, leader, leaderEpoch }]
  return {
    clusterId: 'c',
    missing: [],
    topics: new Map([['t', { errorCode: 0, topic: 't', topicId: id, isInternal: false, partitions }]]),
  }
}

const nothing: ClusterState = { clusterId: 'c', missing: ['t'], topics: new Map() }

/** A caretaker of one partition at offset 100 with records [100, 103) buffered; checks are answered in turn. */
function caring(outcomes: CheckedPosition[], clock = systemClock) {
  const fake = fakeLeader({}, 1_000_000, clock)
  const partition = fake.partition(0, 100)
  const batches = scanRecordBatches(recordsAt(100, 3, 5).recordBatches, partition)
  partition.buffer.append(batches, batches)
  const checked: SeekPosition[] = []
  vi.spyOn(fake.reader.check, 'check').mockImplementation((positions) => {
    checked.push(...positions)
    return Promise.resolve(outcomes.splice(0, 1))
  })
  const loops = new Map<number, LeaderLoop>()
  const loopOf = (nodeId: number) => {
    const loop = loops.get(nodeId) ?? new LeaderLoop(nodeId, fake.reader)
    loops.set(nodeId, loop)
    return loop
  }
  return { ...fake, partition, checked, caretaker: new Caretaker(fake.reader, loopOf, () => loops.values()) }
}

describe('Caretaker', () => {
  test('a newer leader epoch refuses answers under way, and has the end of the buffer checked first', async () => {
    const { partition, checked, caretaker } = caring([{ leader: 2, leaderEpoch: 6 }])
    const before = partition.seekCounter
    caretaker.reconcile(stateWith(2, 6))
    expect([partition.state, partition.seekCounter > before]).toEqual(['checking', true])
    await eventually(() => partition.state === 'reading')
    expect(checked).toMatchObject([{ nextOffset: 103n, leaderEpoch: 5, topicId }])
    expect([partition.leader, partition.leaderEpoch, partition.buffer.records]).toEqual([2, 6, 3])
  })

  test('an older leader epoch comes from a broker that is behind, and changes nothing', () => {
    const { partition, checked, caretaker } = caring([])
    caretaker.reconcile(stateWith(9, 4))
    expect([partition.state, partition.leader, checked]).toEqual(['reading', 1, []])
  })

  test('another topic id ends the reading at once', () => {
    const { reader, caretaker } = caring([])
    caretaker.reconcile(stateWith(1, 5, 'another-id'))
    expect(() => reader.throwStopError()).toThrow(expect.objectContaining({ code: 'TOPIC_RECREATED' }))
  })

  test('what was fetched ahead and then truncated is forgotten, when nothing of it was taken', async () => {
    const truncated = new OncesinkError('LOG_TRUNCATED', 'lost')
    const { reader, partition, checked, caretaker } = caring([truncated, { leader: 2, leaderEpoch: 6 }])
    caretaker.reconcile(stateWith(2, 6))
    await eventually(() => [...reader.partitions.values()].every(({ state }) => state === 'reading'))
    expect(checked.map(({ nextOffset, leaderEpoch }) => [nextOffset, leaderEpoch])).toEqual([
      [103n, 5],
      [100n, 3],
    ])
    expect(partition.state).toBe('dropped')
    expect(reader.partitions.get('t/0')?.buffer).toMatchObject({
      position: 100,
      fetchedUntil: 100,
      records: 0,
    })
  })

  test('what was truncated below the position ends the reading', async () => {
    const truncated = () => new OncesinkError('LOG_TRUNCATED', 'lost')
    const { reader, caretaker } = caring([truncated(), truncated()])
    caretaker.reconcile(stateWith(2, 6))
    await eventually(() => [...reader.partitions.values()].every(({ state }) => state === 'failed'))
    expect(() => reader.throwStopError()).toThrow(expect.objectContaining({ code: 'LOG_TRUNCATED' }))
  })

  test('a check that could not be made is trouble, not a failure', async () => {
    const { reader, partition, caretaker } = caring([new OncesinkError('SOURCE_UNAVAILABLE', 'away')])
    caretaker.reconcile(stateWith(2, 6))
    await eventually(() => reader.troubles.unhandled)
    expect(partition.state).toBe('checking')
    expect(() => reader.throwStopError()).not.toThrow()
  })

  test('a topic that metadata does not have is missing only after ten seconds without it', async () => {
    let now = 0
    const clock = { ...systemClock, monotonicMs: () => now }
    const { reader, partition, caretaker } = caring([{ leader: 1, leaderEpoch: 5 }], clock)
    caretaker.reconcile(nothing)
    now = 9_000
    caretaker.reconcile(nothing)
    caretaker.reconcile(stateWith(1, 5))
    await eventually(() => partition.state === 'reading')
    now = 11_000
    caretaker.reconcile(nothing)
    now = 21_000
    caretaker.reconcile(nothing)
    expect(() => reader.throwStopError()).not.toThrow()
    now = 21_001
    caretaker.reconcile(nothing)
    expect(() => reader.throwStopError()).toThrow(expect.objectContaining({ code: 'TOPIC_MISSING' }))
  })
})
