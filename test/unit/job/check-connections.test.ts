import { expect, test } from 'vitest'
import type { Connection, ConnectionLimit } from '../../../src/database/dialect.ts'
import { checkConnections } from '../../../src/job/check-connections.ts'
import type { Job } from '../../../src/job/job.ts'
import { collectThenCommit } from '../../../src/strategy/collect-then-commit.ts'
import { perPartition } from '../../../src/strategy/per-partition.ts'

const limit = (most: number, open: number, setting = 'max_connections'): ConnectionLimit => ({
  setting,
  most,
  open,
})

function check(limits: readonly ConnectionLimit[], strategy = perPartition({ connections: 6 })) {
  const connection = { connectionLimits: () => Promise.resolve(limits) } as unknown as Connection
  return checkConnections({ strategy } as unknown as Job, connection)
}

test('a job that commits on its one connection is not asked about', async () => {
  expect(await check([limit(1, 1)], collectThenCommit())).toEqual([])
})

test('what is free is told, this connection included', async () => {
  expect(await check([limit(97, 12), limit(20, 13, 'CONNECTION LIMIT of role app')])).toEqual([
    {
      check: 'connections',
      status: 'ok',
      message:
        'perPartition uses up to 8 connections (6, and 2 for claims); free: 86 of 97 (max_connections), 8 of 20 ' +
        '(CONNECTION LIMIT of role app)',
    },
  ])
})

test('too few that are free now are a warning, for each limit', async () => {
  const findings = await check([limit(97, 91), limit(20, 14, 'CONNECTION LIMIT of role app')])
  expect(findings.map(({ status }) => status)).toEqual(['warning', 'warning'])
  expect(findings[0]?.message).toMatch(/of the 97 that max_connections leaves 7 are free now/)
})

test('a limit below what is needed is a problem, whatever is free', async () => {
  expect(await check([limit(97, 1), limit(7, 1, 'CONNECTION LIMIT of role app')])).toMatchObject(
    [
      {
        status: 'problem',
        message: /CONNECTION LIMIT of role app leaves 7: lower 'connections' of perPartition\(\)/,
      },
    ].map(({ status, message }) => ({ status, message: expect.stringMatching(message) as string })),
  )
})
