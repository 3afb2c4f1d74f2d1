import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../../model/topic-partition.ts'
import { type MemberData, wantedPartitions } from './member-data.ts'

export interface GroupAssignment {
  /** By member id; every member has one. */
  readonly members: ReadonlyMap<string, readonly TopicPartition[]>
  /** Ids of the members that own what others are to have: partitions wait for them to rejoin without these. */
  readonly awaited: ReadonlySet<string>
}

interface Member {
  readonly id: string
  readonly wants: ReadonlySet<string>
  /** Partitions that it is to have, by key. */
  readonly has: Map<string, TopicPartition>
}

/**
 * Divides partitions among the members of a group: as evenly as what they want allows (numbers differ by at most one
 * among members that want the same), moving as few as that takes, and each topic spread where there is a choice.
 *
 * In two phases: a partition whose owner is to give it up goes to nobody yet; the owner rejoins without it, and the next
 * generation gives it to the new owner. Members that have missed a generation own nothing: others may have
 * had their partitions since.
 *
 * Pure, and the same for any order of the members.
 */
export function assignPartitions(group: ReadonlyMap<string, MemberData>): GroupAssignment {
  const members = [...group]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([id, { wants }]): Member => ({
        id,
        wants: new Set(wantedPartitions(wants).map(topicPartitionKey)),
        has: new Map(),
      }),
    )
  const holders = currentHolders(group)
  const rest = keepCurrent(members, group, holders)
  for (const partition of rest) place(members, partition)
  even(members)

  const awaited = new Set<string>()
  const now = members.map(({ id, has }) => {
    const granted = sortedByPartition(has.values()).filter((tp) => {
      const holding = holders.get(topicPartitionKey(tp))
      if (isFreeFor(id, holding)) return true
      for (const holder of holding ?? []) awaited.add(holder)
      return false
    })
    return [id, granted] as const
  })
  return { members: new Map(now), awaited }
}

/** Who owns each partition, by key: more than one only if something went wrong, and then none of them is to keep it. */
function currentHolders(group: ReadonlyMap<string, MemberData>): Map<string, Set<string>> {
  const newest = Math.max(...[...group.values()].map(({ generation }) => generation))
  const holders = new Map<string, Set<string>>()
  for (const [id, { owned, generation }] of group) {
    if (generation !== newest) continue
    for (const tp of owned) {
      const key = topicPartitionKey(tp)
      holders.set(key, (holders.get(key) ?? new Set()).add(id))
    }
  }
  return holders
}

function isFreeFor(id: string, holders: ReadonlySet<string> | undefined): boolean {
  return holders === undefined || (holders.size === 1 && holders.has(id))
}

/** Leaves every partition with its owner that may have it; returns those that have none, in partition order. */
function keepCurrent(
  members: readonly Member[],
  group: ReadonlyMap<string, MemberData>,
  holders: ReadonlyMap<string, ReadonlySet<string>>,
): TopicPartition[] {
  const wanted = new Map<string, TopicPartition>()
  for (const { wants } of group.values()) {
    for (const tp of wantedPartitions(wants)) wanted.set(topicPartitionKey(tp), tp)
  }
  const byId = new Map(members.map((member) => [member.id, member]))
  const rest: TopicPartition[] = []
  for (const [key, tp] of wanted) {
    const [holder, another] = holders.get(key) ?? []
    const owner = another === undefined && holder !== undefined ? byId.get(holder) : undefined
    if (owner?.wants.has(key)) owner.has.set(key, tp)
    else rest.push(tp)
  }
  return sortedByPartition(rest)
}

/** Gives the partition to the member with the fewest that wants it; among equals, with the fewest of its topic. */
function place(members: readonly Member[], partition: TopicPartition): void {
  const key = topicPartitionKey(partition)
  let best: { readonly member: Member; readonly ofTopic: number } | undefined
  for (const member of members) {
    if (!member.wants.has(key)) continue
    const load = member.has.size
    if (best !== undefined && load > best.member.has.size) continue
    const ofTopic = countOf(member, partition.topic)
    if (best === undefined || load < best.member.has.size || ofTopic < best.ofTopic)
      best = { member, ofTopic }
  }
  best?.member.has.set(key, partition)
}

function countOf({ has }: Member, topic: string): number {
  let count = 0
  for (const tp of has.values()) if (tp.topic === topic) count++
  return count
}

/** Moves partitions until no chain of moves would take one from a member to another that has two fewer. */
function even(members: readonly Member[]): void {
  for (;;) {
    const fullestFirst = [...members].sort((a, b) => b.has.size - a.has.size)
    const moved = fullestFirst.some((from) => relieve(from, members))
    if (!moved) return
  }
}

interface Step {
  readonly from: Member
  readonly to: Member
  readonly key: string
}

/** Takes one partition from `from`, by the shortest chain of moves that ends at a member with two fewer or less. */
function relieve(from: Member, members: readonly Member[]): boolean {
  const target = from.has.size - 2
  if (!members.some(({ has }) => has.size <= target)) return false
  const cameBy = new Map<Member, Step | null>([[from, null]])
  const queue = [from]
  for (const member of queue) {
    // The emptiest first: among chains of one length the one that ends there is taken.
    const others = members.filter((other) => !cameBy.has(other)).sort((a, b) => a.has.size - b.has.size)
    for (const other of others) {
      const key = movable(member, other)
      if (key === null) continue
      cameBy.set(other, { from: member, to: other, key })
      if (other.has.size <= target) {
        walkBack(cameBy, other)
        return true
      }
      queue.push(other)
    }
  }
  return false
}

/** The partition of `from` that `to` wants and of whose topic `from` has the most more than `to`. */
function movable(from: Member, to: Member): string | null {
  let best: string | null = null
  let bestSurplus = Number.NEGATIVE_INFINITY
  const surplus = new Map<string, number>()
  for (const [key, { topic }] of from.has) {
    if (!to.wants.has(key)) continue
    const more = surplus.get(topic) ?? countOf(from, topic) - countOf(to, topic)
    surplus.set(topic, more)
    if (more > bestSurplus) [best, bestSurplus] = [key, more]
  }
  return best
}

function walkBack(cameBy: ReadonlyMap<Member, Step | null>, end: Member): void {
  for (let step = cameBy.get(end); step; step = cameBy.get(step.from)) {
    const partition = step.from.has.get(step.key)
    if (partition === undefined) return
    step.from.has.delete(step.key)
    step.to.has.set(step.key, partition)
  }
}
