import { writeSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule, TestRunEndReason, Vitest } from 'vitest/node'
import { chosenEngines, engineNote } from './chosen-engines.ts'
import { type Tally, tally, tallyLine } from './tally.ts'

/** What stands until the runner has said how the run ended: it died before it could. */
const unfinished: Tally = { passed: 0, failed: 1, skipped: 0, ok: false }

/**
 * Prints `Tests: N passed, N failed` as the very last line of the process, from the results of the run, and turns the
 * exit code red where the run is not good enough: see {@link tally}.
 */
export class TallyReporter implements Reporter {
  #vitest: Vitest | undefined
  #tally = unfinished

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
    // At the exit, and not at the end of the run: nothing that is said while servers stop may come after it.
    process.once('exit', (exitCode) => {
      if (!this.#tally.ok && exitCode === 0) process.exitCode = 1
      writeSync(process.stdout.fd, `${tallyLine(this.#tally, noteOnEngines())}\n`)
    })
  }

  onTestRunEnd(
    testModules: readonly TestModule[],
    unhandledErrors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    this.#tally = tally({
      modules: testModules,
      unhandledErrors,
      passed: reason === 'passed',
      filteredByName: this.#vitest?.getGlobalTestNamePattern() !== undefined,
    })
  }
}

/** Empty also where ONCESINK_ENGINES makes no sense: the start of the services says so, and fails the run. */
function noteOnEngines(): string {
  try {
    return engineNote(chosenEngines())
  } catch {
    return ''
  }
}
