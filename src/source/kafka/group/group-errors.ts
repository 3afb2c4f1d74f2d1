import { OncesinkError } from '../../../errors.ts'
import { foreignGroupError, groupAccessError, groupRefusal } from '../group-access.ts'
import { ErrorCode } from '../protocol/error-codes.ts'

/** What messages about a group name. */
export interface GroupNames {
  readonly job: string
  readonly group: string
  readonly sessionTimeoutMs: number
}

/** Why a group does not take this member, from an error code of its coordinator. */
export function membershipError(code: number, names: GroupNames): OncesinkError {
  const { group } = names
  const refused = (why: string, cure: string) => groupRefusal(group, code, why, cure)
  switch (code) {
    case ErrorCode.INCONSISTENT_GROUP_PROTOCOL:
      return foreignGroupError(group, names.job)
    case ErrorCode.INVALID_SESSION_TIMEOUT:
      return refused(
        `its session may not time out after ${names.sessionTimeoutMs} ms`,
        "set kafka({ sessionTimeoutMs }) within the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms " +
          '(6000 to 1800000 unless they were changed)',
      )
    case ErrorCode.GROUP_MAX_SIZE_REACHED:
      return refused(
        'it has as many members as the brokers allow',
        'run fewer processes of the job (more than there are partitions have nothing to do), or raise group.max.size of ' +
          'the brokers',
      )
    case ErrorCode.TOPIC_AUTHORIZATION_FAILED:
      return refused('no right on one of its topics', "grant this client's user the right Read on the topic")
    default:
      return groupAccessError(group, code)
  }
}

/**
 * Another process has joined with this one's static member id. It may be of another job: where a group has one member, the
 * coordinator lets whoever comes with its id replace it, whatever both have in common.
 */
export function memberIdTaken(member: string, { group, job }: GroupNames): OncesinkError {
  return new OncesinkError(
    'OWNERSHIP_LOST',
    `another process has joined group "${group}" with the member id '${member}' of this one, which stops and writes ` +
      `nothing more. Two processes of job '${job}' use one member id: give each its own with kafka({ member }), for example ` +
      'from the name of its pod, and let its supervisor not restart it on exit code 3. If the other one is of another job, give ' +
      'each job a kafka({ group }) of its own.',
  )
}
