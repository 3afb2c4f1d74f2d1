import { expect, test } from 'vitest'
import { DirectoryLoader } from '../../../../src/strategy/file-handoff/directory-loader.ts'
import { fileName } from '../../../../src/strategy/file-handoff/file-name.ts'
import type { HandoffStore } from '../../../../src/strategy/file-handoff/store.ts'
import { computed, handoffBench } from '../../../support/handoff-bench.ts'

async function twoFiles() {
  const bench = await handoffBench()
  const claim = bench.claim(0)
  const [first] = (await bench.writer.write(computed({ claim, from: 0n, until: 4n }))).files
  const [second] = (await bench.writer.write(computed({ claim, from: 4n, until: 8n }))).files
  if (!first || !second) throw new Error('nothing was written')
  const run = (store: HandoffStore) => {
    const { session, loader, events, keep } = bench
    const all = new DirectoryLoader({ session, store, loader, events, keep })
    return all.run({ stop: new AbortController().signal, once: true, patienceMs: 1_000 })
  }
  return { ...bench, first, second, run }
}

test('a file that a list has left out, and another loader has loaded since, is not missing', async () => {
  const { store, loader, rows, first, second, run } = await twoFiles()
  let lists = 0
  await run({
    ...store,
    list: async (tp) => {
      lists += 1
      const names = await store.list(tp)
      if (lists === 1) return names.filter((name) => name !== fileName(first, 'handoff'))
      // Meanwhile the other loader gets it in.
      await loader.tryOnce(first)
      return await store.list(tp)
    },
  })
  expect(rows.get(0)?.claim.nextOffset).toBe(second.until)
  expect(await store.list(first)).toEqual([])
})

test('a file that a list has left out is loaded before the one that follows it', async () => {
  const { store, rows, first, second, run } = await twoFiles()
  let lists = 0
  await run({
    ...store,
    list: async (tp) => {
      lists += 1
      const names = await store.list(tp)
      return lists === 1 ? names.filter((name) => name !== fileName(first, 'handoff')) : names
    },
  })
  expect(rows.get(0)?.claim.nextOffset).toBe(second.until)
})

test('a file before which one is missing is told by its path', async () => {
  const { store, first, second, run } = await twoFiles()
  await store.remove(first, fileName(first, 'handoff'))
  await expect(run(store)).rejects.toMatchObject({
    code: 'HANDOFF_FILE_OUT_OF_ORDER',
    message: expect.stringContaining(store.pathOf(second, fileName(second, 'handoff'))),
  })
})
