import { expect, onTestFinished, test } from 'vitest'
import { OncesinkError } from '../../../../src/errors.ts'
import { filesIn } from '../../../../src/strategy/file-handoff/file-moves.ts'
import { fileName } from '../../../../src/strategy/file-handoff/file-name.ts'
import { HandoffCommits } from '../../../../src/strategy/file-handoff/handoff-commits.ts'
import { eventually } from '../../../support/eventually.ts'
import { computed, handoffBench } from '../../../support/handoff-bench.ts'

async function commitsOf(loader: 'inProcess' | 'external' = 'inProcess') {
  const bench = await handoffBench()
  const limits = { loader, maxFiles: 100, maxBytes: 2 ** 20, keep: bench.keep } as const
  const commits = new HandoffCommits(limits, bench.parts, bench.store)
  onTestFinished(() => commits.close())
  return { ...bench, commits }
}

const rejected = new OncesinkError('ROWS_REJECTED', 'no such row')

test('a late failure of one partition is not forgotten while ranges of another are waited for', async () => {
  const { commits, claim, refused, rows, store } = await commitsOf()
  const [one, two] = [claim(0), claim(1)]
  refused.set(0, Promise.resolve(rejected))
  await commits.commit(computed({ claim: one, from: 0n, until: 4n }))
  await eventually(() => !commits.isPending(one))
  expect(commits.takeFailure()).not.toBe(null)
  // The range that has failed is looked at again, after a claim; meanwhile the other partition fails too.
  refused.delete(0)
  const again = claim(0)
  await commits.beforeClaim([one])
  let reject = (_: Error) => {}
  refused.set(
    1,
    new Promise((resolve) => {
      reject = resolve
    }),
  )
  await commits.commit(computed({ claim: two, from: 0n, until: 4n }))
  const committing = commits.commit(computed({ claim: again, from: 0n, until: 4n }))
  await eventually(async () => (await store.list(one)).some((name) => name.endsWith('.handoff')))
  reject(rejected)
  const report = await committing
  expect(report.outcomes.map(({ kind }) => kind)).toEqual(['committed'])
  await eventually(() => !commits.isPending(two))
  expect(rows.get(1)?.claim.nextOffset).toBe(0n)
  expect(await commits.settle(new AbortController().signal)).toBe(false)
  expect(commits.takeFailure()?.failures[0]).toMatchObject({ kind: 'aborted', range: { partition: 1 } })
})

test('a range that is looked at again is waited for, but not without end where nobody loads it', async () => {
  const bench = await commitsOf('external')
  const { commits, claim, store, loader, refused, session } = bench
  const first = claim(0)
  refused.set(0, Promise.resolve(rejected))
  await commits.commit(computed({ claim: first, from: 0n, until: 4n }))
  const [file] = await filesIn(store, first, 'handoff')
  if (file) await loader.tryOnce(file)
  await eventually(() => !commits.isPending(first))
  expect(commits.takeFailure()?.failures[0]?.kind).toBe('aborted')
  const again = claim(0)
  await commits.beforeClaim([first])
  const { clock } = session.runtime
  const waits: number[] = []
  Object.assign(session, {
    runtime: {
      ...session.runtime,
      clock: {
        ...clock,
        sleep: (ms: number, signal?: AbortSignal) => {
          waits.push(ms)
          return clock.sleep(ms / 100, signal)
        },
      },
    },
  })
  const report = await commits.commit(computed({ claim: again, from: 0n, until: 2n }))
  expect(report.outcomes.map(({ kind }) => kind)).toEqual(['committed'])
  expect(commits.isPending(again)).toBe(true)
  expect(waits).toContain(10_000)
})

test('who was replaced between its claim and putting away what is older leaves the files of its successor', async () => {
  const { commits, claim, writer, store } = await commitsOf()
  const older = claim(0)
  await writer.write(computed({ claim: older, from: 0n, until: 4n }))
  const mine = claim(0)
  const successor = claim(0)
  const { files } = await writer.write(computed({ claim: successor, from: 0n, until: 4n }))
  await commits.claimed([mine])
  const [file] = files
  expect(await store.list(older)).toContain(file && fileName(file, 'handoff'))
  expect((await store.list(older)).filter((name) => name.endsWith('.aside'))).toHaveLength(1)
})
