import { expect, test } from 'vitest'
import { memberIdTaken, membershipError } from '../../../../../src/source/kafka/group/group-errors.ts'

const names = { job: 'orders', group: 'g', sessionTimeoutMs: 100 }

test.each<[number, string, RegExp]>([
  [
    30,
    'SOURCE_REFUSED',
    /no right on it \(GROUP_AUTHORIZATION_FAILED\); grant .* --operation Read --group 'g'/,
  ],
  [
    23,
    'SOURCE_REFUSED',
    /not processes of job 'orders' on this database, but .* another job, the same job on another database, .*kafka\(\{ group \}\) a name/,
  ],
  [26, 'SOURCE_REFUSED', /not time out after 100 ms .*sessionTimeoutMs.*group\.min\.session\.timeout\.ms/],
  [81, 'SOURCE_REFUSED', /as many members as the brokers allow .*fewer processes .*group\.max\.size/],
  [24, 'SOURCE_REFUSED', /no group may have this name/],
  [15, 'SOURCE_UNAVAILABLE', /not there for now \(COORDINATOR_NOT_AVAILABLE\); check the brokers/],
])('error code %d of a coordinator is told with its cure', (code, name, message) => {
  expect(membershipError(code, names)).toMatchObject({ code: name, message: expect.stringMatching(message) })
})

test('a member id that another process has taken ends the process with 3', () => {
  const error = memberIdTaken('pod-0', names)
  expect(error).toMatchObject({ code: 'OWNERSHIP_LOST', exitCode: 3 })
  expect(error.message).toMatch(
    /member id 'pod-0'.*Two processes .* use one member id: give each its own with kafka\(\{ member \}\).*of another job, give each job a kafka\(\{ group \}\)/,
  )
})
