import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Dialect } from '../../../../src/database/dialect.ts'
import { OncesinkError } from '../../../../src/errors.ts'
import { diagnose } from '../../../../src/job/doctor.ts'
import type { Finding } from '../../../../src/job/finding.ts'
import type { Job } from '../../../../src/job/job.ts'
import { systemRuntime } from '../../../../src/runtime/runtime.ts'
import type { Source } from '../../../../src/source/source.ts'
import { fileHandoff } from '../../../../src/strategy/file-handoff/file-handoff.ts'
import { computed, handoffBench } from '../../../support/handoff-bench.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

/** What doctor finds of the directory, where neither broker nor database answers. */
async function findingOf(directory: string): Promise<Finding | undefined> {
  const away = () => Promise.reject(new OncesinkError('DATABASE_UNAVAILABLE', 'nobody answers'))
  const job = { name: 'job', strategy: fileHandoff({ directory }) } as unknown as Job
  const dialect = { engine: 'postgres', connect: away } as unknown as Dialect
  const source = { open: away, close: () => Promise.resolve() } as unknown as Source
  const found: Finding[] = []
  for await (const finding of diagnose(job, { dialect, source, runtime: systemRuntime, group: null })) {
    found.push(finding)
  }
  return found.find(({ check }) => check === 'handoff directory')
}

test('doctor says how many files wait', async () => {
  const { directory, claim, writer } = await handoffBench()
  await writer.write(computed({ claim: claim(0), from: 0n, until: 4n }))
  await writer.write(computed({ claim: claim(1), from: 0n, until: 4n }))
  expect(await findingOf(directory)).toMatchObject({
    status: 'ok',
    message: `${join(directory, 'job')}: 2 files wait to be loaded`,
  })
})

test('doctor says that a directory is still to be created, and does not create it', async () => {
  const above = await temporaryFolder()
  expect(await findingOf(join(above, 'files'))).toMatchObject({
    status: 'ok',
    message: expect.stringContaining('the first start creates it'),
  })
  expect(await readdir(above)).toEqual([])
})

test('doctor says what is in the way of a directory', async () => {
  const directory = join(await temporaryFolder(), 'file')
  await writeFile(directory, '')
  expect(await findingOf(directory)).toMatchObject({
    status: 'problem',
    exitCode: 1,
    message: expect.stringMatching(/^cannot use .*something on the way there is a file and no folder/),
  })
})
