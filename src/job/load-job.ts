import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { createJiti } from 'jiti'
import { asError, OncesinkError } from '../errors.ts'
import { isJob } from './define-job.ts'
import type { Job } from './job.ts'

/**
 * Loads a job file (TypeScript or JavaScript, ESM or CommonJS) whose default export is `defineJob({...})`.
 *
 * The file's `import ... from 'oncesink'` is given this very library, wherever the file lies.
 * @throws OncesinkError CONFIGURATION_INVALID: no such file, does not compile, throws while loading, no job in it
 */
export async function loadJob(file: string): Promise<Job> {
  const path = resolve(file)
  if (!existsSync(path)) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `job file ${path} does not exist; give the path of a job file`,
    )
  }
  const oncesink = await import('../index.ts')
  const jiti = createJiti(import.meta.url, { virtualModules: { oncesink }, interopDefault: true })
  const job = await jiti.import(path, { default: true }).catch((thrown: unknown) => {
    if (thrown instanceof OncesinkError) throw thrown
    const error = asError(thrown)
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `job file ${path} could not be loaded: ${error.message}`,
      {
        cause: error,
      },
    )
  })
  if (!isJob(job)) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `job file ${path} has no job as its default export; write \`export default defineJob({ ... })\``,
    )
  }
  return job
}
