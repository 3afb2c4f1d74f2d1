import { describe, expect, test } from 'vitest'
import { ownershipLost } from '../../../src/driver/ownership-lost.ts'

describe('a process that stops with exit code 3', () => {
  const lost = { topic: 'orders', partition: 3, owner: 'host:7' }

  test('is told of the process that has taken over', () => {
    const error = ownershipLost('job', [lost, { ...lost, partition: 4, rewound: false }])
    expect(error).toMatchObject({ code: 'OWNERSHIP_LOST', exitCode: 3 })
    expect(error.message).toMatch(/^another process \(host:7\) has claimed orders\/3, orders\/4 of job 'job'/)
  })

  test('is not told that anybody has taken over where the database went back in time, but to start again', () => {
    const error = ownershipLost('job', [lost, { ...lost, partition: 4, rewound: true }])
    expect(error).toMatchObject({ code: 'OWNERSHIP_LOST', exitCode: 3 })
    expect(error.message).toMatch(
      /^the database has gone back to before this process claimed orders\/4 of job/,
    )
    expect(error.message).toMatch(/claim of another process \(host:7\).*cannot be told.*start it again/)
    expect(error.message).not.toContain('supervisor')
  })
})
