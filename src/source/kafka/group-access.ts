import { OncesinkError } from '../../errors.ts'
import { ErrorCode, errorCodeName } from './protocol/error-codes.ts'

/** Why a group does not even talk to a client that is to become a member. */
export function groupAccessError(group: string, code: number): OncesinkError {
  switch (code) {
    case ErrorCode.GROUP_AUTHORIZATION_FAILED:
      return groupRefusal(
        group,
        code,
        'this client has no right on it',
        "grant this client's user the right: kafka-acls.sh --bootstrap-server <broker> --add --allow-principal " +
          `User:<name> --operation Read --group '${group}'; or run a single process with kafka({ assignment: 'all', groupMirror: false })`,
      )
    case ErrorCode.INVALID_GROUP_ID:
      return groupRefusal(group, code, 'no group may have this name', 'give kafka({ group }) another one')
    default:
      return new OncesinkError(
        'SOURCE_UNAVAILABLE',
        `the coordinator of Kafka consumer group "${group}" is not there for now (${errorCodeName(code)}); check the brokers`,
      )
  }
}

/** Why a group whose members are not processes of this job on this database takes nobody of it. */
export function foreignGroupError(group: string, job: string): OncesinkError {
  return groupRefusal(
    group,
    ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    `its members are not processes of job '${job}' on this database, but those of another job, the same job on ` +
      'another database, or other consumers',
    'give kafka({ group }) a name that nobody else uses',
  )
}

/** What every member of a job's group speaks begins with this; the database follows. */
export function protocolStem(job: string): string {
  return `oncesink.1:${job}:`
}

/** SOURCE_REFUSED with what the group says of this process, and what to do. */
export function groupRefusal(group: string, code: number, why: string, cure: string): OncesinkError {
  return new OncesinkError(
    'SOURCE_REFUSED',
    `Kafka consumer group "${group}" does not take this process: ${why} (${errorCodeName(code)}); ${cure}`,
  )
}
