import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type FileHandoffOptions, fileHandoff } from '../../src/strategy/file-handoff/file-handoff.ts'
import { onEveryEngine } from '../support/engines.ts'
import { type Bench, type BenchJobOptions, drain, openBench } from '../support/running-job.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Names of all files below `folder`, sorted. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort()
}

function handoff(
  bench: Bench,
  directory: string,
  options: Partial<FileHandoffOptions> & BenchJobOptions = {},
) {
  const { loader, maxFiles, maxBytes, keepLoadedMs, keepSetAsideMs, ...rest } = options
  const given = { directory, loader, maxFiles, maxBytes, keepLoadedMs, keepSetAsideMs }
  return bench.job({ limits: { maxRecordsPerBatch: 10 }, ...rest, strategy: fileHandoff(given) })
}

onEveryEngine((engine) => {
  describe('files of a job', () => {
    test('are loaded in the same process, each with its range, and then removed', async () => {
      const bench = await openBench('handoff', { engine })
      await bench.produce(200)
      const directory = await temporaryFolder()
      const { heard } = await drain(handoff(bench, directory))
      expect(await bench.actual()).toEqual(bench.expected())
      expect(await filesBelow(directory)).toEqual([])
      expect(heard.fileLoaded.length).toBeGreaterThanOrEqual(20)
      expect(heard.fileLoaded.flatMap(({ records }) => records).reduce((a, b) => a + b, 0)).toBe(200)
    })
  })
})
