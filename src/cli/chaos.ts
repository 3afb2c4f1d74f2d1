import { writeFile } from 'node:fs/promises'
import process from 'node:process'
import { INTERRUPTED, Interruption } from '../chaos/interruption.ts'
import type { ChaosOptions } from '../chaos/options.ts'
import { chaosHtml } from '../chaos/report/html.ts'
import { chaosJson } from '../chaos/report/json.ts'
import { StatusLine } from '../chaos/report/status-line.ts'
import { chaosText } from '../chaos/report/text.ts'
import { runChaos } from '../chaos/run-chaos.ts'
import { asError, type ExitCode, OncesinkError } from '../errors.ts'

export interface ChaosCommand extends Omit<ChaosOptions, 'signal' | 'onProgress' | 'onStatus'> {
  /** Print one JSON object to standard output in place of the text. */
  readonly json: boolean
  /** File for the HTML page; null for none. */
  readonly report: string | null
}

/** `oncesink chaos`: faults against the job, then the proof. Progress goes to standard error. */
export async function chaos(command: ChaosCommand): Promise<ExitCode | typeof INTERRUPTED> {
  const interruption = new Interruption({
    onAsked: () => process.stderr.write('ending the job and its servers (again to exit at once)\n'),
  })
  const { signal } = interruption
  const { json, report, ...options } = command
  const line = new StatusLine(process.stderr.isTTY === true, (text) => void process.stderr.write(text))
  try {
    const result = await runChaos({
      ...options,
      signal,
      onProgress: (message) => line.note(message),
      onStatus: (status) => line.show(status),
    })
    if (report !== null) await writeReport(report, chaosHtml(result))
    process.stdout.write(json ? `${JSON.stringify(chaosJson(result))}\n` : `${chaosText(result)}\n`)
    return result.exitCode
  } catch (error) {
    if (signal.aborted) return INTERRUPTED
    throw error
  } finally {
    interruption.close()
  }
}

async function writeReport(path: string, page: string): Promise<void> {
  try {
    await writeFile(path, page)
    process.stderr.write(`report: ${path}\n`)
  } catch (error) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `the report cannot be written to ${path}: ${asError(error).message}; give --report a path that can`,
    )
  }
}
