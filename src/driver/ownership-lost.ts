import type { LostPartition } from '../database/protocol/claim.ts'
import { OncesinkError } from '../errors.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import { contentionLimit } from './contention.ts'

/** One process was to run the job, and another one does, or did before the database went back to that time. */
export function ownershipLost(job: string, lost: readonly LostPartition[]): OncesinkError {
  const rewound = lost.filter((partition) => partition.rewound)
  if (rewound.length > 0) return lostInThePast(job, rewound)
  return new OncesinkError(
    'OWNERSHIP_LOST',
    `another process ${named(lost)}has claimed ${names(lost)} of job '${job}'; this one wrote nothing after that and stops. ` +
      "With assignment: 'all' run one process per job, and let its supervisor not restart it on exit code 3; to share a " +
      "job among several processes use assignment: 'group' in all of them.",
  )
}

function lostInThePast(job: string, rewound: readonly LostPartition[]): OncesinkError {
  return new OncesinkError(
    'OWNERSHIP_LOST',
    `the database has gone back to before this process claimed ${names(rewound)} of job '${job}' (a restore, a failover that lost ` +
      `what it had acknowledged), and shows a claim of another process ${named(rewound)}there. Whether that one was before this ` +
      'one or has come since cannot be told, so this one wrote nothing after that and stops. If no other process runs the ' +
      'job, start it again: it goes on from the positions that the database has now, whose rows went back with them.',
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
