import type { LostPartition } from '../database/protocol/claim.ts'
import { OncesinkError } from '../errors.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import { contentionLimit } from './contention.ts'

/** One process was to run the job, and another one does. */
export function ownershipLost(job: string, lost: readonly LostPartition[]): OncesinkError {
  return new OncesinkError(
    'OWNERSHIP_LOST',
    `another process ${named(lost)}has claimed ${names(lost)} of job '${job}'; this one wrote nothing after that and stops. ` +
      "With assignment: 'all' run one process per job, and let its supervisor not restart it on exit code 3; to share a " +
      "job among several processes use assignment: 'group' in all of them.",
  )
}

/** Several processes share the job, and one that is not of them takes part. */
export function contended(job: string, lost: readonly LostPartition[]): OncesinkError {
  return new OncesinkError(
    'OWNERSHIP_LOST',
    `another process ${named(lost)}has claimed ${names(lost)} of job '${job}' ${contentionLimit}, although they belong to this ` +
      'process in its consumer group; this one wrote nothing after that and stops, or both would go on for ever. Stop ' +
      "whatever runs this job outside of the group (assignment: 'all', or another group), then start this one again.",
  )
}

function names(lost: readonly LostPartition[]): string {
  return lost.map(topicPartitionKey).join(', ')
}

function named([first]: readonly LostPartition[]): string {
  return first?.owner ? `(${first.owner}) ` : ''
}
