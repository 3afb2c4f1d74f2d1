import { Brokers } from '../brokers.ts'
import type { KafkaSourcePlan } from '../options.ts'
import { Coordinator } from './coordinator.ts'
import type { GroupDeps } from './member.ts'
import { holdMemberId } from './member-id.ts'
import { GroupMembership } from './membership.ts'

/** Membership in a consumer group of real brokers, under an id that this machine holds for the process. */
export function createKafkaGroup(
  plan: KafkaSourcePlan,
  deps: Omit<GroupDeps, 'coordinate' | 'holdId'>,
): GroupMembership {
  return new GroupMembership(plan, {
    ...deps,
    coordinate: (names) => new Coordinator(new Brokers(plan, deps.runtime.clock), names),
    holdId: holdMemberId,
  })
}
