import { expect, test } from 'vitest'
import type { ClaimResult, LostPartition } from '../../../src/database/protocol/claim.ts'
import { Assignment, type AssignmentDeps } from '../../../src/driver/assignment.ts'
import { Ownership } from '../../../src/driver/ownership.ts'
import type { Claim } from '../../../src/model/claim.ts'
import type { TopicPartition } from '../../../src/model/topic-partition.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import type { AssignmentChange } from '../../../src/source/membership.ts'
import { EventBus, type JobEvents } from '../../../src/telemetry/events.ts'

const never = new AbortController().signal
const p = (partition: number): TopicPartition => ({ topic: 't', partition })
const claimed = (tp: TopicPartition, claimId: string): Claim => ({
  ...tp,
  claimId,
  epoch: 1n,
  nextOffset: 0n,
  seq: 0n,
  incarnation: 0,
  leaderEpoch: -1,
  topicId: '',
})
const other = (tp: TopicPartition, rewound = false): LostPartition => ({ ...tp, owner: 'other:1', rewound })

/** A member of a group that owns t/0 and t/1; `claimAgain` answers with one of `answers` after another. */
function ownerOfTwo(answers: ((asked: readonly TopicPartition[]) => ClaimResult)[], isMember = true) {
  const ownership = new Ownership()
  ownership.give([p(0), p(1)])
  const first = [claimed(p(0), 'first'), claimed(p(1), 'first')]
  ownership.claim(first)
  ownership.read(first)
  const sought: string[] = []
  let asked = false
  const deferred: { partitions: readonly TopicPartition[]; ownClaims: readonly Claim[] | undefined }[] = []
  const deps = {
    job: { name: 'job', limits: { startupTimeoutMs: 1_000 } },
    runtime: systemRuntime,
    events: new EventBus<JobEvents>(),
    session: { drop: () => undefined },
    claimer: {
      claimAgain: (asked: readonly TopicPartition[]) => Promise.resolve(answers.shift()?.(asked)),
      takeOver: async (
        _partitions: readonly TopicPartition[],
        _held: readonly TopicPartition[],
        confirm: () => Promise<boolean>,
      ) => ((await confirm()) ? { claims: [], lost: [] } : null),
    },
    membership: {
      isShared: true,
      takeChanges: () => ({ gained: [], lost: asked && !isMember ? ownership.all() : [] }),
      released: () => undefined,
      confirm() {
        asked = true
        return Promise.resolve(isMember)
      },
    },
    executor: {
      drop: () => undefined,
      seek: (claims: readonly Claim[]) => {
        sought.push(...claims.map(({ partition, claimId }) => `${partition} by ${claimId}`))
        return Promise.resolve()
      },
    },
    ownership,
    strategy: {
      deferred: {
        beforeClaim: (partitions: readonly TopicPartition[], ownClaims?: readonly Claim[]) => {
          deferred.push({ partitions, ownClaims })
          return Promise.resolve()
        },
        claimed: () => Promise.resolve(),
      },
    },
  } as unknown as AssignmentDeps
  const attention = { taken: () => undefined, isWanted: false } as ConstructorParameters<typeof Assignment>[1]
  return { assignment: new Assignment(deps, attention), ownership, sought, deferred }
}

const granted = (asked: readonly TopicPartition[]) => ({
  claims: asked.map((tp) => claimed(tp, 'again')),
  lost: [],
})

test('what is still owned is claimed and sought again although somebody else has claimed another partition', async () => {
  const { assignment, ownership, sought } = ownerOfTwo([
    () => ({ claims: [], lost: [other(p(0))] }),
    (asked) => granted(asked),
  ])
  expect(await assignment.recover(never)).toBe(true)
  expect(sought).toEqual(['1 by again'])
  expect(ownership.unread()).toEqual([p(0)])
})

test('who is no member any more claims nothing again after a lost connection, and lets go of everything', async () => {
  const { assignment, ownership, sought } = ownerOfTwo([granted], false)
  expect(await assignment.recover(never)).toBe(true)
  expect(sought).toEqual([])
  expect(ownership.claims()).toEqual([])
})

test('however often the database goes back to before a claim, its owner goes on', async () => {
  const restored = () => ({ claims: [], lost: [other(p(0), true)] })
  const { assignment, ownership } = ownerOfTwo(Array.from({ length: 4 }, () => [restored, granted]).flat())
  for (let i = 0; i < 4; i++) {
    ownership.claim([claimed(p(0), 'first')])
    expect(await assignment.recover(never)).toBe(true)
  }
})

test('an owner that is fenced again and again by somebody outside of the group stops', async () => {
  const fenced = () => ({ claims: [], lost: [other(p(0))] })
  const { assignment, ownership } = ownerOfTwo([fenced, granted, fenced, granted, fenced])
  for (let i = 0; i < 2; i++) {
    ownership.claim([claimed(p(0), 'first')])
    await assignment.recover(never)
  }
  ownership.claim([claimed(p(0), 'first')])
  await expect(assignment.recover(never)).rejects.toMatchObject({ code: 'OWNERSHIP_LOST', exitCode: 3 })
})

type TakeOver = (
  partitions: readonly TopicPartition[],
  confirm: () => Promise<boolean>,
) => Promise<ClaimResult | null>

/** A member of a group that claims beside the loop, by `takeOver`, what `changes` say that it was given. */
function claimingBeside(partitions: readonly TopicPartition[], takeOver: TakeOver, isMember = () => true) {
  const ownership = new Ownership()
  const sought: string[] = []
  const group: { changes: AssignmentChange } = { changes: { gained: partitions, lost: [] } }
  const deps = {
    job: { name: 'job', limits: { startupTimeoutMs: 1_000 } },
    runtime: systemRuntime,
    events: new EventBus<JobEvents>(),
    claimer: {
      takeOver: (
        gained: readonly TopicPartition[],
        _held: readonly TopicPartition[],
        confirm: () => Promise<boolean>,
      ) => takeOver(gained, confirm),
    },
    membership: {
      isShared: true,
      takeChanges() {
        const taken = group.changes
        group.changes = { gained: [], lost: [] }
        return taken
      },
      released: () => undefined,
      confirm: () => Promise.resolve(isMember()),
    },
    executor: {
      drop: () => undefined,
      seek: (of: readonly Claim[]) => {
        sought.push(...of.map(({ partition }) => String(partition)))
        return Promise.resolve()
      },
    },
    ownership,
    strategy: { unit: 'range' },
  } as unknown as AssignmentDeps
  const attention = { taken: () => undefined, want: () => undefined, isWanted: false } as never
  return { assignment: new Assignment(deps, attention), ownership, sought, group }
}

const mine = (partitions: readonly TopicPartition[]): ClaimResult => ({
  claims: partitions.map((tp) => claimed(tp, 'mine')),
  lost: [],
})

test('a partition that is let go of while it is being claimed is not fenced away from its new owner', async () => {
  const claims: string[] = []
  const { assignment, sought, group } = claimingBeside([p(0), p(1)], async (partitions, confirm) => {
    // Meanwhile the loop goes on, and hears of the next assignment.
    if (claims.length === 0) {
      group.changes = { gained: [], lost: [p(1)] }
      await assignment.update()
    }
    claims.push(partitions.map(({ partition }) => partition).join())
    return (await confirm()) ? mine(partitions) : null
  })
  await assignment.update()
  await assignment.idle()
  expect(claims).toEqual(['0,1'])
  expect(sought).toEqual([])
  await assignment.update()
  await assignment.idle()
  expect(claims).toEqual(['0,1', '0'])
  expect(sought).toEqual(['0'])
})

test('files are brought in before partitions are claimed again, of the claims that this process has', async () => {
  const { assignment, ownership, deferred } = ownerOfTwo([granted])
  const claims = ownership.claims()
  await assignment.recover(never)
  expect(deferred).toEqual([{ partitions: claims, ownClaims: claims }])
})

test('who is no member any more does not touch files of what it was given before', async () => {
  const { assignment, ownership, deferred } = ownerOfTwo([], false)
  ownership.give([p(2)])
  await assignment.update()
  expect(deferred).toEqual([])
  expect(ownership.all()).toEqual([])
})

test('what the group gives while a claim finds that this process was left out is claimed', async () => {
  let claims = 0
  const takeOver: TakeOver = async (partitions, confirm) => {
    claims += 1
    if (await confirm()) return mine(partitions)
    // Before the claim has ended the loop hears of the generation that came meanwhile.
    group.changes = { gained: [p(0)], lost: [p(0)] }
    await assignment.update()
    return null
  }
  const { assignment, ownership, group } = claimingBeside([p(0)], takeOver, () => claims > 1)
  await assignment.update()
  await assignment.idle()
  expect(ownership.unread()).toEqual([p(0)])
  await assignment.update()
  await assignment.idle()
  expect(ownership.claims()).toMatchObject([{ claimId: 'mine' }])
})
