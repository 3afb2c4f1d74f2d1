import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createJiti } from 'jiti'
import { asError, OncesinkError } from '../errors.ts'
import { describeValue, printable } from '../model/excerpt.ts'
import { isJob } from './define-job.ts'
import type { Job } from './job.ts'
import { overlaid } from './job-overlay.ts'

/**
 * Loads a job file (TypeScript or JavaScript, ESM or CommonJS) whose default export is `defineJob({...})`.
 *
 * The file's `import ... from 'oncesink'` is given this very library, wherever the file lies.
 * @throws OncesinkError CONFIGURATION_INVALID: no such file, does not compile, imports what is not there, throws while
 *   loading, no job in it
 */
export async function loadJob(file: string): Promise<Job> {
  const path = resolve(file)
  const job = await importDefault(path, 'job file')
  if (isJob(job)) return withModule(overlaid(job), path)
  const got = isNamespace(job) ? 'has no default export' : `has ${describeValue(job)} as its default export`
  throw invalid(`job file ${path} ${got}, and no job; write \`export default defineJob({ ... })\``)
}

/**
 * Loads what else belongs to a job, as its file is loaded.
 * @param what it is, for messages: `chaos spec`
 * @throws OncesinkError CONFIGURATION_INVALID: no such file, does not compile, imports what is not there, throws while
 *   loading, no default export
 */
export async function loadDefaultExport(file: string, what: string): Promise<unknown> {
  const path = resolve(file)
  const value = await importDefault(path, what)
  if (isNamespace(value)) throw invalid(`${what} ${path} has no default export`)
  return value
}

async function importDefault(path: string, what: string): Promise<unknown> {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) throw invalid(`${what} ${path} does not exist; give the path of a ${what}`)
  if (!stats.isFile()) throw invalid(`${what} ${path} is a folder; give the path of a ${what}`)
  const [oncesink, strategy] = await Promise.all([import('../index.ts'), import('../strategy/index.ts')])
  const virtualModules = { oncesink, 'oncesink/strategy': strategy }
  const jiti = createJiti(import.meta.url, { virtualModules, interopDefault: true })
  return jiti.import(path, { default: true }).catch((thrown: unknown) => {
    if (thrown instanceof OncesinkError) throw thrown
    throw invalid(`${what} ${path} ${whyNotLoaded(thrown, path)}`, thrown)
  })
}

/** Workers load the job from where it was loaded, unless it says itself where it is. */
function withModule(job: Job, path: string): Job {
  const { executor } = job
  if (executor.kind === 'inline' || executor.module !== null) return job
  return Object.freeze({
    ...job,
    executor: Object.freeze({ ...executor, module: pathToFileURL(path).href }),
  })
}

function invalid(message: string, cause?: unknown): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', message, cause === undefined ? {} : { cause })
}

/** What came of the file: its exports, where it has no default among them. */
function isNamespace(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ('__esModule' in value || Symbol.toStringTag in value)
}

function whyNotLoaded(thrown: unknown, path: string): string {
  const error = asError(thrown)
  const [line = ''] = error.message.split('\n')
  if (error.message.startsWith('ParseError: ') || error instanceof SyntaxError) {
    return `does not compile: ${printable(error.message.replace('ParseError: ', '').replace(/\s+/g, ' ').trim())}`
  }
  if ('code' in error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND')) {
    const [, name = ''] = /'([^']+)'/.exec(line) ?? []
    const cure = /^[./]/.test(name)
      ? 'correct the path'
      : `install it beside the job file: npm install ${name}`
    return `imports something that is not there: ${printable(line)}; ${cure}`
  }
  return `threw while it was loaded: ${error.name}: ${printable(line)}${placeOf(error, path)}`
}

/** The line in the file, as far as its stack tells; columns are those of what it was compiled to. */
function placeOf({ stack = '' }: Error, path: string): string {
  const at = stack.indexOf(`${path}:`)
  const place = at === -1 ? null : /^:\d+/.exec(stack.slice(at + path.length))
  return place ? ` (at ${path}${place[0]})` : ''
}
