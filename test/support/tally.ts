/** What the tally needs of a test, a suite and a file as the runner reports them. */
export interface ReportedTest {
  result(): { readonly state: string }
}
export interface ReportedSuite {
  errors(): readonly unknown[]
}
export interface ReportedModule extends ReportedSuite {
  readonly children: {
    allTests(): Iterable<ReportedTest>
    allSuites(): Iterable<ReportedSuite>
  }
}

export interface RunResult {
  readonly modules: readonly ReportedModule[]
  readonly unhandledErrors: readonly unknown[]
  /** Whether the runner itself calls the run passed. */
  readonly passed: boolean
  /** Whether tests were left out because the caller asked for some by name. */
  readonly filteredByName: boolean
}

export interface Tally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Whether the run may end with exit code 0. */
  readonly ok: boolean
}

/**
 * Counts a run. Besides tests that failed, a failure is whatever kept tests from saying anything: a file that does
 * not load or holds none, a hook that threw, an error outside of any test, a test that never ran. A skipped test
 * fails the run, unless it was left out because of the name that the caller asked for.
 */
export function tally(run: RunResult): Tally {
  let passed = 0
  let failed = run.unhandledErrors.length
  let skipped = 0
  for (const module of run.modules) {
    failed += module.errors().length
    for (const suite of module.children.allSuites()) failed += suite.errors().length
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === 'passed') passed += 1
      else if (state === 'skipped') skipped += 1
      else failed += 1
    }
  }
  // A run that says nothing is a failure too: no test was found, or the runner says so for a reason of its own.
  if (failed === 0 && (passed === 0 || !run.passed)) failed = 1
  const ok = failed === 0 && (skipped === 0 || run.filteredByName)
  return { passed, failed, skipped, ok }
}

/** @param note what else the reader must know to judge the numbers: what was left out on request */
export function tallyLine({ passed, failed, skipped }: Tally, note = ''): string {
  return `Tests: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}${note}`
}
