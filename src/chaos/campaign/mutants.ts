import { runBeside } from './beside-program.ts'
import type { MutantsResult } from './conclusion.ts'

export interface MutantsOptions {
  readonly signal: AbortSignal
  readonly note: (line: string) => void
  /** Where the servers are. */
  readonly env: Readonly<Record<string, string>>
}

/** Copies of oncesink with one thing broken in each, every one of which the tests have to notice. */
export async function runMutants({ signal, note, env }: MutantsOptions): Promise<MutantsResult> {
  const result = await runBeside({ file: 'test/mutants/main.ts', args: ['--json'], signal, note, env })
  if (!result)
    return { total: 0, killed: 0, survivors: [], why: 'test/mutants has no program that can be run' }
  const survivors = Array.isArray(result.survivors) ? result.survivors.map(String) : []
  const [total, killed] = [Number(result.total), Number(result.killed)]
  const results = (Array.isArray(result.results) ? result.results : []) as JudgedMutant[]
  const invalid = results
    .filter(({ outcome }) => outcome === 'invalid')
    .map(({ name, by }) => `${name} (${by})`)
  const why = signal.aborted
    ? 'interrupted'
    : invalid.length > 0
      ? `nothing is proven by ${invalid.join('; ')}`
      : killed + survivors.length < total
        ? 'not all were run'
        : null
  return { total, killed, survivors, why }
}

interface JudgedMutant {
  readonly name: string
  readonly outcome: 'killed' | 'survived' | 'invalid'
  /** What has killed it, or what is wrong. */
  readonly by: string
}
