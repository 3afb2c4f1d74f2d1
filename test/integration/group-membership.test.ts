import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'
import { Brokers } from '../../src/source/kafka/brokers.ts'
import { Coordinator } from '../../src/source/kafka/group/coordinator.ts'
import { kafka } from '../../src/source/kafka/options.ts'
import { ErrorCode } from '../../src/source/kafka/protocol/error-codes.ts'
import { eventually } from '../support/eventually.ts'
import { MemberProcess, openMember } from '../support/group-member.ts'
import { addPartitions, kafkaAdmin } from '../support/kafka-admin.ts'
import { createTopic, kafkaService } from '../support/kafka-service.ts'
import { uniqueName } from '../support/unique.ts'

const { brokers } = kafkaService()
/** No test waits for the end of a session that says so. */
const longSessionMs = 60_000
const longSession = { sessionTimeoutMs: longSessionMs, rebalanceTimeoutMs: longSessionMs }

interface Owner {
  owned(): string[]
}

/** Waits until each owner has as many partitions as is said, and none has another's. */
async function divided(counts: readonly number[], owners: readonly Owner[]): Promise<void> {
  await eventually(() => {
    const owned = owners.map((owner) => owner.owned())
    if (new Set(owned.flat()).size === owned.flat().length && `${owned.map((o) => o.length)}` === `${counts}`)
      return true
    throw new Error(JSON.stringify(owned))
  })
}

test('members come and go: partitions are divided evenly, stay where they can, and have one owner at a time', async () => {
  const group = uniqueName('group')
  const source = { brokers, topics: [await createTopic('group', { partitions: 6 })], ...longSession }
  const a = await openMember(group, source)
  expect(a.owned()).toHaveLength(6)
  const b = await openMember(group, source)
  await divided([3, 3], [a, b])
  const [ofA, ofB] = [a.owned(), b.owned()]
  const c = await openMember(group, source)
  await divided([2, 2, 2], [a, b, c])
  for (const [now, then] of [
    [a.owned(), ofA],
    [b.owned(), ofB],
  ]) {
    expect(then).toEqual(expect.arrayContaining(now ?? []))
  }
  const stays = c.owned()
  await b.close()
  await divided([3, 3], [a, c])
  expect(c.owned()).toEqual(expect.arrayContaining(stays))
})

test('what a member works on goes to nobody before it has let go of it, however often the group rebalances meanwhile', async () => {
  const group = uniqueName('group')
  const source = { brokers, topics: [await createTopic('group', { partitions: 2 })], ...longSession }
  const busy = await openMember(group, source)
  const heard: string[] = []
  busy.pause()
  busy.membership.onChange(() => heard.push('change'))
  const b = await openMember(group, source)
  const c = await openMember(group, source)
  await eventually(() => heard.length > 1)
  expect([b.owned(), c.owned()]).toEqual([[], []])
  expect(await busy.membership.confirm()).toBe(true)
  expect(busy.membership.takeChanges()).toMatchObject({
    gained: [],
    lost: [{ partition: expect.any(Number) }],
  })
  await eventually(() => b.owned().length + c.owned().length === 1)
})

test('who is killed before it has let go of what others are to have, and comes back, does not keep them waiting', async () => {
  const group = uniqueName('group')
  const source = { brokers, topics: [await createTopic('kept', { partitions: 2 })], ...longSession }
  const busy = await openMember(group, { ...source, member: 'a' })
  busy.pause()
  const b = await openMember(group, { ...source, member: 'b' })
  await eventually(async () => {
    // It has heard of the other one, which waits for one of its partitions.
    expect(await busy.membership.confirm()).toBe(true)
    expect(b.owned()).toEqual([])
    return true
  })
  // As a new process of that name does; the old one knows nothing more that anybody would hear.
  const again = await openMember(group, { ...source, member: 'a' })
  await divided([1, 1], [again, b])
})

test('a leader that is killed and comes back has its partitions at once, without a rebalance; topics and partitions that came meanwhile are divided though nobody knows who leads', async () => {
  const group = uniqueName('group')
  const stem = uniqueName('led')
  const topic = await createTopic(stem, { partitions: 4 })
  // Members look at the metadata when they start, and not again before the test is over.
  const source = { brokers, heartbeatIntervalMs: 200, metadataRefreshMs: 600_000, ...longSession }
  const leader = { group, source: { ...source, member: 'a' }, topicPattern: `^${stem}` }
  const a = new MemberProcess(leader)
  await a.joined()
  const b = await openMember(group, { ...source, member: 'b', topicPattern: new RegExp(`^${stem}`) })
  await divided([2, 2], [a, b])
  a.kill('SIGKILL')
  await a.ended
  const ofB = b.owned()
  await addPartitions(topic, 6)
  const later = await createTopic(stem, { partitions: 2 })
  const again = new MemberProcess(leader)
  await divided([4, 4], [again, b])
  expect(again.changes[0]?.gained).toEqual(a.owned())
  expect(b.owned()).toEqual(expect.arrayContaining(ofB))
  expect([...again.owned(), ...b.owned()]).toContain(`${later}/1`)
})

test('partitions that are added while everybody is there are noticed by a follower too', async () => {
  const group = uniqueName('group')
  const topic = await createTopic('grown', { partitions: 2 })
  const source = { brokers, topics: [topic], ...longSession }
  const a = await openMember(group, { ...source, metadataRefreshMs: 600_000 })
  const b = await openMember(group, source)
  await divided([1, 1], [a, b])
  // The leader has not seen them: it takes the follower's word.
  await addPartitions(topic, 4)
  await divided([2, 2], [a, b])
  expect(b.owned()).toEqual([`${topic}/2`, `${topic}/3`])
})

test('two processes with one member id: the first ends with exit code 3 and says why, the second stays', async () => {
  const group = uniqueName('group')
  const topic = await createTopic('twins', { partitions: 2 })
  const first = new MemberProcess({
    group,
    source: { brokers, topics: [topic], member: 'one', heartbeatIntervalMs: 100 },
  })
  await first.joined()
  const second = await openMember(group, { brokers, topics: [topic], member: 'one' })
  expect(await first.ended).toBe(3)
  expect(first.failed).toMatch(
    /another process has joined .* with the member id 'one'.*Two processes .* kafka\(\{ member \}\)/,
  )
  // Its farewell would have driven the second one out.
  expect(await second.membership.confirm()).toBe(true)
  expect(second.owned()).toHaveLength(2)
})

test('who was stopped past its session loses everything to the others, and gains what it gets then anew', async () => {
  const group = uniqueName('group')
  const source = {
    brokers,
    topics: [await createTopic('stopped', { partitions: 4 })],
    heartbeatIntervalMs: 200,
  }
  const stopped = new MemberProcess({ group, source: { ...source, sessionTimeoutMs: 1_000 } })
  await stopped.joined()
  const other = await openMember(group, source)
  await divided([2, 2], [stopped, other])
  const before = stopped.owned()
  stopped.kill('SIGSTOP')
  await eventually(() => other.owned().length === 4)
  stopped.kill('SIGCONT')
  await divided([2, 2], [stopped, other])
  const changes = stopped.changes.slice(stopped.changes.findIndex(({ lost }) => `${lost}` === `${before}`))
  expect(changes[0]?.lost).toEqual(before)
  expect(changes.flatMap(({ gained }) => gained).sort()).toEqual(stopped.owned())
})

test('who is to stop while it waits for others to join again does so at once, and leaves', async () => {
  const group = uniqueName('group')
  const source = { brokers, topics: [await createTopic('impatient', { partitions: 2 })], ...longSession }
  const stopped = new MemberProcess({ group, source: { ...source, member: 'stopped' } })
  await stopped.joined()
  stopped.kill('SIGSTOP')
  const stopping = new AbortController()
  const joining = openMember(group, { ...source, member: 'impatient' }, {}, stopping.signal)
  const failure = expect(joining).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
  await waitsForOthers(group)
  stopping.abort()
  await failure
  stopped.kill('SIGCONT')
  await divided([2], [stopped])
})

test('a member that was left out owns nothing when it asks, and is told of what it gets later', async () => {
  const group = uniqueName('group')
  const source = { brokers, topics: [await createTopic('removed', { partitions: 2 })], ...longSession }
  const member = await openMember(group, { ...source, member: 'x', heartbeatIntervalMs: 20_000 })
  expect(await member.membership.confirm()).toBe(true)
  await removeMember(group, 'x')
  const gained: string[][] = []
  member.pause()
  member.membership.onChange(() =>
    gained.push(member.membership.takeChanges().gained.map(({ topic }) => topic)),
  )
  expect(await member.membership.confirm()).toBe(false)
  await eventually(() => gained.some((topics) => topics.length === 2))
  expect(await member.membership.confirm()).toBe(true)
})

test('what only Kafka knows to be wrong is refused with its cure', async () => {
  const group = uniqueName('group')
  const source = { brokers, topics: [await createTopic('refused')] }
  // Two jobs in one group by mistake, on hosts that give their members the same ids.
  const second = await openMember(group, { ...source, member: 'second' })
  const mine = await openMember(group, {
    ...source,
    ...longSession,
    member: 'host',
    heartbeatIntervalMs: 20_000,
  })
  expect(await mine.membership.confirm()).toBe(true)
  for (const stranger of [{ job: 'another-job' }, { database: 'another' }]) {
    await expect(openMember(group, { ...source, member: 'host' }, stranger)).rejects.toMatchObject({
      code: 'SOURCE_REFUSED',
      message: expect.stringMatching(
        /not processes of job '.*' on this database, but .*kafka\(\{ group \}\) a name that nobody else uses/,
      ),
    })
  }
  // The farewell of who was refused has not driven out who has that id.
  expect(await mine.membership.confirm()).toBe(true)
  await expect(
    openMember(uniqueName('group'), { ...source, sessionTimeoutMs: 10, heartbeatIntervalMs: 1 }),
  ).rejects.toMatchObject({
    code: 'SOURCE_REFUSED',
    message: expect.stringContaining('group.min.session.timeout.ms'),
  })
  await second.close()
  await mine.close()
  // Its farewell has left the name to whoever comes.
  await openMember(group, source, { job: 'another-job' })
})

/** As an administrator would. */
async function removeMember(group: string, instanceId: string): Promise<void> {
  const connections = new Brokers(kafka({ brokers, topics: ['none'] }), systemClock)
  onTestFinished(() => connections.close())
  const coordinator = new Coordinator(connections, { job: group, group, sessionTimeoutMs: 1 })
  expect(await coordinator.leave({ group, instanceId, memberId: '', generation: -1 })).toBe(ErrorCode.NONE)
}

async function waitsForOthers(group: string): Promise<void> {
  const admin = await kafkaAdmin()
  await eventually(async () => {
    const { groups } = await admin.describeGroups([group])
    return groups[0]?.state === 'PreparingRebalance'
  })
}
