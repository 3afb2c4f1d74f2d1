import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A test may hang on what is broken: then it fails after this, in milliseconds. */
const TEST_TIMEOUT_MS = 60_000
/** The whole run of a file, in milliseconds. */
const FILE_TIMEOUT_MS = 300_000

export interface TestsWanted {
  /** A copy of the project. */
  readonly root: string
  readonly project: 'unit' | 'integration'
  /** Below the root. */
  readonly files: readonly string[]
  /** Only tests whose full name has one of these in it. */
  readonly tests: readonly string[]
  /** Whether to end with the first test that fails. */
  readonly bail: boolean
  readonly env: NodeJS.ProcessEnv
  readonly signal: AbortSignal
}

export interface TestRun {
  /** Full names of the tests that ran, by how they ended. */
  readonly passed: readonly string[]
  readonly failed: readonly string[]
  /** Why files could not be run at all. */
  readonly notLoaded: readonly string[]
}

interface Report {
  readonly testResults: readonly {
    readonly message: string
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

/**
 * Runs tests of a copy of the project.
 * @throws Error when the runner ended without a report, with the end of what it has printed
 */
export async function runTests({
  root,
  project,
  files,
  tests,
  bail,
  env,
  signal,
}: TestsWanted): Promise<TestRun> {
  const report = join(root, `report-${randomUUID()}.json`)
  const pattern = tests.map((test) => test.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')
  const child = spawn(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      ...['run', '--project', project, ...files, '-t', pattern],
      ...['--reporter=json', `--outputFile=${report}`, `--testTimeout=${TEST_TIMEOUT_MS}`],
      ...(bail ? ['--bail=1'] : []),
    ],
    { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed = (printed + text).slice(-4_000)
    })
  const kill = () => {
    // Workers of the runner, and programs of the tests, are in its process group.
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  const timer = setTimeout(kill, FILE_TIMEOUT_MS)
  signal.addEventListener('abort', kill, { once: true })
  if (signal.aborted) kill()
  try {
    await once(child, 'close')
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', kill)
  }
  return readReport(report, printed)
}

async function readReport(file: string, printed: string): Promise<TestRun> {
  let report: Report
  try {
    report = JSON.parse(await readFile(file, 'utf8')) as Report
  } catch {
    throw new Error(`the tests could not be run: ${printed.trim().split('\n').slice(-12).join('\n')}`)
  }
  const results = report.testResults.flatMap(({ assertionResults }) => assertionResults)
  const named = (status: string) => results.filter((r) => r.status === status).map(({ fullName }) => fullName)
  const notLoaded = report.testResults
    .filter(({ assertionResults }) => assertionResults.length === 0)
    .map(({ message }) => message)
  return { passed: named('passed'), failed: named('failed'), notLoaded }
}
