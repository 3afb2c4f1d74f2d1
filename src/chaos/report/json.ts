import { reportAsJson } from '../../check/report.ts'
import type { ChaosResult } from '../result.ts'

/** The report for machines: plain JSON values, offsets as strings. The history is left out. */
export function chaosJson(result: ChaosResult): Record<string, unknown> {
  const { verify, history, checks, ...rest } = result
  return {
    ...rest,
    durationMs: Math.round(rest.durationMs),
    drainedAfterMs: rest.drainedAfterMs === null ? null : Math.round(rest.drainedAfterMs),
    checks,
    verify: reportAsJson(verify),
    entries: history.length,
  }
}
