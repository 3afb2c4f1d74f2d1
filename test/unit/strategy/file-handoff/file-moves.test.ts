import { utimes } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { systemRuntime } from '../../../../src/runtime/runtime.ts'
import { fileLoaded, putAside, sweep } from '../../../../src/strategy/file-handoff/file-moves.ts'
import { fileName } from '../../../../src/strategy/file-handoff/file-name.ts'
import { loadedElsewhere } from '../../../../src/strategy/file-handoff/loaded-elsewhere.ts'
import { computed, handoffBench } from '../../../support/handoff-bench.ts'

const HOUR_MS = 3_600_000

async function waitingFile() {
  const bench = await handoffBench()
  const claim = bench.claim(0)
  const { files } = await bench.writer.write(computed({ claim, from: 0n, until: 4n }))
  const [file] = files
  if (!file) throw new Error('nothing was written')
  // It has waited for a day.
  const dayAgo = new Date(Date.now() - 24 * HOUR_MS)
  await utimes(bench.store.pathOf(file, fileName(file, 'handoff')), dayAgo, dayAgo)
  return { ...bench, claim, file }
}

test('a file is kept from when it was loaded, however long it has waited', async () => {
  const { store, file } = await waitingFile()
  const keep = { loadedMs: HOUR_MS, setAsideMs: HOUR_MS }
  await fileLoaded(store, file, keep)
  await sweep(store, keep, Date.now())
  expect(await store.list(file)).toEqual([fileName(file, 'loaded')])
  await sweep(store, keep, Date.now() + HOUR_MS + 1_000)
  expect(await store.list(file)).toEqual([])
})

test('a note outlives its file, and is there for the writer an hour long at least', async () => {
  const { store, file } = await waitingFile()
  const keep = { loadedMs: 0, setAsideMs: 0 }
  await putAside(store, file, 'aside', { reason: 'owned-by-other', owner: 'other' })
  await sweep(store, keep, Date.now() + 1_000)
  const fate = await loadedElsewhere(store, systemRuntime.clock, file, new AbortController().signal)
  expect(fate).toMatchObject({ kind: 'void', owner: 'other' })
  await sweep(store, keep, Date.now() + HOUR_MS + 1_000)
  expect(await store.list(file)).toEqual([])
})

test('a file that was put away although its claim still is the one to commit under says to claim again', async () => {
  const { loader, store, file } = await waitingFile()
  await putAside(store, file, 'aside', { reason: 'owned-by-other', owner: 'other' })
  expect(await loader.tryOnce(file)).toMatchObject({ kind: 'void', reason: 'rewound' })
})
