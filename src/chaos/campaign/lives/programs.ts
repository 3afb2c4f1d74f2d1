import { rmSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import type { Engine } from '../../../services/index.ts'
import type { JobSpec } from '../witness-job.ts'
import { JobLife } from './job-life.ts'
import type { ControlPlan, LifePlan } from './life-plan.ts'

const root = fileURLToPath(new URL('../../../../', import.meta.url))

const names = ['job', 'control'] as const
type ProgramName = (typeof names)[number]

const REHEARSED_COMMITS = 5
const REHEARSAL_BOUND_MS = 60_000

/**
 * What lives are processes of. There are thousands, and each would spend most of its time with finding, reading and compiling
 * its four hundred modules: so they are put into a few files, from what was built, and what the engine has compiled in one
 * life is kept for the next ones (a third of the CPU time until the first commit). It is the same code, run by the same engine.
 */
export class Programs {
  readonly #folder: string
  readonly #rehearsed = new Map<Engine, Promise<void>>()

  private constructor(folder: string) {
    this.#folder = folder
    process.on('exit', this.remove)
  }

  static async build(): Promise<Programs> {
    // As deep below the root as the built modules, which look for `sql` from where they are.
    const parent = join(root, '.cache/lives')
    await mkdir(parent, { recursive: true })
    const programs = new Programs(await mkdtemp(join(parent, `programs-${process.pid}-`)))
    try {
      await bundle(programs.#folder)
      return programs
    } catch (error) {
      programs.remove()
      throw error
    }
  }

  /** Begins a life of a job. */
  job(plan: LifePlan): JobLife {
    return new JobLife(this.#command('job'), plan)
  }

  /** Begins a life of a program that does it in a wrong way. */
  control(plan: ControlPlan): JobLife {
    return new JobLife(this.#command('control'), plan)
  }

  /**
   * Lets one life of the job's engine work and end in order, unless one has before: what was compiled then is kept for
   * all others of that engine. There have to be some batches to commit.
   */
  rehearsed(spec: JobSpec): Promise<void> {
    const known = this.#rehearsed.get(spec.engine) ?? this.#rehearse(spec)
    this.#rehearsed.set(spec.engine, known)
    return known
  }

  async #rehearse(spec: JobSpec): Promise<void> {
    const life = new JobLife(this.#command('job', '--keep'), { spec })
    await life.until(() => life.commits >= REHEARSED_COMMITS, REHEARSAL_BOUND_MS)
    await life.stop(REHEARSAL_BOUND_MS)
  }

  #command(name: ProgramName, ...options: readonly string[]): readonly [string, ...string[]] {
    const file = (program: string) => join(this.#folder, `${program}.cjs`)
    return [process.execPath, file('launcher'), ...options, file(`${name}-program`)]
  }

  /** Removes the files, as the end of this process does at the latest. */
  readonly remove = (): void => {
    process.off('exit', this.remove)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function bundle(folder: string): Promise<void> {
  const built = (name: string) => join(root, `dist/chaos/campaign/lives/${name}.js`)
  const bundled = await rolldown({
    input: Object.fromEntries(
      [...names.map((name) => `${name}-program`), 'launcher'].map((n) => [n, built(n)]),
    ),
    platform: 'node',
    external: isLeftAlone,
  })
  try {
    await bundled.write({
      dir: folder,
      format: 'cjs',
      entryFileNames: '[name].cjs',
      chunkFileNames: '[name].cjs',
    })
  } finally {
    await bundled.close()
  }
}

/** Native packages, what asks whether others are installed, and what few lives load. */
const leftAlone = [
  '@node-rs/crc32',
  'lz4-napi',
  'snappy',
  'fzstd',
  'lz4js',
  'snappyjs',
  'knex',
  'pg-native',
  'pg-cloudflare',
]

function isLeftAlone(id: string): boolean {
  return leftAlone.some((name) => id === name || id.startsWith(`${name}/`))
}
