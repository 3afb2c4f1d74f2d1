import { asError, ExitCode, OncesinkError } from '../errors.ts'

/** What one check has found. */
export interface Finding {
  /** What was looked at: `sink table orders_by_item`. */
  readonly check: string
  /** `problem`: the job cannot run as things are. `warning`: it can, and a person should know. */
  readonly status: 'ok' | 'warning' | 'problem'
  /** What was found and, where it is not ok, what to do. */
  readonly message: string
  /** Of a problem that an error told of: the exit code of a job that would end with it. */
  readonly exitCode?: ExitCode
}

/** Makes the findings of one check. */
export function findingsOf(check: string) {
  return {
    ok: (message: string): Finding => ({ check, status: 'ok', message }),
    warning: (message: string): Finding => ({ check, status: 'warning', message }),
    problem: (message: string): Finding => ({ check, status: 'problem', message }),
    failed: (error: unknown): Finding => {
      const { message } = asError(error)
      const exitCode = error instanceof OncesinkError ? error.exitCode : ExitCode.failure
      return { check, status: 'problem', message, exitCode }
    },
  }
}

export function isProblem({ status }: Finding): boolean {
  return status === 'problem'
}
