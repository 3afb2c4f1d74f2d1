import { once } from 'node:events'
import process, { stderr, stdout } from 'node:process'
import { asError, OncesinkError } from '../errors.ts'
import { systemRuntime } from '../runtime/runtime.ts'

/** What may be over when it is looked at next. */
const passing = ['DATABASE_UNAVAILABLE', 'SOURCE_UNAVAILABLE', 'TRANSACTION_ABORTED', 'STATEMENT_TIMEOUT']

/**
 * Looks, and looks again `everySeconds` after that, until SIGINT or SIGTERM comes, or whoever reads the output has gone.
 * A terminal shows the newest look only. What fails at the first look is thrown; later on, what may pass is told to
 * standard error, and looked at again.
 */
export async function watch(look: () => Promise<unknown>, everySeconds: number): Promise<void> {
  const ended = new AbortController()
  const end = () => ended.abort()
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  stdout.once('error', end)
  const theEnd = once(ended.signal, 'abort')
  for (let looks = 0; !ended.signal.aborted; looks++) {
    if (stdout.isTTY) stdout.write('\u001B[H\u001B[2J')
    // What is looked at while the end comes need not be waited for.
    await Promise.race([looks === 0 ? look() : look().catch(tellPassing), theEnd])
    await systemRuntime.clock.sleep(everySeconds * 1_000, ended.signal)
  }
}

function tellPassing(error: unknown): void {
  if (!(error instanceof OncesinkError && passing.includes(error.code))) throw asError(error)
  stderr.write(`${error.message}\n`)
}
